"""The oracle: one price a pair, which the keeper executes at and the feed publishes."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

SPREAD = Decimal("0.0001")  # of the price, from bid to ask


@dataclass(slots=True)
class Pair:
    """`cap` in USD; leverages and the fee as the contracts keep them (2 and 6 decimals).

    Prices are kept with their time: a block has the price of its own moment, whenever it is made.
    """

    index: int
    base: str
    quote: str
    mids: list[tuple[datetime, Decimal]]  # oldest first
    category: str = "crypto"
    cap: Decimal = Decimal(30_000_000)
    min_notional: int = 5
    leverage_max: int = 10_000
    overnight_max: int = 0
    taker_fee: int = 100_000  # 0.1 percent
    is_open: bool = True
    day_closed: bool = False
    frozen_at: datetime | None = None  # the feed's timestamp stands still

    def mid(self, at: datetime) -> Decimal:
        """Before the first price, the first."""
        known = [mid for since, mid in self.mids if since <= at]
        return known[-1] if known else self.mids[0][1]

    def bid(self, at: datetime) -> Decimal:
        return self.mid(at) * (1 - SPREAD / 2)

    def ask(self, at: datetime) -> Decimal:
        return self.mid(at) * (1 + SPREAD / 2)


@dataclass(slots=True)
class Oracle:
    """Off the chain: copies of the chain share it, and no reorg turns it back."""

    pairs: dict[int, Pair] = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Oracle":
        return self

    def named(self, name: str) -> Pair:
        return next(item for item in self.pairs.values() if f"{item.base}/{item.quote}" == name)

    def feed(self, now: datetime) -> list[dict[str, object]]:
        return [
            {
                "feed_id": f"0x{item.index:064x}",
                "bid": float(item.bid(now)),
                "mid": float(item.mid(now)),
                "ask": float(item.ask(now)),
                "isMarketOpen": item.is_open,
                "isDayTradingClosed": item.day_closed,
                "secondsToToggleIsDayTradingClosed": -1,
                "from": item.base,
                "to": item.quote,
                "timestampSeconds": int((item.frozen_at or now).timestamp()),
            }
            for item in self.pairs.values()
        ]
