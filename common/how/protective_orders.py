"""The orders that protect one position while they rest at its venue: where they belong, whether
they are reached, and how they are armed anew without ever leaving the position bare.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from common.domain.exits import PositionExit, ProtectiveOrder
from common.domain.instrument import Instrument, OrderType
from common.domain.money import ZERO
from common.domain.order import IntentStatus, OrderPurpose, OrderSide
from common.domain.rounding import price_step, round_price, round_quantity
from common.domain.signal import PositionSide
from common.how.denial import Denial
from common.how.exit_decision import ExitSettings
from common.how.exit_draft import ExitDraft, closing_quantity, worst_price

KINDS = (OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED)

PASSED = "TRIGGER_ALREADY_PASSED"
INVALID = "TRIGGER_PRICE_INVALID"  # passed, or a price that the venue does not like
NEVER_TRIED = frozenset(
    {
        "NOT_SENT",
        Denial.TRADING_HALTED,
        Denial.TRADING_STATE_REDUCING,
        Denial.BREAKER_OPEN,
        Denial.RATE_LIMIT_EXCEEDED,
    }
)
"""Ends that say nothing about the order: it may be made again as it was."""

_FILLED = frozenset({IntentStatus.FILLED, IntentStatus.PARTIAL})


@dataclass(frozen=True, slots=True)
class Level:
    """The price that ends a position, exact."""

    purpose: OrderPurpose
    price: Decimal  # > 0
    tolerance: Decimal = ZERO  # a resting order may lie so far from it


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """All orders of one kind: STOP_MARKET against a loss, MARKET_IF_TOUCHED for a profit."""

    kind: OrderType
    level: Level | None
    live: tuple[ProtectiveOrder, ...]  # the venue holds it, or it is on its way there
    lost: tuple[ProtectiveOrder, ...]  # UNRESOLVED: it may be there for ever
    refused: tuple[ProtectiveOrder, ...]  # in a row, since the last one that the venue held
    cut_short: bool  # one has just ended with a part of it


@dataclass(frozen=True, slots=True)
class Due:
    """The position is to be closed at market; of `kind` when a guard says so."""

    purpose: OrderPurpose
    kind: OrderType | None = None
    escalates: bool = False  # a wider bound than for the first time


def kind_of(order: ProtectiveOrder) -> OrderType:
    profit = order.purpose is OrderPurpose.TAKE_PROFIT
    return OrderType.MARKET_IF_TOUCHED if profit else OrderType.STOP_MARKET


def stop_level(known: PositionExit, settings: ExitSettings) -> Level | None:
    """The tighter of stop loss (against the entry) and trailing stop (against the best mark)."""
    toward = 1 if known.side is PositionSide.LONG else -1
    found: list[Level] = []
    if known.rules.stop_loss is not None:
        price = known.entry_price * (1 - toward * known.rules.stop_loss)
        found.append(Level(OrderPurpose.STOP_LOSS, price))
    if known.rules.trailing_stop is not None:
        distance = known.best_price * known.rules.trailing_stop
        step = distance * settings.trailing_step
        price = known.best_price - toward * distance
        found.append(Level(OrderPurpose.TRAILING_STOP, price, step))
    return max(
        (level for level in found if level.price > 0),
        key=lambda level: level.price * toward,
        default=None,
    )


def profit_level(known: PositionExit) -> Level | None:
    if known.rules.take_profit is None:
        return None
    toward = 1 if known.side is PositionSide.LONG else -1
    price = known.entry_price * (1 + toward * known.rules.take_profit)
    return Level(OrderPurpose.TAKE_PROFIT, price) if price > 0 else None


def is_reached(kind: OrderType, side: PositionSide, *, mark: Decimal, price: Decimal) -> bool:
    """A long's stop and a short's profit wait below the market, the other two above it."""
    below = (side is PositionSide.LONG) == (kind is OrderType.STOP_MARKET)
    return mark <= price if below else mark >= price


def sweep(draft: ExitDraft) -> frozenset[OrderType]:
    """Let go of the orders that have ended, ask again for the cancels of those that have not.

    What the venue refused is kept as long as it counts. Returns the kinds of which an order ended
    with a part of it filled.
    """
    kept: list[ProtectiveOrder] = []
    cut_short: set[OrderType] = set()
    for order in draft.after.orders:
        seen = draft.view.seen(order.intent_id)
        if not seen.status.is_terminal:
            kept.append(order)
        elif order.canceling or seen.status is IntentStatus.FILLED:
            continue
        elif seen.status in _FILLED or seen.filled_qty > 0:
            cut_short.add(kind_of(order))
        elif seen.reason_code not in NEVER_TRIED:
            kept.append(order)
    draft.after = replace(draft.after, orders=tuple(kept))
    for order in kept:
        if draft.status(order) is IntentStatus.UNRESOLVED:
            draft.tell(
                f"UNRESOLVED:{order.intent_id}",
                f"nothing proves what became of {_words(order.purpose)} {order.intent_id}",
            )
        if order.canceling:
            draft.cancel(order, "It protects nothing any more")
    return frozenset(cut_short)


def guards(draft: ExitDraft, cut_short: frozenset[OrderType]) -> tuple[Guard, ...]:
    stop, profit = stop_level(draft.after, draft.settings), profit_level(draft.after)
    return tuple(
        _guard(draft, kind, level, cut_short=kind in cut_short)
        for kind, level in zip(KINDS, (stop, profit), strict=True)
    )


def _guard(draft: ExitDraft, kind: OrderType, level: Level | None, *, cut_short: bool) -> Guard:
    live: list[ProtectiveOrder] = []
    lost: list[ProtectiveOrder] = []
    refused: list[ProtectiveOrder] = []
    for order in draft.after.orders:
        if order.canceling or kind_of(order) is not kind:
            continue
        status = draft.status(order)
        if status is IntentStatus.UNRESOLVED:
            lost.append(order)
        else:
            (refused if status.is_terminal else live).append(order)
    return Guard(
        kind=kind,
        level=level,
        live=tuple(live),
        lost=tuple(lost),
        refused=tuple(refused),
        cut_short=cut_short,
    )


def triggered(draft: ExitDraft, guard: Guard) -> list[ProtectiveOrder]:
    """The mark is through their trigger, and they have not filled.

    One that the level has moved away from counts only when the mark is through the level too.
    """
    mark, level, side = draft.view.mark, guard.level, draft.after.side
    if mark is None or level is None:
        return []
    over = is_reached(guard.kind, side, mark=mark, price=level.price)
    return [
        order
        for order in guard.live
        if is_reached(guard.kind, side, mark=mark, price=order.trigger_price)
        and (over or _is_near(draft, order, level))
    ]


def judge(draft: ExitDraft, guard: Guard) -> Due | None:
    """Whether the guard's level ends the position now.

    An order that rests there is given `unfilled_after` to do it. Where none does, and where the
    venue says that the trigger has passed, it is for us to do.
    """
    level, mark = guard.level, draft.view.mark
    if level is None:
        return None
    if any(_has_passed(draft, guard, order) for order in guard.refused):
        return Due(level.purpose, guard.kind)
    if triggered(draft, guard):
        since = draft.after.triggered_at
        if since is None or draft.now - since < draft.settings.unfilled_after:
            return None
        return Due(OrderPurpose.EMERGENCY, guard.kind, escalates=True)
    if mark is None or any(_is_near(draft, order, level) for order in guard.live):
        return None
    if not is_reached(guard.kind, draft.after.side, mark=mark, price=level.price):
        return None
    failed = guard.cut_short or (guard.refused and not _has_given_up(draft, guard))
    if failed or draft.after.triggered_at is not None:
        return Due(OrderPurpose.EMERGENCY, guard.kind, escalates=True)
    return Due(level.purpose, guard.kind)


def arm(draft: ExitDraft, guard: Guard) -> None:
    """See to it that one order of the guard rests at its level over all that is held.

    The new one goes first; the ones before it are canceled once the venue holds it.
    """
    instrument, level = draft.view.instrument, guard.level
    if level is None:
        _forget(draft, guard.refused)
        _cancel_all(draft, (*guard.live, *guard.lost), "No rule asks for it any more")
    elif instrument is not None:
        _arm(draft, guard, level, instrument)


def _arm(draft: ExitDraft, guard: Guard, level: Level, instrument: Instrument) -> None:
    older = [order for order in guard.live if _is_superseded(draft, guard, order, instrument)]
    _cancel_all(draft, older, "A later one has taken its place")
    guard = replace(guard, live=tuple(order for order in guard.live if order not in older))
    fitting = [order for order in guard.live if _fits(draft, order, level, instrument)]
    held = [order for order in fitting if draft.status(order) is IntentStatus.WORKING]
    if held:
        _forget(draft, guard.refused)
        others = [order for order in (*guard.live, *guard.lost) if order != held[-1]]
        _cancel_all(draft, others, "Replaced by one that fits the position")
        return
    if draft.resized:
        _forget(draft, guard.refused)
    elif _has_given_up(draft, guard):
        what = _words(level.purpose)
        draft.tell(
            f"NOT_RESTING:{guard.kind}",
            f"the venue does not hold its {what}{_codes(draft, guard)}: it is watched from here",
        )
        return
    on_the_way = any(draft.status(order) is not IntentStatus.WORKING for order in guard.live)
    if on_the_way or not draft.view.can_rest or draft.view.obstacle:
        return
    mark, side = draft.view.mark, draft.after.side
    if mark is not None and is_reached(guard.kind, side, mark=mark, price=level.price):
        return
    _place(draft, guard.kind, level, instrument)


def _is_superseded(
    draft: ExitDraft, guard: Guard, order: ProtectiveOrder, instrument: Instrument
) -> bool:
    """The venue holds a later one that covers no less, even if that one is to be moved again."""
    whole = round_quantity(instrument, draft.after.quantity)
    later = guard.live[guard.live.index(order) + 1 :]
    return any(
        draft.status(other) is IntentStatus.WORKING
        and min(_left(draft, other), whole) >= min(_left(draft, order), whole)
        for other in later
    )


def _left(draft: ExitDraft, order: ProtectiveOrder) -> Decimal:
    return order.quantity - draft.view.seen(order.intent_id).filled_qty


def _place(draft: ExitDraft, kind: OrderType, level: Level, instrument: Instrument) -> None:
    trigger = _trigger(draft, level, instrument)
    name = draft.send(instrument, level.purpose, kind, price=trigger)
    order = ProtectiveOrder(
        intent_id=name,
        purpose=level.purpose,
        trigger_price=trigger,
        quantity=draft.place[-1].quantity,
    )
    draft.after = replace(draft.after, orders=(*draft.after.orders, order))


def _trigger(draft: ExitDraft, level: Level, instrument: Instrument) -> Decimal:
    """On the tick, and never further off than the rule says where it guards against a loss."""
    lowest = price_step(instrument, level.price)
    return round_price(
        instrument, max(level.price, lowest), buy=draft.closing_side is OrderSide.BUY
    )


def _fits(draft: ExitDraft, order: ProtectiveOrder, level: Level, instrument: Instrument) -> bool:
    buy, trigger = draft.closing_side is OrderSide.BUY, order.trigger_price
    slippage = draft.slippage(kind_of(order))
    worst = max(trigger, worst_price(instrument, trigger, buy=buy, slippage=slippage))
    wanted = closing_quantity(instrument, draft.after.quantity, worst)
    return _left(draft, order) == wanted and _is_near(draft, order, level)


def _is_near(draft: ExitDraft, order: ProtectiveOrder, level: Level) -> bool:
    """Close enough to the level not to be moved: a message for every tick is one too many."""
    instrument = draft.view.instrument
    if instrument is None:
        return True
    apart = abs(order.trigger_price - _trigger(draft, level, instrument))
    return not apart or apart < level.tolerance


def _has_passed(draft: ExitDraft, guard: Guard, order: ProtectiveOrder) -> bool:
    """The venue refused a trigger that its own price has passed already.

    Where its word may mean something else, our mark has to be near.
    """
    code, mark = draft.view.seen(order.intent_id).reason_code, draft.view.mark
    if code != INVALID or mark is None:
        return code == PASSED
    trigger = order.trigger_price
    near = abs(mark - trigger) <= trigger * draft.settings.invalid_within
    return near or is_reached(guard.kind, draft.after.side, mark=mark, price=trigger)


def _has_given_up(draft: ExitDraft, guard: Guard) -> bool:
    return len(guard.refused) + len(guard.lost) >= draft.settings.refusals_max


def _codes(draft: ExitDraft, guard: Guard) -> str:
    codes = [draft.view.seen(order.intent_id).reason_code for order in guard.refused[-1:]]
    return f" ({codes[0]})" if codes and codes[0] else ""


def _cancel_all(draft: ExitDraft, orders: Iterable[ProtectiveOrder], reason: str) -> None:
    for order in orders:
        draft.cancel(order, reason)


def _forget(draft: ExitDraft, refused: Iterable[ProtectiveOrder]) -> None:
    gone = {order.intent_id for order in refused}
    kept = tuple(order for order in draft.after.orders if order.intent_id not in gone)
    draft.after = replace(draft.after, orders=kept)


def _words(purpose: OrderPurpose) -> str:
    return purpose.lower().replace("_", " ")
