"""Netting positions: average price, realised and unrealised P&L, commissions."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Context, Decimal, localcontext

from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.domain.money import CASH_INCREMENT, ZERO, Money, round_to
from common.domain.order import Fill
from common.domain.signal import PositionSide

EXACT = Context(prec=120)  # the default 28 digits would drop the end of a long price times a size


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One deployment's net holding of one symbol at one venue; `signed_qty` < 0 is short."""

    position_id: str
    book: str
    agent_id: str
    deployment_id: str
    venue: Venue
    symbol: str
    signed_qty: Money
    open_cost: Money  # what the open quantity was bought (or sold short) for, >= 0
    realized_pnl: Money  # before commissions
    commissions: Money
    fill_count: int
    opened_at: UtcDatetime
    updated_at: UtcDatetime
    trip_pnl: Money = ZERO  # realised since it was last flat, after commissions

    @property
    def side(self) -> PositionSide:
        if self.signed_qty == 0:
            return PositionSide.FLAT
        return PositionSide.LONG if self.signed_qty > 0 else PositionSide.SHORT

    @property
    def avg_px_open(self) -> Decimal:
        """Average entry price of the open quantity; 0 while flat."""
        return self.open_cost / abs(self.signed_qty) if self.signed_qty else ZERO

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        """Exact: realized + unrealized = cash flows + holdings at `mark`, to the last digit."""
        with localcontext(EXACT):
            cost = self.open_cost if self.signed_qty > 0 else -self.open_cost
            return self.signed_qty * mark - cost


def apply_fill(position: Position, fill: Fill, *, now: datetime) -> Position:
    """The position after `fill`, exact in Decimal.

    Adding adds to the cost. Reducing takes the closed share of the cost, rounded to
    `CASH_INCREMENT` with the rest left in the cost, and realises the difference. Crossing zero
    closes first, then opens the remainder at the fill price. What the venue kept of a purchase
    never was held; its value is in the commission. The caller applies each `trade_id` once.
    """
    with localcontext(EXACT):
        return _applied(position, fill, now)


def _applied(position: Position, fill: Fill, now: datetime) -> Position:
    quantity = fill.last_qty - fill.base_withheld
    delta = quantity * fill.side.sign
    before = position.signed_qty
    after = before + delta
    opens_anew = before == 0 or before * after < 0
    realized = ZERO
    if before == 0 or (before > 0) == (delta > 0):
        cost = position.open_cost + fill.last_px * quantity
    else:
        closed = min(abs(before), quantity)
        share = position.open_cost
        if closed != abs(before):
            share = round_to(position.open_cost * closed / abs(before), CASH_INCREMENT)
        proceeds = fill.last_px * closed
        realized = proceeds - share if before > 0 else share - proceeds
        cost = position.open_cost - share + fill.last_px * (quantity - closed)
    trip = position.trip_pnl + realized - fill.commission
    return replace(
        position,
        signed_qty=after,
        open_cost=cost,
        realized_pnl=position.realized_pnl + realized,
        commissions=position.commissions + fill.commission,
        fill_count=position.fill_count + 1,
        opened_at=now if opens_anew else position.opened_at,
        updated_at=now,
        trip_pnl=ZERO if after == 0 or before * after < 0 else trip,
    )
