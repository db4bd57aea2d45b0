"""Venue keys over the API: stored unread, replaced, revoked. Nothing here can read a secret."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from common.audit import audit_write
from common.books import RETIRED_AGENT_ADDRESSES, Book
from common.contention import retry_on_conflict
from common.documents import Stored, create, load
from common.domain.agent import (
    Deployment,
    KeyCode,
    KeyStatus,
    RetiredAddress,
    SecretVersion,
    VenueKey,
)
from common.domain.events import OutboxMessage
from common.domain.identifiers import digest
from common.domain.instrument import Venue
from common.errors import ConflictError, InvalidInputError, NotFoundError
from common.messages import key_message
from common.outbox import outbox_write
from common.ports import Clock, DocumentStore, Ref, Write
from common.wire import canonical_json
from functions.api.payloads import RevokeKey, RotateKey
from infra.keys.adder import SecretAdder

SealedFields = Mapping[str, str]
"""The four fields of a venue's key by name: declared address, ciphertext, IV and tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChange:
    """What a rotation or a revocation committed, and what is left to do after it."""

    deployment: Deployment
    messages: list[OutboxMessage]
    superseded: tuple[SecretVersion, ...]


def secret_name(deployment_id: str, venue: Venue, fields: SealedFields) -> str:
    """Ends in a fingerprint of the envelope, so that another key is told from the same one.

    Nothing can be learnt from it: the envelope holds 32 bytes of ciphertext that nobody can guess.
    """
    return f"{deployment_id}-{venue.lower()}-{digest(canonical_json(fields))[:16]}"


async def store_key(
    secrets: SecretAdder, deployment_id: str, venue: Venue, fields: SealedFields
) -> VenueKey:
    """The first key of a deployment at `venue`, PENDING until the executor has opened it."""
    name = secret_name(deployment_id, venue, fields)
    version = await secrets.add(name, canonical_json(fields).encode())
    return VenueKey(agent_address=fields["agent_address"], secret_name=name, version=version)


def pending_messages(deployment: Deployment, *, now: datetime) -> list[OutboxMessage]:
    """Asks for the check of every key that has no verdict."""
    return [
        key_message(
            deployment.book, deployment.deployment_id, Venue(venue), key.key_version, now=now
        )
        for venue, key in deployment.venue_keys.items()
        if key.status is KeyStatus.PENDING
    ]


async def ask_again(store: DocumentStore, messages: Sequence[OutboxMessage]) -> None:
    """For a repeated request: puts back what a dead letter may have lost."""
    for message in messages:
        with suppress(ConflictError):  # it waits in the outbox still
            await store.commit([outbox_write(message)])


async def refuse_retired(
    store: DocumentStore, addresses: Iterable[tuple[str, str]], *, where: str = "body"
) -> None:
    """`addresses` as (field, address). Raises InvalidInputError: AGENT_ADDRESS_RETIRED."""
    named = list(addresses)
    refs = [Ref(RETIRED_AGENT_ADDRESSES, address) for _, address in named]
    for (name, _), found in zip(named, await store.get_many(refs), strict=True):
        if found is not None:
            raise InvalidInputError(
                "this agent was rotated away or revoked before: its old signatures may become "
                "valid again, so make a new one",
                code=KeyCode.ADDRESS_RETIRED,
                where=f"{where}.{name}",
            )


async def rotate_key(
    wish: RotateKey, *, book: Book, store: DocumentStore, clock: Clock, secrets: SecretAdder
) -> KeyChange:
    """The next key version, PENDING; the address before it is retired for ever.

    The same request again returns what the first one did.

    Raises:
        NotFoundError: no such deployment in this book, or it has no key for the venue.
        InvalidInputError: AGENT_ADDRESS_UNCHANGED, AGENT_ADDRESS_RETIRED.
    """
    fields = wish.sealed()
    name = secret_name(wish.deployment_id, wish.venue, fields)
    stored, present = await _present(store, book, wish.deployment_id, wish.venue)
    if _is_repeated(present, name):
        return await _repeated(stored.value, wish.venue, store, clock.now())
    await _check_new_address(store, present, wish.agent_address)
    version = await secrets.add(name, canonical_json(fields).encode())
    secret = SecretVersion(name=name, version=version)

    async def once() -> KeyChange:
        stored, present = await _present(store, book, wish.deployment_id, wish.venue)
        if _is_repeated(present, name):
            return await _repeated(stored.value, wish.venue, store, clock.now())
        await _check_new_address(store, present, wish.agent_address)
        return await _replace(stored, wish, secret, store, clock.now())

    return await retry_on_conflict(once, what=f"deployment {wish.deployment_id}")


async def revoke_key(
    wish: RevokeKey, *, book: Book, store: DocumentStore, clock: Clock
) -> KeyChange:
    """From now on nothing is signed with the key; its address is retired for ever.

    Raises:
        NotFoundError: no such deployment in this book, or it has no key for the venue.
    """

    async def once() -> KeyChange:
        stored, present = await _present(store, book, wish.deployment_id, wish.venue)
        now = clock.now()
        if present.code == KeyCode.REVOKED:
            return KeyChange(
                deployment=stored.value, messages=[], superseded=_superseded(present, own=True)
            )
        revoked = replace(
            present, status=KeyStatus.KEY_INVALID, code=KeyCode.REVOKED.value, checked_at=now
        )
        deployment = _with_key(stored.value, wish.venue, revoked)
        await store.commit(
            [
                stored.update(deployment),
                *await _retire(store, stored.value, wish.venue, reason="revoked", now=now),
                _audit("key-revoked", deployment, wish.venue, revoked, now),
            ]
        )
        return KeyChange(
            deployment=deployment, messages=[], superseded=_superseded(present, own=True)
        )

    return await retry_on_conflict(once, what=f"deployment {wish.deployment_id}")


async def disable_superseded(secrets: SecretAdder, change: KeyChange) -> None:
    """After the commit. Where a crash left it out, the repeated request or the next one does it.

    Raises:
        TransientError: the secret store does not answer; the change itself stands.
    """
    for old in change.superseded:
        with suppress(NotFoundError):  # it is gone already
            await secrets.disable(old.name, old.version)


async def _present(
    store: DocumentStore, book: Book, deployment_id: str, venue: Venue
) -> tuple[Stored[Deployment], VenueKey]:
    stored = await load(store, Deployment, Ref(book.deployments, deployment_id))
    if stored is None:
        raise NotFoundError("no such deployment", code="DEPLOYMENT_NOT_FOUND")
    key = stored.value.venue_keys.get(venue.value)
    if key is None:
        raise NotFoundError(
            f"the deployment has no key for {venue.label}", code=KeyCode.NOT_FOUND.value
        )
    return stored, key


def _is_repeated(present: VenueKey, name: str) -> bool:
    """Whether the wish is what the last rotation did already."""
    return (
        present.key_version > 1 and present.secret_name == name and present.code != KeyCode.REVOKED
    )


async def _repeated(
    deployment: Deployment, venue: Venue, store: DocumentStore, now: datetime
) -> KeyChange:
    messages = pending_messages(deployment, now=now)
    await ask_again(store, messages)
    key = deployment.venue_keys[venue.value]
    return KeyChange(
        deployment=deployment, messages=messages, superseded=_superseded(key, own=False)
    )


async def _check_new_address(store: DocumentStore, present: VenueKey, address: str) -> None:
    if address == present.agent_address:
        raise InvalidInputError(
            "a rotation needs a new agent, with an address of its own",
            code="AGENT_ADDRESS_UNCHANGED",
            where="body.agent_address",
        )
    await refuse_retired(store, [("agent_address", address)])


async def _replace(
    stored: Stored[Deployment],
    wish: RotateKey,
    secret: SecretVersion,
    store: DocumentStore,
    now: datetime,
) -> KeyChange:
    present = stored.value.venue_keys[wish.venue.value]
    key = VenueKey(
        agent_address=wish.agent_address,
        secret_name=secret.name,
        version=secret.version,
        key_version=present.key_version + 1,
        replaced=SecretVersion(name=present.secret_name, version=present.version),
    )
    deployment = _with_key(stored.value, wish.venue, key)
    message = key_message(
        deployment.book, deployment.deployment_id, wish.venue, key.key_version, now=now
    )
    await store.commit(
        [
            stored.update(deployment),
            *await _retire(store, stored.value, wish.venue, reason="rotated", now=now),
            _audit("key-rotated", deployment, wish.venue, key, now),
            outbox_write(message),
        ]
    )
    return KeyChange(
        deployment=deployment, messages=[message], superseded=_superseded(present, own=True)
    )


def _superseded(key: VenueKey, *, own: bool) -> tuple[SecretVersion, ...]:
    """The version before `key`, whose disabling a crash may have left out, and `key`'s own."""
    before = (key.replaced,) if key.replaced else ()
    mine = (SecretVersion(name=key.secret_name, version=key.version),) if own else ()
    return (*before, *mine)


def _with_key(deployment: Deployment, venue: Venue, key: VenueKey) -> Deployment:
    return replace(deployment, venue_keys={**deployment.venue_keys, venue.value: key})


async def _retire(
    store: DocumentStore,
    deployment: Deployment,
    venue: Venue,
    *,
    reason: str,
    now: datetime,
) -> list[Write]:
    """Empty where it is retired already: another deployment had the same agent. And where the key
    never was READY: that alone proves whose the address is, and anybody can declare another's.
    """
    key = deployment.venue_keys[venue.value]
    if key.status is not KeyStatus.READY:
        return []
    ref = Ref(RETIRED_AGENT_ADDRESSES, key.agent_address)
    if await store.get(ref) is not None:
        return []
    retired = RetiredAddress(
        address=key.agent_address,
        deployment_id=deployment.deployment_id,
        venue=venue,
        key_version=key.key_version,
        reason=reason,
        retired_at=now,
    )
    return [create(ref, retired)]


def _audit(
    action: str, deployment: Deployment, venue: Venue, key: VenueKey, now: datetime
) -> Write:
    facts = {
        "book": deployment.book,
        "venue": venue.value,
        "agent_address": key.agent_address,
        "key_version": key.key_version,
    }
    subject = f"{deployment.deployment_id}:{venue.value}"
    return audit_write(action, subject, at=now, step=key.key_version, facts=facts)
