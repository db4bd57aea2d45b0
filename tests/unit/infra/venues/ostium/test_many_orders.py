"""Many orders of one account, each call at the mercy of seeded faults (F29, F30)."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from common.books import ORDERS
from common.documents import load
from common.domain.order import Order, OrderReport, OrderStatus, SignedRequest
from common.errors import OutcomeUnknownError, RejectedError, SapphireError, TransientError
from common.ports import Ref, Update
from common.wire import to_document
from infra.local.exchanges.faults import Fault, FaultFunction, FaultKind, SeededFaults
from tests.unit.infra.venues.ostium.desk import WALLET, OstiumDesk, an_ostium_desk

SEND = "eth_sendRawTransaction"
RATES = {
    Fault(FaultKind.DOWN): 0.02,
    Fault(FaultKind.LOST_REQUEST): 0.02,
    Fault(FaultKind.LOST_ANSWER): 0.04,
    Fault(FaultKind.LATE, delay_s=45): 0.08,
    Fault(FaultKind.TWICE): 0.02,
    Fault(FaultKind.SERVER_ERROR, lands=True): 0.02,
    Fault(FaultKind.RATE_LIMITED): 0.02,
    Fault(FaultKind.TRUNCATED): 0.02,
    Fault(FaultKind.NO_EFFECT): 0.04,
    Fault(FaultKind.READ_LAG, delay_s=12): 0.02,
    Fault(FaultKind.NULL_FIELD): 0.02,
}


class Trader:
    """What execute and settle do for one order after the other, without their books."""

    def __init__(self, desk: OstiumDesk) -> None:
        self.desk = desk
        self.open: dict[str, tuple[Order, SignedRequest, float]] = {}
        self.reports: dict[str, OrderReport] = {}

    async def send(self, order: Order) -> bool:
        """False: it could not be prepared now."""
        try:
            order, request = await self.desk.written_ahead(order)
        except RejectedError:
            return True
        except SapphireError:
            return False
        born = self.desk.clock.now().timestamp()
        self.open[order.client_order_id] = (order, request, born)
        try:
            await self.desk.venue.submit(order, request)
        except RejectedError as error:
            await self._ends(order, self._dead(order, error.message))
        except (OutcomeUnknownError, TransientError):
            pass
        return True

    async def settle(self) -> None:
        for order, request, born in list(self.open.values()):
            with suppress(SapphireError):
                report = await self.desk.venue.query_order(order)
                old = self.desk.clock.now().timestamp() - born > 20
                if report is not None and report.status.is_terminal:
                    await self._ends(order, report)
                elif old:
                    await self.desk.venue.cancel(order)
                elif report is None:
                    await self.desk.venue.submit(order, request)

    async def _ends(self, order: Order, report: OrderReport) -> None:
        self.reports[order.client_order_id] = report
        del self.open[order.client_order_id]
        stored = await load(self.desk.store, Order, Ref(ORDERS, order.client_order_id))
        assert stored is not None
        ended = replace(order, status=report.status)
        await self.desk.store.commit([Update(stored.ref, to_document(ended), stored.version)])

    @staticmethod
    def _dead(order: Order, reason: str) -> OrderReport:
        return OrderReport(
            client_order_id=order.client_order_id,
            venue_order_id="",
            status=OrderStatus.REJECTED,
            filled_qty=Decimal(0),
            fills=(),
            reason=reason,
        )


def an_order_of(desk: OstiumDesk, random: Random, number: int) -> Order:
    """Mostly one that reduces, where there is something to reduce."""
    held = sum(
        trade.size if trade.buy else -trade.size for trade in desk.exchange.trading.of(WALLET)
    )
    side = random.choice(["BUY", "SELL"])
    if held and random.random() < 0.6:
        side = "SELL" if held > 0 else "BUY"
    reduces = (held > 0 and side == "SELL") or (held < 0 and side == "BUY")
    return desk.order(
        number,
        side,
        str(random.randrange(1, 6)),
        price="2030" if side == "BUY" else "1970",
        reduce_only=reduces,
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
async def test_orders_when_everything_fails_sometimes_then_the_books_agree(seed: int) -> None:
    desk = await an_ostium_desk()
    random = Random(seed)
    reorganises = seed % 2 == 0  # a node that lags would stay on the old branch for ever
    rates = {
        fault: rate
        for fault, rate in RATES.items()
        if not reorganises or fault.kind is not FaultKind.READ_LAG
    }
    sending = SeededFaults(seed, rates)
    reading = SeededFaults(seed, {fault: rate / 8 for fault, rate in rates.items()})
    desk.server.faults = FaultFunction(
        lambda name, key: (sending if name == SEND else reading).next(name, key)
    )
    trader = Trader(desk)
    number = 1
    for _ in range(120):
        desk.exchange.set_price("ETH/USD", str(random.randrange(1_995, 2_006)), desk.clock.now())
        if number <= 30 and await trader.send(an_order_of(desk, random, number)):
            number += 1
        desk.clock.advance(random.randrange(1, 9))
        desk.server.catch_up()
        await trader.settle()
        if reorganises and random.random() < 0.25:
            desk.exchange.chain.reorg(random.randrange(1, 18), keep=random.random() < 0.5)
    desk.server.faults = SeededFaults(seed, {})
    for _ in range(30):
        desk.clock.advance(10)
        desk.server.catch_up()
        await trader.settle()
    assert trader.open == {}
    told = {
        fill.trade_id: (fill.last_qty, fill.side.value)
        for report in trader.reports.values()
        for fill in report.fills
    }
    happened = {fill.trade_id: (fill.quantity, fill.side) for fill in desk.exchange.fills()}
    assert told == happened
    assert sum(len(report.fills) for report in trader.reports.values()) == len(happened)
    net = sum((q if side == "BUY" else -q for q, side in happened.values()), Decimal(0))
    assert await desk.net() == net
