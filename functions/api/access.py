"""Who has access: added, changed and revoked by compare-and-set, each change with its audit row."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.audit import audit_write
from common.books import PRINCIPALS
from common.contention import retry_on_conflict
from common.documents import create, load
from common.domain.principal import Principal, PrincipalKind, Role
from common.errors import DeniedError, InvalidInputError, NotFoundError
from common.ports import Clock, Create, DocumentStore, Query, Ref
from common.wire import from_document
from functions.api.access_payloads import AddPrincipal


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of a principal, by whose act and why."""

    action: str
    make: Callable[[Principal, datetime], Principal]
    reason: str


async def add_principal(
    wish: AddPrincipal, principal_id: str, *, by: str, store: DocumentStore, clock: Clock
) -> Principal:
    """The principal in force. A Google account that was revoked, or is over, comes back so.

    Raises:
        DeniedError: PRINCIPAL_EXISTS, with another name, role or end.
    """
    ref = Ref(PRINCIPALS, principal_id)

    async def once() -> Principal:
        now = clock.now()
        wanted = Principal(
            principal_id=principal_id,
            kind=PrincipalKind(wish.kind),
            name=wish.name,
            role=wish.wanted_role,
            email=wish.email,
            created_by=by,
            created_at=now,
            expires_at=now + timedelta(days=wish.days) if wish.days else None,
        )
        stored = await load(store, Principal, ref)
        if stored is None:
            audit = _audit("principal-added", wanted, step="new", now=now)
            await store.commit([create(ref, wanted), audit])
            return wanted
        present = stored.value
        if present.is_active(now):
            ends = (present.expires_at is None, wanted.expires_at is None)
            if (present.name, present.role) != (wanted.name, wanted.role) or len({*ends}) > 1:
                detail = "this account has access already; change its role, or revoke it first"
                raise DeniedError("PRINCIPAL_EXISTS", detail)
            return present
        audit = _audit("principal-added", wanted, step=stored.version, now=now)
        await store.commit([stored.update(wanted), audit])
        return wanted

    return await retry_on_conflict(once, what=f"principal {principal_id}")


def role_change(role: Role, reason: str) -> Change:
    return Change(
        action="principal-role-changed",
        make=lambda present, _: replace(present, role=role),
        reason=reason,
    )


def revocation(by: str, reason: str) -> Change:
    """For good, where it is a token; a Google account may be added again."""

    def make(present: Principal, now: datetime) -> Principal:
        if present.revoked_at is not None:
            return present
        return replace(present, revoked_at=now, revoked_by=by)

    return Change(action="principal-revoked", make=make, reason=reason)


async def change_principal(
    principal_id: str, change: Change, *, store: DocumentStore, clock: Clock
) -> Principal:
    """As it is afterwards; what is so already stays as it is.

    Raises:
        NotFoundError: PRINCIPAL_NOT_FOUND.
        TransientError: others kept changing it.
    """
    ref = Ref(PRINCIPALS, principal_id)

    async def once() -> Principal:
        stored = await load(store, Principal, ref)
        if stored is None:
            raise NotFoundError("no such principal", code="PRINCIPAL_NOT_FOUND")
        now = clock.now()
        after = change.make(stored.value, now)
        if after == stored.value:
            return after
        audit = _audit(change.action, after, step=stored.version, now=now, reason=change.reason)
        await store.commit([stored.update(after), audit])
        return after

    return await retry_on_conflict(once, what=f"principal {principal_id}")


async def list_principals(
    store: DocumentStore, *, limit: int, cursor: str | None
) -> tuple[list[Principal], str | None]:
    """By id, those that are revoked among them. What cannot be read gives nobody access either, and
    is left out.
    """
    page = await store.query(Query(PRINCIPALS, limit=limit, cursor=cursor))
    found: list[Principal] = []
    for document in page.documents:
        with suppress(InvalidInputError):
            found.append(from_document(Principal, document.data))
    return found, page.next_cursor


def _audit(
    action: str, principal: Principal, *, step: str, now: datetime, reason: str = ""
) -> Create:
    """Who did it is in every row of a request."""
    facts = {
        "name": principal.name,
        "kind": principal.kind.value,
        "role": principal.role.value,
        "email": principal.email or "",
        "reason": reason,
    }
    return audit_write(action, principal.principal_id, at=now, step=step, facts=facts)
