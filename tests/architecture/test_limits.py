"""Sizes, and the purity of `common`, read from the source."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.shared_data import REPOSITORY

SOURCES = ("common", "functions", "infra", "tests", "bench", "tools")
ENTRY_POINT_LINES = 40
FUNCTION_LINES = 70
MODULE_LINES = 400
LINE_LENGTH = 100

IMPURE_CALLS = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.perf_counter",
    "uuid.uuid1",
    "uuid.uuid4",
    "os.getenv",
    "os.urandom",
    "random",
    "secrets",
    "uuid1",
    "uuid4",
    "urandom",
    "open",
}
IMPURE_MODULES = {"random", "secrets", "time", "uuid", "socket", "subprocess", "urllib", "http"}


def python_files(*folders: str) -> list[Path]:
    files = [path for folder in folders for path in (REPOSITORY / folder).rglob("*.py")]
    return sorted(path for path in files if "__pycache__" not in path.parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def place(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(REPOSITORY)}:{line}" if line else str(path.relative_to(REPOSITORY))


def test_entry_points_when_measured_then_they_are_short() -> None:
    paths = [REPOSITORY / "main.py", *(REPOSITORY / "functions").glob("*/main.py")]
    assert len(paths) > 1
    assert [place(p) for p in paths if _lines(p) > ENTRY_POINT_LINES] == []


def test_modules_when_measured_then_they_are_short() -> None:
    # Tests are left out: a contract suite is one list of cases, and grows with its port.
    paths = python_files(*(folder for folder in SOURCES if folder != "tests"))
    assert len(paths) > 50
    assert [f"{place(p)}: {_lines(p)}" for p in paths if _lines(p) > MODULE_LINES] == []


def test_lines_when_measured_then_they_are_short() -> None:
    long = [
        place(path, number)
        for path in [REPOSITORY / "main.py", *python_files(*SOURCES)]
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LINE_LENGTH and not _explains_itself(line)
    ]
    assert long == []


def _explains_itself(line: str) -> bool:
    """The linter's own rule: a reason behind a suppression may run over."""
    return "# noqa:" in line or "# type: ignore" in line


def test_functions_when_measured_then_they_are_short() -> None:
    long = [
        f"{place(path, node.lineno)} {node.name}: {length}"
        for path in [REPOSITORY / "main.py", *python_files(*SOURCES)]
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert long == []


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


# ------------------------------------------------------------------------------ common is pure
def test_common_when_it_imports_then_the_standard_library_pydantic_and_itself() -> None:
    # _typeshed exists for the type checker alone: importing it at run time would fail.
    allowed = {*sys.stdlib_module_names, "_typeshed", "pydantic", "common"}
    strange = [
        f"{place(path, line)} imports {name}"
        for path in python_files("common")
        for line, name in _imports(tree_of(path))
        if name.split(".")[0] not in allowed
    ]
    assert strange == []


def test_common_when_it_runs_then_it_asks_no_clock_no_chance_and_no_environment() -> None:
    paths = python_files("common")
    assert paths
    assert [
        f"{place(p, line)} {what}" for p in paths for line, what in impurities(tree_of(p))
    ] == []


def test_handlers_when_they_run_then_they_ask_no_clock_and_no_chance_but_their_ports() -> None:
    paths = sorted((REPOSITORY / "functions").glob("*/handler.py"))
    assert paths
    assert [
        f"{place(p, line)} {what}" for p in paths for line, what in impurities(tree_of(p))
    ] == []


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import datetime\nx = datetime.now()",
        "import datetime\nx = datetime.datetime.now()",
        "import datetime as d\nx = d.datetime.utcnow()",
        "import time",
        "from time import time",
        "import random",
        "from uuid import uuid4",
        "import os\nx = os.environ['A']",
        "from os import environ",
        "import os\nx = os.getenv('A')",
        "with open('a') as file: pass",
    ],
)
def test_impurities_when_the_source_is_impure_then_found(source: str) -> None:
    assert list(impurities(ast.parse(source)))


def test_impurities_when_the_source_only_computes_then_none() -> None:
    source = "from datetime import datetime, timedelta\nx = datetime.fromisoformat('2026-01-01')"
    assert list(impurities(ast.parse(source))) == []


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or "."


def impurities(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every place where the source reaches for the time, chance, the environment or a file."""
    for line, name in _imports(tree):
        if name.split(".")[0] in IMPURE_MODULES:
            yield line, f"imports {name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            yield node.lineno, "imports from os"
        elif isinstance(node, ast.Attribute) and node.attr == "environ":
            yield node.lineno, "reads the environment"
        elif isinstance(node, ast.Call):
            called = ".".join(ast.unparse(node.func).split(".")[-2:])
            if called in IMPURE_CALLS:
                yield node.lineno, f"calls {called}"


def test_directions_when_import_linter_checks_them_then_none_is_broken() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
