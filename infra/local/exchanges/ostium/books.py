"""What the contracts store of trades and orders, in their own integer units."""

from dataclasses import dataclass


@dataclass(slots=True, kw_only=True)
class Trade:
    trade_id: int
    trader: str
    pair: int
    index: int
    buy: bool
    collateral: int  # 1e6
    leverage: int  # 1e2
    price: int  # 1e18
    size: int  # 1e18 base units


@dataclass(slots=True, kw_only=True)
class OracleOrder:
    """`share`: of the trade to close, in hundredths of a percent; 0 for an opening."""

    order_id: int
    trader: str
    pair: int
    buy: bool  # the trade's side
    wanted: int  # price, 1e18
    slippage: int  # percent, 1e2
    collateral: int = 0
    leverage: int = 0
    index: int = 0
    trade_id: int = 0
    share: int = 0
    pending: bool = True
    cancel_reason: int = 0
    price: int = 0
    size: int = 0
    fees: tuple[int, int] = (0, 0)  # opening and oracle, 1e6
    executed_at: int = 0
    executed_block: int = 0

    @property
    def is_open(self) -> bool:
        return self.share == 0

    @property
    def is_executed(self) -> bool:
        return not self.pending and self.cancel_reason == 0


@dataclass(slots=True, kw_only=True)
class Limit:
    """A limit or stop order at rest. Nothing triggers it here."""

    trader: str
    pair: int
    index: int
    buy: bool
    collateral: int
    leverage: int
    price: int
