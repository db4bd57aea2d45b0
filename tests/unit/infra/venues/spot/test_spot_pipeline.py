"""`execute` and `settle` with the SPOT adapter: an effect happens once or never."""

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
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule
from tests.builders import NOON, a_plan
from tests.unit.functions.trading_desk import TradingDesk, candidate
from tests.unit.infra.venues.market_now import quote
from tests.unit.infra.venues.spot.spot_desk import Desk, a_desk

SEND = "eth_sendRawTransaction"


async def a_trading_desk(spot: Desk, *, price: str = "3030") -> TradingDesk:
    """One approved plan: buy 0.5 ETH at SPOT, ten minutes to live."""
    offered = replace(candidate(Venue.SPOT, "0.5", price), instrument_id="ETH-USDC-SPOT.SPOT")
    plan = a_plan(candidates=(offered,), expires_at=NOON + timedelta(minutes=10))
    trading = TradingDesk(plan)
    trading.store, trading.clock = spot.store, spot.clock
    trading.venues = {Venue.SPOT: spot.venue}  # type: ignore[dict-item]  # the desk's are scripted
    return await trading.open()


async def run(trading: TradingDesk, spot: Desk) -> IntentStatus:
    """Deliver, redeliver and tick for ten minutes, or until the intent has ended."""
    attempt = 1
    for _ in range(60):
        await quote(trading, "3000")
        with suppress(RateLimitedError, TransientError):  # the bus delivers again
            await trading.execute(attempt)
        spot.clock.advance(10)
        spot.server.catch_up()
        await trading.settle()
        try:
            intent = trading.intent()
        except AssertionError:  # nothing is written ahead yet
            continue
        if intent.status.is_terminal:
            return intent.status
        attempt = intent.attempt + (intent.status is IntentStatus.RETRYING)
    return trading.intent().status


async def recorded(spot: Desk) -> list[FillRecord]:
    page = await spot.store.query(Query(FILLS))
    return [from_document(FillRecord, document.data) for document in page.documents]


FAULTS = [
    *(Fault(kind, delay_s=8.0) for kind in FaultKind),
    Fault(FaultKind.SERVER_ERROR, lands=True),
    Fault(FaultKind.REDIRECT, lands=True),
    Fault(FaultKind.LATE, delay_s=45.0),  # after its deadline
    Fault(FaultKind.READ_LAG, delay_s=12.0),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.delay_s:.0f}")
async def test_effect_when_the_broadcast_fails_then_once_or_never_and_on_record(
    fault: Fault,
) -> None:
    spot = a_desk()
    spot.server.faults = FaultSchedule([FaultRule(fault, SEND)])
    trading = await a_trading_desk(spot)
    status = await run(trading, spot)
    spot.clock.advance(120)
    spot.server.catch_up()
    happened = spot.exchange.fills()
    told = [record.fill.trade_id for record in await recorded(spot)]
    assert told == [fill.trade_id for fill in happened]
    assert len(happened) <= 1
    assert status.is_terminal
    assert (status is IntentStatus.FILLED) is bool(happened)


@pytest.mark.parametrize("operation", ["quote", "eth_estimateGas"])
@pytest.mark.parametrize("kind", list(FaultKind))
async def test_effect_when_preparing_fails_then_once_or_never_and_on_record(
    kind: FaultKind, operation: str
) -> None:
    spot = a_desk()
    spot.server.faults = FaultSchedule([FaultRule(Fault(kind), operation)])
    trading = await a_trading_desk(spot)
    status = await run(trading, spot)
    happened = spot.exchange.fills()
    told = [record.fill.trade_id for record in await recorded(spot)]
    assert told == [fill.trade_id for fill in happened]
    assert status.is_terminal


async def test_effect_when_all_is_well_then_filled_with_its_exact_cash() -> None:
    spot = a_desk()
    trading = await a_trading_desk(spot)
    assert await run(trading, spot) is IntentStatus.FILLED
    (record,) = await recorded(spot)
    (oracle,) = spot.exchange.fills()
    fill = record.fill
    assert fill.last_qty == oracle.qty == Decimal("0.5")
    assert fill.last_px * fill.last_qty + fill.commission == oracle.cash
    assert trading.exposure().held(Venue.SPOT, "ETH") == Decimal("0.5")
