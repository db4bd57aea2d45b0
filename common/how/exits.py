"""How a position is brought to its end: stop loss, take profit, trailing stop, time limit.

Level-triggered: each call looks at what is and says what is missing, so that it may be repeated,
late, or thrown away. Protective orders rest at the venue where it lets them (protective_orders.py);
else, and whenever none of them is in force, the mark is judged here and one reduce-only market
order closes all that is held, again and with a wider bound until nothing is left.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from common.domain.exit_rules import ExitRules
from common.domain.exits import ExitState, PositionExit, ProtectiveOrder
from common.domain.instrument import OrderType
from common.domain.money import ZERO, plain
from common.domain.order import IntentStatus, OrderPurpose
from common.domain.position import Position
from common.domain.rounding import (
    NOTIONAL_BELOW_MINIMUM,
    QUANTITY_BELOW_MINIMUM,
    round_quantity,
)
from common.domain.signal import PositionSide
from common.how.denial import Denial
from common.how.exit_decision import (
    ExitAlert,
    ExitCancel,
    ExitDecision,
    ExitOrder,
    ExitSettings,
    ExitView,
    SeenIntent,
    can_rest,
)
from common.how.exit_draft import ExitDraft
from common.how.protective_orders import (
    NEVER_TRIED,
    Due,
    Guard,
    arm,
    guards,
    judge,
    sweep,
    triggered,
)

__all__ = [
    "ExitAlert",
    "ExitCancel",
    "ExitDecision",
    "ExitOrder",
    "ExitSettings",
    "ExitView",
    "SeenIntent",
    "can_rest",
    "decide_exit",
]

_TOO_SMALL = frozenset({QUANTITY_BELOW_MINIMUM, NOTIONAL_BELOW_MINIMUM, "QUANTITY_ROUNDS_TO_ZERO"})
_NOT_PRICED = NEVER_TRIED | {"REDUCE_ONLY", Denial.REDUCE_ONLY_WOULD_INCREASE_POSITION}
"""Ends of a closing order that no wider bound would have helped."""


def decide_exit(
    known: PositionExit | None,
    position: Position,
    rules: ExitRules | None,
    view: ExitView,
    *,
    settings: ExitSettings,
    now: datetime,
) -> ExitDecision:
    """What is to be done now about how `position` ends.

    `rules` are those of the order whose fill brought us here; None leaves the known ones. Intent
    ids follow from the generation in the PositionExit, which is therefore kept when the position
    is flat: only one that never had rules has none.
    """
    if _has_nothing_to_watch(known, position, rules):
        return ExitDecision(exit=known)
    draft = _draft(known, position, rules, view, settings=settings, now=now)
    if position.side is PositionSide.FLAT:
        _end(draft)
    else:
        _watch(draft)
    return draft.finish()


def _has_nothing_to_watch(
    known: PositionExit | None, position: Position, rules: ExitRules | None
) -> bool:
    """Never had rules; or has been brought to its end, and has not grown since."""
    if known is None:
        return position.side is PositionSide.FLAT or rules is None or rules.are_empty
    if known.state is not ExitState.CLOSED:
        return False
    if position.side is PositionSide.FLAT:
        return known.side is PositionSide.FLAT
    grown = abs(position.signed_qty) > known.quantity
    return _is_same_trip(known, position) and not grown and rules is None


def _is_same_trip(known: PositionExit, position: Position) -> bool:
    return known.side is position.side and known.opened_at == position.opened_at


def _draft(
    known: PositionExit | None,
    position: Position,
    rules: ExitRules | None,
    view: ExitView,
    *,
    settings: ExitSettings,
    now: datetime,
) -> ExitDraft:
    told = known.reason if known else ""
    if known is None:
        after = _first(position, rules, view, now)
    elif position.side is PositionSide.FLAT:
        after = replace(_ended(known), rules=ExitRules())
    elif _is_same_trip(known, position):
        after = _carried_on(known, position, rules, view)
    else:
        fresh = _first(position, rules or known.rules, view, now)
        after = replace(fresh, generation=known.generation, orders=_ended(known).orders)
        told = ""
    return ExitDraft(
        known=known,
        told=tuple(told.split("\n")),
        after=after,
        resized=known is not None and known.quantity != after.quantity,
        view=view,
        settings=settings,
        now=now,
    )


def _first(
    position: Position, rules: ExitRules | None, view: ExitView, now: datetime
) -> PositionExit:
    """At the first sight of a position that was opened, or that went through zero."""
    entry = position.avg_px_open
    opened = PositionExit(
        position_id=position.position_id,
        book=position.book,
        agent_id=position.agent_id,
        deployment_id=position.deployment_id,
        venue=position.venue,
        symbol=position.symbol,
        paper=view.paper,
        rules=rules or ExitRules(),
        state=ExitState.ARMED,
        side=position.side,
        quantity=abs(position.signed_qty),
        entry_price=entry,
        best_price=entry,
        opened_at=position.opened_at,
        updated_at=now,
    )
    return _marked(opened, view)


def _carried_on(
    known: PositionExit, position: Position, rules: ExitRules | None, view: ExitView
) -> PositionExit:
    after = replace(
        known,
        rules=rules or known.rules,
        quantity=abs(position.signed_qty),
        entry_price=position.avg_px_open,
    )
    return _marked(after, view)


def _marked(known: PositionExit, view: ExitView) -> PositionExit:
    """With the best mark so far, which never moves back."""
    if view.mark is None:
        return known
    better = max if known.side is PositionSide.LONG else min
    return replace(known, best_price=better(known.best_price, view.mark))


def _ended(known: PositionExit) -> PositionExit:
    """Nothing of it is wanted any more: a closing order under way is one more orphan."""
    orders = known.orders
    if known.exit_intent_id is not None:
        exit_order = ProtectiveOrder(
            intent_id=known.exit_intent_id,
            purpose=known.exit_purpose or OrderPurpose.EMERGENCY,
            trigger_price=ZERO,
            quantity=known.quantity,
        )
        orders = (*orders, exit_order)
    return _exit_over(replace(known, orders=_unwanted(orders)))


def _unwanted(orders: tuple[ProtectiveOrder, ...]) -> tuple[ProtectiveOrder, ...]:
    return tuple(replace(order, canceling=True) for order in orders)


def _exit_over(known: PositionExit) -> PositionExit:
    return replace(known, exit_intent_id=None, exit_purpose=None, escalation=0, triggered_at=None)


def _end(draft: ExitDraft) -> None:
    """Flat: cancel whatever rests, until each order is known to have ended."""
    sweep(draft)
    if draft.after.orders:
        draft.after = replace(draft.after, state=ExitState.EXITING)
    else:
        draft.after = replace(
            draft.after, state=ExitState.CLOSED, side=PositionSide.FLAT, quantity=ZERO
        )


def _too_little(known: PositionExit) -> str:
    return f"{plain(known.quantity)} {known.symbol} is less than the venue lets us close"


def _let_be(draft: ExitDraft) -> None:
    """Too little is left for the venue to close it: no order of it stays, and none is made."""
    draft.tell("DUST", _too_little(draft.after))
    draft.after = replace(draft.after, orders=_unwanted(draft.after.orders))
    sweep(draft)
    if draft.after.exit_intent_id is not None:
        draft.cancels.append(ExitCancel(draft.after.exit_intent_id, "Too little is left to close"))
    else:
        draft.after = _exit_over(draft.after)
    waits = draft.after.orders or draft.after.exit_intent_id
    state = ExitState.EXITING if waits else ExitState.CLOSED
    draft.after = replace(draft.after, state=state)


def _watch(draft: ExitDraft) -> None:
    if _follow_exit(draft) or _is_dust(draft) or _too_little(draft.after) in draft.told:
        _let_be(draft)
        return
    found = guards(draft, sweep(draft))
    due = _due(draft, found)
    if due is not None and draft.after.exit_intent_id is None:
        _begin(draft, due, found)
    if not _is_under_way(draft):
        for guard in found:
            if due is None or due.kind is not guard.kind:
                arm(draft, guard)
        late = any(triggered(draft, guard) for guard in found)
        since = (draft.after.triggered_at or draft.now) if late else None
        draft.after = replace(draft.after, triggered_at=since)
    draft.after = replace(draft.after, state=_state(draft.after))


def _state(after: PositionExit) -> ExitState:
    if after.exit_purpose is not None:
        return ExitState.EXITING
    idle = after.rules.are_empty and not after.orders
    return ExitState.CLOSED if idle else ExitState.ARMED


def _is_under_way(draft: ExitDraft) -> bool:
    """A closing order may still close; one that is UNRESOLVED is not counted on."""
    name = draft.after.exit_intent_id
    return name is not None and draft.view.seen(name).status is not IntentStatus.UNRESOLVED


def _follow_exit(draft: ExitDraft) -> bool:
    """What became of the closing order; True: the venue says that the position is too small."""
    name = draft.after.exit_intent_id
    if name is None:
        return False
    seen = draft.view.seen(name)
    if not seen.status.is_terminal:
        _wait_for_exit(draft, name, seen.status)
        return False
    if seen.status is IntentStatus.FILLED:
        # All that was asked for: what is there now was added since, and is judged anew.
        draft.after = _exit_over(draft.after)
        return False
    untried = seen.reason_code in _NOT_PRICED or seen.status is IntentStatus.DENIED
    draft.after = replace(
        draft.after,
        exit_intent_id=None,
        escalation=draft.after.escalation + (not untried),
    )
    if untried:
        code = seen.reason_code or seen.status
        draft.tell(f"REFUSED:{code}", f"its closing order was refused ({code})")
    return seen.reason_code in _TOO_SMALL


def _wait_for_exit(draft: ExitDraft, name: str, status: IntentStatus) -> None:
    if status is IntentStatus.UNRESOLVED:
        draft.tell(
            f"UNRESOLVED:{name}",
            f"nothing proves what became of its closing order {name}: it is not repeated",
        )
        return
    since = draft.after.triggered_at or draft.after.updated_at
    if status is IntentStatus.WORKING and draft.now - since >= draft.settings.unfilled_after:
        draft.cancels.append(ExitCancel(name, "It did not fill in time"))


def _is_dust(draft: ExitDraft) -> bool:
    instrument = draft.view.instrument
    if instrument is None:
        return False
    lots = round_quantity(instrument, draft.after.quantity)
    return lots <= 0 or lots < instrument.min_quantity


def _due(draft: ExitDraft, found: tuple[Guard, ...]) -> Due | None:
    """What has been begun goes on; a loss comes before a profit, and both before the time."""
    known = draft.after
    if known.exit_purpose is not None:
        return Due(known.exit_purpose)
    for guard in found:
        due = judge(draft, guard)
        if due is not None:
            return due
    limit = known.rules.time_limit_s
    if limit is not None and draft.now - known.opened_at >= timedelta(seconds=limit):
        return Due(OrderPurpose.TIME_LIMIT)
    return None


def _begin(draft: ExitDraft, due: Due, found: tuple[Guard, ...]) -> None:
    """One market order over all that is held; or say why it cannot be sent."""
    instrument, mark = draft.view.instrument, draft.view.mark
    obstacle = draft.view.obstacle
    if instrument is None or mark is None or obstacle:
        obstacle = obstacle or "there is no fresh price"
        what = due.purpose.lower().replace("_", " ")
        draft.tell(
            f"BLOCKED:{due.purpose}:{obstacle.replace(' ', '-')}",
            f"its {what} is due and cannot be sent: {obstacle}",
        )
        return
    escalation = draft.after.escalation + due.escalates
    dead = {order.intent_id for guard in found for order in guard.refused}
    kept = tuple(order for order in draft.after.orders if order.intent_id not in dead)
    draft.after = replace(draft.after, escalation=escalation, orders=kept)
    for guard in found:
        for order in triggered(draft, guard) if guard.kind is due.kind else []:
            draft.cancel(order, "It triggered and did not fill")
    name = draft.send(instrument, due.purpose, OrderType.MARKET, price=mark)
    draft.after = replace(
        draft.after, exit_intent_id=name, exit_purpose=due.purpose, triggered_at=draft.now
    )
    draft.begun = due.purpose
    if escalation:
        bound = plain(100 * draft.slippage(OrderType.MARKET))
        draft.alert(
            f"ESCALATED:{draft.after.generation}",
            f"it is still open and is closed at market now, within {bound} % of the mark",
        )
