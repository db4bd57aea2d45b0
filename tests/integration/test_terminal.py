"""`sapphire run` on a terminal: the page in place, Ctrl-C, NO_COLOR."""

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.command import COMMAND, PATIENCE_S, environment

pytestmark = pytest.mark.slow

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_MOTION = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command whose output is a pseudo-terminal, 130 columns by 50 lines."""

    def __init__(self, *arguments: str, cwd: Path, **environ: str) -> None:
        self._ours, theirs = pty.openpty()
        env = environment(TERM="xterm-256color", COLUMNS="130", LINES="50", **environ)
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.output = ""

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            assert self._read(), f"{text!r} never came:\n{self.output}"

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        while self._read():
            pass
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], PATIENCE_S)
        if not ready:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # Linux says so once the other side is closed
            return False
        self.output += data.decode(errors="replace")
        return bool(data)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_page_when_interrupted_then_the_terminal_is_left_tidy(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal("run", "--port", "0", cwd=tmp_path, NO_COLOR="")
    terminals.append(terminal)
    terminal.read_until("EXECUTED")
    started = time.monotonic()
    code = terminal.interrupt()

    assert (code, time.monotonic() - started < 5) == (0, True)
    assert _COLOUR.search(terminal.output)
    assert terminal.output.rstrip().endswith("the same command continues")
    assert terminal.output.rindex("\x1b[?25h") > terminal.output.rindex("\x1b[?25l"), "the cursor"
    assert "Traceback" not in terminal.output
    for text in ("SAPPHIRE", "PAPER", "SIMULATED MARKET", "decisions", "positions", "breakers"):
        assert text in _MOTION.sub("", terminal.output)


def test_page_when_colour_is_not_wanted_then_has_none(
    tmp_path: Path, terminals: list[Terminal]
) -> None:
    terminal = Terminal("run", "--port", "0", "--ticks", "1", cwd=tmp_path, NO_COLOR="1")
    terminals.append(terminal)
    terminal.read_until("decisions sha256")

    codes = set(re.findall(r"\x1b\[([0-9;]*)m", terminal.output))
    coloured = {code for code in codes if re.search(r"(^|;)(3[0-7]|4[0-7]|9[0-7]|38|48)", code)}
    assert coloured == set()


@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_preflight_when_on_a_terminal_then_it_reads_with_and_without_colour(
    tmp_path: Path, terminals: list[Terminal], no_colour: str, coloured: bool
) -> None:
    terminal = Terminal("preflight", "--data-dir", "state", cwd=tmp_path, NO_COLOR=no_colour)
    terminals.append(terminal)
    terminal.read_until("checks failed")

    green, red = "\x1b[32m  ok  \x1b[0m", "\x1b[1;31m  FAIL\x1b[0m"
    assert (green in terminal.output, red in terminal.output) == (coloured, coloured)
    plain = _MOTION.sub("", terminal.output)
    assert "  ok    mode                 paper" in plain
    assert "  FAIL  limits               none are set, so nothing trades" in plain
    assert "-> sapphire limits show, then sapphire limits set" in plain
