"""Recording an outcome: order, intent, fills, positions, exposure, delivery and audit in one
commit.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from common.audit import audit_write, head_after
from common.books import BOOKS, ORDER_INTENTS
from common.contention import retry_on_conflict
from common.documents import load
from common.domain.agent import Deployment, DeploymentStatus
from common.domain.events import OutboxMessage
from common.domain.money import ZERO, plain
from common.domain.order import (
    Fill,
    IntentStatus,
    Order,
    OrderIntent,
    OrderPlan,
)
from common.domain.parent_order import ParentOrder
from common.domain.signal import SignalStatus
from common.execution.attempts import Retry, follow_up, intent_after, order_after
from common.execution.booking import Booking, book_fills, empty_position, fill_record, fill_ref
from common.execution.by_hand import Sighting, beyond_booked, outcome_by_hand
from common.execution.case import Case, load_case
from common.execution.consequences import exposure_after, is_news, news_of, parent_after
from common.execution.deliveries import End, intent_ends
from common.execution.exposures import exposure_writes
from common.execution.outcome import Outcome
from common.execution.parents import parent_end
from common.execution.signals import finish_signal
from common.execution.telling import overfilled, telling
from common.how.denial import Denial
from common.how.limits import Refusal
from common.outbox import outbox_write
from common.ports import Clock, Create, DocumentStore, Ref, Write

DELIVERY_END = {
    IntentStatus.FILLED: SignalStatus.EXECUTED,
    IntentStatus.PARTIAL: SignalStatus.PARTIAL,
    IntentStatus.REJECTED: SignalStatus.FAILED,
    IntentStatus.CANCELED: SignalStatus.SKIPPED,
    IntentStatus.DENIED: SignalStatus.DENIED,
    IntentStatus.EXPIRED: SignalStatus.EXPIRED,
    IntentStatus.UNRESOLVED: SignalStatus.FAILED,
}


@dataclass(frozen=True, slots=True)
class _Told:
    """What a commit has to say to others, and of which plan."""

    plan: OrderPlan
    messages: list[OutboxMessage]


class Recorder:
    """The one writer of outcomes: of `execute`, of `settle`, and of a person through the api."""

    def __init__(self, store: DocumentStore, clock: Clock, *, max_attempts: int) -> None:
        self._store = store
        self._clock = clock
        self._max_attempts = max_attempts

    async def record(
        self, intent_id: str, client_order_id: str, outcome: Outcome
    ) -> list[OutboxMessage]:
        """Write what `outcome` proves, once; news that is older than what is known changes nothing.

        That one sending came to nothing is no news of an order whose bytes were sent again.

        Raises:
            TransientError: contended to the end; nothing of this was written.
        """

        async def once() -> _Told | None:
            case = await load_case(self._store, intent_id, client_order_id)
            if outcome.of_one_sending and case.order.value.sent_again:
                return None
            fills = await self._new_fills(case.order.value, outcome.fills)
            now = self._clock.now()
            order = order_after(case.order.value, outcome, fills, now=now)
            if not fills and not is_news(case, order):
                return None
            return _Told(
                case.intent.value.plan, await self._commit(case, order, outcome, fills, now)
            )

        return await self._once(once, intent_id)

    async def unresolved(
        self, intent_id: str, client_order_id: str, reason: str
    ) -> list[OutboxMessage]:
        """Give up asking in silence: keep the reservation, end the delivery, call a person."""

        async def once() -> _Told | None:
            case = await load_case(self._store, intent_id, client_order_id)
            if case.intent.value.status not in _UNPROVEN:
                return None
            now = self._clock.now()
            intent = replace(
                case.intent.value,
                status=IntentStatus.UNRESOLVED,
                reason_code="OUTCOME_UNRESOLVED",
                reason=reason,
                updated_at=now,
            )
            messages = await self._write(case, intent, case.order.value, now)
            return _Told(intent.plan, messages)

        return await self._once(once, intent_id)

    async def settle_by_hand(self, intent_id: str, seen: Sighting) -> list[OutboxMessage]:
        """End an UNRESOLVED intent as a person saw it at the venue.

        Raises:
            DeniedError: INTENT_NOT_UNRESOLVED.
            InvalidInputError: there is no such intent, or its order cannot have come to that.
        """

        async def once() -> _Told | None:
            stored = await load(self._store, OrderIntent, Ref(ORDER_INTENTS, intent_id))
            latest = stored.value.client_order_id if stored else ""
            case = await load_case(self._store, intent_id, latest)
            now = self._clock.now()
            outcome = outcome_by_hand(case.intent.value, case.order.value, seen, now=now)
            order = order_after(case.order.value, outcome, outcome.fills, now=now)
            order = replace(order, settled_by_hand=True)
            messages = await self._commit(case, order, outcome, outcome.fills, now)
            return _Told(case.intent.value.plan, messages)

        return await self._once(once, intent_id)

    async def abandon_retry(self, intent_id: str, end: Refusal) -> list[OutboxMessage]:
        """End an intent whose next attempt was allowed but never begun; its last order is dead."""

        async def once() -> _Told | None:
            stored = await load(self._store, OrderIntent, Ref(ORDER_INTENTS, intent_id))
            if stored is None or stored.value.status is not IntentStatus.RETRYING:
                return None
            case = await load_case(self._store, intent_id, stored.value.client_order_id)
            now = self._clock.now()
            intent = replace(
                case.intent.value,
                status=IntentStatus.EXPIRED,
                reason_code=end.code,
                reason=end.reason,
                updated_at=now,
            )
            messages = await self._write(case, intent, case.order.value, now)
            return _Told(intent.plan, messages)

        return await self._once(once, intent_id)

    async def _once(
        self, once: Callable[[], Awaitable[_Told | None]], intent_id: str
    ) -> list[OutboxMessage]:
        """Commit, then end the signal if that was its last delivery; None: nothing was new."""
        told = await retry_on_conflict(once, what=f"intent {intent_id}")
        if told is None:
            return []
        if told.plan.delivery_id:
            await finish_signal(self._store, BOOKS[told.plan.book], told.plan.signal_id)
        return told.messages

    async def _new_fills(self, order: Order, fills: tuple[Fill, ...]) -> tuple[Fill, ...]:
        """Each fill that is not recorded yet, once, however often the venue told it."""
        told = {fill_ref(fill): fill for fill in fills}
        if not told:
            return ()
        known = await self._store.get_many(list(told))
        fresh = tuple(
            fill for fill, found in zip(told.values(), known, strict=True) if found is None
        )
        return beyond_booked(order, told.values(), fresh) if order.settled_by_hand else fresh

    async def _commit(
        self,
        case: Case,
        order: Order,
        outcome: Outcome,
        fills: tuple[Fill, ...],
        now: datetime,
    ) -> list[OutboxMessage]:
        intent, retry = self._intent(case, order, outcome, fills, now)
        booking = await self._booking(case, fills, now) if fills else None
        known = replace(outcome, fills=fills)
        onward = follow_up(case.intent.value, intent, order, retry, now)
        return await self._write(
            case, intent, order, now, outcome=known, booking=booking, onward=onward
        )

    async def _write(
        self,
        case: Case,
        intent: OrderIntent,
        order: Order,
        now: datetime,
        *,
        outcome: Outcome | None = None,
        booking: Booking | None = None,
        onward: Sequence[OutboxMessage] = (),
    ) -> list[OutboxMessage]:
        """Everything that follows from the intent's new state, in one commit."""
        fills = outcome.fills if outcome else ()
        by = outcome.by if outcome else ""
        audit = _audit(intent, order, now, by=by)
        intent = replace(intent, audit_head=head_after(audit))
        parent = parent_after(case, intent, fills, now)
        exposure = exposure_after(case, intent, order, booking, parent)
        writes: list[Write] = [case.intent.update(intent), audit]
        if order != case.order.value:
            writes.append(case.order.update(order))
        if booking is not None:
            writes += booking.writes()
        if case.parent is not None and parent is not None and parent != case.parent.value:
            writes.append(case.parent.update(parent))
        if exposure != case.exposure.value:
            writes += await exposure_writes(
                self._store,
                case.exposure,
                exposure,
                book=intent.plan.book,
                agent_id=intent.plan.agent_id,
            )
        writes += await self._end_delivery(case, intent, parent, now)
        told, messages = telling(case.intent.value, intent, order, fills, now=now, by=by)
        onward = [*onward, *news_of(case, intent, booking, now)]
        writes += [*told, *(outbox_write(message) for message in onward)]
        if fills:
            writes += await self._freeze_overfilled(intent, order, now)
        await self._store.commit(writes)
        return [*messages, *onward]

    async def _booking(self, case: Case, fills: tuple[Fill, ...], now: datetime) -> Booking:
        """One order fills one position."""
        plan, order = case.intent.value.plan, case.order.value
        empty = empty_position(plan, order.venue, order.symbol, now=now)
        records = tuple(fill_record(plan, fill, now=now) for fill in fills)
        return await book_fills(self._store, empty, case.account, records, now=now)

    def _intent(
        self,
        case: Case,
        order: Order,
        outcome: Outcome,
        fills: tuple[Fill, ...],
        now: datetime,
    ) -> tuple[OrderIntent, Retry | None]:
        """An order that is not the intent's latest can only add late fills to it."""
        intent = case.intent.value
        quantity = sum((fill.last_qty for fill in fills), ZERO)
        if order.client_order_id == intent.client_order_id:
            return intent_after(
                intent,
                order,
                outcome,
                new_quantity=quantity,
                max_attempts=self._max_attempts,
                now=now,
            )
        return replace(intent, filled_qty=intent.filled_qty + quantity, updated_at=now), None

    async def _end_delivery(
        self, case: Case, intent: OrderIntent, parent: ParentOrder | None, now: datetime
    ) -> list[Write]:
        """Of an order that went whole, with the order. A parent ends by `advance`; here it may
        only end otherwise than it had, or elsewhere too, by a fill that came late.
        """
        plan = intent.plan
        if case.delivery is None:
            return []
        if case.parent is not None:
            was = case.parent.value
            if parent is None or not parent.status.is_terminal:
                return []
            if (parent.status, parent.filled_at) == (was.status, was.filled_at):
                return []
            end = replace(parent_end(parent), reason_code="FILLED_LATE")
            return await intent_ends(
                self._store, case.delivery, parent.parent_order_id, end, now=now
            )
        status = DELIVERY_END.get(intent.status)
        if intent.status is IntentStatus.DENIED and intent.reason_code == Denial.SIGNAL_EXPIRED:
            status = SignalStatus.EXPIRED
        if status is None:
            return []
        delivery = case.delivery.value
        leg = delivery.leg(plan.intent_id)
        late = (leg or delivery).status.is_terminal and intent.filled_qty > 0
        end = End(
            status=status,
            reason_code="FILLED_LATE" if late else intent.reason_code,
            reason=intent.reason or _reason(intent),
            venue=case.order.value.venue,
        )
        return await intent_ends(self._store, case.delivery, plan.intent_id, end, now=now)

    async def _freeze_overfilled(
        self, intent: OrderIntent, order: Order, now: datetime
    ) -> list[Write]:
        """Catalogue case 103: a venue that fills more than was ordered trades no more for it."""
        if not overfilled(intent, order):
            return []
        plan = intent.plan
        ref = Ref(BOOKS[plan.book].deployments, plan.deployment_id)
        stored = await load(self._store, Deployment, ref)
        if stored is None or stored.value.status is not DeploymentStatus.ACTIVE:
            return []
        facts = {"filled_qty": plain(order.filled_qty), "quantity": plain(order.quantity)}
        return [
            stored.update(replace(stored.value, status=DeploymentStatus.PAUSED)),
            audit_write(
                "deployment-frozen",
                plan.deployment_id,
                at=now,
                step=f"{order.client_order_id}:{plain(order.filled_qty)}",
                facts=facts,
            ),
        ]


_UNPROVEN = frozenset({IntentStatus.SENDING, IntentStatus.UNKNOWN, IntentStatus.WORKING})


def _audit(intent: OrderIntent, order: Order, now: datetime, by: str = "") -> Create:
    return audit_write(
        "order-outcome",
        order.client_order_id,
        at=now,
        step=f"{order.status}:{intent.status}:{plain(order.filled_qty)}",
        facts={
            "intent_id": intent.plan.intent_id,
            "order_status": order.status,
            "intent_status": intent.status,
            "filled_qty": plain(order.filled_qty),
            "code": intent.reason_code,
            "reason": intent.reason,
            **({"by": by} if by else {}),
        },
        previous=intent.audit_head,
    )


def _reason(intent: OrderIntent) -> str:
    if intent.status is IntentStatus.FILLED:
        return f"Filled {plain(intent.filled_qty)} {intent.plan.symbol}"
    if intent.status is IntentStatus.PARTIAL:
        return f"Filled {plain(intent.filled_qty)} {intent.plan.symbol}, the rest did not fill"
    return intent.reason_code.replace("_", " ").capitalize()
