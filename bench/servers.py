"""Server processes of the Functions Framework, as Cloud Run starts them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.machine import REPOSITORY

START_WITHIN_S = 30.0
_POLL_S = 0.002
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """`ready_ms`: from starting the process to the first 200 of `GET /`."""

    process: subprocess.Popen[bytes]
    url: str
    ready_ms: float

    def cpu_ms(self) -> float | None:
        """CPU time of the process and its workers so far, in steps of the kernel's clock tick
        (10 ms as a rule). None where there is no /proc.
        """
        try:
            return sum(map(_cpu_ms, _family(self.process.pid)))
        except OSError:
            return None


@contextmanager
def serve(
    target: str, source: Path, environment: Mapping[str, str], *, asgi: bool = True
) -> Iterator[Server]:
    """`functions-framework --target ... --asgi` on a free port, until the block ends. Without
    `asgi`, as it serves by itself.
    """
    port = _free_port()
    command = [sys.executable, "-m", "functions_framework", "--target", target]
    command += ["--asgi"] if asgi else []
    command += ["--source", str(source), "--host", "127.0.0.1", "--port", str(port)]
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("SAPPHIRE_")
    }
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**inherited, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _await_200(process, port, url, started + START_WITHIN_S)
            yield Server(process, url, (time.perf_counter() - started) * 1000)
        finally:
            process.terminate()
            _end(process)


def _await_200(process: subprocess.Popen[bytes], port: int, url: str, deadline: float) -> None:
    """A connection is accepted before the worker is up; the request then waits for it."""
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            assert process.stderr is not None
            said = process.stderr.read().decode(errors="replace")[-500:]
            raise RuntimeError(f"the server ended as it started: {said}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(_POLL_S)
    answer = httpx.get(url, timeout=START_WITHIN_S, trust_env=False)
    if answer.status_code != 200:
        raise RuntimeError(f"GET / answered {answer.status_code}: {answer.text[:300]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _cpu_ms(pid: int) -> float:
    """https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html: utime and stime, 14 and 15."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS_PER_S
