"""The executor's check of a submitted key: cases 39 to 43 of the bad-input catalogue end here."""

from dataclasses import replace
from typing import Any

import pytest

from common.books import (
    AUDIT,
    NOTIFICATIONS,
    OUTBOX,
    RETIRED_AGENT_ADDRESSES,
    SEALED_IVS,
    V3,
)
from common.documents import create, load
from common.domain.agent import Deployment, KeyCode, KeyStatus, VenueKey
from common.domain.events import KeySubmitted, NotificationRaised, OutboxMessage
from common.domain.instrument import Venue
from common.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    TransientError,
)
from common.ports import Ref, Update
from functions.execute.keys import check_key
from infra.keys.address import CURVE_ORDER
from infra.keys.private_key import KeyEncryptionKey, PrivateKey
from infra.keys.sealed_keys import KEK_SECRET
from infra.local.store.memory import MemoryStore
from tests.builders import DEPLOYMENT_ID, NOON, a_deployment
from tests.builders.keys import (
    HL,
    a_keyed_deployment,
    a_private_key,
    a_use,
    an_envelope,
    sealed_fields,
    some_secrets,
)
from tests.fakes.clock import FakeClock
from tests.fakes.secrets import MemorySecrets

EVENT = KeySubmitted(book="v3", deployment_id=DEPLOYMENT_ID, venue=HL)


class Office:
    """One deployment whose Hyperliquid key waits for its verdict."""

    def __init__(self, secrets: MemorySecrets) -> None:
        self.store = MemoryStore()
        self.secrets = secrets
        self.clock = FakeClock()

    async def keep(self, deployment: Deployment) -> None:
        ref = Ref(V3.deployments, deployment.deployment_id)
        await self.store.commit([create(ref, deployment)])

    async def check(self, event: KeySubmitted = EVENT) -> list[OutboxMessage]:
        return await check_key(
            event, store=self.store, clock=self.clock, secrets=self.secrets, kek_version="1"
        )

    async def key(self, deployment_id: str = DEPLOYMENT_ID) -> VenueKey:
        stored = await load(self.store, Deployment, Ref(V3.deployments, deployment_id))
        assert stored is not None
        return stored.value.venue_keys[HL.value]

    def rows(self, collection: str) -> list[dict[str, Any]]:
        return list(self.store.contents().get(collection, {}).values())


async def an_office(fields: dict[str, str] | None = None, **changes: Any) -> Office:
    office = Office(await some_secrets())
    await office.keep(await a_keyed_deployment(office.secrets, fields, **changes))
    return office


async def test_check_when_all_is_right_then_ready() -> None:
    office = await an_office()
    assert await office.check() == []
    key = await office.key()
    assert (key.status, key.code, key.checked_at) == (KeyStatus.READY, "", NOON)
    (audit,) = office.rows(AUDIT)
    assert (audit["action"], audit["subject_id"]) == ("key-checked", f"{DEPLOYMENT_ID}:{HL.value}")
    assert audit["facts"]["status"] == "READY"
    assert office.rows(NOTIFICATIONS) == []
    assert len(office.rows(SEALED_IVS)) == 1


async def test_check_when_delivered_again_then_nothing_is_read_or_written() -> None:
    office = await an_office()
    await office.check()
    before, office.secrets.read = office.store.contents(), []
    office.clock.advance(60)
    assert await office.check() == []
    assert office.store.contents() == before
    assert office.secrets.read == []


def out_of_range(number: int) -> dict[str, str]:
    """Sealed, though no address belongs to it."""
    key = PrivateKey(number.to_bytes(32, "big"))
    return {**sealed_fields(), **an_envelope(key).to_fields()}


REFUSED: dict[str, tuple[dict[str, str], dict[str, Any], KeyCode]] = {
    "39 tag fails": (
        {**sealed_fields(), "agent_key_tag": "00" * 16},
        {},
        KeyCode.AUTHENTICATION_FAILED,
    ),
    "39 random bytes": (
        {**sealed_fields(), "agent_key_encrypted": "ab" * 32},
        {},
        KeyCode.AUTHENTICATION_FAILED,
    ),
    "39 another key-encryption key": (
        sealed_fields(under=KeyEncryptionKey(b"\x09" * 32)),
        {},
        KeyCode.AUTHENTICATION_FAILED,
    ),
    "40 another agent's": (
        sealed_fields(use=a_use(agent_id="agt_other")),
        {},
        KeyCode.AUTHENTICATION_FAILED,
    ),
    "40 another wallet's": (
        sealed_fields(use=a_use(wallet="0x" + "98" * 20)),
        {},
        KeyCode.AUTHENTICATION_FAILED,
    ),
    "40 another venue's": (
        sealed_fields(use=a_use(venue=Venue.OSTIUM)),
        {},
        KeyCode.AUTHENTICATION_FAILED,
    ),
    "40 another version's": (
        sealed_fields(use=a_use(key_version=2)),
        {},
        KeyCode.AUTHENTICATION_FAILED,
    ),
    "42 another address": (
        {**sealed_fields(), "agent_address": "0x" + "42" * 20},
        {},
        KeyCode.ADDRESS_MISMATCH,
    ),
    "43 zero": (out_of_range(0), {}, KeyCode.OUT_OF_RANGE),
    "43 the order": (out_of_range(CURVE_ORDER), {}, KeyCode.OUT_OF_RANGE),
    "43 the largest number": (out_of_range(2**256 - 1), {}, KeyCode.OUT_OF_RANGE),
    "109 no such secret": (sealed_fields(), {"secret_name": "gone"}, KeyCode.NOT_FOUND),
    "109 no such version": (sealed_fields(), {"version": "7"}, KeyCode.NOT_FOUND),
    "no envelope": ({"agent_address": "0x" + "42" * 20}, {}, KeyCode.MALFORMED),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_check_when_the_key_is_bad_then_invalid_with_a_code_a_row_and_a_message(
    name: str,
) -> None:
    fields, changes, code = REFUSED[name]
    office = await an_office(fields, **changes)
    (message,) = await office.check()
    key = await office.key()
    assert (key.status, key.code, key.checked_at) == (KeyStatus.KEY_INVALID, code.value, NOON)
    (audit,) = office.rows(AUDIT)
    assert (audit["facts"]["status"], audit["facts"]["code"]) == ("KEY_INVALID", code.value)
    assert isinstance(message.event, NotificationRaised)
    assert code.value in message.event.notification.text
    assert [row["id"] for row in office.rows(OUTBOX)] == [message.message_id]
    assert len(office.rows(NOTIFICATIONS)) == 1
    assert office.rows(SEALED_IVS) == []
    before = office.store.contents()
    assert await office.check() == []
    assert office.store.contents() == before


async def test_check_when_the_iv_sealed_another_key_then_refused_and_both_are_named() -> None:
    """Case 41."""
    office = await an_office()
    await office.check()
    use = a_use(agent_id="agt_two")
    deployment = await a_keyed_deployment(office.secrets, sealed_fields(a_private_key(2), use=use))
    await office.keep(replace(deployment, deployment_id="dep_two", agent_id="agt_two"))
    (message,) = await office.check(replace(EVENT, deployment_id="dep_two"))
    assert (await office.key("dep_two")).code == KeyCode.IV_REUSED
    assert (await office.key()).status is KeyStatus.READY
    assert isinstance(message.event, NotificationRaised)
    assert DEPLOYMENT_ID in message.event.notification.text
    assert "dep_two" in message.event.notification.text


async def test_check_when_the_same_envelope_is_seen_again_then_its_iv_is_its_own() -> None:
    """As when the process died before the verdict, and the record of the IV was kept."""
    office = await an_office()
    await office.check()
    stored = await load(office.store, Deployment, Ref(V3.deployments, DEPLOYMENT_ID))
    assert stored is not None
    pending = replace(await office.key(), status=KeyStatus.PENDING)
    again = replace(stored.value, deployment_id="dep_copy", venue_keys={HL.value: pending})
    await office.keep(again)
    assert await office.check(replace(EVENT, deployment_id="dep_copy")) == []
    assert (await office.key("dep_copy")).status is KeyStatus.READY
    assert len(office.rows(SEALED_IVS)) == 1


async def test_check_when_a_bad_key_used_the_iv_then_it_is_not_taken() -> None:
    """Only what opens has used an IV: nobody can spend a stranger's with rubbish."""
    rubbish = {**sealed_fields(), "agent_key_tag": "00" * 16}
    office = await an_office(rubbish)
    await office.check()
    good = await a_keyed_deployment(office.secrets)
    await office.keep(replace(good, deployment_id="dep_two"))
    await office.check(replace(EVENT, deployment_id="dep_two"))
    assert (await office.key("dep_two")).status is KeyStatus.READY


async def test_check_when_the_address_is_retired_then_invalid_unread() -> None:
    office = await an_office()
    address = (await office.key()).agent_address
    await office.store.commit([create(Ref(RETIRED_AGENT_ADDRESSES, address), {"a": 1})])
    office.secrets.read = []
    await office.check()
    assert (await office.key()).code == KeyCode.ADDRESS_RETIRED
    assert office.secrets.read == []


async def test_check_when_a_paper_deployment_then_checked_too() -> None:
    office = await an_office()
    stored = await load(office.store, Deployment, Ref(V3.deployments, DEPLOYMENT_ID))
    assert stored is not None
    assert stored.value.paper is True
    await office.check()
    assert (await office.key()).status is KeyStatus.READY


async def test_check_when_the_secret_store_is_down_then_pending_until_it_is_back() -> None:
    office = await an_office()
    before = office.store.contents()
    office.secrets.down = True
    with pytest.raises(TransientError):
        await office.check()
    assert office.store.contents() == before
    office.secrets.down = False
    await office.check()
    assert (await office.key()).status is KeyStatus.READY


async def test_check_when_the_key_encryption_key_is_missing_then_a_person_is_asked() -> None:
    office = await an_office()
    del office.secrets.values[KEK_SECRET]
    with pytest.raises(ConfigurationError, match="SAPPHIRE_KEK_VERSION"):
        await office.check()
    assert (await office.key()).status is KeyStatus.PENDING


async def test_check_when_there_is_nothing_to_check_then_said_or_done_nothing() -> None:
    office = Office(await some_secrets())
    with pytest.raises(NotFoundError):
        await office.check()
    await office.keep(a_deployment())
    assert await office.check() == []
    with pytest.raises(InvalidInputError):
        await office.check(replace(EVENT, book="v9"))


async def test_check_when_the_key_is_rotated_meanwhile_then_the_new_one_is_judged() -> None:
    office = await an_office({**sealed_fields(), "agent_key_tag": "00" * 16})
    use = a_use(key_version=2)
    other = await a_keyed_deployment(
        office.secrets, sealed_fields(a_private_key(2), use=use), key_version=2
    )
    rotated = False

    async def rotate(operation: str, argument: object) -> None:
        nonlocal rotated
        if operation != "commit" or rotated:
            return
        rotated = True
        stored = await load(office.store, Deployment, Ref(V3.deployments, DEPLOYMENT_ID))
        assert stored is not None
        await office.store.commit([stored.update(other)])

    office.store.before = rotate
    assert await office.check() == []
    key = await office.key()
    assert (key.key_version, key.status) == (2, KeyStatus.READY)
    (audit,) = office.rows(AUDIT)
    assert audit["step"] == "2"


async def test_check_when_it_always_loses_the_race_then_delivered_again() -> None:
    office = await an_office()

    async def lose(operation: str, argument: object) -> None:
        if operation == "commit":
            raise ConflictError("lost", collection=V3.deployments, document_id=DEPLOYMENT_ID)

    office.store.before = lose
    with pytest.raises(TransientError, match="contended"):
        await office.check()


async def test_deployment_when_written_before_keys_had_verdicts_then_it_still_loads() -> None:
    office = await an_office()
    ref = Ref(V3.deployments, DEPLOYMENT_ID)
    document = await office.store.get(ref)
    assert document is not None
    old = {
        name: document.data["venue_keys"][HL.value][name]
        for name in ("agent_address", "secret_name", "version")
    }
    await office.store.commit([Update(ref, {"venue_keys": {HL.value: old}}, document.version)])
    key = await office.key()
    assert (key.key_version, key.status, key.code) == (1, KeyStatus.PENDING, "")
    await office.check()
    assert (await office.key()).status is KeyStatus.READY
