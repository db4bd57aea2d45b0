"""`sapphire` as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.shared_data import REPOSITORY

COMMAND = (sys.executable, "-m", "infra.cli.main")
PATIENCE_S = 120


def environment(**more: str) -> dict[str, str]:
    """Ours, without whatever the developer has set for Sapphire or an emulator."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SAPPHIRE_") and not name.endswith("_EMULATOR_HOST")
    }
    return {**kept, "PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1", **more}


def sapphire(
    *arguments: str | Path, cwd: Path, env: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=env or environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class Running:
    """A started command; its output is read line by line."""

    def __init__(self, *arguments: str | Path, cwd: Path) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            cwd=cwd,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []

    def read_until(self, text: str) -> str:
        """The first line with `text`; fails with all that was said when it never comes."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return self.lines[-1]
        raise AssertionError(f"{text!r} never came:\n" + "\n".join(self.lines))

    def kill(self) -> None:
        """-9: nothing of it gets to say goodbye."""
        self.process.kill()
        self._finish()

    def stop(self, number: signal.Signals) -> tuple[int, float]:
        """Send a signal; the exit code, and how long it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self._finish()
        return code, time.monotonic() - started

    def wait(self) -> int:
        return self._finish()

    def _finish(self) -> int:
        rest, _ = self.process.communicate(timeout=PATIENCE_S)
        self.lines += rest.splitlines()
        return self.process.returncode


def value_of(lines: Sequence[str], name: str) -> str:
    """What a summary line says after its name."""
    return next(line.removeprefix(name).strip() for line in lines if line.startswith(name))
