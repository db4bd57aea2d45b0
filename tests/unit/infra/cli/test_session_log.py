"""A run's log file."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cli.session_log import log_to


@pytest.fixture(autouse=True)
def _root_as_it_was() -> Iterator[None]:
    names = ("", "sapphire", "common", "functions", "infra")
    levels = [logging.getLogger(name).level for name in names]
    before = list(logging.getLogger().handlers)
    yield
    for handler in set(logging.getLogger().handlers) - set(before):
        logging.getLogger().removeHandler(handler)
        handler.close()
    for name, level in zip(names, levels, strict=True):
        logging.getLogger(name).setLevel(level)


def test_log_when_the_file_cannot_be_written_then_the_terminal_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sapphire.log"
    log_to(path, quiet=True)
    path.mkdir()  # the file is opened at the first line

    logging.getLogger("sapphire").error("first")
    logging.getLogger("sapphire").error("second")

    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.startswith(f"sapphire: {path}: ")
    assert "Is a directory" in told
