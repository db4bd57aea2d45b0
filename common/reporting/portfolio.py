"""What positions are worth at the last marks: exact, nothing read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from common.domain.money import ZERO
from common.domain.position import Position

HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuedPosition:
    """`mark`, `pnl` and `pnl_percent` are None while the symbol has no price."""

    position: Position
    mark: Decimal | None
    pnl: Decimal | None  # unrealised, quote currency, before commissions
    pnl_percent: Decimal | None  # of what the open quantity cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """`positions` holds the open ones; the sums are over all, closed ones included."""

    positions: tuple[ValuedPosition, ...]
    capital: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    commissions: Decimal

    @property
    def total_value(self) -> Decimal:
        return self.capital + self.realized_pnl + self.unrealized_pnl - self.commissions


def value_portfolio(
    positions: Sequence[Position], marks: Mapping[str, Decimal], *, capital: Decimal
) -> Portfolio:
    """A symbol without a mark counts at cost: its unrealised result is taken as 0."""
    valued = tuple(_value(each, marks.get(each.symbol)) for each in positions if each.signed_qty)
    return Portfolio(
        positions=valued,
        capital=capital,
        realized_pnl=sum((each.realized_pnl for each in positions), ZERO),
        unrealized_pnl=sum((each.pnl for each in valued if each.pnl is not None), ZERO),
        commissions=sum((each.commissions for each in positions), ZERO),
    )


def _value(position: Position, mark: Decimal | None) -> ValuedPosition:
    pnl = position.unrealized_pnl(mark) if mark is not None else None
    percent = pnl / position.open_cost * HUNDRED if pnl is not None and position.open_cost else None
    return ValuedPosition(position=position, mark=mark, pnl=pnl, pnl_percent=percent)
