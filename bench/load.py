"""The API under load: 16 requests at a time, next to the Functions Framework's own hello world.

Three processes beside this one: the API as Cloud Run starts it, hello world as the framework serves
it when it is told nothing (Flask under gunicorn's threads), and the load generator. The two servers
take turns, so that what else the machine does falls on both; a ratio is of one round.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import httpx

from bench.calls import TOKEN
from bench.figures import Goal, Row
from bench.load_client import Load, Told
from bench.load_store import POSITIONS, fill_store
from bench.machine import REPOSITORY
from bench.samples import percentile
from bench.servers import Server, serve

CONCURRENCY = 16
ROUNDS = 7
WARMUP = 64
_HELLO = 'def hello(request):\n    return "Hello, World!"\n'
_NO_LIMIT = "1000000"  # requests a minute: what is measured is the server, not its rate limit
_SIGNED_IN = {"authorization": f"Bearer {TOKEN}"}


@dataclass(slots=True)
class Target:
    """One address, and what each round told of it."""

    name: str
    path: str
    requests: int  # a round
    goal: Goal | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    rounds: list[Told] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)  # of the server, a request

    @property
    def rates(self) -> list[float]:
        """Requests a second, by round."""
        return [len(told.wall_ms) / told.seconds for told in self.rounds]


def targets() -> tuple[list[Target], Target, Target]:
    """All of the API's, of these health, and hello world."""
    health = Target("GET /health", "/health", 2000, Goal("p99", 50.0))
    ours = [
        health,
        Target(
            "GET /api/agents/performance",
            "/api/agents/performance",
            400,
            Goal("p99", 100.0),
            _SIGNED_IN,
        ),
        Target(
            f"GET /api/portfolio/positions, {POSITIONS}",
            "/api/portfolio/positions",
            400,
            Goal("p99", 200.0),
            _SIGNED_IN,
        ),
    ]
    return ours, health, Target("GET / of the framework's hello world", "/", 1000)


async def run() -> list[Row]:
    ours, health, hello = targets()
    with TemporaryDirectory(prefix="sapphire-bench-") as name, ExitStack() as running:
        folder = Path(name)
        await fill_store(folder)
        (folder / "hello.py").write_text(_HELLO, encoding="utf-8")
        environment = {
            "SAPPHIRE_DATA_DIR": name,
            "SAPPHIRE_API_TOKEN": TOKEN,
            "SAPPHIRE_RATE_PER_MINUTE": _NO_LIMIT,
        }
        client = running.enter_context(_client())
        echo = _measure_echo(client)
        api = running.enter_context(serve("api", REPOSITORY / "main.py", environment))
        bare = running.enter_context(serve("hello", folder / "hello.py", {}, asgi=False))
        _check_positions(api)
        for _ in range(ROUNDS):
            _measure(client, bare, hello)
            for target in ours:
                _measure(client, api, target)
    return [_row(hello), *map(_row, ours), *_rates(health, hello), echo]


def _check_positions(api: Server) -> None:
    """Before 400 requests for something else are timed."""
    answer = httpx.get(
        f"{api.url}/api/portfolio/positions", headers=_SIGNED_IN, timeout=30, trust_env=False
    )
    if len(answer.raise_for_status().json()["positions"]) != POSITIONS:
        raise RuntimeError(f"there are not {POSITIONS} positions: {answer.text[:300]}")


@contextmanager
def _client() -> Iterator["subprocess.Popen[str]"]:
    """The load generator."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load_client"],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _drive(client: "subprocess.Popen[str]", load: Load) -> Told:
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write(json.dumps(asdict(load)) + "\n")
    client.stdin.flush()
    line = client.stdout.readline()
    if not line:
        raise RuntimeError("the load generator ended: its last words are above")
    return Told(**json.loads(line))


def _measure(client: "subprocess.Popen[str]", server: Server, target: Target) -> None:
    before = server.cpu_ms()
    load = Load(
        port=int(server.url.rpartition(":")[2]),
        path=target.path,
        headers=dict(target.headers),
        concurrency=CONCURRENCY,
        warmup=WARMUP,
        requests=target.requests,
    )
    target.rounds.append(_drive(client, load))
    after = server.cpu_ms()
    if before is not None and after is not None:
        target.cpu_ms.append((after - before) / (WARMUP + target.requests))


def _measure_echo(client: "subprocess.Popen[str]") -> Row:
    """What the generator itself can do: the other figures must stay well below it."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load_echo"], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            load = Load(
                port=int(process.stdout.readline()),
                path="/",
                headers={},
                concurrency=CONCURRENCY,
                warmup=WARMUP,
                requests=5000,
            )
            rates = [5000 / _drive(client, load).seconds for _ in range(3)]
        finally:
            process.terminate()
    note = "against a server that does nothing, the best of 3"
    return Row(name="the load generator alone", unit="req/s", p50=max(rates), count=3, note=note)


def _row(target: Target) -> Row:
    """The round in the middle decides; the best and the worst are told beside it."""
    p99s = [percentile(told.wall_ms, 99) for told in target.rounds]
    busy = median(told.cpu_s / told.seconds for told in target.rounds)
    notes = [
        f"p99 {min(p99s):.1f} to {max(p99s):.1f}",
        f"{target.rounds[-1].answer_bytes / 1024:.1f} KiB",
    ]
    if target.cpu_ms:
        notes.append(f"server CPU {median(target.cpu_ms):.2f} ms a request")
    notes.append(f"generator {busy:.0%} of a core")
    return Row(
        name=target.name,
        p50=median(percentile(told.wall_ms, 50) for told in target.rounds),
        p99=median(p99s),
        count=sum(len(told.wall_ms) for told in target.rounds),
        goal=target.goal,
        note=", ".join(notes),
    )


def _rates(health: Target, hello: Target) -> list[Row]:
    ratios = [ours / bare for ours, bare in zip(health.rates, hello.rates, strict=True)]
    cpu = None
    if health.cpu_ms and hello.cpu_ms:
        cpu = median(hello.cpu_ms) / median(health.cpu_ms)
    return [
        _rate("  hello world, requests a second", hello),
        _rate("  /health, requests a second", health),
        Row(
            name="  /health / hello world, by round",
            unit="x",
            p50=median(ratios),
            cpu_p50=cpu,
            count=len(ratios),
            goal=Goal("p50", 3.0, at_least=True),
            note=f"{min(ratios):.2f} to {max(ratios):.2f}; CPU: of a request",
        ),
    ]


def _rate(name: str, target: Target) -> Row:
    rates = target.rates
    note = f"{min(rates):.0f} to {max(rates):.0f}"
    return Row(name=name, unit="req/s", p50=median(rates), count=len(rates), note=note)
