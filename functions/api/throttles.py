"""The throttles that stopped repeated orders, and the person who lets them go on."""

from common.audit import audit_write
from common.books import ORDER_THROTTLES
from common.contention import retry_on_conflict
from common.documents import Stored
from common.domain.moment import iso
from common.errors import NotFoundError
from common.how.limits import Refusal
from common.how.throttles import OrderThrottle, enabled_again, read_throttle
from common.ports import Clock, Delete, Document, DocumentStore, Page, Query, Ref, Where, Write

_IS_DISABLED = Where("disabled", "==", True)


async def disabled_throttles(store: DocumentStore, *, limit: int, cursor: str | None) -> Page:
    return await store.query(Query(ORDER_THROTTLES, (_IS_DISABLED,), limit=limit, cursor=cursor))


async def enable_throttle(
    throttle_id: str, *, by: str, reason: str, store: DocumentStore, clock: Clock
) -> OrderThrottle:
    """Let a throttle's orders go again, in the name of a person. One that is open stays as it is.

    Raises:
        NotFoundError: THROTTLE_NOT_FOUND.
        TransientError: orders kept changing it.
    """
    ref = Ref(ORDER_THROTTLES, throttle_id)

    async def once() -> OrderThrottle:
        document = await store.get(ref)
        if document is None:
            raise NotFoundError("no such throttle", code="THROTTLE_NOT_FOUND")
        found = read_throttle(document)
        if isinstance(found, Stored) and not found.value.disabled:
            return found.value
        now = clock.now()
        before = found.value if isinstance(found, Stored) else _unread(document)
        after = enabled_again(before, by=by, reason=reason, now=now)
        audit = audit_write(
            "throttle-enabled",
            throttle_id,
            at=now,
            step=iso(before.changed_at) if before.changed_at else document.version,
            facts={"by": by, "reason": reason, "was": before.reason},
        )
        await store.commit([_opened(found, document, after), audit])
        return after

    return await retry_on_conflict(once, what=f"throttle {throttle_id}")


def _opened(
    found: Stored[OrderThrottle] | Refusal | None, document: Document, after: OrderThrottle
) -> Write:
    """One that cannot be read goes: an update would leave what makes it unreadable."""
    if isinstance(found, Stored):
        return found.update(after)
    return Delete(document.ref, document.version)


def _unread(document: Document) -> OrderThrottle:
    scope, _, symbol = document.ref.id.rpartition(":")
    return OrderThrottle(scope=scope, symbol=symbol, disabled=True, reason="it cannot be read")
