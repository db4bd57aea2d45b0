"""A venue with its own ledger, which is the oracle: it does what it is told, forgets nothing.

Harsher than any real one: unless its capabilities say that it takes the same signed bytes at most
once, a second send is a second order.
"""

import itertools
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from common.domain.instrument import Capabilities, InstrumentTable, Venue
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
from common.execution.request import unsigned_request
from common.ports import VenueAccountState, VenuePosition
from tests.builders import an_instrument, an_instrument_table
from tests.simulation.watch import Watch
from tests.simulation.world import Crash, World

LOT = Decimal("0.0001")
FEE = Decimal("0.00045")
LIQUIDITY = {
    Venue.HYPERLIQUID: Decimal(20_000),
    Venue.OSTIUM: Decimal(12_000),
    Venue.GMX: Decimal(8_000),
}


@dataclass(frozen=True, slots=True)
class VenueOrder:
    order: Order
    accepted_at: datetime
    visible_at: datetime
    report: OrderReport
    overfilled: bool = False


@dataclass(frozen=True, slots=True)
class HandTrade:
    """What the user did in the account without us."""

    account_id: str
    symbol: str
    signed_qty: Decimal


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
        self.ledger: list[VenueOrder] = []
        self.by_hand: list[HandTrade] = []
        self.fenced: set[str] = set()
        self.failures_in_a_row = 0
        self.most_failures_in_a_row = 0
        self._world = world
        self._symbols = symbols
        self._watch = watch
        self._trades = itertools.count(1)
        self._skew = timedelta(seconds=world.random.uniform(-2, 2))

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
        return unsigned_request(order, now=self._world.now())

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
            raise TransientError("connection refused")
        if world.chance("rejected"):
            raise RejectedError("MARGIN_INSUFFICIENT", "refused by the simulation")
        if world.chance("lost_before_venue"):
            raise OutcomeUnknownError("no answer")
        if world.chance("arrives_late"):
            world.start(self._arrive_late(order))
            raise OutcomeUnknownError("no answer yet")
        report = self._accept(order)
        await world.step("answer")
        if world.chance("crash_after"):
            raise Crash
        if world.chance("garbled"):
            raise ValueError("another shape")
        if report is None:
            raise RejectedError("ORDER_EXPIRED", "arrived after its expiry")
        if world.chance("answer_lost"):
            raise OutcomeUnknownError("the answer was lost")
        return self._told(report)

    async def _arrive_late(self, order: Order) -> None:
        longest = 40 if self.capabilities.expires_after else 400
        late = timedelta(seconds=self._world.random.uniform(0.1, longest))
        await self._world.step("late", after=late)
        try:
            self._accept(order)
        except (RejectedError, OutcomeUnknownError):
            return

    def _accept(self, order: Order) -> OrderReport | None:
        world = self._world
        if self.capabilities.resends:
            self._refuse_second(order)
        if self.capabilities.expires_after and world.now() + self._skew > order.expires_at:
            return None
        self._watch.arrives(order)
        quantity = order.quantity
        overfilled = False
        if world.chance("part_filled"):
            quantity = _whole_lots(order.quantity * world.random.randrange(0, 95) / 100)
        elif world.chance("overfilled"):
            quantity, overfilled = order.quantity + LOT * world.random.randrange(1, 5), True
        fills = tuple(self._fill(order, part) for part in self._parts(quantity))
        full = quantity >= order.quantity
        report = OrderReport(
            client_order_id=order.client_order_id,
            venue_order_id=f"{self.venue}-{len(self.ledger) + 1}",
            status=OrderStatus.FILLED if full else OrderStatus.CANCELED,
            filled_qty=quantity,
            fills=fills,
            reason="" if full else "the rest did not fill",
        )
        lag = timedelta(0)
        if world.chance("read_lag"):
            lag = self.capabilities.read_lag_max * world.random.random()
        entry = VenueOrder(order, world.now(), world.now() + lag, report, overfilled)
        self.ledger.append(entry)
        return report

    def _refuse_second(self, order: Order) -> None:
        """The nonce is used: by the first copy, or by the fence."""
        taken = any(entry.order.request_key == order.request_key for entry in self.ledger)
        if not taken and order.request_key not in self.fenced:
            return
        self._world.fired["second_copy"] += 1
        if self._world.random.random() < 0.5:  # some check the margin before the nonce
            raise RejectedError("MARGIN_INSUFFICIENT", "no margin for a second one")
        raise OutcomeUnknownError("the nonce is used")

    def _parts(self, quantity: Decimal) -> list[Decimal]:
        """One fill, or two that add up."""
        if quantity == 0:
            return []
        first = _whole_lots(quantity * self._world.random.randrange(10, 91) / 100)
        if first in (ZERO, quantity) or self._world.random.random() < 0.5:
            return [quantity]
        return [first, quantity - first]

    def _fill(self, order: Order, quantity: Decimal) -> Fill:
        price = order.price * Decimal(self._world.random.randrange(9950, 10_000)) / 10_000
        return Fill(
            trade_id=str(next(self._trades)),
            client_order_id=order.client_order_id,
            venue_order_id=f"{self.venue}-{len(self.ledger) + 1}",
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
        for entry in self._visible():
            if entry.order.client_order_id == order.client_order_id:
                return self._told(entry.report)
        if order.request_key in self.fenced and not self._holds(order):
            return OrderReport(
                client_order_id=order.client_order_id,
                venue_order_id="",
                status=OrderStatus.REJECTED,
                filled_qty=ZERO,
                fills=(),
                reason="its nonce went to another transaction",
            )
        return None

    def _holds(self, order: Order) -> bool:
        return any(e.order.client_order_id == order.client_order_id for e in self.ledger)

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        await self._asked()
        quantity = self.quantity(account_id, symbol, visible_only=True)
        return VenuePosition(symbol=symbol, signed_qty=str(quantity)) if quantity else None

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        await self._asked()
        told = {
            symbol: self.quantity(account_id, symbol, visible_only=True) for symbol in self._symbols
        }
        return VenueAccountState(
            positions=tuple(
                VenuePosition(symbol=symbol, signed_qty=str(quantity), avg_px="100")
                for symbol, quantity in told.items()
                if quantity
            )
        )

    async def cancel(self, order: Order) -> OrderReport | None:
        """A fence, where the venue has one: what has not come by now cannot come."""
        await self._asked()
        if self._world.chance("cancel_fails"):
            raise TransientError("not canceled")
        if self.capabilities.cancel_is_a_fence:
            self.fenced.add(order.request_key)
            self._world.fired["fenced"] += 1
        return await self.query_order(order)

    async def _asked(self) -> None:
        await self._world.step("query")
        if self._world.chance("query_fails"):
            raise TransientError("the venue did not answer the query")
        if self._world.chance("garbled"):
            raise KeyError("a field that was renamed")

    def trade_by_hand(self, account_id: str, side: OrderSide) -> None:
        symbol = self._world.random.choice(self._symbols)
        quantity = LOT * self._world.random.randrange(1, 50) * side.sign
        self.by_hand.append(HandTrade(account_id, symbol, quantity))

    def _visible(self) -> list[VenueOrder]:
        return [entry for entry in self.ledger if entry.visible_at <= self._world.now()]

    def quantity(self, account_id: str, symbol: str, *, visible_only: bool = False) -> Decimal:
        entries = self._visible() if visible_only else self.ledger
        filled = sum(
            (
                fill.last_qty * fill.side.sign
                for entry in entries
                for fill in entry.report.fills
                if fill.account_id == account_id and fill.symbol == symbol
            ),
            ZERO,
        )
        return filled + self.quantity_by_hand(account_id, symbol)

    def quantity_by_hand(self, account_id: str, symbol: str) -> Decimal:
        return sum(
            (
                trade.signed_qty
                for trade in self.by_hand
                if (trade.account_id, trade.symbol) == (account_id, symbol)
            ),
            ZERO,
        )


def _whole_lots(quantity: Decimal) -> Decimal:
    return quantity // LOT * LOT
