"""Reading and changing the limits documents: by compare-and-set, each change a version."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from common.audit import audit_write
from common.books import RISK_LIMITS
from common.config import LimitSettings
from common.contention import retry_on_conflict
from common.documents import Stored, every
from common.domain.events import OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.moment import EPOCH
from common.domain.money import parse_decimal
from common.domain.notification import Notification, NotificationKind
from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.errors import DeniedError, InvalidInputError
from common.how.existence import require_scope
from common.how.limit_bounds import BLOCKS, SCOPES, check_bounds
from common.how.limit_documents import (
    ScopeLimits,
    default_limits,
    limits_ref,
    limits_writes,
    read_limits,
    version_ref,
)
from common.notifications import notification_writes
from common.ports import Clock, Document, DocumentStore
from common.text import quantity
from common.wire import from_document, to_document

NOBODY = "sapphire"
"""Who limits are by that no person has set."""

NAMED_MAX = 6  # changes in one message; the audit row has them all

Changes = Mapping[str, Mapping[str, object]]
"""New values by block ("order", "deployment", "total") and name; None takes a limit away."""


Differences = Mapping[str, tuple[object, object]]
"""What changes, by path (`order.max_notional`): the values before and after as documents hold them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A change of limits as a person asks for it."""

    scope: Scope
    changes: Changes
    reason: str
    by: str


async def change_limits(
    wish: Wish, *, store: DocumentStore, clock: Clock, settings: LimitSettings
) -> tuple[RiskLimits, list[OutboxMessage]]:
    """The limits in force, which the message tells of. The same values again change nothing, but
    that a person may take Sapphire's own defaults for theirs.

    Raises:
        InvalidInputError: INVALID_SCOPE, UNKNOWN_VENUE, NOTHING_TO_CHANGE, or what `check_bounds`
            says of the limits as they would be (catalogue cases 44 and 45).
        NotFoundError: AGENT_NOT_FOUND, DEPLOYMENT_NOT_FOUND.
        DeniedError: LIMITS_UNREADABLE, when the document is of a kind that no change can mend.
        TransientError: others kept changing them.
    """
    if wish.scope.kind not in SCOPES:
        raise InvalidInputError("has no limits", code="INVALID_SCOPE", where="scope")
    await require_scope(wish.scope, store)
    if not any(wish.changes.values()):
        detail = f"name a limit under {', '.join(BLOCKS)}"
        raise InvalidInputError(detail, code="NOTHING_TO_CHANGE", where="body")

    async def once() -> tuple[RiskLimits, list[OutboxMessage]]:
        document = await store.get(limits_ref(wish.scope))
        found = read_limits(wish.scope, document)
        before = found.value or await _nothing(wish.scope, store)
        now = clock.now()
        after = _changed(before, wish, now)
        check_bounds(after, settings)
        differences = _differences(before, after)
        if found.value is not None and not differences and not _adopts(before, wish):
            return found.value, []
        if found.problem and document is not None:
            _require_mended(document, after)
        stored = Stored(document.ref, before, document.version) if document else None
        usual = default_limits(settings, now)
        told, message = notification_writes(_notification(after, differences, usual))
        changes = {path: f"{old} -> {new}" for path, (old, new) in differences.items()}
        audit = audit_write(
            "limits-changed",
            wish.scope.key,
            at=now,
            step=after.version,
            facts={"reason": wish.reason, "by": wish.by, **changes},
        )
        await store.commit([*limits_writes(stored, after), audit, *told])
        return after, [message]

    return await retry_on_conflict(once, what=f"the limits of {wish.scope.key}")


def _adopts(before: RiskLimits, wish: Wish) -> bool:
    """Whether a person takes as their own what no person has set: live trading asks for that."""
    return before.changed_by == NOBODY != wish.by


async def every_limits(store: DocumentStore) -> list[ScopeLimits]:
    """Of every scope that has a document, the platform's first. Those that cannot be obeyed say
    why.
    """
    found = []
    async for document in every(store, RISK_LIMITS):
        try:
            scope = Scope.parse(document.ref.id)
        except InvalidInputError:  # under no scope's name: nothing reads it
            continue
        found.append(read_limits(scope, document))
    return sorted(found, key=lambda each: (each.scope != PLATFORM_SCOPE, each.scope.key))


async def _nothing(scope: Scope, store: DocumentStore) -> RiskLimits:
    """No limits, or none that can be read: the version is the last one that was kept."""
    version = 0
    while await store.get(version_ref(scope, version + 1)) is not None:
        version += 1
    return RiskLimits(scope=scope.key, version=version, reason="", changed_by="", changed_at=EPOCH)


def _changed(before: RiskLimits, wish: Wish, now: datetime) -> RiskLimits:
    return replace(
        before,
        version=before.version + 1,
        order=_block(before.order, wish.changes.get("order", {})),
        deployment=_block(before.deployment, wish.changes.get("deployment", {})),
        total=_block(before.total, wish.changes.get("total", {})),
        reason=wish.reason,
        changed_by=wish.by,
        changed_at=now,
    )


def _block(before: Any, changes: Mapping[str, object]) -> Any:
    """One of the three blocks with its new values. A mapping changes symbol by symbol."""
    new = dict(changes)
    for name, value in changes.items():
        present = getattr(before, name)
        if isinstance(present, dict):
            merged = {**present, **value} if isinstance(value, Mapping) else {}
            new[name] = {symbol: most for symbol, most in merged.items() if most is not None}
    return replace(before, **new)


def _differences(before: RiskLimits, after: RiskLimits) -> Differences:
    found = {}
    for block in BLOCKS:
        old, new = (to_document(getattr(each, block)) for each in (before, after))
        for each in fields(getattr(after, block)):
            if old[each.name] != new[each.name]:
                found[f"{block}.{each.name}"] = (old[each.name], new[each.name])
    return found


def _require_mended(document: Document, after: RiskLimits) -> None:
    """An update leaves fields that it does not name; a document with more of them stays broken."""
    try:
        from_document(RiskLimits, {**document.data, **to_document(after)})
    except InvalidInputError as error:
        detail = f"the limits of {after.scope} cannot be read, nor mended by a change: {error}"
        raise DeniedError("LIMITS_UNREADABLE", detail) from None


def _notification(after: RiskLimits, differences: Differences, usual: RiskLimits) -> Notification:
    """What differs from Sapphire's own defaults comes first: a person has thought of that."""
    meant = sorted(differences, key=lambda path: _of(usual, path) == differences[path][1])
    named = [
        f"{path} {_said(differences[path][0])} -> {_said(differences[path][1])}" for path in meant
    ]
    more = [f"and {len(named) - NAMED_MAX} more"] if len(named) > NAMED_MAX else []
    changes = ", ".join([*named[:NAMED_MAX], *more]) or "taken over as they are"
    label = Scope.parse(after.scope).label
    return Notification(
        notification_id=prefixed_id("ntf", "limits", after.scope, after.version),
        kind=NotificationKind.RISK,
        text=f"{after.changed_by} changed the limits of {label}: {changes} (why: {after.reason})",
        subject_id=after.scope,
        created_at=after.changed_at,
    )


def _of(limits: RiskLimits, path: str) -> object:
    block, name = path.split(".")
    return to_document(getattr(limits, block))[name]


def _said(value: object) -> str:
    """A value of a document for people: `25,000`, `none`, `BTC 2 and ETH 10`."""
    if isinstance(value, Mapping):
        return " and ".join(f"{symbol} {_said(most)}" for symbol, most in value.items()) or "none"
    return "none" if value is None else quantity(parse_decimal(str(value)))
