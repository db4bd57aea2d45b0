"""A delivery that ends where it is routed: refused by our own rules, or skipped by all venues."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from common.audit import audit_write
from common.documents import create
from common.domain.events import OutboxMessage
from common.domain.routing import RoutingDecision
from common.domain.signal import SignalStatus
from common.execution.signals import delivery_ends, finish_signal
from common.how.denial import Denial
from common.how.limits import Refusal
from common.ports import Ref, Write
from common.where.router import Route
from functions.route.desk import Case, Desk, Wanted


async def refuse(
    desk: Desk,
    case: Case,
    refusal: Refusal,
    now: datetime,
    *,
    wanted: Wanted | None = None,
    more: Sequence[Write] = (),
) -> list[OutboxMessage]:
    """End it DENIED, or EXPIRED, with its code; the audit row names the rules that were asked."""
    status = SignalStatus.EXPIRED if refusal.code is Denial.SIGNAL_EXPIRED else SignalStatus.DENIED
    ended = replace(
        case.delivery.value,
        status=status,
        reason_code=refusal.code,
        reason=refusal.reason,
        updated_at=now,
    )
    facts = {"code": refusal.code, "reason": refusal.reason}
    if wanted is not None:
        facts |= {"policy": wanted.verdict.version, "size": wanted.verdict.words}
    audit = audit_write("delivery-refused", ended.delivery_id, at=now, step=status, facts=facts)
    await desk.store.commit([*await delivery_ends(desk.store, case.delivery, ended), audit, *more])
    await finish_signal(desk.store, case.book, ended.signal_id)
    return []


async def skip(
    desk: Desk, case: Case, chosen: Route, record: RoutingDecision
) -> list[OutboxMessage]:
    ended = replace(
        case.delivery.value,
        status=SignalStatus.SKIPPED,
        reason_code=chosen.code,
        reason=chosen.reason,
        updated_at=record.created_at,
    )
    history = create(Ref(case.book.routing_history, record.routing_id), record)
    await desk.store.commit([*await delivery_ends(desk.store, case.delivery, ended), history])
    await finish_signal(desk.store, case.book, ended.signal_id)
    return []
