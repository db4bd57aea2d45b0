"""The risk check: the pure engine alone, and the one read that feeds it."""

from collections.abc import Sequence
from decimal import Decimal

from bench.calls import store_named
from bench.figures import Goal, Row, row_of
from bench.samples import Samples, sampled, sampled_sync
from common.books import ACCOUNTS, EXPOSURES, MARKET_SNAPSHOTS
from common.config import LimitSettings, Settings
from common.documents import create
from common.domain.agent import Deployment
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import DEFAULT_PRIORITY, Venue
from common.domain.order import OrderSide
from common.execution.accounts import open_account
from common.how.effective_limits import EffectiveLimits
from common.how.limit_documents import default_limits, limits_writes
from common.how.portfolio_state import PortfolioState, read_portfolio_state
from common.how.risk import OrderRisk, assess
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import DocumentStore, Ref
from tests.builders import NOON, a_deployment, a_snapshot, some_candles

PURE_COUNT = 5_000
COUNT = 400
WARMUP = 50
GOAL = Goal("p99", 0.5)
SETTINGS = LimitSettings()
SYMBOLS = Settings().swarm.symbols
FRESH, HOLDING = "dep_fresh", "dep_holding"


async def run() -> list[Row]:
    with store_named("sqlite") as store:
        await _open_desk(store)
        fresh, holding = (
            a_deployment(name, enabled_venues=DEFAULT_PRIORITY) for name in (FRESH, HOLDING)
        )
        return [
            row_of(
                "risk check alone",
                _checked(await _read(store, holding)),
                goal=GOAL,
                note=f"passes; {len(SYMBOLS)} positions with stops, {_UNDER_WAY} orders under way",
            ),
            row_of(
                "portfolio state read, sqlite",
                await _reads(store, fresh),
                note="a deployment that holds nothing; a price of 200 candles",
            ),
            row_of(
                "portfolio state read, sqlite, held",
                await _reads(store, holding),
                note=f"{len(SYMBOLS)} positions: the prices of {len(SYMBOLS) - 1} more symbols",
            ),
        ]


_UNDER_WAY = 3


async def _open_desk(store: DocumentStore) -> None:
    """Limits, ACTIVE, the price of every symbol; and one deployment in the middle of its day."""
    active = TradingStateRecord(
        state=TradingState.ACTIVE, epoch=1, reason="", changed_by="bench", changed_at=NOON
    )
    account = open_account(a_deployment(HOLDING), NOON)
    candles = some_candles(closes=["100"] * 200)
    await store.commit(
        [
            *limits_writes(None, default_limits(SETTINGS, NOON)),
            create(PLATFORM, active),
            create(Ref(EXPOSURES, HOLDING), _exposure()),
            create(Ref(ACCOUNTS, HOLDING), account),
            *(
                create(
                    Ref(MARKET_SNAPSHOTS, symbol),
                    a_snapshot(symbol, mark=Decimal("100.1"), candles=candles),
                )
                for symbol in SYMBOLS
            ),
        ]
    )


def _exposure() -> Exposure:
    exposure = Exposure.empty(HOLDING)
    for number, symbol in enumerate(SYMBOLS):
        quantity = Decimal("0.31415") * (number + 1)
        exposure = exposure.hold(
            venue=Venue.HYPERLIQUID, symbol=symbol, signed_qty=quantity, price=Decimal("99.75")
        ).reserve(f"int_stop_{number}", _reservation(symbol, OrderSide.SELL, quantity, True))
    for number in range(_UNDER_WAY):
        exposure = exposure.reserve(
            f"int_{number}", _reservation(SYMBOLS[number], OrderSide.BUY, Decimal("1.5"), False)
        )
    return exposure


def _reservation(symbol: str, side: OrderSide, quantity: Decimal, protective: bool) -> Reservation:
    return Reservation(
        venue=Venue.HYPERLIQUID if protective else Venue.GMX,
        symbol=symbol,
        side=side,
        quantity=quantity,
        price=Decimal("97.5"),
        protective=protective,
    )


async def _read(store: DocumentStore, deployment: Deployment) -> PortfolioState:
    return await read_portfolio_state(
        store, deployment=deployment, symbol="ETH", venues=DEFAULT_PRIORITY, now=NOON
    )


def _checked(state: PortfolioState) -> Samples:
    limits = state.limits_at(Venue.HYPERLIQUID, SETTINGS)
    assert isinstance(limits, EffectiveLimits), limits
    order = OrderRisk(
        intent_id="int_new",
        venue=Venue.HYPERLIQUID,
        symbol="ETH",
        side=OrderSide.BUY,
        quantity=Decimal("9.99"),
        price=Decimal("100.6"),
    )

    def call() -> None:
        refusal = assess(order, state, limits, now=NOON, settings=SETTINGS)
        assert refusal is None, refusal

    return sampled_sync(call, count=PURE_COUNT, warmup=WARMUP)


async def _reads(store: DocumentStore, deployment: Deployment) -> Samples:
    async def call(_: int) -> None:
        await _read(store, deployment)

    numbers: Sequence[int] = range(WARMUP + COUNT)
    return await sampled(call, numbers, warmup=WARMUP)
