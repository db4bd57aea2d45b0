"""The bad-input catalogue, cases 91 to 108, and what hostile servers answer.

README: each test is named `test_case_<number>_when_<what>_then_<outcome>`, the number as in the
catalogue, so that a report can print case, test and result. Cases 91 to 100 are market, news and
models, 101 to 108 what venues answer; `test_hostile_answers.py` has no numbers, but the rest of
what "bad input" means: signatures, chains, typed data, token lists, bodies, redirects, TLS.

A test over "every venue" opens each adapter against its stand-in as `tests/faults/rows.py` does.
"""
