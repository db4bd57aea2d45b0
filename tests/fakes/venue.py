"""A venue that says what the test wrote into its script, and remembers what it was asked."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

from common.domain.instrument import (
    Capabilities,
    InstrumentTable,
    OrderType,
    TimeInForce,
    Venue,
)
from common.domain.money import ZERO, plain
from common.domain.order import Fill, Order, OrderReport, OrderStatus, SignedRequest
from common.execution.request import unsigned_request
from common.ports import FundingPayment, VenueAccountState, VenuePosition
from tests.builders import a_fill, an_instrument_table

Reply = OrderReport | BaseException | Callable[[Order], Awaitable[OrderReport]]
Answer = OrderReport | BaseException | Callable[[Order], Awaitable[OrderReport | None]] | None
FULL = object()
"""In a script of `submit`: fill the whole order at its own limit price."""
AS_ASKED = object()
"""Of a cancel: whatever the next query would say."""


def some_capabilities(venue: Venue = Venue.HYPERLIQUID) -> Capabilities:
    """15 s to live, 2 s skew, 5 s lag: "not found" is final 22 s after sending."""
    return Capabilities(
        venue=venue,
        order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
        time_in_force=frozenset({TimeInForce.IOC}),
        expires_after=True,
        order_ttl=timedelta(seconds=15),
        read_lag_max=timedelta(seconds=5),
        clock_skew_max=timedelta(seconds=2),
        request_timeout=timedelta(seconds=5),
    )


def fill_of(order: Order, quantity: Decimal | None = None, *, trade_id: str = "") -> Fill:
    """A fill of `order` at its limit price: `quantity`, or all of it."""
    return a_fill(
        trade_id or f"t-{order.client_order_id}",
        client_order_id=order.client_order_id,
        account_id=order.account_id,
        venue=order.venue,
        instrument_id=order.instrument_id,
        symbol=order.symbol,
        side=order.side,
        last_qty=order.quantity if quantity is None else quantity,
        last_px=order.price,
    )


def report_of(order: Order, *fills: Fill, status: OrderStatus | None = None) -> OrderReport:
    """FILLED when the fills make up the order, else CANCELED, unless `status` says otherwise."""
    filled = sum((fill.last_qty for fill in fills), ZERO)
    ended = OrderStatus.FILLED if filled >= order.quantity else OrderStatus.CANCELED
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id="77",
        status=status or ended,
        filled_qty=filled,
        fills=fills,
        reason="",
    )


class ScriptedVenue:
    """Fits `ExecutionVenue`. Each submit takes the next reply, the last one again and again.

    `refusals` are raised by the next calls of `prepare`, `account` is what `query_account` says
    (None: what `holds` says, in BTC), `funding` what `query_funding` says, and `on_cancel` what
    `cancel` says (the default: as a query).
    """

    def __init__(
        self,
        venue: Venue = Venue.HYPERLIQUID,
        *replies: Reply | object,
        answer: Answer = None,
        holds: Decimal = ZERO,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.venue = venue
        self.capabilities = capabilities or some_capabilities(venue)
        self.replies: list[Reply | object] = list(replies) or [FULL]
        self.answer = answer
        self.holds: Decimal | BaseException = holds
        self.sent: list[Order] = []
        self.asked: list[str] = []
        self.refusals: list[BaseException] = []
        self.account: VenueAccountState | BaseException | None = None
        self.funding: tuple[FundingPayment, ...] | BaseException = ()
        self.on_cancel: Answer | object = AS_ASKED
        self.canceled: list[str] = []
        self.requests: list[SignedRequest] = []

    async def load_instruments(self) -> InstrumentTable:
        return an_instrument_table(self.venue)

    async def prepare(self, order: Order) -> SignedRequest:
        if self.refusals:
            raise self.refusals.pop(0)
        return unsigned_request(order, now=order.submitted_at)

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        if isinstance(self.account, BaseException):
            raise self.account
        if self.account is not None:
            return self.account
        if isinstance(self.holds, BaseException):
            raise self.holds
        positions = (VenuePosition(symbol="BTC", signed_qty=plain(self.holds)),)
        return VenueAccountState(positions=positions if self.holds else ())

    async def submit(self, order: Order, request: SignedRequest | None = None) -> OrderReport:
        self.sent.append(order)
        if request is not None:
            self.requests.append(request)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if reply is FULL:
            return report_of(order, fill_of(order))
        if isinstance(reply, BaseException):
            raise reply
        if isinstance(reply, OrderReport):
            return reply
        assert callable(reply)
        report = await reply(order)
        assert isinstance(report, OrderReport)
        return report

    async def query_order(self, order: Order) -> OrderReport | None:
        self.asked.append(order.client_order_id)
        if isinstance(self.answer, BaseException):
            raise self.answer
        if callable(self.answer):
            return await self.answer(order)
        return self.answer

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        if isinstance(self.holds, BaseException):
            raise self.holds
        return VenuePosition(symbol=symbol, signed_qty=plain(self.holds)) if self.holds else None

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        if isinstance(self.funding, BaseException):
            raise self.funding
        mine = (each for each in self.funding if each.account_id == account_id)
        return tuple(each for each in mine if each.ts_event >= since)

    async def cancel(self, order: Order) -> OrderReport | None:
        self.canceled.append(order.client_order_id)
        if self.on_cancel is AS_ASKED:
            return await self.query_order(order)
        if isinstance(self.on_cancel, BaseException):
            raise self.on_cancel
        if callable(self.on_cancel):
            report = await self.on_cancel(order)
            assert report is None or isinstance(report, OrderReport)
            return report
        assert self.on_cancel is None or isinstance(self.on_cancel, OrderReport)
        return self.on_cancel
