"""Orders, trades, positions and accounts of the stand-in, in the contract's own units."""

from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
LEVERAGE = 20


def wire(value: Decimal) -> str:
    return format(value.normalize(), "f") if value else "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    trade_id: int  # counted per symbol
    order_id: int
    account: str
    symbol: str
    is_buy: bool
    price: Decimal
    quantity: Decimal
    commission: Decimal
    is_maker: bool
    realized: Decimal
    time_ms: int

    def row(self) -> dict[str, object]:
        return {
            "buyer": self.is_buy,
            "commission": wire(self.commission),
            "commissionAsset": "USDT",
            "id": self.trade_id,
            "maker": self.is_maker,
            "orderId": self.order_id,
            "price": wire(self.price),
            "qty": wire(self.quantity),
            "quoteQty": wire(self.price * self.quantity),
            "realizedPnl": wire(self.realized),
            "side": "BUY" if self.is_buy else "SELL",
            "positionSide": "BOTH",
            "symbol": self.symbol,
            "time": self.time_ms,
        }


@dataclass(slots=True, kw_only=True)
class Order:
    order_id: int
    client_id: str
    account: str
    symbol: str
    is_buy: bool
    kind: str  # LIMIT, MARKET, STOP_MARKET, TAKE_PROFIT_MARKET
    time_in_force: str
    quantity: Decimal
    price: Decimal
    stop_price: Decimal
    reduce_only: bool
    created_ms: int
    updated_ms: int
    status: str = "NEW"
    executed: Decimal = ZERO
    quote: Decimal = ZERO

    @property
    def left(self) -> Decimal:
        return self.quantity - self.executed

    @property
    def is_open(self) -> bool:
        return self.status in {"NEW", "PARTIALLY_FILLED"}

    def row(self) -> dict[str, object]:
        average = self.quote / self.executed if self.executed else ZERO
        return {
            "clientOrderId": self.client_id,
            "cumQty": wire(self.executed),
            "cumQuote": wire(self.quote),
            "executedQty": wire(self.executed),
            "orderId": self.order_id,
            "avgPrice": wire(round(average, 8)),
            "origQty": wire(self.quantity),
            "price": wire(self.price),
            "reduceOnly": self.reduce_only,
            "side": "BUY" if self.is_buy else "SELL",
            "positionSide": "BOTH",
            "status": self.status,
            "stopPrice": wire(self.stop_price),
            "closePosition": False,
            "symbol": self.symbol,
            "timeInForce": self.time_in_force,
            "type": self.kind,
            "origType": self.kind,
            "time": self.created_ms,
            "updateTime": self.updated_ms,
            "workingType": "MARK_PRICE",
            "priceProtect": False,
        }


@dataclass(slots=True)
class Position:
    amount: Decimal = ZERO  # negative: short
    entry: Decimal = ZERO

    def apply(self, *, is_buy: bool, quantity: Decimal, price: Decimal) -> Decimal:
        """Take a trade in; returns what it realised."""
        signed = quantity if is_buy else -quantity
        after = self.amount + signed
        closed, realized = ZERO, ZERO
        if self.amount * signed < 0:
            closed = min(quantity, abs(self.amount))
            direction = 1 if self.amount > 0 else -1
            realized = closed * (price - self.entry) * direction
        if self.amount * signed >= 0:
            self.entry = (abs(self.amount) * self.entry + quantity * price) / abs(after)
        elif quantity > closed:
            self.entry = price
        self.amount = after
        if not after:
            self.entry = ZERO
        return realized


@dataclass(slots=True)
class Account:
    wallet: str
    balance: Decimal = ZERO
    positions: dict[str, Position] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)  # every one ever, oldest first
    trades: list[Trade] = field(default_factory=list)

    def position(self, symbol: str) -> Position:
        return self.positions.setdefault(symbol, Position())

    def find(self, symbol: str, *, order_id: str, client_id: str) -> Order | None:
        """The newest of a client id, which is unique among open orders alone."""
        for order in reversed(self.orders):
            named = str(order.order_id) == order_id if order_id else order.client_id == client_id
            if named and order.symbol == symbol:
                return order
        return None

    def used_margin(self, marks: dict[str, Decimal]) -> Decimal:
        return sum(
            (abs(held.amount) * marks[name] / LEVERAGE for name, held in self.positions.items()),
            ZERO,
        )

    def equity(self, marks: dict[str, Decimal]) -> Decimal:
        gains = (
            held.amount * (marks[name] - held.entry)
            for name, held in self.positions.items()
            if held.amount
        )
        return self.balance + sum(gains, ZERO)
