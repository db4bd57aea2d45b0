"""One position and its end: what is there is looked at, what is missing is planned."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.books import ORDER_INTENTS, PLAN_APPROVALS, POSITION_EXITS, book_named
from common.contention import retry_on_conflict
from common.documents import Stored, load, load_many, put
from common.domain.events import OutboxMessage, PositionChanged
from common.domain.exit_rules import ExitRules
from common.domain.exits import ExitState, PositionExit
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Instrument
from common.domain.money import Money
from common.domain.notification import Notification, NotificationKind
from common.domain.order import (
    IntentStatus,
    OrderIntent,
    OrderPlan,
    OrderPurpose,
    VenueCandidate,
)
from common.domain.position import Position
from common.domain.scope import order_scopes
from common.errors import SapphireError
from common.execution.approval import PlanApproval, approval_write
from common.how.exits import (
    ExitAlert,
    ExitDecision,
    ExitOrder,
    ExitSettings,
    ExitView,
    SeenIntent,
    can_rest,
    decide_exit,
)
from common.how.trading_state import TradingState, read_standing
from common.messages import attempt_message, cancel_message
from common.notifications import notification_writes
from common.outbox import outbox_write
from common.ports import Query, Ref, Where, Write
from functions.monitor.desk import Desk
from functions.monitor.rounds import Walk

PLAN_LIFE = timedelta(minutes=2)
"""How long an exit may be on its way to `execute`, which takes no plan after its expiry."""

EXIT_SETTINGS = ExitSettings()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A position and its exit, with the versions that they were read at."""

    position: Position
    exit: Stored[PositionExit] | None
    rules: ExitRules | None
    ruled_from: int  # the number of the position's fill that the rules are of
    view: ExitView
    mark: Money | None


async def watch(
    desk: Desk, book: str, position_id: str, *, after: PositionChanged | None = None
) -> list[OutboxMessage]:
    """Decide from what is, and write what follows. A call that comes twice, or late, or beside
    another, plans nothing twice: the exit's version is the lock, and ids follow from it.

    `after` is the fill that changed the position: its order's exit rules hold from now on, unless
    a later fill's do, whose message was quicker.
    """

    async def once() -> list[OutboxMessage]:
        now = desk.clock.now()
        seen = await _look(desk, book, position_id, after, now)
        if seen is None:
            return []
        known = seen.exit.value if seen.exit else None
        decision = decide_exit(
            known, seen.position, seen.rules, seen.view, settings=EXIT_SETTINGS, now=now
        )
        return await _commit(desk, seen, decision, now)

    return await retry_on_conflict(once, what=f"the exit of {position_id}")


async def watch_all(desk: Desk, *, until: datetime) -> list[OutboxMessage]:
    """Every position that has an end to come, from where the last tick ended, and no page from
    `until` on.

    Raises SapphireError: one position's trouble, once all others were looked at. Their messages
    are in the outbox.
    """
    walk = await Walk.resume(desk, POSITION_EXITS)
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    async for documents in walk.pages(Query(POSITION_EXITS, (_WATCHED,)), until=until):
        for document in documents:
            try:
                messages += await watch(desk, str(document.data.get("book", "")), document.ref.id)
            except SapphireError as error:
                troubles.append(error)
    await walk.keep()
    if troubles:
        raise troubles[0]
    return messages


_WATCHED = Where("state", "in", (ExitState.ARMED.value, ExitState.EXITING.value))


async def _look(
    desk: Desk, book: str, position_id: str, after: PositionChanged | None, now: datetime
) -> _Seen | None:
    """The orders before the position, so that it holds all that they have filled."""
    known = await load(desk.store, PositionExit, Ref(POSITION_EXITS, position_id))
    intents = await _intents(desk, known.value, now) if known else {}
    place = Ref(book_named(book).positions, position_id)
    position = await load(desk.store, Position, place)
    if position is None:
        return None
    rules, paper = await _rules(desk, after.intent_id if after else "")
    if known is not None:
        paper = known.value.paper
    ruled_from = known.value.rules_from_fill if known else 0
    if after is not None and after.fill_count > ruled_from and rules is not None:
        ruled_from = after.fill_count
    else:
        rules = None
    if paper is not None and paper is not desk.on_paper:
        return None  # its venues are not connected in this mode
    mark = await desk.mark(position.value.symbol, now)
    view = ExitView(
        mark=mark,
        instrument=await _instrument(desk, position.value),
        can_rest=_can_rest(desk, position.value),
        intents=intents,
        halted=await _is_halted(desk, position.value, now),
        paper=desk.on_paper,
    )
    return _Seen(position.value, known, rules, ruled_from, view, mark)


async def _intents(desk: Desk, known: PositionExit, now: datetime) -> dict[str, SeenIntent]:
    """What became of its orders. One whose message was lost can never be sent any more."""
    ids = [order.intent_id for order in known.orders]
    if known.exit_intent_id is not None:
        ids.append(known.exit_intent_id)
    if not ids:
        return {}
    found = await load_many(desk.store, OrderIntent, [Ref(ORDER_INTENTS, key) for key in ids])
    seen = {
        key: SeenIntent(stored.value.status, stored.value.filled_qty, stored.value.reason_code)
        for key, stored in zip(ids, found, strict=True)
        if stored is not None
    }
    missing = [key for key in ids if key not in seen]
    asked = [Ref(PLAN_APPROVALS, key) for key in missing]
    approvals = await load_many(desk.store, PlanApproval, asked) if asked else []
    overdue = now - PLAN_LIFE - desk.settings.limits.delivery_grace
    for key, approval in zip(missing, approvals, strict=True):
        if approval is None or approval.value.approved_at < overdue:
            seen[key] = SeenIntent(IntentStatus.EXPIRED, reason_code="NOT_SENT")
    return seen


async def _rules(desk: Desk, intent_id: str) -> tuple[ExitRules | None, bool | None]:
    """Those of the order, if it is an entry that has any; and whether it traded on paper."""
    if not intent_id:
        return None, None
    stored = await load(desk.store, OrderIntent, Ref(ORDER_INTENTS, intent_id))
    if stored is None:  # booked from what the venue held without us
        return None, None
    plan = stored.value.plan
    return (plan.exits if plan.purpose is OrderPurpose.ENTRY else None), plan.paper


async def _instrument(desk: Desk, position: Position) -> Instrument | None:
    table = await desk.instruments.table(position.venue)
    return table.find(position.symbol) if table else None


def _can_rest(desk: Desk, position: Position) -> bool:
    able = desk.capabilities.get(position.venue)
    return able is not None and can_rest(able)


async def _is_halted(desk: Desk, position: Position, now: datetime) -> bool:
    scopes = order_scopes(
        book=position.book,
        agent_id=position.agent_id,
        deployment_id=position.deployment_id,
        symbol=position.symbol,
        venues=(position.venue,),
    )
    found = await read_standing(desk.store, scopes, now=now)
    return found.state is TradingState.HALTED


async def _commit(
    desk: Desk, seen: _Seen, decision: ExitDecision, now: datetime
) -> list[OutboxMessage]:
    known = seen.exit.value if seen.exit else None
    writes: list[Write] = []
    messages: list[OutboxMessage] = []
    if decision.exit is not None:
        after = replace(decision.exit, rules_from_fill=seen.ruled_from)
        if after != known:
            place = Ref(POSITION_EXITS, seen.position.position_id)
            writes.append(put(seen.exit, place, after))
    for order in decision.place:
        plan = _plan(seen, order, now)
        message = attempt_message(plan, 1, now=now)
        writes += [approval_write(plan, "monitor", now=now), outbox_write(message)]
        messages.append(message)
    for cancel in decision.cancel:
        message = cancel_message(cancel.intent_id, cancel.reason, f"{now:%Y%m%d%H%M}", now=now)
        if await desk.store.get(outbox_write(message).ref) is None:
            writes.append(outbox_write(message))
        messages.append(message)
    for alert in decision.alerts:
        told, message = notification_writes(_notification(seen, alert, now))
        if await desk.store.get(told[0].ref) is None:
            writes += told
            messages.append(message)
    if writes:
        await desk.store.commit(writes)
    return messages


def _plan(seen: _Seen, order: ExitOrder, now: datetime) -> OrderPlan:
    position, instrument = seen.position, seen.view.instrument
    assert instrument is not None  # noqa: S101 - without it no order is placed
    return OrderPlan(
        intent_id=order.intent_id,
        book=position.book,
        agent_id=position.agent_id,
        deployment_id=position.deployment_id,
        delivery_id="",
        signal_id=f"exit:{position.position_id}",
        symbol=position.symbol,
        side=order.side,
        order_type=order.order_type,
        candidates=(
            VenueCandidate(
                venue=position.venue,
                instrument_id=instrument.instrument_id,
                quantity=order.quantity,
                price=order.price,
            ),
        ),
        reference_price=order.trigger_price or seen.mark or position.avg_px_open,
        slippage_max=EXIT_SETTINGS.slippage_max,
        policy_version="exit-rules",
        created_at=now,
        expires_at=now + PLAN_LIFE,
        paper=seen.view.paper,
        time_in_force=order.time_in_force,
        trigger_price=order.trigger_price,
        reduce_only=order.reduce_only,
        purpose=order.purpose,
        position_id=position.position_id,
    )


def _notification(seen: _Seen, alert: ExitAlert, now: datetime) -> Notification:
    return Notification(
        notification_id=prefixed_id("ntf", "exit", seen.position.position_id, alert.cause),
        kind=NotificationKind.RISK,
        text=f"{alert.text} ({seen.position.deployment_id})",
        subject_id=seen.position.position_id,
        created_at=now,
    )
