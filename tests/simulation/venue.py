"""A venue with its own ledger, which is the oracle: it does what it is told, forgets nothing.

Harsher than any real one: it never refuses a client order id that it has seen, so that a second
send is a second order.
"""

import itertools
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from common.domain.instrument import Capabilities, InstrumentTable, Venue
from common.domain.money import ZERO
from common.domain.order import Fill, LiquiditySide, Order, OrderReport, OrderStatus, SignedRequest
from common.errors import OutcomeUnknownError, RejectedError, TransientError
from common.execution.request import unsigned_request
from common.ports import VenueAccountState, VenuePosition
from tests.builders import an_instrument, an_instrument_table
from tests.simulation.watch import Watch
from tests.simulation.world import Crash, World

LOT = Decimal("0.0001")
FEE = Decimal("0.00045")


@dataclass(frozen=True, slots=True)
class VenueOrder:
    order: Order
    accepted_at: datetime
    visible_at: datetime
    report: OrderReport


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
                )
                for symbol in self._symbols
            ),
            refreshed_at=self._world.now(),
        )

    async def prepare(self, order: Order) -> SignedRequest:
        return unsigned_request(order, now=self._world.now())

    async def submit(self, order: Order, request: SignedRequest | None = None) -> OrderReport:
        world = self._world
        self._watch.sends(order, world.now(), self.capabilities.request_timeout)
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
        if report is None:
            raise RejectedError("ORDER_EXPIRED", "arrived after its expiry")
        if world.chance("answer_lost"):
            raise OutcomeUnknownError("the answer was lost")
        return report

    async def _arrive_late(self, order: Order) -> None:
        await self._world.step("late", after=timedelta(seconds=self._world.random.uniform(0.1, 40)))
        self._accept(order)

    def _accept(self, order: Order) -> OrderReport | None:
        world = self._world
        if world.now() + self._skew > order.expires_at:
            return None
        self._watch.arrives(order)
        quantity = order.quantity
        if world.chance("part_filled"):
            quantity = _whole_lots(order.quantity * world.random.randrange(0, 95) / 100)
        fills = tuple(self._fill(order, part) for part in self._parts(quantity))
        full = quantity == order.quantity
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
        self.ledger.append(VenueOrder(order, world.now(), world.now() + lag, report))
        return report

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

    async def query_order(self, order: Order) -> OrderReport | None:
        await self._asked()
        for entry in self._visible():
            if entry.order.client_order_id == order.client_order_id:
                return entry.report
        return None

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
                VenuePosition(symbol=symbol, signed_qty=str(quantity))
                for symbol, quantity in told.items()
                if quantity
            )
        )

    async def cancel(self, order: Order) -> OrderReport | None:
        return await self.query_order(order)

    async def _asked(self) -> None:
        await self._world.step("query")
        if self._world.chance("query_fails"):
            raise TransientError("the venue did not answer the query")

    def _visible(self) -> list[VenueOrder]:
        return [entry for entry in self.ledger if entry.visible_at <= self._world.now()]

    def quantity(self, account_id: str, symbol: str, *, visible_only: bool = False) -> Decimal:
        entries = self._visible() if visible_only else self.ledger
        return sum(
            (
                fill.last_qty * fill.side.sign
                for entry in entries
                for fill in entry.report.fills
                if fill.account_id == account_id and fill.symbol == symbol
            ),
            ZERO,
        )


def _whole_lots(quantity: Decimal) -> Decimal:
    return quantity // LOT * LOT
