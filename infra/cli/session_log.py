"""Where a local run logs: a file in its data directory, so that the terminal stays readable."""

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from infra.gcp.logging import JsonFormatter

_FILE_BYTES = 5_000_000


class _LogFile(RotatingFileHandler):
    """Where a full disk keeps lines from being written, the terminal says so, once."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - logging's
        if not self._told:
            self._told = True
            print(f"sapphire: {self.baseFilename}: {sys.exc_info()[1]}", file=sys.stderr)


def log_to(path: Path, *, quiet: bool) -> None:
    """JSON lines, redacted. `quiet` keeps warnings and worse: a replay handles thousands."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = _LogFile(path, maxBytes=_FILE_BYTES, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    for former in list(root.handlers):
        if isinstance(former.formatter, JsonFormatter):
            root.removeHandler(former)
            former.close()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    level = logging.WARNING if quiet else logging.INFO
    for ours in ("sapphire", "common", "functions", "infra"):
        logging.getLogger(ours).setLevel(level)
