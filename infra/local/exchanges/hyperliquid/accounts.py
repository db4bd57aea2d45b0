"""What an account holds and what it may still risk."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from infra.local.exchanges.hyperliquid.assets import Asset
from infra.local.exchanges.hyperliquid.numbers import wire
from infra.local.exchanges.hyperliquid.orders import Order
from infra.local.exchanges.hyperliquid.positions import ZERO, Position

DEFAULT_LEVERAGE = 20
_NO_HASH = "0x" + "0" * 64  # the venue's own, of every funding payment

MarkOf = Callable[[Asset], Decimal | None]


@dataclass(frozen=True, slots=True)
class Leverage:
    value: int
    is_cross: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One side of a trade, as in userFills."""

    coin: str
    price: Decimal
    size: Decimal
    is_buy: bool
    time_ms: int
    start_position: Decimal
    direction: str
    closed_pnl: Decimal
    hash: str
    oid: int
    crossed: bool
    fee: Decimal
    fee_token: str
    tid: int
    cloid: str | None

    def row(self) -> dict[str, object]:
        row: dict[str, object] = {
            "coin": self.coin,
            "px": wire(self.price),
            "sz": wire(self.size),
            "side": "B" if self.is_buy else "A",
            "time": self.time_ms,
            "startPosition": wire(self.start_position),
            "dir": self.direction,
            "closedPnl": wire(self.closed_pnl),
            "hash": self.hash,
            "oid": self.oid,
            "crossed": self.crossed,
            "fee": wire(self.fee),
            "tid": self.tid,
            "feeToken": self.fee_token,
            "twapId": None,
        }
        return row if self.cloid is None else {**row, "cloid": self.cloid}


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRow:
    """What holding a coin for an hour earned (positive) or cost, as in userFunding."""

    coin: str
    usdc: Decimal
    size: Decimal  # signed, as it was held
    rate: Decimal  # of the hour
    time_ms: int

    def row(self) -> dict[str, object]:
        delta = {
            "type": "funding",
            "coin": self.coin,
            "usdc": wire(self.usdc),
            "szi": wire(self.size),
            "fundingRate": wire(self.rate),
            "nSamples": 1,
        }
        return {"time": self.time_ms, "hash": _NO_HASH, "delta": delta}


@dataclass(slots=True, eq=False)
class Account:
    """`usdc` is perp collateral with realised results; `tokens` are spot balances by name."""

    address: str
    usdc: Decimal = ZERO
    tokens: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    leverages: dict[str, Leverage] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)  # oldest first
    orders: list[Order] = field(default_factory=list)  # every one ever, oldest first
    funding: list[FundingRow] = field(default_factory=list)  # oldest first
    traded: Decimal = ZERO  # USDC
    requests: int = 0
    cancel_all_ms: int | None = None  # scheduleCancel

    def position(self, coin: str) -> Position:
        return self.positions.setdefault(coin, Position())

    def leverage(self, asset: Asset) -> Leverage:
        default = Leverage(min(DEFAULT_LEVERAGE, asset.max_leverage))
        return self.leverages.get(asset.coin, default)

    @property
    def live_orders(self) -> list[Order]:
        return [order for order in self.orders if order.is_live]

    def holds_token(self, token: str) -> Decimal:
        """What resting spot orders have reserved of `token`."""
        held = ZERO
        for order in self.live_orders:
            asset = order.asset
            if (
                asset.is_spot
                and not order.waits
                and token == (asset.quote if order.is_buy else asset.base)
            ):
                held += order.left * (order.price if order.is_buy else 1)
        return held


@dataclass(frozen=True, slots=True)
class Margin:
    """An account's sums in USDC, as in marginSummary."""

    value: Decimal
    notional: Decimal
    used: Decimal
    raw_usd: Decimal

    @classmethod
    def of(cls, account: Account, assets: dict[str, Asset], mark_of: MarkOf) -> "Margin":
        value = raw = account.usdc
        notional = used = ZERO
        for coin, position in account.positions.items():
            if not position.size:
                continue
            asset = assets[coin]
            mark = mark_of(asset) or position.entry
            value += position.unrealized(mark)
            raw -= position.size * position.entry
            notional += abs(position.size) * mark
            used += abs(position.size) * mark / account.leverage(asset).value
        return cls(value, notional, used, raw)


def reserved_margin(account: Account) -> Decimal:
    """What resting orders that may open something have claimed, USDC."""
    return sum(
        (
            order.left * order.price / account.leverage(order.asset).value
            for order in account.live_orders
            if not (order.asset.is_spot or order.reduce_only or order.waits)
        ),
        ZERO,
    )
