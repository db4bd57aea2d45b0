"""Commands in a directory of their own, without what the developer has set for Sapphire."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.infra.cli.stub_server import StubServer, stub_server


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    for name in os.environ:
        if name.startswith(("SAPPHIRE_", "TELEGRAM_")) or name.endswith("_API_URL"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def server(here: Path) -> Iterator[StubServer]:
    with stub_server() as stub:
        yield stub
