"""The risk check: one order, its deployment's state and the limits in force, to a refusal or None.

Pure, and without a model to validate: it runs for every order of every deployment. The checks run
in this order and the first that fails is the answer:

 1. price: there is a mark, it is fresh, and the order's price is positive   PRICE_STALE
 2. collar: the price against the mark                               PRICE_OUTSIDE_COLLAR
    --- what only makes a position smaller passes everything from here on ---
 3. the user's policy can be read                                       POLICY_UNREADABLE
 4. the throttles, of the deployment and of the agent         REPEATED_EXECUTION_DISABLED
 5. the mark against the last candles                                PRICE_MOVED_TOO_FAR
 6. value and volume        NOTIONAL_EXCEEDS_MAX_PER_ORDER, QUANTITY_EXCEEDS_MAX_PER_ORDER
 7. the pause after losses, the day's loss, the drawdown
                                   COOLING_DOWN, DAILY_LOSS_EXCEEDED, DRAWDOWN_EXCEEDED
 8. there is equity                                       CUM_MARGIN_EXCEEDS_FREE_BALANCE
 9. open orders                                                    OPEN_ORDERS_EXCEED_MAX
    --- what adds nothing to the worst case passes the next one ---
10. exposure, leverage, concentration, margin, liquidation
            EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT, LEVERAGE_EXCEEDS_MAX,
            CONCENTRATION_EXCEEDS_MAX, CUM_MARGIN_EXCEEDS_FREE_BALANCE, LIQUIDATION_TOO_CLOSE
11. the totals of the platform, the venue and the agent               ..._OF_SCOPE, ..._IN_SCOPE

The market's move over a period stops entries alone: in a crash, exits must go. The message rate is
counted where messages are sent (message_counts.py), the trading state and the duplicate block have
modules of their own.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, ROUND_UP, Decimal, localcontext

from common.config import LimitSettings
from common.domain.account import Account
from common.domain.exposure import Exposure, Reservation
from common.domain.moment import iso
from common.domain.money import ONE, ZERO
from common.domain.order import OrderSide
from common.domain.position import EXACT
from common.how.denial import Denial
from common.how.effective_limits import EffectiveLimits
from common.how.equity import Worth, has_lost, worth_of
from common.how.limits import Refusal
from common.how.marks import Mark
from common.how.portfolio_state import PortfolioState
from common.how.risk_totals import Addition, check_totals
from common.how.throttles import check_throttle
from common.how.worst_case import (
    Worst,
    at_risk,
    difference,
    gross,
    notional_at,
    notional_of,
    notionals,
    only_reduces,
    open_orders,
)
from common.text import quantity

MAINTENANCE = Decimal("0.5")
"""Of the margin that a position is opened with, what keeps it from being liquidated: Hyperliquid's
half, https://hyperliquid.gitbook.io/hyperliquid-docs/trading/margining"""

PASSIVE_COLLAR = Decimal("0.5")
"""How far a price may be better than the mark, a fraction: beyond that it is a slip of a digit."""

_CENT = Decimal("0.01")
_TEN_THOUSANDTH = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRisk:
    """What the checks need to know of an order before it is reserved."""

    intent_id: str  # or the parent order's: what its quantity is reserved under
    venue: str
    symbol: str
    side: OrderSide
    quantity: Decimal  # base units, > 0
    price: Decimal  # the worst acceptable
    trigger_price: Decimal | None = None  # of a resting stop: its price is measured against this
    at_venue: bool = True  # False: a parent order, of which nothing is sent by this
    after: Exposure | None = None  # with it reserved, where that is not merely one more reservation

    @property
    def place(self) -> str:
        return f"{self.venue}|{self.symbol}"

    def reservation(self, mark: Decimal) -> Reservation:
        return Reservation(
            venue=self.venue,
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
            price=max(self.price, mark),
            at_venue=self.at_venue,
        )

    def only_reduces(self, after: Exposure) -> bool:
        """`after` has it reserved."""
        return only_reduces(
            after,
            self.intent_id,
            venue=self.venue,
            symbol=self.symbol,
            side=self.side,
            quantity=self.quantity,
        )


def assess(
    order: OrderRisk,
    state: PortfolioState,
    limits: EffectiveLimits,
    *,
    now: datetime,
    settings: LimitSettings,
) -> Refusal | None:
    """Why `order` may not go, or None; `state` is of its deployment and symbol, `limits` of its
    venue. The module says what is checked, in which order.
    """
    mark = state.marks.get(order.symbol)
    if mark is None:
        return Refusal(Denial.PRICE_STALE, f"no usable price of {order.symbol}")
    refusal = mark.refusal(now=now, settings=settings) or _collar(order, mark, limits)
    if refusal is not None:
        return refusal
    before = state.held
    after = order.after or before.reserve(order.intent_id, order.reservation(mark.price))
    if order.only_reduces(after):
        return None
    with localcontext(EXACT):
        return (
            _policy(state)
            or check_throttle(state.throttle)
            or check_throttle(state.agent_throttle)
            or _period(mark, limits, settings)
            or _size(order, mark, limits)
            or _portfolio(order, state, limits, after, now=now, settings=settings)
        )


def _collar(order: OrderRisk, mark: Mark, limits: EffectiveLimits) -> Refusal | None:
    """Against us no farther than the limit; in our favour an order may wait farther off."""
    reference = mark.price if order.trigger_price is None else order.trigger_price
    allowed = limits.price_collar
    if order.price.is_finite() and reference > ZERO:
        worse = (order.price - reference) * order.side.sign
        allowed = max(allowed, PASSIVE_COLLAR) if worse < ZERO else allowed
        if order.price > ZERO and abs(worse) <= allowed * reference:
            return None
    name = "mark" if order.trigger_price is None else "trigger"
    detail = (
        f"{order.symbol}: the price of {_figure(order.price)} is too far from the {name} of"
        f" {_figure(reference)}; the limit is {_percent(allowed)}"
    )
    return Refusal(Denial.PRICE_OUTSIDE_COLLAR, detail)


def _policy(state: PortfolioState) -> Refusal | None:
    return state.policy if isinstance(state.policy, Refusal) else None


def _period(mark: Mark, limits: EffectiveLimits, settings: LimitSettings) -> Refusal | None:
    for collar, period_s in limits.period_collars:
        found = mark.range_over(period_s, settings=settings)
        if found is None:
            detail = f"no candles of {mark.symbol} to compare its price with"
            return Refusal(Denial.PRICE_STALE, detail)
        low, high = found
        if mark.price - low > collar * low or high - mark.price > collar * high:
            detail = (
                f"{mark.symbol}: the mark is {quantity(mark.price)} after {quantity(low)} to"
                f" {quantity(high)} within {period_s} s; the limit is {_percent(collar)}"
            )
            return Refusal(Denial.PRICE_MOVED_TOO_FAR, detail)
    return None


def _size(order: OrderRisk, mark: Mark, limits: EffectiveLimits) -> Refusal | None:
    notional = order.quantity * max(order.price, mark.price)
    if notional > limits.max_notional:
        detail = (
            f"{order.symbol}: the order would be {_money(notional)} at its worst price; the limit"
            f" is {_money(limits.max_notional)}"
        )
        return Refusal(Denial.NOTIONAL_EXCEEDS_MAX_PER_ORDER, detail)
    most = limits.max_quantity.get(order.symbol)
    if most is not None and order.quantity > most:
        detail = (
            f"{order.symbol}: the order is of {quantity(order.quantity)}; the limit is"
            f" {quantity(most)}"
        )
        return Refusal(Denial.QUANTITY_EXCEEDS_MAX_PER_ORDER, detail)
    return None


def _portfolio(
    order: OrderRisk,
    state: PortfolioState,
    limits: EffectiveLimits,
    after: Exposure,
    *,
    now: datetime,
    settings: LimitSettings,
) -> Refusal | None:
    worth = worth_of(state, now=now, settings=settings)
    if isinstance(worth, Refusal):
        return worth
    before, symbol = state.held, order.symbol
    refusal = (
        _pause(symbol, state.account.value if state.account else None, limits, now)
        or _losses(symbol, worth, limits)
        or _orders(symbol, before, after, limits)
    )
    if refusal is not None:
        return refusal
    worst = notionals(before)
    worse = _with_order(order, worst, after)
    grows = _grows(order, before, worst, after, worse)
    refusal = _worst_case(symbol, worse, worth.equity, limits) if grows else None
    if refusal is not None or not limits.totals:
        return refusal
    more = difference(at_risk(before, worst), at_risk(after, worse))
    if not grows:
        more = {venue: replace(each, gross_cents=0) for venue, each in more.items()}
    return check_totals(state.totals, limits, Addition(more))


def _with_order(order: OrderRisk, worst: Worst, after: Exposure) -> Worst:
    """`worst` is of the exposure before. One more reservation changes one place alone."""
    if order.after is not None:
        return notionals(after)
    return {**worst, order.place: notional_at(after, order.venue, order.symbol)}


def _grows(order: OrderRisk, before: Exposure, worst: Worst, after: Exposure, worse: Worst) -> bool:
    """Whether the worst case is worse with the order than without.

    Measured at the order's own price too, so that a risen price alone stops nothing.
    """
    total = gross(worse)
    if total <= gross(worst):
        return False
    reserved = after.reservations[order.intent_id]
    idle = before.reserve(order.intent_id, replace(reserved, quantity=ZERO))
    return total > gross({**worst, order.place: notional_at(idle, order.venue, order.symbol)})


def _pause(
    symbol: str, account: Account | None, limits: EffectiveLimits, now: datetime
) -> Refusal | None:
    """After so many losses in a row, entries wait; the next loss makes them wait again."""
    if account is None or account.last_loss_at is None:
        return None
    for losses, seconds in limits.cool_downs:
        over_at = account.last_loss_at + timedelta(seconds=seconds)
        if account.losses_in_row >= losses and now < over_at:
            detail = (
                f"{symbol}: {account.losses_in_row} losses in a row; entries wait until"
                f" {iso(over_at)}"
            )
            return Refusal(Denial.COOLING_DOWN, detail)
    return None


def _losses(symbol: str, worth: Worth, limits: EffectiveLimits) -> Refusal | None:
    for code, name, base, most in (
        (Denial.DAILY_LOSS_EXCEEDED, "loss of the day", worth.day_start, limits.max_daily_loss),
        (Denial.DRAWDOWN_EXCEEDED, "drawdown", worth.peak, limits.max_drawdown),
    ):
        if most is not None and has_lost(most, of=base, now_at=worth.equity):
            lost = _percent(_fraction(base - worth.equity, base))
            detail = f"{symbol}: the {name} is {lost}; the limit is {_percent(most)}"
            return Refusal(code, detail)
    if worth.equity <= ZERO:
        detail = f"{symbol}: no equity is left: {_money(worth.equity)}"
        return Refusal(Denial.CUM_MARGIN_EXCEEDS_FREE_BALANCE, detail)
    return None


def _orders(
    symbol: str, before: Exposure, after: Exposure, limits: EffectiveLimits
) -> Refusal | None:
    most, orders = limits.max_open_orders, open_orders(after)
    if most is None or orders <= most or orders <= open_orders(before):
        return None
    return Refusal(
        Denial.OPEN_ORDERS_EXCEED_MAX,
        f"{symbol}: {orders} orders would be open; the limit is {most}",
    )


def _worst_case(
    symbol: str, worst: Worst, equity: Decimal, limits: EffectiveLimits
) -> Refusal | None:
    """All of the portfolio, once everything that may still fill has filled.

    Cross margin: gross x margin_fraction is bound, and must leave margin_buffer of the equity
    free. After an adverse move of liquidation_buffer in every position, the equity must still be
    the maintenance margin of what the positions are worth then, shorts the most:

        equity - gross x move >= gross x (1 + move) x margin_fraction x MAINTENANCE
    """
    total = gross(worst)
    if total > limits.max_exposure:
        detail = (
            f"{symbol}: positions and orders would be {_money(total)} at worst; the limit is"
            f" {_money(limits.max_exposure)}"
        )
        return Refusal(Denial.EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT, detail)
    of_symbol = notional_of(symbol, worst)
    for code, name, notional, most in (
        (Denial.LEVERAGE_EXCEEDS_MAX, "leverage", total, limits.max_leverage),
        (Denial.CONCENTRATION_EXCEEDS_MAX, "concentration", of_symbol, limits.max_concentration),
    ):
        if most is not None and notional > most * equity:
            times = quantity(_fraction(notional, equity))
            detail = f"{symbol}: the {name} would be {times}; the limit is {quantity(most)}"
            return Refusal(code, detail)
    margin = total * (limits.margin_fraction or ZERO)
    free = equity * (ONE - (limits.margin_buffer or ZERO))
    if margin > free:
        detail = (
            f"{symbol}: a margin of {_money(margin)} would be bound, and"
            f" {_money(free, ROUND_DOWN)} is free for it"
        )
        return Refusal(Denial.CUM_MARGIN_EXCEEDS_FREE_BALANCE, detail)
    move = limits.liquidation_buffer
    if move is None:
        return None
    left, needed = equity - total * move, margin * (ONE + move) * MAINTENANCE
    if left >= needed:
        return None
    words = f"{_money(left, ROUND_DOWN)} of equity, and {_money(needed)} must be kept"
    detail = f"{symbol}: an adverse move of {_percent(move)} would leave {words}"
    return Refusal(Denial.LIQUIDATION_TOO_CLOSE, detail)


def _money(value: Decimal, rounding: str = ROUND_UP) -> str:
    """`$502.30`; whole dollars without cents."""
    cents = value.quantize(_CENT, rounding=rounding)
    text = f"{abs(cents):,.2f}".removesuffix(".00")
    return f"{'-' if cents < 0 else ''}${text}"


def _figure(value: Decimal) -> str:
    return quantity(value) if value.is_finite() else str(value)


def _percent(fraction: Decimal) -> str:
    return f"{quantity(fraction * 100)} %"


def _fraction(value: Decimal, base: Decimal) -> Decimal:
    return (value / base).quantize(_TEN_THOUSANDTH, rounding=ROUND_UP)
