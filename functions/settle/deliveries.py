"""Ends deliveries and signals whose messages were lost, so that everything ends with a reason."""

from dataclasses import replace
from datetime import datetime

from common.audit import audit_write
from common.books import BOOKS, Book
from common.documents import Stored, every
from common.domain.moment import iso
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.errors import ConflictError, SapphireError
from common.execution.deliveries import End, intent_ends
from common.execution.signals import finish_signal
from common.how.denial import Denial
from common.ports import Query, Where, Write
from functions.settle.reading import raise_first, read
from functions.settle.resolving import Desk

PAGE = 200


async def expire_deliveries(desk: Desk, book: Book) -> None:
    """Deliveries whose message was dead-lettered end here, with their reason.

    Raises SapphireError: one delivery's trouble, once the others were attended to.
    """
    troubles: list[Exception] = []
    now = desk.clock.now()
    overdue = iso(now - desk.settings.limits.delivery_grace)
    waiting = Where("status", "in", (SignalStatus.PENDING.value, SignalStatus.ROUTED.value))
    begun = Where("status", "==", SignalStatus.EXECUTING.value)  # a leg of it may wait still
    for status in (waiting, begun):
        page = await desk.store.query(
            Query(
                book.deliveries,
                (status, Where("expires_at", "<", overdue)),
                order_by="expires_at",
                limit=PAGE,
            )
        )
        for document in page.documents:
            try:
                await _expire(desk, read(Delivery, document), now)
            except SapphireError as error:
                troubles.append(error)
    raise_first(troubles)


async def _expire(desk: Desk, stored: Stored[Delivery], now: datetime) -> None:
    """End what never began: the whole delivery, or the first of its legs that is still waiting."""
    delivery = stored.value
    waiting = [leg for leg in delivery.legs if leg.status is SignalStatus.ROUTED]
    if delivery.status is SignalStatus.EXECUTING and not waiting:
        return
    stuck_at = waiting[0].status if waiting else delivery.status
    end = End(
        status=SignalStatus.EXPIRED,
        reason_code=Denial.SIGNAL_EXPIRED,
        reason=f"Still {stuck_at.lower()} when its signal expired",
        venue=None,
    )
    subject = waiting[0].intent_id if waiting else delivery.delivery_id
    audit = audit_write(
        "delivery-refused",
        subject,
        at=now,
        step=end.status,
        facts={"code": end.reason_code, "reason": end.reason},
    )
    try:
        writes: list[Write] = await intent_ends(desk.store, stored, subject, end, now=now)
        await desk.store.commit([*writes, audit])
    except ConflictError:
        return
    await finish_signal(desk.store, BOOKS[delivery.book], delivery.signal_id)


async def finish_signals(desk: Desk, book: Book) -> None:
    """Signals whose last delivery ended just before a crash, or whose fan-out was lost.

    Raises SapphireError: one signal's trouble, once the others were attended to.
    """
    troubles: list[Exception] = []
    pending = Where("status", "==", SignalStatus.PENDING.value)
    async for document in every(desk.store, book.signals, pending):
        try:
            await _close_fan_out(desk, book, read(SignalRecord, document))
            await finish_signal(desk.store, book, document.ref.id)
        except SapphireError as error:
            troubles.append(error)
    raise_first(troubles)


async def _close_fan_out(desk: Desk, book: Book, stored: Stored[SignalRecord]) -> None:
    """A signal whose fan-out was dead-lettered ends with the deliveries that it has, if any."""
    record, grace = stored.value, desk.settings.limits.delivery_grace
    signal = record.signal
    if record.deployments_expected is not None or desk.clock.now() < signal.expires_at + grace:
        return
    of_signal = (Where("signal_id", "==", signal.signal_id),)
    count = await desk.store.count(Query(book.deliveries, of_signal))
    closed = replace(record, deployments_expected=count)
    if not count:
        closed = replace(
            closed,
            status=SignalStatus.EXPIRED,
            reason_code=Denial.SIGNAL_EXPIRED,
            reason="The signal expired before any deployment received it",
        )
    try:
        await desk.store.commit([stored.update(closed)])
    except ConflictError:
        return
