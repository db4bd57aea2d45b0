"""Counts what the functions do that costs money, in one process on paper: tools/cost_counts.json.

    python -m tools.measure_cost            the counts, as JSON, on the terminal
    python -m tools.measure_cost --write    into the file that tools/cost.py reads

The market is the simulated one of seed 7, time is moved by hand, one message is handled at a time:
two runs count the same, except for the CPU time. A real market moves the swarm more or less often.
"""

import argparse
import asyncio
import io
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from common.books import EXPOSURES, V3
from common.config import load_settings
from common.documents import create
from common.domain.agent import Agent, Deployment
from common.domain.events import OutboxMessage, SignalCreated
from common.domain.exposure import Exposure
from common.domain.identifiers import prefixed_id
from common.domain.parent_order import ExecAlgorithm, ExecutionWish
from common.domain.signal import (
    PositionSide,
    RiskModel,
    Signal,
    SignalRecord,
    SignalStatus,
    SizeModel,
    SizeType,
)
from common.ports import Ref
from common.wire import from_document
from infra.feeds.simulated import SimulatedFeed
from infra.gcp.logging import JsonFormatter
from infra.local.clock import ManualClock
from infra.local.stack.assembly import LocalStack
from infra.local.stack.embedded import EmbeddedBackend
from infra.local.stack.seed_agents import DEPLOYMENT_ID
from infra.local.store.memory import MemoryStore
from infra.pipeline import load_pipeline
from tools.billed import (
    BilledBus,
    BilledFunctions,
    BilledStore,
    Counts,
    document_bytes,
    index_bytes,
)
from tools.cost_usage import COUNTS_FILE

START = datetime(2026, 1, 5, tzinfo=UTC)
WARM_UP_MIN = 60
DAY_MIN = 1440
MINUTES = 30
SETTLING_MIN = 5
SIZES = (10, 30)
_AGENT = "agt_many"
_TOKEN = "counted in one process"  # noqa: S105 - nothing outside this process can reach it

Figures = dict[str, dict[str, int]]


@dataclass(slots=True)
class Bench:
    """The local stack over counting ports, on a clock that is moved by hand."""

    stack: LocalStack
    clock: ManualClock
    counts: Counts
    store: MemoryStore

    async def minutes(self, number: int, *, counted: bool) -> None:
        for _ in range(number):
            self.clock.advance_to(self.clock.now() + timedelta(minutes=1))
            self.counts.counting = counted
            for job, _cron in load_pipeline().scheduled():
                await self.stack.run_job(job, self.clock.now())
                await self.stack.idle()
            self.counts.counting = False

    def taken(self) -> tuple[Figures, Figures]:
        """Functions and topics since the last call."""
        functions = {name: dict(found) for name, found in self.counts.functions.items()}
        topics = {name: dict(found) for name, found in self.counts.topics.items()}
        self.counts.functions.clear()
        self.counts.topics.clear()
        return functions, topics

    def stored(self) -> Counter[str]:
        """Bytes by what becomes of them: `kept`, its `kept_indexes`, and the same of `expiring`."""
        found: Counter[str] = Counter()
        for collection, documents in self.store.contents().items():
            for key, data in documents.items():
                ref = Ref(collection, key)
                fate = "expiring" if ref in self.counts.expiring else "kept"
                found[fate] += document_bytes(ref, data)
                found[f"{fate}_indexes"] += index_bytes(ref, data)
        return found


async def six_symbols(minutes: int = DAY_MIN) -> dict[str, object]:
    """A fresh paper system for `minutes`, after an hour that fills its histories."""
    async with _bench() as bench:
        await bench.minutes(WARM_UP_MIN, counted=False)
        before = bench.stored()
        await bench.minutes(minutes, counted=True)
        functions, topics = bench.taken()
        return {
            "minutes": minutes,
            "functions": functions,
            "topics": topics,
            "stored_bytes": _grown(before, bench.stored()),
        }


async def many_deployments(
    sizes: tuple[int, int] = SIZES, minutes: int = MINUTES
) -> dict[str, object]:
    """What one more deployment adds: to a quiet minute with a position, and to one signal.

    From two runs that differ by deployments alone, so that all that does not grow drops out.
    """
    few, many = [await _deployments(number, minutes) for number in sizes]
    return {
        "deployments": sizes[1] - sizes[0],
        "minutes": minutes,
        "quiet": _difference(many.quiet, few.quiet),
        "with_signal": _difference(many.with_signal, few.with_signal),
        "topics": _difference(many.topics, few.topics),
        "stored_bytes": _grown(Counter(few.stored_bytes), Counter(many.stored_bytes)),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    quiet: Figures
    with_signal: Figures
    topics: Figures
    stored_bytes: dict[str, int]


async def _deployments(number: int, minutes: int) -> _Run:
    """As long after a signal has been worked, and as long beginning with one."""
    async with _bench() as bench:
        await _open_deployments(bench, number)
        await bench.minutes(2, counted=False)
        await _signal(bench, 1, counted=False)
        await bench.minutes(SETTLING_MIN, counted=False)
        await bench.minutes(minutes, counted=True)
        quiet, _ = bench.taken()
        before = bench.stored()
        await _signal(bench, 2, counted=True)
        await bench.minutes(minutes, counted=True)
        functions, topics = bench.taken()
        await _check(bench, number)
        return _Run(
            quiet=quiet,
            with_signal=functions,
            topics=topics,
            stored_bytes=_grown(before, bench.stored()),
        )


async def _open_deployments(bench: Bench, number: int) -> None:
    """As deploying over the API leaves them, each of a wallet of its own."""
    swarm = await bench.store.get(Ref(V3.agents, load_settings({}).swarm.agent_id))
    model = await bench.store.get(Ref(V3.deployments, DEPLOYMENT_ID))
    assert swarm is not None  # noqa: S101 - the local stack has just seeded both
    assert model is not None  # noqa: S101
    agent = replace(from_document(Agent, swarm.data), agent_id=_AGENT, name="Many")
    await bench.store.commit([create(Ref(V3.agents, _AGENT), agent)])
    for each in range(number):
        name = f"dep_{each:05}"
        deployment = replace(
            from_document(Deployment, model.data),
            deployment_id=name,
            agent_id=_AGENT,
            user_wallet=f"0x{each + 1:040x}",
        )
        empty = create(Ref(EXPOSURES, name), Exposure.empty(name))
        await bench.store.commit([create(Ref(V3.deployments, name), deployment), empty])


async def _signal(bench: Bench, number: int, *, counted: bool) -> None:
    now = bench.clock.now()
    signal = Signal(
        signal_id=prefixed_id("sig", _AGENT, str(number)),
        book=V3.name,
        agent_id=_AGENT,
        symbol="ETH",
        side=PositionSide.LONG,
        size_model=SizeModel(type=SizeType.PERCENTAGE, value=Decimal(2)),
        risk_model=RiskModel(type="stop-loss", stop=Decimal(50)),
        confidence=Decimal("0.8"),
        reasons=("counted",),
        reference_price=None,
        created_at=now,
        expires_at=now + timedelta(minutes=5),
        execution=ExecutionWish(algorithm=ExecAlgorithm.MARKET),
    )
    record = SignalRecord(
        signal=signal,
        status=SignalStatus.PENDING,
        reason_code="",
        reason="",
        deployments_expected=None,
        outcomes={},
        final_venue=None,
        routing_history=(),
    )
    await bench.store.commit([create(Ref(V3.signals, signal.signal_id), record)])
    message = OutboxMessage(
        message_id=prefixed_id("msg", signal.signal_id),
        topic="signal-created",
        occurred_at=now,
        event=SignalCreated(book=V3.name, signal_id=signal.signal_id),
    )
    bench.counts.counting = counted
    await bench.stack.backend.publisher.publish([message])
    await bench.stack.idle()
    bench.counts.counting = False


async def _check(bench: Bench, number: int) -> None:
    """Counts of orders that were refused would be cheap and wrong."""
    for each in (1, 2):
        ref = Ref(V3.signals, prefixed_id("sig", _AGENT, str(each)))
        document = await bench.store.get(ref)
        outcomes = document.data["outcomes"] if document else None
        if outcomes != {SignalStatus.EXECUTED.value: number}:
            raise RuntimeError(f"signal {each} of {number} deployments ended {outcomes}")


def _difference(many: Figures, few: Figures) -> Figures:
    found: Figures = {}
    for name, counters in many.items():
        less = few.get(name, {})
        grown = {what: count - less.get(what, 0) for what, count in counters.items()}
        kept = {what: count for what, count in grown.items() if count}
        if kept:
            found[name] = kept
    return found


def _grown(before: Counter[str], after: Counter[str]) -> dict[str, int]:
    return {what: after[what] - before[what] for what in sorted({*before, *after})}


@asynccontextmanager
async def _bench() -> AsyncIterator[Bench]:
    clock, counts = ManualClock(START), Counts()
    settings = load_settings({})
    backend = EmbeddedBackend(None, clock=clock, in_order=True)
    store = backend.store
    assert isinstance(store, MemoryStore)  # noqa: S101 - what a backend without a folder has
    backend.store = BilledStore(store, counts)
    backend.publisher = BilledBus(backend.publisher, counts)  # type: ignore[assignment]  # has all of it
    feed = SimulatedFeed(7, clock, settings.swarm.interval)
    stack = LocalStack(
        settings=settings, clock=clock, backend=backend, make_feed=lambda: feed, push_token=_TOKEN
    )
    with _log_lines() as log:
        stack.functions = BilledFunctions(stack.runtime, _TOKEN, counts, log)
        await stack.start()
        try:
            yield Bench(stack, clock, counts, store)
        finally:
            await stack.stop()


@contextmanager
def _log_lines() -> Iterator[io.StringIO]:
    """What the functions' loggers would write on Cloud Run."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield log
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def as_text(content: object) -> str:
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


async def _measured() -> dict[str, object]:
    return {"six_symbols": await six_symbols(), "deployments": await many_deployments()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {COUNTS_FILE.name}")
    wanted = parser.parse_args()
    text = as_text(asyncio.run(_measured()))
    if wanted.write:
        COUNTS_FILE.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
