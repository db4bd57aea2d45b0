"""What a trade does to the accounts on its sides."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from common.domain.identifiers import digest
from infra.local.exchanges.hyperliquid.accounts import Account, Fill
from infra.local.exchanges.hyperliquid.orders import Order
from infra.local.exchanges.hyperliquid.positions import ZERO

_FEE_UNIT = Decimal("0.000001")
_TID_HEX_DIGITS = 12  # recorded tids have 15 decimal digits


@dataclass(frozen=True, slots=True)
class Fees:
    """Fractions of the notional: the venue's base tier."""

    taker: Decimal = Decimal("0.00045")
    maker: Decimal = Decimal("0.00015")


@dataclass(slots=True)
class Settlement:
    fees: Fees
    trades: int = 0

    def next_trade(self) -> int:
        """A trade's number; both sides of one trade share the tid made from it."""
        self.trades += 1
        return self.trades

    def settle(
        self,
        account: Account,
        order: Order,
        *,
        price: Decimal,
        qty: Decimal,
        crossed: bool,
        trade: int,
        now_ms: int,
    ) -> Fill:
        """Fill `qty` of the order: its account, its rest and its record."""
        rate = self.fees.taker if crossed else self.fees.maker
        signed = qty if order.is_buy else -qty
        notional = price * qty
        if order.asset.is_spot:
            start = account.tokens.get(order.asset.base, ZERO)
            direction, pnl = ("Buy" if order.is_buy else "Sell"), ZERO
            fee, token = self._swap(account, order, qty, notional, rate)
        else:
            position = account.position(order.asset.coin)
            start = position.size
            change = position.take(signed, price)
            direction, pnl = change.direction, change.closed_pnl
            fee, token = _rounded(notional * rate), "USDC"
            account.usdc += pnl - fee
        order.left -= qty
        if order.left == 0:
            order.end("filled", now_ms)
        account.traded += notional
        fill = Fill(
            coin=order.asset.coin,
            price=price,
            size=qty,
            is_buy=order.is_buy,
            time_ms=now_ms,
            start_position=start,
            direction=direction,
            closed_pnl=pnl,
            hash=f"0x{digest('hyperliquid-trade', trade)}",
            oid=order.oid,
            crossed=crossed,
            fee=fee,
            fee_token=token,
            tid=int(digest("hyperliquid-tid", trade)[:_TID_HEX_DIGITS], 16),
            cloid=order.cloid,
        )
        account.fills.append(fill)
        return fill

    @staticmethod
    def _swap(
        account: Account, order: Order, qty: Decimal, notional: Decimal, rate: Decimal
    ) -> tuple[Decimal, str]:
        """Exchange the tokens; the fee is taken from what comes in."""
        base, quote = order.asset.base, order.asset.quote
        sign = 1 if order.is_buy else -1
        account.tokens[base] = account.tokens.get(base, ZERO) + sign * qty
        account.tokens[quote] = account.tokens.get(quote, ZERO) - sign * notional
        token = base if order.is_buy else quote
        fee = _rounded((qty if order.is_buy else notional) * rate)
        account.tokens[token] -= fee
        return fee, token


def _rounded(fee: Decimal) -> Decimal:
    return fee.quantize(_FEE_UNIT, ROUND_HALF_UP)
