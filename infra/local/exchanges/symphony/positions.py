"""Subscribers and their positions."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal

from common.domain.moment import iso

ZERO = Decimal(0)
CENT_OF_CENTS = Decimal("0.000001")  # USDC has six decimals


def floored(value: Decimal) -> Decimal:
    return value.quantize(CENT_OF_CENTS, rounding=ROUND_FLOOR)


@dataclass(slots=True, kw_only=True)
class Position:
    key: str
    batch_id: str
    smart_account: str
    symbol: str
    is_long: bool
    collateral: Decimal
    leverage: Decimal
    entry: Decimal
    opened_at: datetime
    updated_at: datetime
    closed_at_price: Decimal | None = None

    @property
    def size(self) -> Decimal:
        return floored(self.collateral * self.leverage)

    def gain(self, price: Decimal) -> Decimal:
        return self.size * (price / self.entry - 1) * (1 if self.is_long else -1)

    def row(self, price: Decimal) -> dict[str, object]:
        shown = price if self.closed_at_price is None else self.closed_at_price
        return {
            "batchId": self.batch_id,
            "smartAccount": self.smart_account,
            "symphonyPositionHash": self.key,
            "protocolPositionHash": f"0x{self.key[::-1][:64]}",
            "status": "Open" if self.closed_at_price is None else "Closed",
            "collateralAmount": float(self.collateral),
            "pnlUSD": float(floored(self.gain(shown))),
            "asset": self.symbol,
            "isLong": self.is_long,
            "leverage": float(self.leverage),
            "positionSize": float(self.size),
            "entryPrice": float(self.entry),
            "currentPrice": float(shown),
            "slPrice": 0,
            "tpPrice": 0,
            "createdTimestamp": iso(self.opened_at),
            "lastUpdatedTimestamp": iso(self.updated_at),
        }


@dataclass(slots=True)
class Subscriber:
    smart_account: str
    available: Decimal = ZERO  # USDC on Arbitrum
    mon: Decimal = ZERO  # on Monad, for swaps
    tokens: dict[str, Decimal] = field(default_factory=dict)
    positions: list[Position] = field(default_factory=list)

    @property
    def open_positions(self) -> list[Position]:
        return [held for held in self.positions if held.closed_at_price is None]

    def equity(self, prices: dict[str, Decimal]) -> Decimal:
        held = (item.collateral + item.gain(prices[item.symbol]) for item in self.open_positions)
        return self.available + sum(held, ZERO)
