"""The same signals at 1x, 10x and as fast as it goes: the same orders, to the last byte.

Two ways of being fast. A replay stands its clock on each candle and waits between them; the
schedule runs on a clock that is so many times the machine's. Both wait on a loop whose time is
virtual, so that an hour at 1x takes seconds.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from common.books import (
    ACCOUNTS,
    EXPOSURES,
    FILLS,
    ORDER_INTENTS,
    ORDERS,
    PARENT_ORDERS,
    POSITION_EXITS,
    V3,
)
from common.config import Settings, SwarmSettings
from common.documents import every
from common.domain.identifiers import prefixed_id
from common.domain.moment import iso
from common.domain.order import IntentStatus, OrderIntent, OrderPurpose
from common.domain.parent_order import ExecAlgorithm, ParentOrder, ParentStatus
from common.ports import Clock
from common.wire import JsonObject, from_document
from infra.cli.session_drive import replay_drive
from infra.feeds.replay import ReplayFeed
from infra.local.clock import ScaledClock
from infra.local.stack.assembly import LocalStack
from infra.local.stack.embedded import EmbeddedBackend
from infra.local.stack.options import Recording, StackOptions
from infra.local.stack.schedule import run_schedule
from tests.integration.harness import API_TOKEN, Api, recording
from tests.integration.virtual_loop import run_virtually

pytestmark = pytest.mark.xdist_group("any_speed")  # what is compared with runs once

SYMBOLS = ("BTC", "ETH", "SOL")
TICKS = 12
BAR_S = 300
COMPARED = (
    ORDERS,
    FILLS,
    ORDER_INTENTS,
    PARENT_ORDERS,
    POSITION_EXITS,
    V3.signals,
    V3.deliveries,
    V3.positions,
    EXPOSURES,
    ACCOUNTS,
)
TWAP = {"algorithm": "TWAP", "duration_s": 600, "slices": 10}
ICEBERG = {"algorithm": "ICEBERG", "visible_quantity": "0.05", "duration_s": 1800}
MARKET = {"algorithm": "MARKET"}
TRAILING = {"type": "trailing-stop", "stop": "0.08"}
LIMITED = {"type": "stop-loss", "stop": "1", "take_profit": "0.4", "time_limit_s": 1500}


def wanted(symbol: str, side: str, notional: str, **more: Any) -> JsonObject:
    size = {"type": "fixed", "value": notional}
    return {"token_symbol": symbol, "side": side, "size_model": size, "confidence": "0.9", **more}


SCRIPT: Mapping[int, Sequence[JsonObject]] = {
    1: [wanted("BTC", "LONG", "900", execution=TWAP, risk_model=TRAILING)],
    2: [wanted("ETH", "LONG", "1200", execution=ICEBERG, risk_model=LIMITED)],
    3: [wanted("SOL", "SHORT", "700", execution=MARKET, risk_model=LIMITED)],
    6: [
        wanted("BTC", "SHORT", "500", execution=MARKET),
        wanted("SOL", "LONG", "400", execution=TWAP, risk_model=TRAILING),
    ],
}
"""By the bar that they come at the close of."""

FILLED_PARENTS = frozenset({ParentStatus.FILLED, ParentStatus.PARTIAL})


class ScriptedStack(LocalStack):
    """Sends the script's signals over the API, each once `fetch_market` has seen its bar."""

    script: Mapping[datetime, Sequence[JsonObject]] = {}

    async def run_job(self, job: str, scheduled_at: datetime) -> None:
        await super().run_job(job, scheduled_at)
        if job != "fetch_market":
            return
        for number, body in enumerate(self.script.get(scheduled_at, ())):
            api = Api(
                self, {"idempotency-key": prefixed_id("sent", job, iso(scheduled_at), number)}
            )
            await api.post("/api/v3/signals/generate", {**body, "agent_id": "swarm"})
            await api.close()


@dataclass(frozen=True, slots=True)
class Outcome:
    """All documents that tell of orders, by collection and in order of id; and how long it took."""

    documents: dict[str, list[JsonObject]]
    virtual_s: float

    def intents(self) -> list[OrderIntent]:
        return [from_document(OrderIntent, each) for each in self.documents[ORDER_INTENTS]]

    def parents(self) -> list[ParentOrder]:
        return [from_document(ParentOrder, each) for each in self.documents[PARENT_ORDERS]]


def settings_of(feed: str) -> Settings:
    swarm = SwarmSettings(symbols=SYMBOLS, interval="5m")
    return Settings(feed=feed, swarm=swarm, api_token=API_TOKEN)


def moments(of: Recording) -> list[datetime]:
    """The closes of the bars that are driven; the ones before them are history."""
    history = SwarmSettings().history_candles
    return list(of.feed.ticks())[history:][:TICKS]


def scripted(
    clock: Clock, make_feed: Callable[[], Any], closes: Sequence[datetime]
) -> ScriptedStack:
    stack = ScriptedStack(
        settings=settings_of("replay"),
        clock=clock,
        backend=EmbeddedBackend(None, clock=clock, in_order=True),
        make_feed=make_feed,
        push_token="push-token-of-a-test",
    )
    stack.script = {closes[bar]: bodies for bar, bodies in SCRIPT.items()}
    return stack


async def collected(stack: LocalStack) -> dict[str, list[JsonObject]]:
    store = stack.runtime.store
    return {name: [each.data async for each in every(store, name)] for name in COMPARED}


def replayed(speed: float) -> Outcome:
    """As `sapphire run --replay --speed` drives it."""
    found = recording(symbols=SYMBOLS)
    options = StackOptions(
        settings=settings_of("replay"),
        data_dir=found.directory,
        data_dir_given=True,
        port=0,
        backend="embedded",
        recording=found,
        speed=speed,
        ticks=TICKS,
        seed=0,
    )

    async def main() -> dict[str, list[JsonObject]]:
        stack = scripted(found.clock, lambda: found.feed, moments(found))
        drive = replay_drive(stack, options, found)
        await drive.prepare()
        await stack.start()
        code, lines = await drive.run(asyncio.Event())
        assert code == 0, lines
        documents = await collected(stack)
        await stack.stop()
        return documents

    return Outcome(*run_virtually(main()))


def scheduled(speed: float) -> Outcome:
    """As `sapphire run --speed` does on a market that moves by itself: the schedule's minutes, the
    bus's timers and every wait are the loop's, `speed` times as fast.
    """
    found = recording(symbols=SYMBOLS)
    closes = moments(found)

    async def main() -> dict[str, list[JsonObject]]:
        loop = asyncio.get_running_loop()
        clock = ScaledClock(closes[0] - timedelta(seconds=1), speed, monotonic=loop.time)
        feed = ReplayFeed(found.directory, "5m", SYMBOLS, clock)
        stack = scripted(clock, lambda: feed, closes)
        await stack.start()
        until = closes[-1] + timedelta(seconds=30)
        await run_schedule(stack, asyncio.Event(), lambda: clock.now() >= until)
        await stack.idle()
        documents = await collected(stack)
        await stack.stop()
        return documents

    return Outcome(*run_virtually(main()))


def assert_much_happened(outcome: Outcome) -> None:
    """All three ways to be worked, and exits that filled; at the venue, and by the clock."""
    ended = {each.exec_algorithm_id for each in outcome.parents() if each.status in FILLED_PARENTS}
    assert ended == {ExecAlgorithm.TWAP, ExecAlgorithm.ICEBERG}
    filled = [each.plan for each in outcome.intents() if each.status is IntentStatus.FILLED]
    children = sum(bool(plan.parent_order_id) for plan in filled)
    whole = [plan for plan in filled if not (plan.parent_order_id or plan.position_id)]
    exits = {plan.purpose for plan in filled if plan.position_id}
    assert children >= 20
    assert len(whole) >= 3
    assert {OrderPurpose.TIME_LIMIT, OrderPurpose.TRAILING_STOP} <= exits


def assert_the_same(one: Outcome, other: Outcome) -> None:
    for collection in COMPARED:
        assert one.documents[collection] == other.documents[collection], collection


def as_sent(outcome: Outcome) -> tuple[list[tuple[Any, ...]], list[Any]]:
    """What went out and what filled. On a schedule a stop's fill may be found in the very instant
    in which an entry's is told; which is booked first is nobody's to say, and with it the average
    price that the next trailing stop is counted from.
    """
    fields = ("client_order_id", "symbol", "side", "order_type", "quantity", "status", "filled_qty")
    orders = [tuple(each[field] for field in fields) for each in outcome.documents[ORDERS]]
    return orders, [each["fill"] for each in outcome.documents[FILLS]]


@pytest.fixture(scope="module")
def at_once() -> Outcome:
    return replayed(math.inf)


@pytest.fixture(scope="module")
def in_real_time() -> Outcome:
    return scheduled(1.0)


def test_replay_when_as_fast_as_it_goes_then_it_waits_for_nothing(at_once: Outcome) -> None:
    assert at_once.virtual_s == 0
    assert_much_happened(at_once)


@pytest.mark.parametrize("speed", [1.0, 10.0])
def test_replay_when_slower_then_every_order_is_the_same(at_once: Outcome, speed: float) -> None:
    slower = replayed(speed)

    whole_s = TICKS * BAR_S / speed
    assert whole_s / 2 < slower.virtual_s <= whole_s  # it waits less where the work took real time
    assert_the_same(slower, at_once)


def test_schedule_when_in_real_time_then_every_bar_takes_its_time(in_real_time: Outcome) -> None:
    assert in_real_time.virtual_s >= (TICKS - 1) * BAR_S
    assert_much_happened(in_real_time)


@pytest.mark.parametrize("speed", [10.0, 60.0])
def test_schedule_when_faster_then_every_order_is_the_same(
    in_real_time: Outcome, speed: float
) -> None:
    faster = scheduled(speed)

    assert faster.virtual_s == pytest.approx(in_real_time.virtual_s / speed, rel=0.01)
    assert as_sent(faster) == as_sent(in_real_time)
