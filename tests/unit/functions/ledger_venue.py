"""A venue with a ledger: it fills, rests and cancels as a real one does, and can be counted on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from common.domain.instrument import Capabilities, InstrumentTable, OrderType, TimeInForce, Venue
from common.domain.money import ZERO, plain
from common.domain.order import Fill, Order, OrderReport, OrderStatus, SignedRequest
from common.errors import RejectedError, TransientError
from common.execution.request import unsigned_request
from common.ports import FundingPayment, VenueAccountState, VenueOpenOrder, VenuePosition
from tests.builders import an_instrument_table
from tests.fakes.venue import fill_of

T = TypeVar("T")
Hook = Callable[[str], Awaitable[None]]


def resting_capabilities(venue: Venue) -> Capabilities:
    """Every kind of order, at once or in the book; "not found" is final 22 s after sending."""
    return Capabilities(
        venue=venue,
        order_types=frozenset(OrderType),
        time_in_force=frozenset({TimeInForce.IOC, TimeInForce.GTC}),
        expires_after=True,
        order_ttl=timedelta(seconds=15),
        read_lag_max=timedelta(seconds=5),
        clock_skew_max=timedelta(seconds=2),
        request_timeout=timedelta(seconds=5),
    )


@dataclass(slots=True)
class _Held:
    order: Order
    status: OrderStatus
    fills: list[Fill] = field(default_factory=list)

    @property
    def filled(self) -> Decimal:
        return sum((fill.last_qty for fill in self.fills), ZERO)


class LedgerVenue:
    """Fits `ExecutionVenue`. Nets what each account holds.

    What is to fill at once fills by `share` of what is asked (1: whole); what is to rest is taken
    and never fills by itself. A reduce-only order closes what is held and no more. `down`: it
    refuses every connection. `before` and `after` are awaited around every call, as in the
    MemoryStore; what `before` raises means that nothing happened.
    """

    def __init__(self, venue: Venue, *, symbols: tuple[str, ...] = ("BTC", "ETH")) -> None:
        self.venue = venue
        self.capabilities = resting_capabilities(venue)
        self.symbols = symbols
        self.share = Decimal(1)
        self.down = False
        self.before: Hook | None = None
        self.after: Hook | None = None
        self.orders: dict[str, _Held] = {}
        self.positions: dict[tuple[str, str], Decimal] = {}
        self.sent: list[Order] = []
        self.canceled: list[str] = []
        self.funding: list[FundingPayment] = []

    def hold(self, account_id: str, quantity: str, *, symbol: str = "ETH") -> None:
        self.positions[account_id, symbol] = Decimal(quantity)

    def rest(self, order: Order) -> None:
        """As if it had been sent before."""
        self.orders[order.client_order_id] = _Held(order, OrderStatus.ACCEPTED)

    def fill(self, key: str, quantity: str) -> None:
        """The market comes to an order that rests."""
        held = self.orders[key]
        order, more = held.order, Decimal(quantity)
        held.fills.append(fill_of(order, more, trade_id=f"t-{key}-{len(held.fills)}"))
        place = (order.account_id, order.symbol)
        self.positions[place] = self.positions.get(place, ZERO) + more * order.side.sign
        if held.filled >= order.quantity:
            held.status = OrderStatus.FILLED

    def held(self, account_id: str, symbol: str = "ETH") -> Decimal:
        return self.positions.get((account_id, symbol), ZERO)

    def resting(self) -> list[str]:
        return [key for key, each in self.orders.items() if each.status is OrderStatus.ACCEPTED]

    async def load_instruments(self) -> InstrumentTable:
        return an_instrument_table(self.venue, self.symbols)

    async def prepare(self, order: Order) -> SignedRequest:
        return await self._call("prepare", lambda: unsigned_request(order, now=order.submitted_at))

    async def submit(self, order: Order, request: SignedRequest) -> OrderReport:
        assert request.client_order_id == order.client_order_id
        return await self._call("submit", lambda: self._take(order))

    async def query_order(self, order: Order) -> OrderReport | None:
        return await self._call("query_order", lambda: self._report(order.client_order_id))

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        return await self._call("query_position", lambda: self._position(account_id, symbol))

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        return await self._call("query_account", lambda: self._account(account_id))

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        def told() -> tuple[FundingPayment, ...]:
            mine = (each for each in self.funding if each.account_id == account_id)
            return tuple(each for each in mine if each.ts_event >= since)

        return await self._call("query_funding", told)

    async def cancel(self, order: Order) -> OrderReport | None:
        return await self._call("cancel", lambda: self._cancel(order.client_order_id))

    async def _call(self, name: str, deed: Callable[[], T]) -> T:
        if self.before is not None:
            await self.before(name)
        if self.down:
            raise TransientError(f"{self.venue} refused the connection")
        done = deed()
        if self.after is not None:
            await self.after(name)
        return done

    def _take(self, order: Order) -> OrderReport:
        assert order.client_order_id not in self.orders, "sent twice"
        self.sent.append(order)
        if order.time_in_force is TimeInForce.GTC:
            self.orders[order.client_order_id] = _Held(order, OrderStatus.ACCEPTED)
            return self._told(order.client_order_id)
        held = self.held(order.account_id, order.symbol)
        wanted = order.quantity * self.share
        if order.reduce_only:
            wanted = min(wanted, max(-held * order.side.sign, ZERO))
            if not wanted:
                raise RejectedError("REDUCE_ONLY", "there is nothing to reduce")
        fills = [fill_of(order, wanted)] if wanted else []
        self.positions[order.account_id, order.symbol] = held + wanted * order.side.sign
        status = OrderStatus.FILLED if wanted == order.quantity else OrderStatus.CANCELED
        self.orders[order.client_order_id] = _Held(order, status, fills)
        return self._told(order.client_order_id)

    def _cancel(self, key: str) -> OrderReport | None:
        self.canceled.append(key)
        held = self.orders.get(key)
        if held is not None and not held.status.is_terminal:
            held.status = OrderStatus.CANCELED
        return self._report(key)

    def _report(self, key: str) -> OrderReport | None:
        return self._told(key) if key in self.orders else None

    def _told(self, key: str) -> OrderReport:
        held = self.orders[key]
        return OrderReport(
            client_order_id=key,
            venue_order_id=f"v-{key}",
            status=held.status,
            filled_qty=held.filled,
            fills=tuple(held.fills),
            reason="",
        )

    def _position(self, account_id: str, symbol: str) -> VenuePosition | None:
        held = self.held(account_id, symbol)
        return VenuePosition(symbol=symbol, signed_qty=plain(held)) if held else None

    def _account(self, account_id: str) -> VenueAccountState:
        found = [
            VenuePosition(symbol=symbol, signed_qty=plain(quantity))
            for (account, symbol), quantity in self.positions.items()
            if account == account_id and quantity
        ]
        resting = [
            VenueOpenOrder(
                venue_order_id=f"v-{key}",
                client_order_id=key,
                symbol=each.order.symbol,
                side=each.order.side,
                left_qty=plain(each.order.quantity - each.filled),
            )
            for key, each in self.orders.items()
            if each.status is OrderStatus.ACCEPTED and each.order.account_id == account_id
        ]
        return VenueAccountState(positions=tuple(found), open_orders=tuple(resting))
