"""Takes orders to the house's liquidity: the filters first, then fills, then what rests."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from common.domain.moment import to_ms
from infra.local.exchanges.aster.accounts import LEVERAGE, ZERO, Account, Order, Trade
from infra.local.exchanges.aster.markets import MULTIPLIERS, Market

TAKER_FEE = Decimal("0.0004")
MAKER_FEE = Decimal("0.00005")
Parts = list[tuple[Decimal, Decimal]]
"""Prices with what fills at each."""
TRIGGERED = {"STOP_MARKET", "TAKE_PROFIT_MARKET"}


class RefusalError(Exception):
    """An order or a request that the venue refuses, with its code."""

    def __init__(self, code: int, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.status = status


@dataclass(slots=True)
class Engine:
    markets: dict[str, Market]
    next_order: int = 1_000_001
    next_trade: dict[str, int] = field(default_factory=dict)

    @property
    def marks(self) -> dict[str, Decimal]:
        return {name: market.mark for name, market in self.markets.items()}

    def place(
        self, account: Account, order: Order, now: datetime, *, share: Decimal | None = None
    ) -> Order:
        """Check, take and match; `share` of its size is all that finds a counterparty.

        Raises RefusalError.
        """
        market = self.markets[order.symbol]
        self._check(account, order, market)
        order.order_id, self.next_order = self.next_order, self.next_order + 1
        account.orders.append(order)
        if order.kind not in TRIGGERED:
            most = order.quantity
            if share is not None:
                most = order.quantity * share // market.lot * market.lot
            self._match(account, order, self._parts(order, market, most), now)
        return order

    def cancel(self, order: Order, now: datetime) -> Order:
        if not order.is_open:
            raise RefusalError(-2011, "Unknown order sent.")
        order.status, order.updated_ms = "CANCELED", to_ms(now)
        return order

    def move(self, symbol: str, mark: Decimal, accounts: list[Account], now: datetime) -> None:
        """A new mark: resting orders that it has reached fill, and triggers fire."""
        market = self.markets[symbol]
        market.mark = mark
        for account in accounts:
            for order in account.orders:
                if order.is_open and order.symbol == symbol and self._reached(order, mark):
                    resting = order.kind not in TRIGGERED
                    parts = (
                        [(order.price, order.left)]
                        if resting
                        else self._parts(order, market, order.left)
                    )
                    self._match(account, order, parts, now, resting=resting)

    @staticmethod
    def _reached(order: Order, mark: Decimal) -> bool:
        if order.kind not in TRIGGERED:
            return mark <= order.price if order.is_buy else mark >= order.price
        rises = order.is_buy == (order.kind == "STOP_MARKET")
        return mark >= order.stop_price if rises else mark <= order.stop_price

    def _match(
        self,
        account: Account,
        order: Order,
        parts: Parts,
        now: datetime,
        *,
        resting: bool = False,
    ) -> None:
        order.updated_ms = to_ms(now)
        if order.time_in_force == "GTX" and parts and not resting:
            order.status = "EXPIRED"
            return
        whole = sum((quantity for _, quantity in parts), ZERO) == order.left
        if whole or order.time_in_force != "FOK":
            for price, quantity in parts:
                self._trade(account, order, price, quantity, now, maker=resting)
        if not order.left:
            order.status = "FILLED"
        elif order.kind == "LIMIT" and order.time_in_force in {"GTC", "GTX"}:
            order.status = "PARTIALLY_FILLED" if order.executed else "NEW"
        else:
            order.status = "EXPIRED"

    @staticmethod
    def _parts(order: Order, market: Market, most: Decimal) -> Parts:
        left: Decimal = min(most, order.left)
        parts: Parts = []
        for price, size in market.levels(asks=order.is_buy):
            beyond = price > order.price if order.is_buy else price < order.price
            if not left or (order.kind == "LIMIT" and beyond):
                break
            quantity = min(left, size)
            parts.append((price, quantity))
            left -= quantity
        return parts

    def _trade(
        self,
        account: Account,
        order: Order,
        price: Decimal,
        quantity: Decimal,
        now: datetime,
        *,
        maker: bool,
    ) -> None:
        number = self.next_trade.get(order.symbol, 1)
        self.next_trade[order.symbol] = number + 1
        fee = price * quantity * (MAKER_FEE if maker else TAKER_FEE)
        realized = account.position(order.symbol).apply(
            is_buy=order.is_buy, quantity=quantity, price=price
        )
        account.balance += realized - fee
        order.executed += quantity
        order.quote += price * quantity
        account.trades.append(
            Trade(
                trade_id=number,
                order_id=order.order_id,
                account=account.wallet,
                symbol=order.symbol,
                is_buy=order.is_buy,
                price=price,
                quantity=quantity,
                commission=fee,
                is_maker=maker,
                realized=realized,
                time_ms=to_ms(now),
            )
        )

    def _check(self, account: Account, order: Order, market: Market) -> None:
        if market.status != "TRADING":
            raise RefusalError(-4141, "Symbol is closed.")
        self._check_size(order, market)
        triggered = order.kind in TRIGGERED
        price = order.stop_price if triggered else order.price
        if order.kind == "MARKET":
            price = market.mark
        else:
            self._check_price(order, market, price, triggered=triggered)
        if price * order.quantity < market.min_notional and not order.reduce_only:
            raise RefusalError(
                -4164,
                f"Order's notional must be no smaller than {market.min_notional}"
                " (unless you choose reduce only)",
            )
        if triggered and self._reached(order, market.mark):
            raise RefusalError(-2021, "Order would immediately trigger.")
        if any(o.is_open and o.client_id == order.client_id for o in account.orders):
            raise RefusalError(-4116, "ClientOrderId is duplicated")
        self._check_margin(account, order, price)

    @staticmethod
    def _check_size(order: Order, market: Market) -> None:
        most = Decimal(100_000_000) if order.kind == "LIMIT" else market.market_max
        if order.quantity <= 0:
            raise RefusalError(-4003, "Quantity less than zero.")
        if order.quantity < market.lot:
            raise RefusalError(-4004, "Quantity less than min quantity.")
        if order.quantity > most:
            raise RefusalError(-4005, "Quantity greater than max quantity.")
        if (order.quantity - market.lot) % market.lot:
            raise RefusalError(-4023, "Qty not increased by step size.")

    @staticmethod
    def _check_price(order: Order, market: Market, price: Decimal, *, triggered: bool) -> None:
        if price < market.tick:
            raise RefusalError(-4013, "Price less than min price.")
        if (price - market.tick) % market.tick:
            raise RefusalError(-4014, "Price not increased by tick size.")
        if triggered:
            return
        if order.is_buy and price > market.mark * MULTIPLIERS[1]:
            raise RefusalError(-4016, "Price is higher than mark price multiplier cap.")
        if not order.is_buy and price < market.mark * MULTIPLIERS[0]:
            raise RefusalError(-4024, "Price is lower than mark price multiplier floor.")

    def _check_margin(self, account: Account, order: Order, price: Decimal) -> None:
        held = account.position(order.symbol).amount
        against = held * (1 if order.is_buy else -1) < 0
        if order.reduce_only and (not against or order.quantity > abs(held)):
            raise RefusalError(-2022, "ReduceOnly Order is rejected.")
        opening = max(order.quantity - abs(held), ZERO) if against else order.quantity
        free = account.equity(self.marks) - account.used_margin(self.marks)
        if opening * price / LEVERAGE > free:
            raise RefusalError(-2019, "Margin is insufficient.")
