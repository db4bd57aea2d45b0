"""`execute` and `settle` with GMX's adapter: an effect happens once or never, and is on record."""

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
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule
from infra.local.exchanges.gmx.hostile import Hostility
from tests.builders import NOON, a_plan
from tests.unit.functions.trading_desk import TradingDesk, candidate
from tests.unit.infra.venues.gmx.gmx_desk import WALLET, Desk, once
from tests.unit.infra.venues.market_now import quote


async def a_trading_desk(gmx: Desk) -> TradingDesk:
    """One approved plan: buy 0.5 ETH at GMX, twenty minutes to live."""
    offered = replace(candidate(Venue.GMX, "0.5", "3015"), instrument_id="ETH-USD-PERP.GMX")
    plan = a_plan(candidates=(offered,), expires_at=NOON + timedelta(minutes=20))
    trading = TradingDesk(plan)
    trading.store, trading.clock = gmx.store, gmx.clock
    trading.venues = {Venue.GMX: gmx.venue}  # type: ignore[dict-item]  # the desk's are scripted
    return await trading.open()


async def run(trading: TradingDesk, gmx: Desk) -> IntentStatus:
    """Deliver, redeliver and tick for twenty minutes, or until the intent has ended."""
    attempt = 1
    for _ in range(60):
        await quote(trading, "3000")
        with suppress(RateLimitedError, TransientError):  # the bus delivers again
            await trading.execute(attempt)
        gmx.clock.advance(20)
        gmx.server.catch_up()
        await trading.settle()
        try:
            intent = trading.intent()
        except AssertionError:  # nothing is written ahead yet
            continue
        if intent.status.is_terminal:
            return intent.status
        attempt = intent.attempt + (intent.status is IntentStatus.RETRYING)
    return trading.intent().status


async def recorded(gmx: Desk) -> list[FillRecord]:
    page = await gmx.store.query(Query(FILLS))
    return [from_document(FillRecord, document.data) for document in page.documents]


FAULTS = [
    *(Fault(kind, delay_s=8.0) for kind in FaultKind),
    Fault(FaultKind.SERVER_ERROR, lands=True),
    Fault(FaultKind.REDIRECT, lands=True),
    Fault(FaultKind.LATE, delay_s=45.0),
    Fault(FaultKind.LATE, delay_s=90.0),  # after the server's own expiry
    Fault(FaultKind.READ_LAG, delay_s=50.0),
]


@pytest.mark.parametrize("operation", ["submit", "status", "prepare", "trades", "positions"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.delay_s:.0f}")
async def test_effect_when_a_step_fails_then_once_or_never_and_on_record(
    fault: Fault, operation: str
) -> None:
    gmx = await Desk(once(fault, operation)).open()
    trading = await a_trading_desk(gmx)

    status = await run(trading, gmx)

    gmx.clock.advance(600)
    gmx.server.catch_up()
    gmx.exchange.advance(gmx.clock.now())
    happened = gmx.exchange.fills()
    told = [record.fill.trade_id for record in await recorded(gmx)]
    assert told == [fill.trade_id for fill in happened]
    assert len(happened) <= 1
    assert status.is_terminal or status is IntentStatus.UNRESOLVED
    assert (status is IntentStatus.PARTIAL) is bool(happened)


async def test_effect_when_every_submission_is_lost_then_never_and_that_is_final() -> None:
    rule = FaultRule(Fault(FaultKind.LOST_REQUEST), operation="submit", times=None)
    gmx = await Desk([rule]).open()
    trading = await a_trading_desk(gmx)

    status = await run(trading, gmx)

    assert status is IntentStatus.EXPIRED
    assert gmx.exchange.fills() == []


async def test_effect_when_nothing_fails_then_its_fill_and_the_venues_position() -> None:
    gmx = await Desk().open()
    trading = await a_trading_desk(gmx)

    assert await run(trading, gmx) is IntentStatus.PARTIAL

    (record,) = await recorded(gmx)
    (house,) = gmx.exchange.fills()
    assert (record.fill.last_qty, record.fill.last_px) == (house.qty, house.price)
    assert house.qty > Decimal("0.49")
    assert trading.exposure().held(Venue.GMX, "ETH") == gmx.exchange.position(WALLET, "ETH")


@pytest.mark.parametrize("hostility", list(Hostility))
async def test_effect_when_the_server_is_hostile_then_rejected_and_nothing_is_sent(
    hostility: Hostility,
) -> None:
    gmx = await Desk().open()
    gmx.exchange.hostility = hostility
    trading = await a_trading_desk(gmx)

    status = await run(trading, gmx)

    assert status is IntentStatus.REJECTED
    assert gmx.accounts.asked == []
    assert all(operation.name != "submit" for operation, _ in gmx.server.requests)
