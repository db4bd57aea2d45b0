"""What the entry points cost at a cold start. Their behaviour is in tests/functions."""

import subprocess
import sys

import pytest

import main
from tests.shared_data import REPOSITORY

HEAVY = (
    "fastapi",
    "google.api_core",
    "google.auth",
    "grpc",
    "httpx",
    "numpy",
    "yaml",
    "eth_account",
)
EVENT_FUNCTIONS = tuple(name for name in main.ENTRY_POINTS if name != "api")


@pytest.mark.parametrize("name", EVENT_FUNCTIONS)
def test_import_when_one_function_starts_then_nothing_heavy_and_no_other_function_is_loaded(
    name: str,
) -> None:
    program = (
        f"import sys, main; main.{name}; "
        f"heavy = [m for m in {HEAVY!r} if m in sys.modules]; "
        "others = [m for m in sys.modules if m.startswith('functions.') "
        f"and m.split('.')[1] != {name!r}]; "
        "sys.exit(repr(heavy + others) if heavy + others else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
