"""A paper venue's own records. They stand for the world outside: no order document feeds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.domain.identifiers import prefixed_id
from common.domain.instrument import Instrument, Venue
from common.domain.moment import UtcDatetime, from_iso, iso
from common.domain.money import ZERO, parse_decimal, plain
from common.domain.order import Fill, LiquiditySide, Order, OrderReport, OrderStatus
from common.ports import Create, Document, Ref, Update, Write
from common.wire import from_document, to_document
from infra.venues.paper.fills import Execution

PAPER_ORDERS = "paper_orders"
PAPER_FILLS = "paper_fills"
PAPER_POSITIONS = "paper_positions"
PAPER_ARRIVALS = "paper_arrivals"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOrder:
    """An order that reached the venue, and what has become of it so far."""

    order: Order
    status: OrderStatus  # ACCEPTED, PARTIALLY_FILLED, FILLED, CANCELED or REJECTED
    code: str  # why it was rejected; empty otherwise
    reason: str
    venue_order_id: str
    fills: tuple[Fill, ...]
    accepted_at: UtcDatetime
    visible_at: UtcDatetime  # queries do not see it before

    @property
    def filled_qty(self) -> Decimal:
        return sum((fill.last_qty for fill in self.fills), ZERO)

    def report(self) -> OrderReport:
        return OrderReport(
            client_order_id=self.order.client_order_id,
            venue_order_id=self.venue_order_id,
            status=self.status,
            filled_qty=self.filled_qty,
            fills=self.fills,
            reason=f"{self.code}: {self.reason}" if self.code else self.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperArrival:
    """An order still under way to the venue."""

    venue: Venue
    order: Order
    arrives_at: UtcDatetime


def order_ref(venue: Venue, client_order_id: str) -> Ref:
    return Ref(PAPER_ORDERS, f"{venue}:{client_order_id}")


def arrival_ref(venue: Venue, client_order_id: str) -> Ref:
    return Ref(PAPER_ARRIVALS, f"{venue}:{client_order_id}")


def position_ref(venue: Venue, account_id: str, symbol: str) -> Ref:
    return Ref(PAPER_POSITIONS, f"{venue}:{account_id}:{symbol}")


def venue_order_id(order: Order) -> str:
    return prefixed_id("vo", order.venue, order.client_order_id)


def read_order(document: Document) -> PaperOrder:
    return from_document(PaperOrder, document.data)


def read_arrival(document: Document) -> PaperArrival:
    return from_document(PaperArrival, document.data)


def outcome(
    order: Order,
    status: OrderStatus,
    *,
    at: datetime,
    code: str = "",
    reason: str = "",
    fills: tuple[Fill, ...] = (),
    visible_at: datetime | None = None,
) -> PaperOrder:
    """The record of an order that reached the venue at `at`."""
    return PaperOrder(
        order=order,
        status=status,
        code=code,
        reason=reason,
        venue_order_id=venue_order_id(order),
        fills=fills,
        accepted_at=at,
        visible_at=visible_at or at,
    )


def held(document: Document | None) -> Decimal:
    """The signed quantity of a position document; 0 where there is none."""
    return ZERO if document is None else parse_decimal(document.data["signed_qty"])


def times_flat(document: Document | None) -> int:
    """How often the position of a document has been closed to nothing."""
    return 0 if document is None else int(document.data.get("times_flat", 0))


def accounted_until(document: Document) -> datetime:
    """The moment up to which a position's fills and funding are in the ledger."""
    return from_iso(document.data["updated_at"])


def fills_of(
    order: Order,
    instrument: Instrument,
    parts: Sequence[Execution],
    *,
    at: datetime,
    first: int = 1,
    side: LiquiditySide = LiquiditySide.TAKER,
) -> tuple[Fill, ...]:
    """Trade ids are a pure function of venue, client order id and number, from `first` on;
    commission is exact.
    """
    fee = instrument.taker_fee if side is LiquiditySide.TAKER else instrument.maker_fee
    return tuple(
        Fill(
            trade_id=prefixed_id("trd", order.venue, order.client_order_id, number),
            client_order_id=order.client_order_id,
            venue_order_id=venue_order_id(order),
            account_id=order.account_id,
            venue=order.venue,
            instrument_id=instrument.instrument_id,
            symbol=order.symbol,
            side=order.side,
            last_qty=part.quantity,
            last_px=part.price,
            commission=part.quantity * part.price * fee,
            liquidity_side=side,
            ts_event=at,
        )
        for number, part in enumerate(parts, start=first)
    )


def record_writes(record: PaperOrder, position: Document | None) -> list[Write]:
    """A new order, its fills and the position they lead to: one commit, each order once."""
    order = record.order
    ref = order_ref(order.venue, order.client_order_id)
    return [
        Create(ref, to_document(record)),
        *fill_writes(order, record.fills, position, at=record.accepted_at),
    ]


def fill_writes(
    order: Order, fills: Sequence[Fill], position: Document | None, *, at: datetime
) -> list[Write]:
    """New fills of one order and the position they lead to; nothing where there are none."""
    if not fills:
        return []
    writes: list[Write] = [
        Create(Ref(PAPER_FILLS, f"{order.venue}:{fill.trade_id}"), to_document(fill))
        for fill in fills
    ]
    filled = sum((fill.last_qty for fill in fills), ZERO)
    signed = held(position) + order.side.sign * filled
    return [*writes, _position_write(order, signed, position, at)]


def _position_write(
    order: Order, signed: Decimal, position: Document | None, at: datetime
) -> Write:
    change: dict[str, str | int] = {"signed_qty": plain(signed), "updated_at": iso(at)}
    if signed == 0:
        change["times_flat"] = times_flat(position) + 1
    if position is not None:
        change["updated_at"] = iso(max(at, accounted_until(position)))
        return Update(position.ref, change, position.version)
    owner = {"venue": order.venue.value, "account_id": order.account_id, "symbol": order.symbol}
    return Create(position_ref(order.venue, order.account_id, order.symbol), {**owner, **change})
