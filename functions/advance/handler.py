"""Works parent orders: sends the children that are due, cancels what rests too long, ends them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.audit import audit_write
from common.books import EXPOSURES, MARKET_SNAPSHOTS, ORDER_INTENTS, PARENT_ORDERS, book_named
from common.config import Settings
from common.contention import retry_on_conflict
from common.documents import Stored, every, load
from common.domain.events import OutboxMessage, ParentOrderDue, Tick
from common.domain.exposure import Exposure
from common.domain.instrument import Capabilities, Venue
from common.domain.market import MarketSnapshot
from common.domain.money import ZERO, plain
from common.domain.order import OrderPlan
from common.domain.parent_order import ParentOrder, ParentStatus
from common.domain.signal import Delivery
from common.errors import SapphireError
from common.execution.algorithms.fitting import MarketView, VenueView
from common.execution.algorithms.parent import with_child_outcome
from common.execution.algorithms.step import SpawnedChild, Step, step
from common.execution.approval import approval_write
from common.execution.deliveries import intent_ends
from common.execution.exposures import exposure_writes
from common.execution.parents import parent_end, with_rest_reserved
from common.execution.signals import finish_signal
from common.how.limits import check_price_age
from common.messages import attempt_message, cancel_message
from common.outbox import outbox_write
from common.ports import Clock, DocumentStore, Instruments, Ref, Where, Write
from functions.advance.closing import closed_venues

CHILD_LIFE = timedelta(minutes=2)
"""How long a child may be on its way to `execute`; its message may be delivered again till then."""

OPEN = (ParentStatus.ACTIVE, ParentStatus.PAUSED, ParentStatus.CANCELING)


@dataclass(frozen=True, slots=True)
class _Desk:
    store: DocumentStore
    clock: Clock
    settings: Settings
    instruments: Instruments
    capabilities: Mapping[Venue, Capabilities]


async def advance(
    event: ParentOrderDue | Tick,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    instruments: Instruments,
    capabilities: Mapping[Venue, Capabilities],
) -> list[OutboxMessage]:
    """The next step of one parent order, or on a tick of every one that is open.

    A step is decided from what the parent and its children are, so that a repeated message, or
    two at once, send nothing twice: the parent's version is the lock.

    Raises:
        SapphireError: one parent's trouble, once all others had their step.
    """
    desk = _Desk(store, clock, settings, instruments, capabilities)
    if isinstance(event, ParentOrderDue):
        return await _advance(desk, event.parent_order_id)
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    still_open = Where("status", "in", tuple(status.value for status in OPEN))
    ids = [document.ref.id async for document in every(store, PARENT_ORDERS, still_open)]
    for parent_order_id in ids:
        try:
            messages += await _advance(desk, parent_order_id)
        except SapphireError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return messages


async def _advance(desk: _Desk, parent_order_id: str) -> list[OutboxMessage]:
    ref = Ref(PARENT_ORDERS, parent_order_id)

    async def once() -> list[OutboxMessage]:
        stored = await load(desk.store, ParentOrder, ref)
        if stored is None or stored.value.status.is_terminal:
            return []
        if stored.value.paper != (desk.settings.mode == "paper"):
            return []  # those venues are not the ones that it was made for
        now = desk.clock.now()
        known = await _without_lost_children(desk, stored.value, now)
        view = await _view(desk, known, now)
        taken = step(known, view, settings=desk.settings.execution, now=now)
        return await _commit(desk, stored, taken, now)

    return await retry_on_conflict(once, what=f"parent order {parent_order_id}")


async def _without_lost_children(desk: _Desk, parent: ParentOrder, now: datetime) -> ParentOrder:
    """End the children whose message never came through. None of them can be sent any more:
    `execute` takes no plan after its expiry, and writes ahead against this parent's version.
    """
    overdue = now - CHILD_LIFE - desk.settings.limits.delivery_grace
    late = [key for key, child in parent.open_children.items() if child.spawned_at < overdue]
    found = await desk.store.get_many([Ref(ORDER_INTENTS, key) for key in late]) if late else []
    for key, document in zip(late, found, strict=True):
        if document is None:
            parent = with_child_outcome(
                parent,
                key,
                new_qty=ZERO,
                new_notional=ZERO,
                new_commission=ZERO,
                ended=True,
                unresolved=False,
                code="NOT_SENT",
                reason="Its message was lost, and nothing of it was sent",
                now=now,
            )
    return parent


async def _view(desk: _Desk, parent: ParentOrder, now: datetime) -> MarketView:
    """The venues that the parent can go to now; its refusal only where it can go to none."""
    closed = await closed_venues(desk.store, parent, now=now)
    views: dict[Venue, VenueView] = {}
    for venue in (each.venue for each in parent.candidates if each.venue not in closed):
        table = await desk.instruments.table(venue)
        instrument = table.find(parent.symbol) if table else None
        able = desk.capabilities.get(venue)
        if instrument is not None and able is not None:
            views[venue] = VenueView(instrument=instrument, capabilities=able)
    everywhere = len(closed) == len(parent.candidates)
    refusal = next(iter(closed.values())) if everywhere else None
    snapshot = await load(desk.store, MarketSnapshot, Ref(MARKET_SNAPSHOTS, parent.symbol))
    limits = desk.settings.limits
    fresh = snapshot is not None and check_price_age(snapshot.value, now=now, limits=limits) is None
    mark = snapshot.value.mark if snapshot is not None and fresh else None
    return MarketView(mark=mark, venues=views, refusal=refusal)


async def _commit(
    desk: _Desk, stored: Stored[ParentOrder], taken: Step, now: datetime
) -> list[OutboxMessage]:
    """The parent after the step, its children's plans, and its end, in one commit."""
    parent = taken.parent
    writes: list[Write] = []
    messages: list[OutboxMessage] = []
    for child in taken.children:
        plan = _child_plan(parent, child, now)
        message = attempt_message(plan, 1, now=now, deliver_at=_later(child, now))
        writes += [approval_write(plan, "advance", now=now), outbox_write(message)]
        messages.append(message)
    for intent in taken.cancels:
        reason = parent.reason or f"its parent order is {parent.status.lower()}"
        message = cancel_message(intent, reason, f"{now:%Y%m%d%H%M}", now=now)
        if await desk.store.get(outbox_write(message).ref) is None:
            writes.append(outbox_write(message))
        messages.append(message)
    if parent != stored.value:
        writes.append(stored.update(replace(parent, updated_at=now)))
    if parent.status.is_terminal:
        writes += await _ending(desk, parent, now)
    if writes:
        await desk.store.commit(writes)
    if parent.status.is_terminal:
        await finish_signal(desk.store, book_named(parent.book), parent.signal_id)
    return messages


def _later(child: SpawnedChild, now: datetime) -> datetime | None:
    return child.not_before if child.not_before > now else None


def _child_plan(parent: ParentOrder, child: SpawnedChild, now: datetime) -> OrderPlan:
    return OrderPlan(
        intent_id=child.intent_id,
        book=parent.book,
        agent_id=parent.agent_id,
        deployment_id=parent.deployment_id,
        delivery_id=parent.delivery_id,
        signal_id=parent.signal_id,
        symbol=parent.symbol,
        side=parent.side,
        order_type=child.order_type,
        candidates=child.candidates,
        reference_price=parent.arrival_price,
        slippage_max=parent.slippage_max,
        policy_version=parent.policy_version,
        created_at=now,
        expires_at=now + CHILD_LIFE,
        paper=parent.paper,
        time_in_force=child.time_in_force,
        reduce_only=parent.reduce_only,
        parent_order_id=parent.parent_order_id,
        exec_algorithm_id=parent.exec_algorithm_id,
        slice_no=child.slice_no,
        exits=parent.exits,
    )


async def _ending(desk: _Desk, parent: ParentOrder, now: datetime) -> list[Write]:
    """Let go of what it held, and end its part of the delivery."""
    writes: list[Write] = []
    exposure = await load(desk.store, Exposure, Ref(EXPOSURES, parent.deployment_id))
    if exposure is not None:
        after = with_rest_reserved(exposure.value, parent)
        if after != exposure.value:
            writes += await exposure_writes(
                desk.store, exposure, after, book=parent.book, agent_id=parent.agent_id
            )
    place = Ref(book_named(parent.book).deliveries, parent.delivery_id)
    delivery = await load(desk.store, Delivery, place)
    if delivery is not None:
        end = parent_end(parent)
        writes += await intent_ends(desk.store, delivery, parent.parent_order_id, end, now=now)
    facts = {
        "status": parent.status,
        "algorithm": parent.exec_algorithm_id,
        "quantity": plain(parent.quantity),
        "filled_qty": plain(parent.filled_qty),
        "children": parent.spawned,
        "code": parent.reason_code,
        "reason": parent.reason,
    }
    writes.append(
        audit_write("parent-ended", parent.parent_order_id, at=now, step=parent.status, facts=facts)
    )
    return writes
