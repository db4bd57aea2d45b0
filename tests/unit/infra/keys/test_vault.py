"""The vault: only READY keys, for five minutes, gone at once when revoked."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from common.books import BOOKS, RETIRED_AGENT_ADDRESSES, V2, V3, Book
from common.documents import create, load
from common.domain.agent import Deployment, KeyCode, KeyStatus
from common.domain.instrument import Venue
from common.errors import ConfigurationError, DeniedError, NotFoundError, TransientError
from common.how.denial import Denial
from common.ports import Ref
from infra.keys.address import address_of
from infra.keys.sealed_keys import KEK_SECRET
from infra.keys.vault import KeyVault
from infra.local.store.memory import MemoryStore
from infra.venues.accounts import Accounts
from tests.builders import DEPLOYMENT_ID
from tests.builders.keys import HL, a_keyed_deployment, a_private_key, sealed_fields, some_secrets
from tests.fakes.clock import FakeClock
from tests.fakes.secrets import MemorySecrets

KEY_READ = ("a-venue-key", "1")


class Bank:
    """A vault over one deployment with a READY key."""

    def __init__(self, store: MemoryStore, secrets: MemorySecrets) -> None:
        self.store = store
        self.secrets = secrets
        self.clock = FakeClock()
        self.vault: Accounts = KeyVault(store, secrets, self.clock, "1")

    async def change_key(self, **changes: Any) -> None:
        stored = await load(self.store, Deployment, Ref(V3.deployments, DEPLOYMENT_ID))
        assert stored is not None
        key = replace(stored.value.venue_keys[HL.value], **changes)
        changed = replace(stored.value, venue_keys={HL.value: key})
        await self.store.commit([stored.update(changed)])

    def times_read(self) -> int:
        return self.secrets.read.count(KEY_READ)


async def a_bank(*, book: Book = V3, fields: dict[str, str] | None = None, **changes: Any) -> Bank:
    store, secrets = MemoryStore(), await some_secrets()
    changes = {"status": KeyStatus.READY, **changes}
    deployment = await a_keyed_deployment(secrets, fields, **changes)
    deployment = replace(deployment, book=book.name)
    await store.commit([create(Ref(book.deployments, DEPLOYMENT_ID), deployment)])
    return Bank(store, secrets)


@pytest.mark.parametrize("book", BOOKS.values(), ids=lambda book: book.name)
async def test_signer_when_ready_then_it_signs_for_the_declared_address(book: Book) -> None:
    bank = await a_bank(book=book)
    signer = await bank.vault.signer(DEPLOYMENT_ID, HL)
    assert signer.address == address_of(a_private_key())
    assert signer.account.address.lower() == signer.address
    account = await bank.vault.account(DEPLOYMENT_ID, HL)
    assert (account.wallet, account.agent_address) == ("0x" + "22" * 20, signer.address)


async def test_account_when_the_venue_has_no_key_then_none() -> None:
    bank = await a_bank()
    account = await bank.vault.account(DEPLOYMENT_ID, Venue.OSTIUM)
    assert account.agent_address is None
    with pytest.raises(NotFoundError):
        await bank.vault.account("dep_nowhere", HL)
    with pytest.raises(NotFoundError):
        await bank.vault.signer("dep_nowhere", HL)


async def test_signer_when_asked_again_within_five_minutes_then_read_once() -> None:
    bank = await a_bank()
    first = await bank.vault.signer(DEPLOYMENT_ID, HL)
    bank.clock.advance(299)
    assert await bank.vault.signer(DEPLOYMENT_ID, HL) is first
    assert bank.times_read() == 1
    bank.clock.advance(1)
    assert await bank.vault.signer(DEPLOYMENT_ID, HL) is not first
    assert bank.times_read() == 2


async def test_signer_when_another_is_asked_for_later_then_the_old_one_is_forgotten() -> None:
    bank = await a_bank()
    await bank.vault.signer(DEPLOYMENT_ID, HL)
    assert repr(bank.vault) == "<KeyVault: 1 keys>"
    bank.clock.advance(300)
    with pytest.raises(NotFoundError):
        await bank.vault.signer("dep_nowhere", HL)
    assert repr(bank.vault) == "<KeyVault: 0 keys>"


async def test_signer_when_nobody_asks_again_then_forgotten_in_real_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bank = await a_bank()
    timers: list[tuple[float, Any, tuple[Any, ...]]] = []

    def call_later(delay: float, callback: Any, *args: Any) -> None:
        timers.append((delay, callback, args))

    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", call_later)
    await bank.vault.signer(DEPLOYMENT_ID, HL)
    ((delay, forget, args),) = timers
    assert delay == 300
    forget(*args)
    assert repr(bank.vault) == "<KeyVault: 0 keys>"
    await bank.vault.signer(DEPLOYMENT_ID, HL)
    forget(*args)  # the first one's timer leaves its successor alone
    assert repr(bank.vault) == "<KeyVault: 1 keys>"


@pytest.mark.parametrize(
    ("status", "code", "denial"),
    [
        (KeyStatus.PENDING, "", Denial.DEPLOYMENT_NOT_READY),
        (KeyStatus.KEY_INVALID, KeyCode.ADDRESS_MISMATCH, Denial.KEY_INVALID),
        (KeyStatus.KEY_INVALID, KeyCode.REVOKED, Denial.KEY_REVOKED),
    ],
)
async def test_signer_when_not_ready_then_denied_even_if_it_was_in_memory(
    status: KeyStatus, code: str, denial: Denial
) -> None:
    bank = await a_bank()
    await bank.vault.signer(DEPLOYMENT_ID, HL)
    await bank.change_key(status=status, code=str(code))
    with pytest.raises(DeniedError) as caught:
        await bank.vault.signer(DEPLOYMENT_ID, HL)
    assert caught.value.code == denial
    with pytest.raises(DeniedError, match="no key for Ostium"):
        await bank.vault.signer(DEPLOYMENT_ID, Venue.OSTIUM)


async def test_signer_when_rotated_then_the_new_key() -> None:
    bank = await a_bank()
    first = await bank.vault.signer(DEPLOYMENT_ID, HL)
    other = a_private_key(2)
    deployment = await a_keyed_deployment(bank.secrets, sealed_fields(other))
    key = deployment.venue_keys[HL.value]
    await bank.change_key(agent_address=key.agent_address, version=key.version)
    second = await bank.vault.signer(DEPLOYMENT_ID, HL)
    assert (first.address, second.address) == (address_of(a_private_key()), address_of(other))


async def test_signer_when_the_address_is_retired_elsewhere_then_denied() -> None:
    bank = await a_bank()
    signer = await bank.vault.signer(DEPLOYMENT_ID, HL)
    await bank.store.commit([create(Ref(RETIRED_AGENT_ADDRESSES, signer.address), {"a": 1})])
    with pytest.raises(DeniedError, match="AGENT_ADDRESS_RETIRED") as caught:
        await bank.vault.signer(DEPLOYMENT_ID, HL)
    assert caught.value.code == Denial.KEY_INVALID
    assert repr(bank.vault) == "<KeyVault: 0 keys>"


@pytest.mark.parametrize(
    "changes",
    [
        {"agent_address": "0x" + "99" * 20},
        {"key_version": 2},
        {"version": "9"},
        {"secret_name": "nowhere"},
    ],
)
async def test_signer_when_the_document_was_altered_then_denied(changes: dict[str, Any]) -> None:
    """READY in the document is not believed: what it says is proven at every load."""
    bank = await a_bank(**changes)
    with pytest.raises(DeniedError) as caught:
        await bank.vault.signer(DEPLOYMENT_ID, HL)
    assert caught.value.code == Denial.KEY_INVALID


async def test_signer_when_a_store_is_down_then_transient() -> None:
    bank = await a_bank()
    bank.secrets.down = True
    with pytest.raises(TransientError):
        await bank.vault.signer(DEPLOYMENT_ID, HL)


@pytest.mark.parametrize("value", [b"", b"\x01" * 31, bytes(range(32)) + b"\n", b"00" * 32])
async def test_signer_when_the_key_encryption_key_is_damaged_then_configuration(
    value: bytes,
) -> None:
    """Case 109: empty, a trailing line break, hexadecimal."""
    bank = await a_bank()
    bank.secrets.values[KEK_SECRET] = [value]
    with pytest.raises(ConfigurationError, match=f"has {len(value)} bytes"):
        await bank.vault.signer(DEPLOYMENT_ID, HL)
    bank.secrets.values[KEK_SECRET] = []
    with pytest.raises(ConfigurationError, match="missing or disabled"):
        await bank.vault.signer(DEPLOYMENT_ID, HL)


async def test_signer_when_the_kek_version_is_pinned_then_that_one_alone_is_read() -> None:
    bank = await a_bank()
    bank.secrets.values[KEK_SECRET].append(b"\x05" * 32)
    await bank.vault.signer(DEPLOYMENT_ID, HL)
    newer = KeyVault(bank.store, bank.secrets, bank.clock, "2")
    with pytest.raises(DeniedError, match="KEY_AUTHENTICATION_FAILED"):
        await newer.signer(DEPLOYMENT_ID, HL)
    assert V2.deployments not in bank.store.contents()
