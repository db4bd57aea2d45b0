from pathlib import Path

import pytest

from tests.shared_data import REPOSITORY
from tools.catalogue import (
    LATER,
    Case,
    Outcome,
    files_with_cases,
    main,
    read_cases,
    read_report,
    table,
)

REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest">
<testcase classname="a" name="test_case_001_when_no_token_then_401[api]" time="0.1"/>
<testcase classname="a" name="test_case_001_when_no_token_then_401[ops]" time="0.1"/>
<testcase classname="a" name="test_case_002_when_x_then_y"><failure message="no"/></testcase>
<testcase classname="a" name="test_case_002_when_z_then_y"/>
<testcase classname="a" name="test_case_003_when_x_then_y"><skipped message="no"/></testcase>
<testcase classname="a" name="test_case_004_when_x_then_y"><error message="setup"/></testcase>
<testcase classname="a" name="test_another_when_x_then_y"/>
</testsuite></testsuites>
"""


def a_case(number: int) -> Case:
    return Case(number=number, chapter="The API", text=f"input {number}: 400")


def test_cases_when_read_then_all_112_in_order_and_in_our_words() -> None:
    cases = read_cases()
    assert [case.number for case in cases] == list(range(1, 113))
    assert all(case.chapter and ":" in case.text for case in cases)


def test_numbers_when_tests_carry_them_then_every_one_is_a_case() -> None:
    numbers = set().union(*files_with_cases(REPOSITORY / "tests").values())
    assert numbers <= {case.number for case in read_cases()}
    assert {50, 101, 111} <= numbers


def test_later_when_listed_then_only_what_is_still_to_come() -> None:
    must = {case.number for case in read_cases()} - LATER
    assert must == {*range(1, 61), *range(71, 98), *range(101, 113)}


@pytest.mark.parametrize("text", ["2 the first", "1 a\n3 b", "one a", "1 a\n1 b", "1"])
def test_cases_when_the_file_is_off_then_refused_with_the_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "cases.txt").write_text(text)
    with pytest.raises(SystemExit, match=r"cases\.txt:\d: not case"):
        read_cases(tmp_path / "cases.txt")


def test_report_when_read_then_each_case_has_what_became_of_its_tests(tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text(REPORT)
    outcomes = read_report(tmp_path / "report.xml")
    assert {number: str(outcome) for number, outcome in outcomes.items()} == {
        1: "2 passed",
        2: "1 passed, 1 FAILED",
        3: "0 passed, 1 skipped",
        4: "0 passed, 1 FAILED",
    }


def test_table_when_all_pass_then_it_holds_and_ends_with_figures() -> None:
    lines, fine = table([a_case(1), a_case(2)], {1: Outcome(passed=2), 2: Outcome(passed=1)})
    assert fine
    assert lines[-1].startswith("catalogue: 2 of 2 cases shown by 3 tests, 0 without a test, 0 of")
    assert lines[1] == "The API"
    assert "2 passed" in lines[2]
    assert "input 1: 400" in lines[2]


@pytest.mark.parametrize(
    "outcome", [Outcome(), Outcome(skipped=2), Outcome(passed=1, failed=["test_case_001_x"])]
)
def test_table_when_a_case_that_must_hold_does_not_then_it_fails(outcome: Outcome) -> None:
    lines, fine = table([a_case(1)], {1: outcome})
    assert not fine
    assert "1 of those that must hold do not" in lines[-1]
    assert [line for line in lines if "test_case_001_x" in line] == (
        ["        test_case_001_x"] if outcome.failed else []
    )


def test_table_when_a_case_of_later_has_no_test_then_it_is_listed_and_holds() -> None:
    number = min(LATER)
    lines, fine = table([a_case(number)], {})
    assert fine
    assert "no test yet" in lines[2]
    assert not table([a_case(number)], {number: Outcome(failed=["x"])})[1]


def test_command_when_asked_for_the_list_then_nothing_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--list"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 112
    assert "test_cases_050_054_kill_and_resume.py" in said[49]


def test_command_when_the_argument_is_unknown_then_usage(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--what"]) == 2
    assert "usage" in capsys.readouterr().err
