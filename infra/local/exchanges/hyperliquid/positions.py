"""A net perpetual position and what a fill does to it."""

from dataclasses import dataclass
from decimal import Decimal

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Change:
    """`direction` in the venue's words: "Open Long", "Close Short", "Long > Short" ..."""

    direction: str
    closed_pnl: Decimal  # USDC, before fees


@dataclass(slots=True)
class Position:
    """`size` is signed; `entry` is the average price of what is open."""

    size: Decimal = ZERO
    entry: Decimal = ZERO

    def take(self, signed_qty: Decimal, price: Decimal) -> Change:
        before = self.size
        after = before + signed_qty
        opens = before == 0 or (before > 0) == (signed_qty > 0)
        if opens:
            cost = abs(before) * self.entry + abs(signed_qty) * price
            self.size, self.entry = after, cost / abs(after)
            return Change(f"Open {_side(signed_qty)}", ZERO)
        closed = min(abs(before), abs(signed_qty))
        pnl = (price - self.entry) * (closed if before > 0 else -closed)
        flips = after != 0 and (after > 0) != (before > 0)
        self.size = after
        self.entry = price if flips else self.entry if after else ZERO
        if flips:
            return Change(f"{_side(before)} > {_side(after)}", pnl)
        return Change(f"Close {_side(before)}", pnl)

    def unrealized(self, mark: Decimal) -> Decimal:
        return self.size * (mark - self.entry)


def _side(size: Decimal) -> str:
    return "Long" if size > 0 else "Short"
