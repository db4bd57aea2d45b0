"""`execute` and `settle` with the Ostium adapter: an effect happens once or never."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from common.books import FILLS
from common.domain.instrument import Venue
from common.domain.order import FillRecord, IntentStatus
from common.errors import RateLimitedError, TransientError
from common.ports import Query
from common.wire import from_document
from infra.local.exchanges.chain.chain import SimulatedChain
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule
from tests.builders import NOON, a_plan
from tests.unit.functions.trading_desk import TradingDesk, candidate
from tests.unit.infra.venues.market_now import quote
from tests.unit.infra.venues.ostium.desk import OstiumDesk, an_ostium_desk

SEND = "eth_sendRawTransaction"
SENT = frozenset({IntentStatus.FILLED, IntentStatus.PARTIAL})


async def a_trading_desk(desk: OstiumDesk) -> TradingDesk:
    """One approved plan: buy 1 ETH at Ostium, ten minutes to live."""
    offered = replace(candidate(Venue.OSTIUM, "1", "2010"), instrument_id="ETH-USD-PERP.OSTIUM")
    plan = a_plan(
        candidates=(offered,),
        reference_price=Decimal(2000),
        expires_at=NOON + timedelta(minutes=10),
    )
    trading = TradingDesk(plan)
    trading.store, trading.clock = desk.store, desk.clock
    trading.venues = {Venue.OSTIUM: desk.venue}  # type: ignore[dict-item]  # the desk's are scripted
    return await trading.open()


async def run(
    trading: TradingDesk, desk: OstiumDesk, each: Callable[[int], None] = lambda _: None
) -> IntentStatus | None:
    """Deliver, redeliver and tick for fifteen minutes, or until the intent has ended."""
    attempt = 1
    for turn in range(90):
        await quote(trading, "2000")
        with suppress(RateLimitedError, TransientError):  # the bus delivers again
            await trading.execute(attempt)
        each(turn)
        desk.clock.advance(10)
        desk.server.catch_up()
        await trading.settle()
        try:
            intent = trading.intent()
        except AssertionError:  # nothing is written ahead yet
            continue
        if intent.status.is_terminal:
            return intent.status
        attempt = intent.attempt + (intent.status is IntentStatus.RETRYING)
    return trading.intent().status


async def check_books(trading: TradingDesk, desk: OstiumDesk) -> list[str]:
    """Every fill of the exchange is on record once, and our position is the exchange's."""
    desk.clock.advance(300)
    desk.server.catch_up()
    desk.exchange.chain.advance(desk.clock.now())
    happened = [fill.trade_id for fill in desk.exchange.fills()]
    page = await desk.store.query(Query(FILLS))
    told = [from_document(FillRecord, document.data).fill for document in page.documents]
    assert [fill.trade_id for fill in told] == happened
    assert len(happened) <= 1
    held = trading.exposure().held(Venue.OSTIUM, "ETH")
    assert held == sum((fill.quantity for fill in desk.exchange.fills()), Decimal(0))
    return happened


FAULTS = [
    *(Fault(kind, delay_s=8.0) for kind in FaultKind),
    Fault(FaultKind.SERVER_ERROR, lands=True),
    Fault(FaultKind.REDIRECT, lands=True),
    Fault(FaultKind.LATE, delay_s=45.0),
    Fault(FaultKind.LATE, delay_s=200.0),
    Fault(FaultKind.READ_LAG, delay_s=60.0),
]


def named(fault: Fault) -> str:
    return f"{fault.kind}-{fault.delay_s:.0f}-{fault.lands}"


@pytest.mark.parametrize("fault", FAULTS, ids=named)
async def test_effect_when_the_broadcast_fails_then_once_or_never_and_on_record(
    fault: Fault,
) -> None:
    desk = await an_ostium_desk()
    desk.server.faults = FaultSchedule([FaultRule(fault, SEND)])
    trading = await a_trading_desk(desk)
    status = await run(trading, desk)
    assert status is not None
    happened = await check_books(trading, desk)
    assert status.is_terminal
    assert (status in SENT) is bool(happened)


@pytest.mark.parametrize(
    "operation",
    [
        "eth_estimateGas",
        "eth_getTransactionReceipt",
        "eth_getTransactionCount",
        "subgraph.Order",
        "subgraph.Trades",
        "latest-prices",
    ],
)
@pytest.mark.parametrize("kind", list(FaultKind))
async def test_effect_when_a_reading_fails_then_once_or_never_and_on_record(
    kind: FaultKind, operation: str
) -> None:
    desk = await an_ostium_desk()
    desk.server.faults = FaultSchedule([FaultRule(Fault(kind, delay_s=5), operation, times=2)])
    trading = await a_trading_desk(desk)
    status = await run(trading, desk)
    happened = await check_books(trading, desk)
    assert status is not None
    assert status.is_terminal
    assert (status in SENT) is bool(happened)


def gas_spike(chain: SimulatedChain, turn: int) -> None:
    chain.base_fee = 10**9 if turn < 6 else 10**7


def held_back(chain: SimulatedChain, turn: int) -> None:
    """Not even a fence is mined for five minutes: a person is called, and then it resolves."""
    chain.stuck = set(chain.waiting) if turn < 30 else set()


def reorganised(chain: SimulatedChain, turn: int) -> None:
    if turn in {0, 1}:
        chain.reorg(16, keep=False)


def evicted(chain: SimulatedChain, turn: int) -> None:
    if turn < 3:
        for tx_hash in list(chain.waiting):
            chain.drop(tx_hash)


@pytest.mark.parametrize("trouble", [gas_spike, held_back, reorganised, evicted])
@pytest.mark.parametrize("lost", [True, False])
async def test_effect_when_the_chain_is_in_trouble_then_once_or_never_and_on_record(
    trouble: Callable[[SimulatedChain, int], None], lost: bool
) -> None:
    """F30: gas spike, stuck, undone, dropped; with the broadcast's answer lost and not."""
    desk = await an_ostium_desk()
    desk.exchange.chain.sequencer = False
    if lost:
        desk.server.faults = FaultSchedule([FaultRule(Fault(FaultKind.LOST_ANSWER), SEND)])
    trading = await a_trading_desk(desk)
    status = await run(trading, desk, lambda turn: trouble(desk.exchange.chain, turn))
    happened = await check_books(trading, desk)
    assert status is not None
    assert status.is_terminal
    assert (status in SENT) is bool(happened)


async def test_effect_when_all_is_well_then_nearly_all_of_it_fills() -> None:
    desk = await an_ostium_desk()
    trading = await a_trading_desk(desk)
    assert await run(trading, desk) is IntentStatus.PARTIAL
    await check_books(trading, desk)
    assert Decimal("0.98") < trading.exposure().held(Venue.OSTIUM, "ETH") <= 1
