"""The deployments' accounts and keys, for those who sign: `execute` and `settle`."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from common.books import BOOKS, RETIRED_AGENT_ADDRESSES
from common.domain.agent import Deployment, KeyCode, KeyStatus, VenueKey
from common.domain.instrument import Venue
from common.errors import DeniedError, NotFoundError
from common.how.denial import Denial
from common.ports import Clock, DocumentStore, Ref, SecretStore
from common.wire import from_document
from infra.keys.envelope import KeyRefused
from infra.keys.sealed_keys import SealedKeys, use_of
from infra.keys.signer import Signer
from infra.venues.accounts import VenueAccount

KEPT_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Kept:
    signer: Signer
    until: datetime


class KeyVault:
    """Fits `Accounts`. A key is in memory for at most `KEPT_FOR` of the clock, and of real time.

    The deployment is read at every call, so that a revoked or rotated key stops at once.
    """

    def __init__(
        self, store: DocumentStore, secrets: SecretStore, clock: Clock, kek_version: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._sealed = SealedKeys(secrets, kek_version)
        self._kept: dict[tuple[str, str], _Kept] = {}  # by secret name and version

    def __repr__(self) -> str:
        return f"<KeyVault: {len(self._kept)} keys>"

    async def account(self, account_id: str, venue: Venue) -> VenueAccount:
        deployment = await self._deployment(account_id)
        key = deployment.venue_keys.get(venue.value)
        return VenueAccount(
            account_id=account_id,
            venue=venue,
            wallet=deployment.user_wallet,
            agent_address=key.agent_address if key else None,
        )

    async def signer(self, account_id: str, venue: Venue) -> Signer:
        """The key of a deployment at `venue`, ready to sign.

        Raises:
            NotFoundError: there is no such deployment.
            DeniedError: DEPLOYMENT_NOT_READY, KEY_INVALID or KEY_REVOKED.
            ConfigurationError: the key-encryption key is missing or no key.
            TransientError: the store or the secret store does not answer.
        """
        self._forget(self._clock.now())
        deployment = await self._deployment(account_id)
        key = _usable(deployment, venue)
        if await self._store.get(Ref(RETIRED_AGENT_ADDRESSES, key.agent_address)) is not None:
            self._kept.pop((key.secret_name, key.version), None)
            raise _invalid(deployment, venue, KeyCode.ADDRESS_RETIRED)
        kept = self._kept.get((key.secret_name, key.version))
        if kept is not None and kept.signer.address == key.agent_address:
            return kept.signer
        return await self._load(deployment, venue, key)

    async def _load(self, deployment: Deployment, venue: Venue, key: VenueKey) -> Signer:
        until = self._clock.now() + KEPT_FOR  # counted from before the key is read
        try:
            envelope = await self._sealed.envelope(key)
            use = use_of(deployment, venue, key)
            opened = await self._sealed.open(envelope, use=use, agent_address=key.agent_address)
        except KeyRefused as error:
            raise _invalid(deployment, venue, error.code) from None
        signer = Signer(opened, key.agent_address)
        name = (key.secret_name, key.version)
        self._kept[name] = _Kept(signer, until)
        # An idle process makes no call that would forget the key.
        loop = asyncio.get_running_loop()
        loop.call_later(KEPT_FOR.total_seconds(), self._drop, name, signer)
        return signer

    def _forget(self, now: datetime) -> None:
        for name in [name for name, kept in self._kept.items() if kept.until <= now]:
            del self._kept[name]

    def _drop(self, name: tuple[str, str], signer: Signer) -> None:
        kept = self._kept.get(name)
        if kept is not None and kept.signer is signer:
            del self._kept[name]

    async def _deployment(self, deployment_id: str) -> Deployment:
        refs = [Ref(book.deployments, deployment_id) for book in BOOKS.values()]
        for document in await self._store.get_many(refs):
            if document is not None:
                return from_document(Deployment, document.data)
        raise NotFoundError(f"no deployment {deployment_id}", code="DEPLOYMENT_NOT_FOUND")


def _usable(deployment: Deployment, venue: Venue) -> VenueKey:
    key = deployment.venue_keys.get(venue.value)
    if key is None:
        raise DeniedError(
            Denial.DEPLOYMENT_NOT_READY,
            f"deployment {deployment.deployment_id} has no key for {venue.label}",
        )
    if key.status is KeyStatus.KEY_INVALID:
        raise _invalid(deployment, venue, key.code)
    if key.status is not KeyStatus.READY:
        what = f"the {venue.label} key of deployment {deployment.deployment_id}"
        raise DeniedError(Denial.DEPLOYMENT_NOT_READY, f"{what} is not checked yet")
    return key


def _invalid(deployment: Deployment, venue: Venue, code: str) -> DeniedError:
    what = f"the {venue.label} key of deployment {deployment.deployment_id}"
    if code == KeyCode.REVOKED:
        return DeniedError(Denial.KEY_REVOKED, f"{what} is revoked")
    return DeniedError(Denial.KEY_INVALID, f"{what} cannot be used: {code}")
