"""What the functions write once functions-framework has set logging up in its own way."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared_data import REPOSITORY

SCRIPT = """
import logging
from functions_framework import create_app
from starlette.testclient import TestClient
app = create_app("relay", "main.py", "http")
client = TestClient(app, raise_server_exceptions=False)
assert client.post("/", json={}).status_code == 401
"""


@pytest.mark.parametrize("execution_ids", ["true", "false", ""])
def test_log_when_the_framework_sets_logging_up_then_our_lines_are_written(
    execution_ids: str, tmp_path: Path
) -> None:
    """The platform turns LOG_EXECUTION_ID on, and the framework then disables every logger."""
    environment = {
        **os.environ,
        "K_SERVICE": "relay",
        "FUNCTION_TARGET": "relay",
        "LOG_EXECUTION_ID": execution_ids,
        "SAPPHIRE_DATA_DIR": str(tmp_path),
        "SAPPHIRE_PUSH_TOKEN": "secret",
    }

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert any("not handled" in line["message"] for line in lines), done.stderr
