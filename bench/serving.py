"""The HTTPS API as it is served: a functions-framework process, SQLite with some hundred
documents, one client over loopback whose connection stays open. Requests are sent one by one.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import httpx

from bench.calls import TOKEN
from bench.desk import open_desk, venue_tables
from bench.figures import Goal, Row, row_of
from bench.machine import REPOSITORY
from bench.samples import Samples
from bench.servers import Server, serve
from common.books import BOOKS, FILLS, Book
from common.domain.instrument import DEFAULT_PRIORITY
from common.ports import Create, Ref, Write
from common.wire import to_document
from infra.local.store.sqlite import SqliteStore
from tests.builders import a_deployment, a_fill, a_fill_record, a_position, an_agent

COUNT = 300
WARMUP = 20
AGENTS = 100  # of each book: two pages of GET /api/agents
FILLED = 400
POSITIONS = 60

ROUTES = (  # path, the key of what it lists, how many are there, the goal: SW-15
    ("/health", "", 0, Goal("p99", 50.0)),
    ("/api/agents", "agents", 100, Goal("p99", 100.0)),
    ("/api/v3/agents/list", "agents", AGENTS, Goal("p99", 100.0)),
    ("/api/portfolio/positions", "positions", POSITIONS, Goal("p99", 200.0)),
    ("/api/history", "fills", 100, Goal("p99", 200.0)),
)


async def run() -> list[Row]:
    with TemporaryDirectory(prefix="sapphire-bench-") as folder:
        await _fill(Path(folder))
        environment = {"SAPPHIRE_DATA_DIR": folder, "SAPPHIRE_API_TOKEN": TOKEN}
        with (
            serve("api", REPOSITORY / "main.py", environment) as server,
            httpx.Client(
                base_url=server.url,
                headers={"authorization": f"Bearer {TOKEN}"},
                timeout=10,
                trust_env=False,
            ) as client,
        ):
            return [
                _measure(server, client, path, (key, expected), goal)
                for path, key, expected, goal in ROUTES
            ]


def _measure(
    server: Server, client: httpx.Client, path: str, listed: tuple[str, int], goal: Goal
) -> Row:
    key, expected = listed
    answer = client.get(path)
    if answer.status_code != 200 or (key and len(answer.json()[key]) != expected):
        raise RuntimeError(f"GET {path} answered {answer.status_code}: {answer.text[:300]}")
    for _ in range(WARMUP):
        client.get(path)
    cpu_before = server.cpu_ms()
    wall = []
    for _ in range(COUNT):
        started = perf_counter()
        client.get(path)
        wall.append((perf_counter() - started) * 1000)
    cpu_after = server.cpu_ms()
    notes = [f"{len(answer.content) / 1024:.1f} KiB"]
    if cpu_before is not None and cpu_after is not None:
        notes.append(f"server CPU {(cpu_after - cpu_before) / COUNT:.2f} ms a request")
    return row_of(f"GET {path}", Samples(tuple(wall), ()), goal=goal, note=", ".join(notes))


async def _fill(folder: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    store = SqliteStore(folder / "sapphire.sqlite")
    try:
        await open_desk(store, await venue_tables(now), now=now)
        for book in BOOKS.values():
            await store.commit(_agents(book))
        await store.commit(_fills(now))
    finally:
        store.close()


def _agents(book: Book) -> list[Write]:
    """Agents with a deployment each, and half of the positions."""
    writes: list[Write] = []
    for number in range(AGENTS):
        agent = an_agent(f"agent_{book.name}_{number:03d}", book=book.name)
        deployment = a_deployment(
            f"dep_{book.name}_{number:03d}", book=book.name, agent_id=agent.agent_id
        )
        writes += [
            Create(Ref(book.agents, agent.agent_id), to_document(agent)),
            Create(Ref(book.deployments, deployment.deployment_id), to_document(deployment)),
        ]
    for number in range(POSITIONS // len(BOOKS)):
        position = a_position(
            f"pos_{book.name}_{number:03d}",
            book=book.name,
            signed_qty=a_fill().last_qty,
            open_cost=a_fill().last_qty * a_fill().last_px,
            venue=DEFAULT_PRIORITY[number % len(DEFAULT_PRIORITY)],
        )
        writes.append(Create(Ref(book.positions, position.position_id), to_document(position)))
    return writes


def _fills(now: datetime) -> list[Write]:
    fills = [
        a_fill(f"trade-{number}", ts_event=now - timedelta(minutes=number))
        for number in range(FILLED)
    ]
    return [Create(Ref(FILLS, fill.trade_id), to_document(a_fill_record(fill))) for fill in fills]
