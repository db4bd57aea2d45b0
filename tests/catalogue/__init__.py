"""The bad-input catalogue, cases 1 to 25, 44, 45, 50 to 60, 91 to 108 and 111, and hostile answers.

README: each test is named `test_case_<number>_when_<what>_then_<outcome>`, the number as in the
catalogue, so that a report can print case, test and result. Cases 1 to 6 are callers, 7 to 25
their requests, 44 and 45 limits, 50 to 54 the kill switch, 55 to 60 orders and how they are
executed, 91 to 100 market, news and models, 101 to 108 what venues answer, 111 missing limits. Two
modules have no numbers, but the rest of what "bad input" means: `test_hostile_answers.py` has
signatures, chains, typed data, token lists, bodies, redirects and TLS, `test_clock_jumps.py` a
clock that goes back.

Cases of people and orders are driven through the API and the real entry points on paper
(`tests/functions/town.py`). A test over "every venue" opens each adapter against its stand-in as
`tests/faults/rows.py` does.
"""
