"""One run: a small market, two books, a few deployments, faults for a while, then quiet."""

import json
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from random import Random

from common.books import MARKET_SNAPSHOTS
from common.domain.flatten import Flatten
from common.domain.instrument import Venue
from common.domain.moment import iso, to_ms
from common.domain.money import plain
from common.ports import Ref, Update, Write
from functions.advance.main import advance
from functions.decide.main import decide
from functions.execute.main import execute
from functions.fan_out.main import fan_out
from functions.fetch_market.main import fetch_market
from functions.monitor.main import monitor
from functions.notify.main import notify
from functions.relay.main import relay
from functions.route.main import route
from functions.settle.main import settle
from infra.local.store.memory import MemoryStore
from tests.simulation import people
from tests.simulation.bus import EntryPoint, SimBus
from tests.simulation.messenger import SimMessenger
from tests.simulation.protection import unprotected
from tests.simulation.run import Run
from tests.simulation.stage import (
    BOUNDS,
    LISTED,
    SYMBOLS,
    a_runtime,
    capabilities_of,
    first_documents,
)
from tests.simulation.stops import entries_left_resting, not_flat
from tests.simulation.store import make_store
from tests.simulation.venue import SimVenue
from tests.simulation.watch import Watch
from tests.simulation.world import QUIET, START, FaultRates, World

ACTIVE = timedelta(minutes=3)
DRAIN = timedelta(minutes=44)
RESUMED_AFTER = timedelta(minutes=16)  # of quiet: the operator lets everything go on
TICK = timedelta(minutes=1)
DRAIN_TICK = timedelta(minutes=4)  # nothing new comes: what is left has time
DEAD_VENUES_EVERY = 10
"""One seed in so many has no fault but venues that never answer, so that breakers must open."""
DEAD_FEED_EVERY = 5
"""And in one of so many no price comes any more for a while."""
REPLAYED_EVERY = 5
"""In one of so many, every message is delivered once more at the end."""
FEED_DEAD_FOR = timedelta(minutes=12)

ARMED_WITHIN = timedelta(minutes=15)
"""In quiet: what a paused sender has left, and a paused `monitor` after it, and a drain's tick."""

TICKED: dict[str, EntryPoint] = {
    "fetch_market": fetch_market,
    "advance": advance,
    "monitor": monitor,
    "settle": settle,
    "relay": relay,
}
EVENTED: dict[str, tuple[str, EntryPoint]] = {
    "market-updated": ("decide", decide),
    "signal-created": ("fan_out", fan_out),
    "deployment-signal": ("route", route),
    "order-planned": ("execute", execute),
    "order-unknown": ("settle", settle),
    "parent-order-due": ("advance", advance),
    "position-changed": ("monitor", monitor),
    "cancel-requested": ("settle", settle),
    "trading-state-changed": ("settle", settle),
    "flatten-requested": ("settle", settle),
    "notifications": ("notify", notify),
}

FAULTS = (*(rate.name for rate in fields(FaultRates)), "second_copy", "fenced", "canceled")


def rates_for(seed: int) -> FaultRates:
    """Each seed has its own weather: every fault is somewhere harsh and somewhere absent."""
    random = Random(f"rates-{seed}")
    if seed % DEAD_VENUES_EVERY == 0:
        return replace(QUIET, **{random.choice(("not_sent", "lost_before_venue")): 1.0})

    def rate(most: float) -> float:
        return most * random.choice((0.0, 0.3, 1.0))

    return FaultRates(
        crash_before=rate(0.01),
        crash_after=rate(0.01),
        commit_answer_lost=rate(0.02),
        store_down=rate(0.01),
        pause=rate(0.004),
        publish_fails=rate(0.1),
        duplicate=rate(0.3),
        delay=rate(0.2),
        lost_before_venue=rate(0.2),
        answer_lost=rate(0.3),
        arrives_late=rate(0.3),
        rejected=rate(0.2),
        part_filled=rate(0.2),
        not_sent=rate(0.1),
        query_fails=rate(0.3),
        read_lag=rate(0.7),
        tampered=rate(0.3),
        sent_twice=rate(0.5),
        halted=0.0 if seed % people.PATIENT_EVERY == 3 else rate(0.3),
        conflict=rate(0.02),
        prepare_fails=rate(0.1),
        prepare_refused=rate(0.1),
        garbled=rate(0.1),
        fills_repeated=rate(0.3),
        overfilled=rate(0.06),
        cancel_fails=rate(0.5),
        traded_by_hand=rate(0.2),
        flattened=rate(0.15),
        parent_moved=rate(0.5),
        stop_sticks=rate(0.5),
        funding_paid=rate(0.5),
        chat_down=rate(0.3),
    )


async def run(seed: int, rates: FaultRates | None = None) -> Run:
    """Faults for `ACTIVE` minutes of ticks and signals, then quiet until everything has ended."""
    result = await begin(seed)
    try:
        await _play(result, rates or rates_for(seed))
    finally:
        await finish(result)
    return result


async def begin(seed: int) -> Run:
    """A world at its start, with nothing under way."""
    world = World(seed, QUIET)
    watch = Watch(MemoryStore(), BOUNDS)
    store = watch.store = make_store(world, watch.commits)
    venues = {
        venue: SimVenue(venue, world, capabilities_of(venue), listed, watch)
        for venue, listed in LISTED.items()
    }
    bus, messenger = SimBus(world), SimMessenger(world)
    bus.runtime = a_runtime(world, store, bus, venues, messenger)
    venues[Venue.HYPERLIQUID].sign_with(store)
    for topic, (name, entry_point) in EVENTED.items():
        bus.subscribe(topic, name, entry_point)
    result = Run(seed, world, store, venues, bus, messenger, watch)
    watch.on_flat = lambda flatten: _check_flat(result, flatten)
    await people.commit_undisturbed(world, store, first_documents())
    return result


async def finish(result: Run) -> None:
    """Drop what still sleeps; from now on the store is only looked at."""
    await result.world.close()
    result.world.undisturbed = True


def _check_flat(result: Run, flatten: Flatten) -> None:
    if not result.world.fired["traded_by_hand"]:  # which may come at any moment
        result.watch.seen += not_flat(result.store, result.venues, flatten)


async def _play(result: Run, rates: FaultRates) -> None:
    result.world.rates = rates
    while result.world.now() < START + ACTIVE:
        await trade_a_minute(result)
    result.world.rates = replace(QUIET, stop_sticks=rates.stop_sticks)
    await _drain(result)
    if result.seed % REPLAYED_EVERY == 2:
        await _deliver_again(result)


async def trade_a_minute(result: Run) -> None:
    _tick(result)
    _let_people_act(result)
    _let_markets_act(result)
    await result.world.run_until(result.world.now() + TICK)


def _let_people_act(result: Run) -> None:
    world = result.world
    world.start(people.send_signal(result))
    if world.chance("halted"):
        world.start(people.halt_for_a_while(result))
    if world.chance("flattened"):
        world.start(people.flatten_and_resume(result))
    if world.chance("parent_moved"):
        world.start(people.move_a_parent(result))
    if world.chance("traded_by_hand"):
        people.trade_by_hand(result)


def _let_markets_act(result: Run) -> None:
    marks = {
        symbol: Decimal(found.data["mark"])
        for symbol in SYMBOLS
        if (found := result.store.peek(Ref(MARKET_SNAPSHOTS, symbol))) is not None
    }
    for venue in result.venues.values():
        venue.the_market_moves(marks)
        if result.world.chance("funding_paid"):
            for account in {entry.order.account_id: None for entry in venue.ledger}:
                venue.pay_funding(account)


async def _deliver_again(result: Run) -> None:
    """I16: with everything at its end, all messages come once more."""
    world = result.world
    world.rates = QUIET
    result.before_replay = result.store.contents()
    result.bus.deliver_all_again()
    await world.run_until(world.now() + TICK)
    result.after_replay = result.store.contents()


async def _drain(result: Run) -> None:
    """No fault and no new signal; prices jump once, so that exits have work, and stay there."""
    world = result.world
    start, end = world.now(), world.now() + DRAIN
    if result.seed % (2 * people.PATIENT_EVERY) == 3:
        world.start(people.halt_in_the_end(result))
    dead_until = start + FEED_DEAD_FOR if result.seed % DEAD_FEED_EVERY == 1 else start
    jump = Decimal(world.random.choice((970, 990, 1000, 1010, 1030))) / 1000
    while world.now() < end:
        fresh = world.now() >= dead_until
        if start + RESUMED_AFTER <= world.now() < end - RESUMED_AFTER:
            world.start(people.resume_all(result))
        await drain_a_while(result, DRAIN_TICK, jump=jump if fresh else None)
        jump = Decimal(1) if fresh else jump


async def drain_a_while(
    result: Run, length: timedelta, *, jump: Decimal | None = Decimal(1)
) -> None:
    """One round of what closes and settles, at prices `jump` times the last; None: at none."""
    world = result.world
    result.watch.seen += entries_left_resting(result.store, result.venues, world.now())
    result.watch.seen += unprotected(result, unchanged_since=world.now() - ARMED_WITHIN)
    if jump is not None:
        await people.commit_undisturbed(world, result.store, _fresh_prices(result, jump))
    _let_markets_act(result)
    _tick(result, names=("advance", "monitor", "settle", "relay"))
    await world.run_until(world.now() + length)


def _fresh_prices(result: Run, jump: Decimal) -> list[Write]:
    """The last snapshots, as if they had just been seen."""
    now = result.world.now()
    writes: list[Write] = []
    for symbol in SYMBOLS:
        found = result.store.peek(Ref(MARKET_SNAPSHOTS, symbol))
        if found is None:
            continue
        newest = found.data["candles"][-1]["open_time_ms"]
        later = to_ms(now) - 60_000 - newest
        candles = [
            {**candle, "open_time_ms": candle["open_time_ms"] + later}
            for candle in found.data["candles"]
        ]
        data = {
            "mark": plain(Decimal(found.data["mark"]) * jump),
            "observed_at": iso(now),
            "candles": candles,
        }
        writes.append(Update(found.ref, data, found.version))
    return writes


def _tick(result: Run, names: tuple[str, ...] = tuple(TICKED)) -> None:
    """The scheduler is at least once too: a tick may come twice."""
    for name in names:
        body = json.dumps({"job": name, "scheduled_at": iso(result.world.now())}).encode()
        for _ in range(2 if result.world.chance("duplicate") else 1):
            result.world.start(_call(result, name, body))


async def _call(result: Run, name: str, body: bytes) -> None:
    """A tick that asks venues comes late, so that it falls among the orders."""
    late = result.world.random.uniform(0, 30) if name in {"settle", "monitor"} else 0
    await result.world.step("tick", after=timedelta(seconds=late))
    await result.bus.call(TICKED[name], body)
