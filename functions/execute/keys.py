"""A submitted venue key: opened, checked against what was declared, and given its verdict."""

from dataclasses import dataclass, replace
from datetime import datetime

from common.audit import audit_write
from common.books import RETIRED_AGENT_ADDRESSES, SEALED_IVS, book_named
from common.contention import retry_on_conflict
from common.documents import Stored, create, load
from common.domain.agent import Deployment, KeyCode, KeyStatus, VenueKey
from common.domain.events import KeySubmitted, OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.domain.notification import Notification, NotificationKind
from common.errors import NotFoundError
from common.notifications import notification_writes
from common.ports import Clock, DocumentStore, Ref, SecretStore, Write
from infra.keys.envelope import Envelope, KeyRefused, KeyUse
from infra.keys.sealed_keys import SealedKeys, use_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedIv:
    """The document under `sealed_ivs`: one IV under one key-encryption key, and what it sealed."""

    fingerprint: str
    deployment_id: str
    venue: Venue
    key_version: int
    first_seen_at: UtcDatetime


async def check_key(
    event: KeySubmitted,
    *,
    store: DocumentStore,
    clock: Clock,
    secrets: SecretStore,
    kek_version: str,
) -> list[OutboxMessage]:
    """Mark a PENDING key READY or KEY_INVALID. A repeated message finds its verdict and does
    nothing.

    Raises:
        NotFoundError: there is no such deployment.
        ConfigurationError: the key-encryption key is missing; the key stays PENDING.
        TransientError: a store does not answer.
    """
    book = book_named(event.book)
    sealed = SealedKeys(secrets, kek_version)

    async def once() -> list[OutboxMessage]:
        stored = await load(store, Deployment, Ref(book.deployments, event.deployment_id))
        if stored is None:
            raise NotFoundError(f"no deployment {event.deployment_id}", code="DEPLOYMENT_NOT_FOUND")
        key = stored.value.venue_keys.get(event.venue.value)
        if key is None or key.status is not KeyStatus.PENDING:
            return []
        return await _Check(store, sealed, clock.now(), stored, event.venue, key).run()

    return await retry_on_conflict(once, what=f"deployment {event.deployment_id}")


@dataclass(frozen=True, slots=True)
class _Check:
    """One key of one deployment, as both were read."""

    store: DocumentStore
    sealed: SealedKeys
    now: datetime
    stored: Stored[Deployment]
    venue: Venue
    key: VenueKey

    async def run(self) -> list[OutboxMessage]:
        try:
            writes = await self._prove()
        except KeyRefused as error:
            return await self._refuse(error)
        await self.store.commit([*writes, *self._verdict(KeyStatus.READY, "")])
        return []

    async def _prove(self) -> list[Write]:
        """What READY has to write besides. Raises KeyRefused."""
        address = self.key.agent_address
        if await self.store.get(Ref(RETIRED_AGENT_ADDRESSES, address)) is not None:
            raise KeyRefused(KeyCode.ADDRESS_RETIRED, "its agent was rotated away or revoked")
        use = use_of(self.stored.value, self.venue, self.key)
        envelope = await self.sealed.envelope(self.key)
        await self.sealed.open(envelope, use=use, agent_address=address)
        return await self._take_iv(envelope, use)

    async def _take_iv(self, envelope: Envelope, use: KeyUse) -> list[Write]:
        """Only an envelope that opened has really used its IV."""
        ref = Ref(SEALED_IVS, prefixed_id("iv", self.sealed.kek_version, envelope.iv))
        mine = SealedIv(
            fingerprint=envelope.fingerprint(use),
            deployment_id=self.stored.value.deployment_id,
            venue=self.venue,
            key_version=self.key.key_version,
            first_seen_at=self.now,
        )
        taken = await load(self.store, SealedIv, ref)
        if taken is None:
            return [create(ref, mine)]
        if taken.value.fingerprint != mine.fingerprint:
            raise KeyRefused(
                KeyCode.IV_REUSED,
                f"the {taken.value.venue.label} key of deployment {taken.value.deployment_id} "
                "was sealed under the same IV, so replace both",
            )
        return []

    async def _refuse(self, error: KeyRefused) -> list[OutboxMessage]:
        deployment_id = self.stored.value.deployment_id
        version = self.key.key_version
        told, message = notification_writes(
            Notification(
                notification_id=prefixed_id(
                    "not", "key-invalid", deployment_id, self.venue, version
                ),
                kind=NotificationKind.RISK,
                text=f"The {self.venue.label} key (version {version}) of deployment "
                f"{deployment_id} cannot be used: {error.code} ({error.message}). "
                "Rotate to a key of a new agent.",
                subject_id=deployment_id,
                created_at=self.now,
            )
        )
        verdict = self._verdict(KeyStatus.KEY_INVALID, error.code)
        await self.store.commit([*verdict, *told])
        return [message]

    def _verdict(self, status: KeyStatus, code: str) -> list[Write]:
        deployment = self.stored.value
        key = replace(self.key, status=status, code=str(code), checked_at=self.now)
        keys = {**deployment.venue_keys, self.venue.value: key}
        audit = audit_write(
            "key-checked",
            f"{deployment.deployment_id}:{self.venue.value}",
            at=self.now,
            step=key.key_version,
            facts={
                "book": deployment.book,
                "venue": self.venue.value,
                "agent_address": key.agent_address,
                "status": status.value,
                "code": key.code,
            },
        )
        return [self.stored.update(replace(deployment, venue_keys=keys)), audit]
