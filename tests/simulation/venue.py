"""A venue with its own ledger, which is the oracle: it does what it is told, forgets nothing.

Harsher than any real one: unless its capabilities say that it takes the same signed bytes at most
once, a second send is a second order.
"""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from common.domain.instrument import Capabilities, InstrumentTable, OrderType, TimeInForce, Venue
from common.domain.money import ZERO
from common.domain.order import (
    Fill,
    LiquiditySide,
    Order,
    OrderReport,
    OrderSide,
    OrderStatus,
    SignedRequest,
)
from common.errors import OutcomeUnknownError, RejectedError, TransientError
from common.execution.nonces import Nonces
from common.execution.request import unsigned_request
from common.ports import DocumentStore, FundingPayment, VenueAccountState, VenuePosition
from tests.builders import an_instrument, an_instrument_table
from tests.simulation.ledger import LOT, HandTrade, Ledger, VenueOrder, whole_lots
from tests.simulation.watch import Watch
from tests.simulation.world import Crash, World

FEE = Decimal("0.00045")
LIQUIDITY = {
    Venue.HYPERLIQUID: Decimal(20_000),
    Venue.OSTIUM: Decimal(12_000),
    Venue.GMX: Decimal(8_000),
}
CANARY = "0x" + "c0ffee42" * 8
"""Shaped like a private key. Venues put it into what they answer; nothing may keep it (I13)."""


class SimVenue:
    """Fits `ExecutionVenue`."""

    def __init__(
        self,
        venue: Venue,
        world: World,
        capabilities: Capabilities,
        symbols: tuple[str, ...],
        watch: Watch,
    ) -> None:
        self.venue = venue
        self.capabilities = capabilities
        self.books = Ledger()
        self._nonces: Nonces | None = None  # None: it takes any
        self.fenced: set[str] = set()
        self.failures_in_a_row = 0
        self.most_failures_in_a_row = 0
        self._world = world
        self._symbols = symbols
        self._watch = watch
        self._trades = itertools.count(1)
        self._skew = timedelta(seconds=world.random.uniform(-2, 2))

    @property
    def ledger(self) -> list[VenueOrder]:
        return self.books.orders

    def sign_with(self, store: DocumentStore) -> None:
        """From now on each account's requests carry its own nonces."""
        self._nonces = Nonces(store, self._world)

    async def load_instruments(self) -> InstrumentTable:
        return an_instrument_table(
            venue=self.venue,
            instruments=tuple(
                an_instrument(
                    instrument_id=f"{symbol}-USD-PERP.{self.venue}",
                    venue=self.venue,
                    symbol=symbol,
                    venue_symbol=symbol,
                    price_increment=Decimal("0.00000001"),
                    price_significant_figures=None,
                    price_decimals_max=8,
                    size_increment=LOT,
                    min_quantity=LOT,
                    min_notional=Decimal(1),
                    liquidity=LIQUIDITY[self.venue],
                )
                for symbol in self._symbols
            ),
            refreshed_at=self._world.now(),
        )

    async def prepare(self, order: Order) -> SignedRequest:
        await self._world.step("prepare")
        if self._world.chance("prepare_fails"):
            raise TransientError("no quote")
        if self._world.chance("prepare_refused"):
            raise RejectedError("MARKET_CLOSED", "refused before anything was sent")
        request = unsigned_request(order, now=self._world.now())
        if self._nonces is None:
            return request
        nonce = await self._nonces.take(self.venue, order.account_id)
        return replace(request, signer=order.account_id, nonce=nonce)

    async def submit(self, order: Order, request: SignedRequest) -> OrderReport:
        world = self._world
        self._watch.sends(order, request, world.now(), self.capabilities.request_timeout)
        failed = True
        try:
            report = await self._submit(order)
            failed = False
        except RejectedError:
            failed = False
            raise
        finally:
            self.failures_in_a_row = self.failures_in_a_row + 1 if failed else 0
            self.most_failures_in_a_row = max(self.most_failures_in_a_row, self.failures_in_a_row)
        return report

    async def _submit(self, order: Order) -> OrderReport:
        world = self._world
        await world.step("send")
        if world.chance("crash_before"):
            raise Crash
        if world.chance("not_sent"):
            raise TransientError(f"connection refused for {CANARY}")
        if world.chance("rejected"):
            raise RejectedError("MARGIN_INSUFFICIENT", f"refused, signed with {CANARY}")
        if world.chance("lost_before_venue"):
            raise OutcomeUnknownError("no answer")
        if world.chance("arrives_late"):
            world.start(self._arrive_late(order))
            raise OutcomeUnknownError(f"no answer yet to {CANARY}")
        entry = self._accept(order)
        await world.step("answer")
        if world.chance("crash_after"):
            raise Crash
        if world.chance("garbled"):
            raise ValueError(f"another shape: {CANARY}")
        if entry is None:
            raise RejectedError("ORDER_EXPIRED", "arrived after its expiry")
        if world.chance("answer_lost"):
            raise OutcomeUnknownError("the answer was lost")
        return self._told(entry.report)

    async def _arrive_late(self, order: Order) -> None:
        longest = 40 if self.capabilities.expires_after else 400
        late = timedelta(seconds=self._world.random.uniform(0.1, longest))
        await self._world.step("late", after=late)
        try:
            self._accept(order)
        except (RejectedError, OutcomeUnknownError):
            return

    def _accept(self, order: Order) -> VenueOrder | None:
        world = self._world
        if self.capabilities.resends:
            self._refuse_second(order)
        if self.capabilities.expires_after and world.now() + self._skew > order.expires_at:
            return None
        self._watch.arrives(order)
        if order.reduce_only and self.books.room_to_close(order) == 0:
            raise RejectedError("REDUCE_ONLY", "there is nothing that it would reduce")
        entry = VenueOrder(order, world.now())
        self._tell(entry, ZERO, OrderStatus.ACCEPTED)
        self.ledger.append(entry)
        if order.time_in_force is TimeInForce.IOC:
            self._fill_at_once(entry)
        elif order.order_type is OrderType.LIMIT and world.random.random() < 0.2:
            self._fill_some(entry)
        return entry

    def _fill_at_once(self, entry: VenueOrder) -> None:
        world, quantity = self._world, entry.order.quantity
        if entry.order.reduce_only:
            quantity = min(quantity, self.books.room_to_close(entry.order))
        if world.chance("part_filled"):
            quantity = whole_lots(quantity * world.random.randrange(0, 95) / 100)
        elif not entry.order.reduce_only and world.chance("overfilled"):
            quantity, entry.overfilled = quantity + LOT * world.random.randrange(1, 5), True
        full = quantity >= entry.order.quantity
        self._tell(entry, quantity, OrderStatus.FILLED if full else OrderStatus.CANCELED)

    def _fill_some(self, entry: VenueOrder) -> None:
        """Some or all of what rests; an order that may only reduce is cut to what is held."""
        random, quantity = self._world.random, entry.leaves_qty
        if entry.order.reduce_only:
            quantity = min(quantity, self.books.room_to_close(entry.order))
        if entry.order.trigger_price is None and random.random() < 0.5:
            quantity = max(LOT, whole_lots(quantity * random.randrange(0, 100) / 100))
        if quantity >= entry.leaves_qty:
            self._tell(entry, quantity, OrderStatus.FILLED)
        elif entry.order.trigger_price is not None:
            self._tell(entry, quantity, OrderStatus.CANCELED)
        else:
            self._tell(entry, quantity, OrderStatus.PARTIALLY_FILLED)

    def _tell(self, entry: VenueOrder, quantity: Decimal, status: OrderStatus) -> None:
        """`quantity` more has filled; from now on, or a little later, queries see it."""
        world = self._world
        before = entry.report.fills if entry.told else ()
        name = entry.report.venue_order_id if entry.told else f"{self.venue}-{len(self.ledger) + 1}"
        fills = (*before, *(self._fill(entry.order, name, part) for part in self._parts(quantity)))
        report = OrderReport(
            client_order_id=entry.order.client_order_id,
            venue_order_id=name,
            status=status,
            filled_qty=sum((fill.last_qty for fill in fills), ZERO),
            fills=fills,
            reason="the rest did not fill" if status is OrderStatus.CANCELED else "",
        )
        seen_from = world.now()
        if world.chance("read_lag"):
            seen_from += self.capabilities.read_lag_max * world.random.random()
        if entry.told:
            seen_from = max(seen_from, entry.told[-1][0])
        entry.told.append((seen_from, report))

    def _refuse_second(self, order: Order) -> None:
        """The nonce is used: by the first copy, or by the fence."""
        if not self.books.has_request(order.request_key) and order.request_key not in self.fenced:
            return
        self._world.fired["second_copy"] += 1
        if self._world.random.random() < 0.5:  # some check the margin before the nonce
            raise RejectedError("MARGIN_INSUFFICIENT", "no margin for a second one")
        raise OutcomeUnknownError("the nonce is used")

    def _parts(self, quantity: Decimal) -> list[Decimal]:
        """One fill, or two that add up."""
        if quantity == 0:
            return []
        first = whole_lots(quantity * self._world.random.randrange(10, 91) / 100)
        if first in (ZERO, quantity) or self._world.random.random() < 0.5:
            return [quantity]
        return [first, quantity - first]

    def _fill(self, order: Order, venue_order_id: str, quantity: Decimal) -> Fill:
        price = order.price * Decimal(self._world.random.randrange(9950, 10_000)) / 10_000
        return Fill(
            trade_id=str(next(self._trades)),
            client_order_id=order.client_order_id,
            venue_order_id=venue_order_id,
            account_id=order.account_id,
            venue=self.venue,
            instrument_id=order.instrument_id,
            symbol=order.symbol,
            side=order.side,
            last_qty=quantity,
            last_px=price,
            commission=price * quantity * FEE,
            liquidity_side=LiquiditySide.TAKER,
            ts_event=self._world.now(),
        )

    def _told(self, report: OrderReport) -> OrderReport:
        if len(report.fills) and self._world.chance("fills_repeated"):
            return replace(report, fills=(*reversed(report.fills), *report.fills))
        return report

    async def query_order(self, order: Order) -> OrderReport | None:
        await self._asked()
        entry = self.books.find(order.client_order_id)
        seen = entry.seen_at(self._world.now()) if entry else None
        if seen is not None:
            return self._told(seen)
        if order.request_key in self.fenced and entry is None:
            return OrderReport(
                client_order_id=order.client_order_id,
                venue_order_id="",
                status=OrderStatus.REJECTED,
                filled_qty=ZERO,
                fills=(),
                reason="its nonce went to another transaction",
            )
        return None

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        await self._asked()
        quantity = self.books.quantity(account_id, symbol, seen_at=self._world.now())
        return VenuePosition(symbol=symbol, signed_qty=str(quantity)) if quantity else None

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        await self._asked()
        now = self._world.now()
        told = {
            symbol: self.books.quantity(account_id, symbol, seen_at=now) for symbol in self._symbols
        }
        return VenueAccountState(
            positions=tuple(
                VenuePosition(symbol=symbol, signed_qty=str(quantity), avg_px="100")
                for symbol, quantity in told.items()
                if quantity
            )
        )

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        await self._asked()
        return tuple(
            payment
            for payment in self.books.funding
            if payment.account_id == account_id and payment.ts_event >= since
        )

    async def cancel(self, order: Order) -> OrderReport | None:
        """A fence, where the venue has one: what has not come by now cannot come."""
        await self._asked()
        if self._world.chance("cancel_fails"):
            raise TransientError("not canceled")
        if self.capabilities.cancel_is_a_fence:
            self.fenced.add(order.request_key)
            self._world.fired["fenced"] += 1
        entry = self.books.find(order.client_order_id)
        if entry is not None and entry.rests:
            self._tell(entry, ZERO, OrderStatus.CANCELED)
            self._world.fired["canceled"] += 1
        await self._world.step("answer")
        if self._world.chance("answer_lost"):
            raise TransientError("the cancel's answer was lost")
        return await self.query_order(order)

    async def _asked(self) -> None:
        await self._world.step("query")
        if self._world.chance("query_fails"):
            raise TransientError(f"the venue did not answer the query of {CANARY}")
        if self._world.chance("garbled"):
            raise KeyError("a field that was renamed")

    def the_market_moves(self, marks: dict[str, Decimal]) -> None:
        """Resting orders whose price is reached fill, or, of the stops, some find nobody."""
        for entry in self.books.resting():
            mark = marks.get(entry.order.symbol)
            if mark is None or not self._is_reached(entry, mark):
                continue
            if entry.order.trigger_price is not None and self._finds_nobody(entry):
                continue
            if entry.order.reduce_only and self.books.room_to_close(entry.order) == 0:
                self._tell(entry, ZERO, OrderStatus.CANCELED)
            else:
                self._fill_some(entry)

    def _is_reached(self, entry: VenueOrder, mark: Decimal) -> bool:
        order = entry.order
        buys = order.side is OrderSide.BUY
        bound = order.trigger_price or order.price
        when_it_rises = buys if order.order_type is OrderType.STOP_MARKET else not buys
        return mark >= bound if when_it_rises else mark <= bound

    def _finds_nobody(self, entry: VenueOrder) -> bool:
        now = self._world.now()
        if entry.stuck_until is None:
            sticks = self._world.chance("stop_sticks")
            entry.stuck_until = now + timedelta(minutes=20) if sticks else now
        return now < entry.stuck_until

    def pay_funding(self, account_id: str) -> None:
        """For what is held at this moment, to or from the account."""
        for symbol in self._symbols:
            if self.books.quantity(account_id, symbol) == 0:
                continue
            amount = Decimal(self._world.random.randrange(-500, 500)) / 1000
            number = len(self.books.funding) + 1
            payment = FundingPayment(
                payment_id=str(number),
                venue=self.venue,
                account_id=account_id,
                symbol=symbol,
                amount=amount,
                ts_event=self._world.now(),
            )
            self.books.funding.append(payment)

    def trade_by_hand(self, account_id: str, side: OrderSide) -> None:
        symbol = self._world.random.choice(self._symbols)
        quantity = LOT * self._world.random.randrange(1, 50) * side.sign
        self.books.by_hand.append(HandTrade(account_id, symbol, quantity))

    def quantity(self, account_id: str, symbol: str) -> Decimal:
        return self.books.quantity(account_id, symbol)

    def quantity_by_hand(self, account_id: str, symbol: str) -> Decimal:
        return self.books.quantity_by_hand(account_id, symbol)

    @property
    def by_hand(self) -> list[HandTrade]:
        return self.books.by_hand
