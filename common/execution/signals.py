"""How a signal ends: from the ends of its deliveries, counted where they happen."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from common.books import BOOKS, Book
from common.documents import Stored, load
from common.domain.money import plain
from common.domain.routing import RoutingDecision
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.errors import ConflictError
from common.ports import DocumentStore, Increment, Query, Ref, Where, Write
from common.wire import JsonObject, from_document

TRIES = 8
MULTI = "MULTI"
"""In the place of a venue: filled at more than one."""

FILLED = frozenset({SignalStatus.EXECUTED, SignalStatus.PARTIAL})
HISTORY_MAX = 20
"""Routing records that are copied onto the signal itself; the rest stay in the history."""


async def delivery_ends(
    store: DocumentStore, stored: Stored[Delivery], ended: Delivery
) -> list[Write]:
    """The writes that end a delivery and count its end on the signal, once.

    A delivery that had ended and ends otherwise (a late fill) moves its count, and with it the
    end of its signal.
    """
    book = BOOKS[ended.book]
    signal = Ref(book.signals, ended.signal_id)
    before = stored.value.status
    if not before.is_terminal:
        return [stored.update(ended), Increment(signal, f"outcomes.{ended.status}")]
    if before is ended.status and stored.value.venue == ended.venue:
        return [stored.update(ended)]
    record = await load(store, SignalRecord, signal)
    if record is None:
        return [stored.update(ended)]
    return [stored.update(ended), record.update(_corrected(record.value, before, ended))]


def place_of(venues: Iterable[str]) -> str | None:
    """The one of the `venues`, MULTI where they are several, None where there is none."""
    found = set(venues)
    return found.pop() if len(found) == 1 else (MULTI if found else None)


def _corrected(record: SignalRecord, before: SignalStatus, ended: Delivery) -> SignalRecord:
    """With a delivery that had ended as `before`. Where fills were is never taken back."""
    outcomes = dict(record.outcomes)
    outcomes[before] = outcomes.get(before, 1) - 1
    outcomes[ended.status] = outcomes.get(ended.status, 0) + 1
    corrected = replace(record, outcomes=outcomes)
    if not corrected.status.is_terminal:
        return corrected
    places = (record.final_venue, ended.venue if ended.status in FILLED else None)
    return replace(
        corrected,
        status=overall(outcomes),
        reason_code=ended.reason_code,
        reason=ended.reason,
        final_venue=place_of(venue for venue in places if venue),
    )


async def finish_signal(store: DocumentStore, book: Book, signal_id: str) -> SignalStatus | None:
    """End the signal if all of its deliveries have ended; its status then, None while one is open.

    Whoever ends the last delivery calls this and sees every count, because counts are committed
    before it reads; `settle` sweeps up after a crash in between.
    """
    ref = Ref(book.signals, signal_id)
    for _ in range(TRIES):
        stored = await load(store, SignalRecord, ref)
        if stored is None or stored.value.deployments_expected is None:
            return None
        record = stored.value
        if record.status.is_terminal:
            return record.status
        if sum(record.outcomes.values()) < (record.deployments_expected or 0):
            return None
        ended = await _ended(store, book, record)
        try:
            await store.commit([stored.update(ended)])
        except ConflictError:
            continue
        return ended.status
    return None


async def _ended(store: DocumentStore, book: Book, record: SignalRecord) -> SignalRecord:
    signal_id = record.signal.signal_id
    if not record.deployments_expected:
        return replace(
            record,
            status=SignalStatus.SKIPPED,
            reason_code="NO_ACTIVE_DEPLOYMENT",
            reason="No active deployment follows this agent",
        )
    of_signal = (Where("signal_id", "==", signal_id),)
    deliveries = [
        from_document(Delivery, document.data)
        for document in (
            await store.query(Query(book.deliveries, of_signal, limit=HISTORY_MAX))
        ).documents
    ]
    routes = [
        from_document(RoutingDecision, document.data)
        for document in (
            await store.query(Query(book.routing_history, of_signal, limit=HISTORY_MAX))
        ).documents
    ]
    status = overall(record.outcomes)
    telling = next((item for item in deliveries if item.status is status), deliveries[0])
    filled_at = {item.venue for item in deliveries if item.venue and item.status in FILLED}
    return replace(
        record,
        status=status,
        reason_code=telling.reason_code,
        reason=telling.reason,
        final_venue=place_of(filled_at),
        routing_history=tuple(routing_entry(route) for route in routes),
    )


_WORST_FIRST = (
    SignalStatus.FAILED,
    SignalStatus.EXPIRED,
    SignalStatus.DENIED,
    SignalStatus.SKIPPED,
)


def overall(outcomes: Mapping[str, int]) -> SignalStatus:
    """EXECUTED when every delivery was, PARTIAL when some were, else the gravest of the others."""
    counts = {SignalStatus(name): count for name, count in outcomes.items() if count > 0}
    if set(counts) == {SignalStatus.EXECUTED}:
        return SignalStatus.EXECUTED
    if set(counts) & FILLED:
        return SignalStatus.PARTIAL
    return next(status for status in _WORST_FIRST if status in counts)


def routing_entry(route: RoutingDecision) -> JsonObject:
    """VP-04's shape on the signal; `shares` stands there when the order was split."""
    entry: JsonObject = {
        "requested_venues": list(route.requested_venues),
        "selected_venue": route.selected_venue,
        "reason": route.routing_reason,
        "mode": route.mode.value,
        "checked": [
            {"venue": check.venue, "ok": check.ok, "code": check.code, "reason": check.reason}
            for check in route.checked_venues
        ],
        "duration_ms": route.routing_duration_ms,
        "deployment_id": route.deployment_id,
    }
    if route.shares:
        entry["shares"] = [
            {"venue": share.venue, "quantity": plain(share.quantity)} for share in route.shares
        ]
    return entry
