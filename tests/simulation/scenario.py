"""One run: a small market, two books, a few deployments, faults for a while, then quiet."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random

from common.books import V2, V3, Book
from common.config import LimitSettings, Settings, SwarmSettings
from common.documents import create
from common.domain.agent import Agent
from common.domain.events import OutboxMessage, SignalCreated
from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue
from common.domain.moment import iso
from common.domain.order import OrderSide
from common.domain.routing import RoutingMode
from common.domain.signal import PositionSide, Signal, SizeModel, SizeType
from common.errors import DeniedError
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.outbox import outbox_write
from common.ports import Messenger, Ref, SecretStore, Write
from common.where.priorities import RoutingConfig
from functions.api.ops import change_state
from functions.decide.main import decide
from functions.execute.main import execute
from functions.fan_out.main import fan_out
from functions.fetch_market.main import fetch_market
from functions.notify.main import notify
from functions.relay.main import relay
from functions.route.main import route
from functions.settle.main import settle
from infra.bootstrap import Runtime
from infra.feeds.simulated import SimulatedFeed
from infra.local.store.memory import MemoryStore
from infra.venues.accounts import Accounts
from infra.venues.instruments import StoredInstruments
from tests.builders import a_deployment, a_signal, a_signal_record, an_agent
from tests.fakes.verifier import OpenVerifier
from tests.simulation.bus import EntryPoint, SimBus
from tests.simulation.store import make_store
from tests.simulation.venue import SimVenue
from tests.simulation.watch import Watch
from tests.simulation.world import QUIET, START, FaultRates, World

SYMBOLS = ("BTC", "ETH", "SOL")
VENUES = (Venue.HYPERLIQUID, Venue.OSTIUM, Venue.GMX)
ACTIVE = timedelta(minutes=3)
DRAIN = timedelta(minutes=36)
TICK = timedelta(minutes=1)
DRAIN_TICK = timedelta(minutes=4)  # nothing new comes: what is left has time
MARKETS = 8
DEAD_VENUES_EVERY = 10
"""One seed in so many has no fault but venues that never answer, so that breakers must open."""
LIMITS = LimitSettings(
    max_exposure_per_deployment=Decimal(6000),  # so low that it is met
    reconcile_every=timedelta(minutes=3),
)
TICKED: dict[str, EntryPoint] = {"fetch_market": fetch_market, "settle": settle, "relay": relay}
EVENTED: dict[str, tuple[str, EntryPoint]] = {
    "market-updated": ("decide", decide),
    "signal-created": ("fan_out", fan_out),
    "deployment-signal": ("route", route),
    "order-planned": ("execute", execute),
    "order-unknown": ("settle", settle),
    "notifications": ("notify", notify),
}

FAULTS = (*(rate.name for rate in fields(FaultRates)), "second_copy", "fenced")


def capabilities_of(venue: Venue) -> Capabilities:
    """Three kinds: an expiry and a nonce, a nonce alone (a chain), an expiry alone."""
    return Capabilities(
        venue=venue,
        order_types=frozenset({OrderType.MARKET}),
        time_in_force=frozenset({TimeInForce.IOC}),
        expires_after=venue is not Venue.OSTIUM,
        order_ttl=timedelta(seconds=15),
        read_lag_max=timedelta(seconds=20),
        clock_skew_max=timedelta(seconds=2),
        request_timeout=timedelta(seconds=5),
        resends=venue is not Venue.GMX,
        cancel_is_a_fence=venue is Venue.OSTIUM,
    )


@dataclass(slots=True)
class Run:
    """A finished run: the store, the venues' own ledgers, and what was seen on the way."""

    seed: int
    world: World
    store: MemoryStore
    venues: dict[Venue, SimVenue]
    bus: SimBus
    seen: list[str] = field(default_factory=list)


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
        halted=rate(0.3),
        conflict=rate(0.02),
        prepare_fails=rate(0.1),
        prepare_refused=rate(0.1),
        garbled=rate(0.1),
        fills_repeated=rate(0.3),
        overfilled=rate(0.06),
        cancel_fails=0.5 + rate(0.45),  # asked for so seldom
        traded_by_hand=rate(0.2),
    )


async def run(seed: int, rates: FaultRates | None = None) -> Run:
    """Faults for `ACTIVE` minutes of ticks and signals, then quiet until everything has ended."""
    world = World(seed, QUIET)
    watch = Watch(MemoryStore(), LIMITS)
    store = watch.store = make_store(world, watch.commits)
    venues = {
        venue: SimVenue(venue, world, capabilities_of(venue), listed, watch)
        for venue, listed in (
            (Venue.HYPERLIQUID, SYMBOLS),
            (Venue.OSTIUM, ("BTC", "ETH", "EUR")),
            (Venue.GMX, ("SOL", "EUR")),
        )
    }
    bus = SimBus(world)
    bus.runtime = _runtime(world, store, bus, venues)
    for topic, (name, entry_point) in EVENTED.items():
        bus.subscribe(topic, name, entry_point)
    result = Run(seed, world, store, venues, bus, watch.seen)
    await _commit_undisturbed(world, store, _first_documents())
    try:
        await _play(result, rates or rates_for(seed))
    finally:
        await world.close()
        world.undisturbed = True
    return result


async def _play(result: Run, rates: FaultRates) -> None:
    world = result.world
    world.rates = rates
    while world.now() < START + ACTIVE:
        _tick(result)
        world.start(_human_signal(result))
        if world.chance("halted"):
            world.start(_halt_for_a_while(result))
        if world.chance("traded_by_hand"):
            _trade_by_hand(result)
        await world.run_until(world.now() + TICK)
    world.rates = QUIET
    end = world.now() + DRAIN
    while world.now() < end:
        _tick(result, names=("settle", "relay"))
        await world.run_until(world.now() + DRAIN_TICK)


def _tick(result: Run, names: tuple[str, ...] = tuple(TICKED)) -> None:
    """The scheduler is at least once too: a tick may come twice."""
    for name in names:
        body = json.dumps({"job": name, "scheduled_at": iso(result.world.now())}).encode()
        for _ in range(2 if result.world.chance("duplicate") else 1):
            result.world.start(_call(result, name, body))


async def _call(result: Run, name: str, body: bytes) -> None:
    """A tick that asks venues comes late, so that it falls among the orders."""
    late = result.world.random.uniform(0, 30) if name == "settle" else 0
    await result.world.step("tick", after=timedelta(seconds=late))
    await result.bus.call(TICKED[name], body)


def _trade_by_hand(result: Run) -> None:
    """The user's own order, in an account and at a venue that we trade too."""
    random = result.world.random
    number = random.randrange(1, 3)
    venue = result.venues[random.choice(VENUES[: number + 1])]
    account_id = f"dep_{random.choice(('v2', 'v3'))}_{number}"
    venue.trade_by_hand(account_id, random.choice(tuple(OrderSide)))


async def _human_signal(result: Run) -> None:
    """A signal made by hand, with its outbox row in the same commit, as the API makes it."""
    world = result.world
    book = world.random.choice((V2, V3))
    symbol = world.random.choice((*SYMBOLS, "EUR", "XAU"))
    signal = a_signal(
        f"sig_{result.seed}_{world.now():%H%M%S}_{world.random.randrange(10**6)}",
        book=book.name,
        agent_id=f"agent_{book.name}",
        symbol=symbol,
        side=world.random.choice((PositionSide.LONG, PositionSide.SHORT)),
        size_model=SizeModel(
            type=SizeType.PERCENTAGE, value=Decimal(world.random.randrange(1, 40))
        ),
        created_at=world.now(),
        expires_at=world.now() + timedelta(minutes=5),
    )
    signals = [signal]
    if world.chance("sent_twice"):
        signals.append(replace(signal, signal_id=f"{signal.signal_id}_again"))
    writes = [write for each in signals for write in _signal_writes(each, book)]
    await _commit_undisturbed(world, result.store, writes)


def _signal_writes(signal: Signal, book: Book) -> list[Write]:
    message = OutboxMessage(
        message_id=f"signal:{signal.signal_id}",
        topic="signal-created",
        event=SignalCreated(book=book.name, signal_id=signal.signal_id),
        occurred_at=signal.created_at,
    )
    return [
        create(Ref(book.signals, signal.signal_id), a_signal_record(signal)),
        outbox_write(message),
    ]


async def _halt_for_a_while(result: Run) -> None:
    """The operator's own calls are no part of the game; what they meet is."""
    for wanted, wait_s in ((TradingState.HALTED, 5), (TradingState.ACTIVE, 90)):
        await result.world.step("operator", after=timedelta(seconds=wait_s))
        result.world.undisturbed = True
        with suppress(DeniedError):  # an order is UNRESOLVED: trading stays halted
            await change_state(
                wanted, reason="test", by="operator", store=result.store, clock=result.world
            )
        result.world.undisturbed = False


async def _commit_undisturbed(world: World, store: MemoryStore, writes: Sequence[Write]) -> None:
    world.undisturbed = True
    await store.commit(writes)
    world.undisturbed = False


def _first_documents() -> list[Write]:
    record = TradingStateRecord(
        state=TradingState.ACTIVE, epoch=1, reason="start", changed_by="scenario", changed_at=START
    )
    writes: list[Write] = [create(PLATFORM, record)]
    for book in (V2, V3):
        writes += [create(Ref(book.agents, agent.agent_id), agent) for agent in _agents(book)]
        for number in (1, 2):
            deployment = a_deployment(
                f"dep_{book.name}_{number}",
                book=book.name,
                agent_id=f"agent_{book.name}",
                enabled_venues=VENUES[: number + 1],
                created_at=START,
            )
            writes.append(create(Ref(book.deployments, deployment.deployment_id), deployment))
    split = RoutingConfig(
        subject_id="dep_v3_2",
        venues=VENUES,
        mode=RoutingMode.SPLIT,
        updated_at=START,
    )
    writes.append(create(Ref("venue_routing_config_v3", split.subject_id), split))
    swarm = a_deployment("dep_swarm", agent_id="swarm", created_at=START)
    writes.append(create(Ref(V3.deployments, swarm.deployment_id), swarm))
    return writes


def _agents(book: Book) -> list[Agent]:
    agents = [an_agent(f"agent_{book.name}", book=book.name, created_at=START)]
    return [*agents, an_agent("swarm", created_at=START)] if book is V3 else agents


def _settings() -> Settings:
    """Thresholds so low that the swarm trades at nearly every tick."""
    swarm = SwarmSettings(
        symbols=SYMBOLS,
        interval="1m",
        history_candles=60,
        threshold_act=Decimal("0.05"),
        threshold_hold=Decimal("0.01"),
    )
    return Settings(swarm=swarm, limits=LIMITS, venues=tuple(Venue)[:3])


class _Timepiece:
    """The clock of whichever run is on."""

    world: World

    def now(self) -> datetime:
        return self.world.now()

    async def sleep(self, seconds: float) -> None:
        await self.world.sleep(seconds)


_TIMEPIECE = _Timepiece()


@cache
def _course(number: int, interval: str) -> SimulatedFeed:
    return SimulatedFeed(number, _TIMEPIECE, interval)


def _market(world: World, interval: str) -> SimulatedFeed:
    """One of a few courses of prices, made once: a run is not to be mostly candles."""
    _TIMEPIECE.world = world
    return _course(world.seed % MARKETS, interval)


def _runtime(
    world: World, store: MemoryStore, bus: SimBus, venues: dict[Venue, SimVenue]
) -> Runtime:
    settings = _settings()
    feed = _market(world, settings.swarm.interval)
    instruments = StoredInstruments(store, world)

    def no_secrets() -> SecretStore:
        raise AssertionError("nothing in this chain reads a secret")

    def no_accounts() -> Accounts:
        raise AssertionError("the simulated venues sign nothing")

    def no_messenger() -> Messenger | None:
        return None

    return Runtime(
        settings=settings,
        clock=world,
        store=store,
        publisher=bus,
        verifier=OpenVerifier(),
        make_feed=lambda: feed,
        make_venues=lambda: venues,
        make_instruments=lambda: instruments,
        make_secrets=no_secrets,
        make_secret_adder=no_secrets,
        make_accounts=no_accounts,
        make_messenger=no_messenger,
    )
