"""What executing an order cost beside the price when it was decided on (TCA).

Implementation shortfall after Perold (1988): the cost of what filled, of what did not, and fees,
all against the arrival price. Positive is cost, whichever side. Basis points of what filled are of
its value at the arrival price, and those of the whole order of the whole order's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, localcontext
from enum import StrEnum

from common.domain.money import ZERO, round_to
from common.domain.order import FillRecord, OrderIntent, OrderPurpose, OrderSide
from common.domain.parent_order import ExecAlgorithm, ParentOrder
from common.domain.position import EXACT
from common.reporting.benchmark import SIGNIFICANT, Benchmark

_BPS = Decimal(10_000)
_BPS_INCREMENT = Decimal("0.0001")


class WorkedAs(StrEnum):
    PARENT = "PARENT"  # an algorithm worked it in children
    WHOLE = "WHOLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkedOrder:
    """What is measured: a parent order, or the intent of an order that went whole."""

    order_id: str  # parent_order_id or intent_id
    worked_as: WorkedAs
    exec_algorithm_id: str
    purpose: OrderPurpose
    book: str
    agent_id: str
    deployment_id: str
    signal_id: str
    symbol: str
    side: OrderSide
    status: str
    reason_code: str
    quantity: Decimal  # base units that were wanted
    filled_qty: Decimal
    filled_notional: Decimal  # quote currency
    commissions: Decimal
    arrival_price: Decimal  # mark when it was made; of a stop, its trigger
    rests: bool  # a stop: it wants nothing until it is triggered
    started_at: datetime  # a stop works from its first fill on
    ended_at: datetime | None  # None: it may fill still


def worked_parent(parent: ParentOrder) -> WorkedOrder:
    return WorkedOrder(
        order_id=parent.parent_order_id,
        worked_as=WorkedAs.PARENT,
        exec_algorithm_id=parent.exec_algorithm_id.value,
        purpose=OrderPurpose.ENTRY,
        book=parent.book,
        agent_id=parent.agent_id,
        deployment_id=parent.deployment_id,
        signal_id=parent.signal_id,
        symbol=parent.symbol,
        side=parent.side,
        status=parent.status.value,
        reason_code=parent.reason_code,
        quantity=parent.quantity,
        filled_qty=parent.filled_qty,
        filled_notional=parent.filled_notional,
        commissions=parent.commissions,
        arrival_price=parent.arrival_price,
        rests=False,
        started_at=parent.created_at,
        ended_at=parent.ended_at,
    )


def worked_whole(intent: OrderIntent, fills: Iterable[FillRecord]) -> WorkedOrder:
    """`fills` are all of this intent's, over its attempts."""
    plan, told = intent.plan, [record.fill for record in fills]
    ended_at = intent.updated_at if intent.status.is_terminal else None
    started_at = intent.created_at
    if plan.is_protective:
        started_at = min((fill.ts_event for fill in told), default=intent.updated_at)
    with localcontext(EXACT):
        notional = sum((fill.last_px * fill.last_qty for fill in told), ZERO)
        quantity = sum((fill.last_qty for fill in told), ZERO)
        commissions = sum((fill.commission for fill in told), ZERO)
    return WorkedOrder(
        order_id=plan.intent_id,
        worked_as=WorkedAs.WHOLE,
        exec_algorithm_id=plan.exec_algorithm_id or ExecAlgorithm.MARKET.value,
        purpose=plan.purpose,
        book=plan.book,
        agent_id=plan.agent_id,
        deployment_id=plan.deployment_id,
        signal_id=plan.signal_id,
        symbol=plan.symbol,
        side=plan.side,
        status=intent.status.value,
        reason_code=intent.reason_code,
        quantity=plan.candidates[intent.candidate].quantity,
        filled_qty=quantity,
        filled_notional=notional,
        commissions=commissions,
        arrival_price=plan.trigger_price or plan.reference_price,
        rests=plan.is_protective,
        started_at=started_at,
        ended_at=ended_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Slippage:
    """Costs in quote currency, exact; None where nothing is to measure, or no price is known."""

    order: WorkedOrder
    benchmark: Benchmark
    avg_px: Decimal | None  # to 16 digits
    slippage_cost: Decimal  # of what filled, against the arrival price, without fees
    unfilled_qty: Decimal
    unfilled_cost: Decimal | None  # what the market moved by until the end, on what did not fill
    unfilled_reason: str  # why there is none

    @property
    def shortfall(self) -> Decimal | None:
        """All together: slippage, fees, and what did not fill."""
        if self.unfilled_cost is None:
            return None
        with localcontext(EXACT):
            return self.slippage_cost + self.order.commissions + self.unfilled_cost

    @property
    def slippage_bps(self) -> Decimal | None:
        return _bps(self.slippage_cost, self._filled_value)

    @property
    def fee_bps(self) -> Decimal | None:
        return _bps(self.order.commissions, self._filled_value)

    @property
    def vwap_bps(self) -> Decimal | None:
        """Of what filled, against the market's average price while it worked."""
        vwap, order = self.benchmark.vwap, self.order
        if vwap is None:
            return None
        with localcontext(EXACT):
            value = order.filled_qty * vwap
            return _bps(order.side.sign * (order.filled_notional - value), value)

    @property
    def unfilled_bps(self) -> Decimal | None:
        """Of the whole order."""
        return None if self.unfilled_cost is None else _bps(self.unfilled_cost, self._value)

    @property
    def shortfall_bps(self) -> Decimal | None:
        """Of the whole order."""
        shortfall = self.shortfall
        return None if shortfall is None else _bps(shortfall, self._value)

    @property
    def _filled_value(self) -> Decimal:
        return EXACT.multiply(self.order.filled_qty, self.order.arrival_price)

    @property
    def _value(self) -> Decimal:
        return EXACT.multiply(self.order.quantity, self.order.arrival_price)


def slippage(order: WorkedOrder, market: Benchmark) -> Slippage:
    """The report of one order; `market` is the benchmark of the time that it worked."""
    with localcontext(EXACT):
        filled_value = order.filled_qty * order.arrival_price
        unfilled = max(order.quantity - order.filled_qty, ZERO)
        reason = _why_unknown(order, market, unfilled)
        moved = (market.last_price or order.arrival_price) - order.arrival_price
        cost = order.side.sign * unfilled * moved if unfilled else ZERO
        return Slippage(
            order=order,
            benchmark=market,
            avg_px=_average(order),
            slippage_cost=order.side.sign * (order.filled_notional - filled_value),
            unfilled_qty=unfilled,
            unfilled_cost=None if reason else cost,
            unfilled_reason=reason,
        )


def _average(order: WorkedOrder) -> Decimal | None:
    if not order.filled_qty:
        return None
    return SIGNIFICANT.divide(order.filled_notional, order.filled_qty)


def _why_unknown(order: WorkedOrder, market: Benchmark, unfilled: Decimal) -> str:
    if not unfilled:
        return ""
    if order.rests:
        return "A stop that is not reached costs nothing"
    if order.ended_at is None:
        return "It may fill still"
    return "" if market.last_price is not None else market.reason


def _bps(cost: Decimal, value: Decimal) -> Decimal | None:
    """Rounded to 0.0001; None of nothing."""
    if value <= 0:
        return None
    with localcontext(EXACT):
        return round_to(cost / value * _BPS, _BPS_INCREMENT)
