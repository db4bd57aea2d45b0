"""What a simulated venue holds: each order with all that was ever told of it, and positions."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import TimeInForce
from common.domain.money import ZERO
from common.domain.order import Order, OrderReport
from common.ports import FundingPayment

LOT = Decimal("0.0001")


@dataclass(slots=True)
class VenueOrder:
    order: Order
    accepted_at: datetime
    overfilled: bool = False
    stuck_until: datetime | None = None  # a stop that has triggered and finds nobody till then
    told: list[tuple[datetime, OrderReport]] = field(default_factory=list)  # from when on, what

    @property
    def report(self) -> OrderReport:
        return self.told[-1][1]

    @property
    def rests(self) -> bool:
        is_open = not self.report.status.is_terminal
        return is_open and self.order.time_in_force is TimeInForce.GTC

    @property
    def leaves_qty(self) -> Decimal:
        return self.order.quantity - self.report.filled_qty

    def seen_at(self, now: datetime) -> OrderReport | None:
        """The latest that a query sees."""
        visible = [report for since, report in self.told if since <= now]
        return visible[-1] if visible else None


@dataclass(frozen=True, slots=True)
class HandTrade:
    """What the user did in the account without us."""

    account_id: str
    symbol: str
    signed_qty: Decimal


@dataclass(slots=True)
class Ledger:
    """One venue's."""

    orders: list[VenueOrder] = field(default_factory=list)
    by_hand: list[HandTrade] = field(default_factory=list)
    funding: list[FundingPayment] = field(default_factory=list)

    def find(self, client_order_id: str) -> VenueOrder | None:
        return next(
            (entry for entry in self.orders if entry.order.client_order_id == client_order_id), None
        )

    def has_request(self, request_key: str) -> bool:
        return any(entry.order.request_key == request_key for entry in self.orders)

    def resting(self) -> list[VenueOrder]:
        return [entry for entry in self.orders if entry.rests]

    def quantity(self, account_id: str, symbol: str, *, seen_at: datetime | None = None) -> Decimal:
        """Signed base units; `seen_at`: as a query at that moment sees it."""
        reports = [
            entry.report if seen_at is None else entry.seen_at(seen_at)
            for entry in self.orders
            if (entry.order.account_id, entry.order.symbol) == (account_id, symbol)
        ]
        filled = sum(
            (
                fill.last_qty * fill.side.sign
                for report in reports
                if report is not None
                for fill in report.fills
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

    def room_to_close(self, order: Order) -> Decimal:
        """How much of the account's position `order` can close at most."""
        held = self.quantity(order.account_id, order.symbol)
        return max(ZERO, -held * order.side.sign)


def whole_lots(quantity: Decimal) -> Decimal:
    return quantity // LOT * LOT
