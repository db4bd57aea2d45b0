"""What a run begins with: a market, venues, deployments, their limits, and the runtime."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

from common.books import V2, V3, Book
from common.config import ExecutionSettings, LimitSettings, Settings, SwarmSettings
from common.documents import create
from common.domain.agent import Agent
from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue
from common.domain.risk_limits import RiskLimits
from common.domain.routing import RoutingMode
from common.how.limit_documents import default_limits, limits_writes
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Messenger, Ref, SecretStore, Write
from common.where.priorities import RoutingConfig
from infra.bootstrap import Runtime
from infra.feeds.simulated import SimulatedFeed
from infra.local.store.memory import MemoryStore
from infra.venues.accounts import Accounts
from infra.venues.instruments import StoredInstruments
from tests.builders import a_deployment, an_agent
from tests.fakes.verifier import OpenVerifier
from tests.simulation.bus import SimBus
from tests.simulation.messenger import SimMessenger
from tests.simulation.venue import SimVenue
from tests.simulation.watch import Bounds
from tests.simulation.world import START, World

SYMBOLS = ("BTC", "ETH", "SOL")
VENUES = (Venue.HYPERLIQUID, Venue.OSTIUM, Venue.GMX)
LISTED = {
    Venue.HYPERLIQUID: SYMBOLS,
    Venue.OSTIUM: ("BTC", "ETH", "EUR"),
    Venue.GMX: ("SOL", "EUR"),
}
MARKETS = 8
LIMITS = LimitSettings(
    max_exposure_per_deployment=Decimal(6000),  # so low that it is met
    reconcile_every=timedelta(minutes=3),
)
MAX_TOTAL = Decimal(14_000)  # of five deployments with 6,000 each
MESSAGES_PER_MINUTE = 6
INTERVAL = timedelta(minutes=1)
BOUNDS = Bounds(
    max_exposure=LIMITS.max_exposure_per_deployment,
    max_total=MAX_TOTAL,
    price_age_max=LIMITS.snapshot_age_max + INTERVAL,
    messages_per_minute=MESSAGES_PER_MINUTE,
    max_attempts=LIMITS.max_attempts,
)


def capabilities_of(venue: Venue) -> Capabilities:
    """Three kinds: an expiry, a nonce and a book (Hyperliquid); a nonce alone, at market (a
    chain); an expiry alone, at market or at a price.
    """
    types = {OrderType.MARKET}
    times = {TimeInForce.IOC}
    if venue is Venue.HYPERLIQUID:
        types |= {OrderType.LIMIT, OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED}
        times |= {TimeInForce.GTC}
    if venue is Venue.GMX:
        types |= {OrderType.LIMIT}
    return Capabilities(
        venue=venue,
        order_types=frozenset(types),
        time_in_force=frozenset(times),
        expires_after=venue is not Venue.OSTIUM,
        order_ttl=timedelta(seconds=15),
        read_lag_max=timedelta(seconds=20),
        clock_skew_max=timedelta(seconds=2),
        request_timeout=timedelta(seconds=5),
        resends=venue is not Venue.GMX,
        cancel_is_a_fence=venue is Venue.OSTIUM,
    )


def first_documents() -> list[Write]:
    record = TradingStateRecord(
        state=TradingState.ACTIVE, epoch=1, reason="start", changed_by="scenario", changed_at=START
    )
    writes: list[Write] = [create(PLATFORM, record), *limits_writes(None, _limits())]
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


def _limits() -> RiskLimits:
    limits = default_limits(LIMITS, START)
    deployment = replace(limits.deployment, max_messages_per_minute=MESSAGES_PER_MINUTE)
    total = replace(limits.total, max_exposure=MAX_TOTAL)
    return replace(limits, deployment=deployment, total=total)


def _agents(book: Book) -> list[Agent]:
    agents = [an_agent(f"agent_{book.name}", book=book.name, created_at=START)]
    return [*agents, an_agent("swarm", created_at=START)] if book is V3 else agents


def some_settings() -> Settings:
    """Thresholds so low that the swarm trades at nearly every tick, and algorithms that are quick
    enough to end within a run.
    """
    swarm = SwarmSettings(
        symbols=SYMBOLS,
        interval="1m",
        history_candles=60,
        threshold_act=Decimal("0.05"),
        threshold_hold=Decimal("0.01"),
    )
    execution = ExecutionSettings(duration_s=240, slices=4)
    return Settings(swarm=swarm, limits=LIMITS, venues=VENUES, execution=execution)


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


def a_runtime(
    world: World,
    store: MemoryStore,
    bus: SimBus,
    venues: dict[Venue, SimVenue],
    messenger: SimMessenger,
) -> Runtime:
    settings = some_settings()
    feed = _market(world, settings.swarm.interval)
    instruments = StoredInstruments(store, world)
    capabilities = {venue: each.capabilities for venue, each in venues.items()}

    def no_secrets() -> SecretStore:
        raise AssertionError("nothing in this chain reads a secret")

    def no_accounts() -> Accounts:
        raise AssertionError("the simulated venues sign nothing")

    def the_messenger() -> Messenger | None:
        return messenger

    async def no_token() -> str:
        raise AssertionError("nobody signs in here")

    return Runtime(
        settings=settings,
        clock=world,
        store=store,
        publisher=bus,
        verifier=OpenVerifier(),
        make_feed=lambda: feed,
        make_venues=lambda: venues,
        make_instruments=lambda: instruments,
        make_capabilities=lambda: capabilities,
        make_secrets=no_secrets,
        make_secret_adder=no_secrets,
        make_accounts=no_accounts,
        make_messenger=the_messenger,
        read_api_token=no_token,
    )
