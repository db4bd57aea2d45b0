"""The repeated-execution throttle (R5): too many orders of one symbol, and a person must look.

One for each deployment and symbol, and one for each agent and symbol. An execution is what a
signal asks for: an order with all its children, attempts and exits is one. What opens a throttle
again is a named person alone; a restart, or the passing of time, is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.audit import audit_write
from common.books import ORDER_THROTTLES
from common.documents import Stored, put
from common.domain.events import OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.moment import UtcDatetime, iso
from common.domain.notification import Notification, NotificationKind
from common.domain.scope import Scope
from common.errors import InvalidInputError
from common.how.denial import Denial
from common.how.limits import Refusal
from common.notifications import notification_writes
from common.ports import Document, Ref, Write
from common.wire import from_document

Repeats = Sequence[tuple[int, int]]
"""So many executions within so many seconds, at most; every one of them must hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderThrottle:
    """The document under `order_throttles`, id = scope key and symbol."""

    scope: str
    symbol: str
    moments: tuple[UtcDatetime, ...] = ()  # of the last executions, oldest first
    disabled: bool = False
    reason: str = ""  # why it is disabled, or why it was enabled again
    changed_by: str = ""  # who enabled it; empty when it disabled itself
    changed_at: UtcDatetime | None = None  # when it was disabled, or enabled again

    @property
    def throttle_id(self) -> str:
        return f"{self.scope}:{self.symbol}"


def throttle_ref(scope: Scope, symbol: str) -> Ref:
    return Ref(ORDER_THROTTLES, f"{scope.key}:{symbol}")


def read_throttle(document: Document | None) -> Stored[OrderThrottle] | Refusal | None:
    """None where nothing was executed yet. One that cannot be read refuses."""
    if document is None:
        return None
    try:
        throttle = from_document(OrderThrottle, document.data)
    except InvalidInputError as error:
        detail = f"The throttle {document.ref.id} cannot be read: {error}"
        return Refusal(Denial.REPEATED_EXECUTION_DISABLED, detail)
    return Stored(document.ref, throttle, document.version)


def check_throttle(found: Stored[OrderThrottle] | OrderThrottle | Refusal | None) -> Refusal | None:
    """Why it lets no execution through; None when it does."""
    if found is None or isinstance(found, Refusal):
        return found
    throttle = found.value if isinstance(found, Stored) else found
    if not throttle.disabled:
        return None
    detail = f"{throttle.symbol}: {throttle.reason}; a person must enable {throttle.throttle_id}"
    return Refusal(Denial.REPEATED_EXECUTION_DISABLED, detail)


def after_execution(
    before: OrderThrottle | None, scope: Scope, symbol: str, repeats: Repeats, *, now: datetime
) -> OrderThrottle:
    """The throttle once another execution is wanted; `check_throttle` of it says whether it may go.

    The one that is too many disables it, and is itself refused. A disabled throttle stays as it
    is. A clock that steps back makes no room: what seems to lie ahead counts.
    """
    throttle = before or OrderThrottle(scope=scope.key, symbol=symbol)
    if throttle.disabled or not repeats:
        return throttle
    longest = max(most for most, _ in repeats)
    moments = tuple(sorted((*throttle.moments, now)))[-longest - 1 :]
    for most, window_s in repeats:
        recent = sum(each > now - timedelta(seconds=window_s) for each in moments)
        if recent > most:
            return replace(
                throttle,
                moments=moments,
                disabled=True,
                reason=f"{recent} orders within {window_s} s; the limit is {most}",
                changed_by="",
                changed_at=now,
            )
    return replace(throttle, moments=moments)


def throttle_writes(
    stored: Stored[OrderThrottle] | None, after: OrderThrottle
) -> tuple[list[Write], list[OutboxMessage]]:
    """The throttle by compare-and-set, and whom it tells when it has just been disabled.

    They belong in the commit of the execution, or of its refusal: one move for each.
    """
    if stored is not None and stored.value == after:
        return [], []
    ref = Ref(ORDER_THROTTLES, after.throttle_id)
    writes: list[Write] = [put(stored, ref, after)]
    if not after.disabled or after.changed_at is None:
        return writes, []
    told, message = notification_writes(_notification(after, after.changed_at))
    audit = audit_write(
        "throttle-disabled",
        after.throttle_id,
        at=after.changed_at,
        step=iso(after.changed_at),
        facts={"reason": after.reason},
    )
    return [*writes, *told, audit], [message]


def enabled_again(throttle: OrderThrottle, *, by: str, reason: str, now: datetime) -> OrderThrottle:
    """Open, with nothing counted. `by` is a person's name."""
    return replace(
        throttle, moments=(), disabled=False, reason=reason, changed_by=by, changed_at=now
    )


def _notification(throttle: OrderThrottle, at: datetime) -> Notification:
    return Notification(
        notification_id=prefixed_id("ntf", "throttle", throttle.throttle_id, iso(at)),
        kind=NotificationKind.RISK,
        text=(
            f"Orders of {throttle.symbol} stopped for {Scope.parse(throttle.scope).label}:"
            f" {throttle.reason}. They wait for a person to enable {throttle.throttle_id}"
        ),
        subject_id=throttle.throttle_id,
        created_at=at,
    )
