"""Our adapter reads the funding of the simulated Hyperliquid."""

from datetime import timedelta
from decimal import Decimal

from tests.builders import DEPLOYMENT_ID
from tests.fakes.clock import FakeClock
from tests.integration.hyperliquid_floor import Floor, seller


async def test_query_funding_when_two_coins_were_held_then_what_each_earned_and_cost() -> None:
    clock = FakeClock()
    floor = await Floor(clock).open()
    await floor.place(floor.order(quantity=Decimal(1)))
    pepe = {"symbol": "PEPE", "instrument_id": "PEPE-USD-PERP.HYPERLIQUID"}
    await floor.place(
        floor.order(**seller(**pepe, quantity=Decimal(100_000_000), price=Decimal("0.0000067")))
    )
    start = clock.now()
    floor.exchange.pay_funding("ETH", "0.0001", start)
    floor.exchange.pay_funding("kPEPE", "0.0001", start)
    clock.advance(3600)
    floor.exchange.pay_funding("ETH", "-0.0002", clock.now())
    told = await floor.venue.query_funding(account_id=DEPLOYMENT_ID, since=start)
    assert [(paid.symbol, paid.amount, paid.ts_event) for paid in told] == [
        ("ETH", Decimal("-0.3"), start),
        ("PEPE", Decimal("0.068"), start),
        ("ETH", Decimal("0.6"), start + timedelta(hours=1)),
    ]
    later = start + timedelta(seconds=1)
    again = await floor.venue.query_funding(account_id=DEPLOYMENT_ID, since=later)
    assert again == told[2:]
