"""One coin's book: the accounts' resting orders by price, then time, and the house behind them."""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from infra.local.exchanges.hyperliquid.assets import Asset
from infra.local.exchanges.hyperliquid.orders import Order
from infra.local.exchanges.hyperliquid.positions import ZERO

LEVELS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Liquidity around the mark, so that a market order finds a counterparty.

    Each side has `levels` of about `notional` USDC; the first lies `half_spread` from the mark, the
    others `step` further each (fractions of the mark). With `replenish` every order meets a fresh
    house; without, what is taken stays gone until the next mark.
    """

    half_spread: Decimal = Decimal("0.0001")
    step: Decimal = Decimal("0.0001")
    levels: int = 10
    notional: Decimal = Decimal(100_000)
    replenish: bool = True


@dataclass(slots=True, eq=False)
class HouseLevel:
    price: Decimal
    left: Decimal


Maker = Order | HouseLevel


@dataclass(slots=True, eq=False)
class Book:
    asset: Asset
    house: House
    mark: Decimal | None = None
    bids: list[Order] = field(default_factory=list)  # best first
    asks: list[Order] = field(default_factory=list)
    house_bids: list[HouseLevel] = field(default_factory=list)
    house_asks: list[HouseLevel] = field(default_factory=list)

    def set_mark(self, mark: Decimal) -> None:
        self.mark = mark
        self.replenish()

    def replenish(self) -> None:
        self.house_bids, self.house_asks = [], []
        if self.mark is None:
            return
        for depth in range(self.house.levels):
            away = self.house.half_spread + depth * self.house.step
            for is_ask, side in ((True, self.house_asks), (False, self.house_bids)):
                price = self.mark * (1 + away if is_ask else 1 - away)
                price = self.asset.price_near(price, up=is_ask)
                size = self.asset.lots(self.house.notional / price) if price else ZERO
                if size:
                    side.append(HouseLevel(price, size))

    def rest(self, order: Order) -> None:
        if order.is_buy:
            insort(self.bids, order, key=lambda other: (-other.price, other.oid))
        else:
            insort(self.asks, order, key=lambda other: (other.price, other.oid))

    def remove(self, order: Order) -> None:
        side = self.bids if order.is_buy else self.asks
        if order in side:
            side.remove(order)

    def against(self, *, is_buy: bool, limit: Decimal) -> Iterator[Maker]:
        """Who would trade with a taker, best price first; accounts before the house."""
        orders, house = (self.asks, self.house_asks) if is_buy else (self.bids, self.house_bids)
        makers: list[Maker] = [*orders, *(level for level in house if level.left > 0)]
        makers.sort(key=lambda maker: maker.price if is_buy else -maker.price)
        for maker in makers:
            if maker.price > limit if is_buy else maker.price < limit:
                return
            yield maker

    def house_crossing(self) -> list[Order]:
        """Resting orders that the house would trade with at their price, in their order."""
        ask = self.house_asks[0].price if self.house_asks else None
        bid = self.house_bids[0].price if self.house_bids else None
        return [order for order in self.bids if ask is not None and order.price >= ask] + [
            order for order in self.asks if bid is not None and order.price <= bid
        ]

    def levels(self, *, bids: bool) -> list[tuple[Decimal, Decimal, int]]:
        """(price, size, orders), best first."""
        orders, house = (self.bids, self.house_bids) if bids else (self.asks, self.house_asks)
        by_price: dict[Decimal, tuple[Decimal, int]] = {}
        makers: list[Maker] = [*orders, *(level for level in house if level.left > 0)]
        for maker in makers:
            size, count = by_price.get(maker.price, (ZERO, 0))
            by_price[maker.price] = (size + maker.left, count + 1)
        prices = sorted(by_price, reverse=bids)
        return [(price, *by_price[price]) for price in prices[:LEVELS_SHOWN]]

    @property
    def bid(self) -> Decimal | None:
        top = self.levels(bids=True)
        return top[0][0] if top else None

    @property
    def ask(self) -> Decimal | None:
        top = self.levels(bids=False)
        return top[0][0] if top else None

    @property
    def mid(self) -> Decimal | None:
        bid, ask = self.bid, self.ask
        return self.mark if bid is None or ask is None else (bid + ask) / 2
