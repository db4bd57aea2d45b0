"""Run the catalogue of bad input and print it: `python tools/catalogue.py [--list]`.

The cases stand in tests/catalogue/cases.txt; the tests of a case are those named
test_case_<number>_..., wherever they are. Exit 1 when a case that must be shown has no test, or one
of its tests does not pass. With --list nothing is run.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "tests" / "catalogue" / "cases.txt"
LATER = frozenset({*range(61, 71), *range(98, 101)})
"""Cases of parts that are still to come, Telegram's webhook and models: without a test they are
listed, and do not fail."""
_CASE = re.compile(r"([1-9][0-9]*) (\S.*)")
_TEST = re.compile(r"^\s*(?:async )?def test_case_([0-9]{3})_\w+", re.MULTILINE)
_NAME = re.compile(r"test_case_([0-9]{3})_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    number: int
    chapter: str
    text: str  # what comes in: what must become of it


@dataclass(slots=True, kw_only=True)
class Outcome:
    """Of one case's tests, each with each of its parameters."""

    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{self.passed} passed"]
        parts += [f"{len(self.failed)} FAILED"] if self.failed else []
        parts += [f"{self.skipped} skipped"] if self.skipped else []
        return ", ".join(parts)


def read_cases(path: Path = CASES) -> list[Case]:
    """Raises SystemExit when a line is no case, or the numbers are not 1, 2, 3 ..."""
    cases: list[Case] = []
    chapter = ""
    for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = _CASE.fullmatch(row)
        if row.startswith("== "):
            chapter = row.removeprefix("== ")
        elif match and int(match[1]) == len(cases) + 1:
            cases.append(Case(number=int(match[1]), chapter=chapter, text=match[2]))
        elif row and not row.startswith("#"):
            raise SystemExit(f"{path.name}:{number}: not case {len(cases) + 1} and its words")
    return cases


def files_with_cases(tests: Path) -> dict[Path, set[int]]:
    """The test files that carry numbers, and which."""
    found = {
        path: {int(number) for number in _TEST.findall(path.read_text(encoding="utf-8"))}
        for path in sorted(tests.rglob("test_*.py"))
    }
    return {path: numbers for path, numbers in found.items() if numbers}


def run(files: Sequence[Path]) -> dict[int, Outcome]:
    """Run the numbered tests of `files`; what became of each case that any test carries."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            "2",
            "--tb=short",
            "-k",
            "test_case_",
        ]
        command += [f"--junit-xml={report}", *map(str, files)]
        subprocess.run(command, cwd=ROOT, stdout=sys.stderr, check=False)
        if not report.is_file():
            raise SystemExit("catalogue: pytest wrote no report")
        return read_report(report)


def read_report(report: Path) -> dict[int, Outcome]:
    """What a JUnit file of pytest tells, by case."""
    outcomes: dict[int, Outcome] = {}
    for test in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - pytest's own file of just now
        name = test.get("name", "")
        match = _NAME.match(name)
        if match is None:
            continue
        outcome = outcomes.setdefault(int(match[1]), Outcome())
        if any(test.find(kind) is not None for kind in ("failure", "error")):
            outcome.failed.append(name)
        elif test.find("skipped") is not None:
            outcome.skipped += 1
        else:
            outcome.passed += 1
    return outcomes


def table(cases: Sequence[Case], outcomes: Mapping[int, Outcome]) -> tuple[list[str], bool]:
    """The lines to print, and whether all that must hold does."""
    lines: list[str] = []
    shown = bad = missing = 0
    chapter = ""
    for case in cases:
        if case.chapter != chapter:
            chapter = case.chapter
            lines += ["", chapter]
        outcome = outcomes.get(case.number, Outcome())
        later = case.number in LATER
        if outcome.failed or (not outcome.passed and not later):
            bad += 1
        missing += not (outcome.passed or outcome.failed or outcome.skipped)
        shown += bool(outcome.passed and not outcome.failed)
        lines.append(f"{case.number:4}  {_word(outcome, later=later):14} {case.text}")
        lines += [f"        {name}" for name in outcome.failed]
    tests = sum(each.passed + each.skipped + len(each.failed) for each in outcomes.values())
    lines += [
        "",
        f"catalogue: {shown} of {len(cases)} cases shown by {tests} tests, "
        f"{missing} without a test, {bad} of those that must hold do not",
    ]
    return lines, bad == 0


def _word(outcome: Outcome, *, later: bool) -> str:
    if outcome.passed or outcome.failed or outcome.skipped:
        return str(outcome)
    return "no test yet" if later else "NO TEST"


def main(arguments: Sequence[str]) -> int:
    if list(arguments) not in ([], ["--list"]):
        print("usage: python tools/catalogue.py [--list]", file=sys.stderr)
        return 2
    cases = read_cases()
    files = files_with_cases(ROOT / "tests")
    if arguments:
        for case in cases:
            names = [
                str(p.relative_to(ROOT)) for p, numbers in files.items() if case.number in numbers
            ]
            print(f"{case.number:4}  {case.text}  [{', '.join(names) or 'no test'}]")
        return 0
    lines, fine = table(cases, run(list(files)))
    print("\n".join(lines))
    return int(not fine)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
