"""Keys over HTTP: stored unread, checked by the executor, rotated, revoked, never used again."""

import inspect
import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from common.books import AUDIT, OUTBOX, RETIRED_AGENT_ADDRESSES, V2, V3
from common.config import Settings
from common.documents import load
from common.domain.agent import Deployment, KeyCode, KeyStatus, VenueKey
from common.domain.events import KeySubmitted
from common.domain.instrument import Venue
from common.errors import ConflictError, NotFoundError, TransientError
from common.ports import Ref
from functions.api import deployments, keys
from functions.api.payloads import DeployV2
from infra.bootstrap import use
from infra.keys.adder import AddOnly, SecretAdder
from infra.keys.address import address_of, checksum_address
from infra.keys.envelope import KeyUse, seal
from infra.keys.sealed_keys import read_kek
from infra.local.secrets import FileSecretStore
from tests.builders.keys import a_private_key
from tests.fakes.publisher import RecordingPublisher, refusing_publisher
from tests.functions.api_client import (
    GMX_AGENT,
    KEYED_V2,
    KEYED_V3,
    V2_AGENT,
    V3_AGENT,
    WALLET,
    Api,
    assert_problem,
    key_of,
    rotation_body,
    seed_keyed_deployments,
)
from tests.functions.harness import framework_app, push_of

HL = Venue.HYPERLIQUID
DEPLOY, ROTATE, REVOKE = (
    f"/api/v3/agents/{verb}" for verb in ("deploy", "keys/rotate", "keys/revoke")
)
ADDRESSES = [address_of(a_private_key(seed)) for seed in range(5)]


@dataclass
class Person:
    """Somebody with an agent, a wallet and private keys 0 to 4, one after the other."""

    api: Api
    deployment_id: str = ""

    async def sealed(self, number: int, version: int, *, iv: bytes | None = None) -> dict[str, str]:
        kek = await read_kek(self.api.runtime().make_secrets(), "1")
        use = KeyUse(agent_id=V3_AGENT, wallet=WALLET.lower(), venue=HL, key_version=version)
        key = a_private_key(number)
        envelope = seal(key, under=kek, use=use, iv=iv or bytes([number, version]) * 6)
        return {"agent_address": address_of(key), **envelope.to_fields()}

    async def deploy(self, number: int = 1, **changes: Any) -> httpx.Response:
        fields = await self.sealed(number, 1)
        body = {f"hyperliquid_{name}": text for name, text in fields.items()}
        body = {"agent_id": V3_AGENT, "user_wallet": WALLET, **body, **changes}
        answer = await self.api.post(DEPLOY, body)
        self.deployment_id = answer.json().get("deployment_id", self.deployment_id)
        return answer

    async def rotate(self, number: int, version: int, **changes: Any) -> httpx.Response:
        fields = {**await self.sealed(number, version), **changes}
        body = {"deployment_id": self.deployment_id, "venue": "HYPERLIQUID", **fields}
        return await self.api.post(ROTATE, body)

    async def revoke(self) -> httpx.Response:
        body = {"deployment_id": self.deployment_id, "venue": "HYPERLIQUID"}
        return await self.api.post(REVOKE, body)

    async def checked(self) -> dict[str, Any]:
        """Deliver what was published to `execute`, then ask for the deployment."""
        publisher = self.api.publisher
        assert isinstance(publisher, RecordingPublisher)
        with use(self.api.runtime()):
            transport = httpx.ASGITransport(framework_app("execute"))
            async with httpx.AsyncClient(transport=transport, base_url="http://execute") as http:
                for message in publisher.messages:
                    if isinstance(message.event, KeySubmitted):
                        answer = await http.post("/", content=json.dumps(push_of(message)))
                        assert answer.status_code == 204
        publisher.messages.clear()
        return await self.shown()

    async def shown(self) -> dict[str, Any]:
        answer = await self.api.get(f"/api/v3/deployments/{self.deployment_id}")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def key(self) -> VenueKey:
        stored = await load(self.api.store, Deployment, Ref(V3.deployments, self.deployment_id))
        assert stored is not None
        return stored.value.venue_keys[HL.value]


@pytest.fixture
def person(api: Api) -> Person:
    return Person(api)


async def test_deploy_when_the_key_is_right_then_pending_and_ready_once_checked(
    person: Person,
) -> None:
    answer = await person.deploy()
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert shown["key_status"] == "PENDING"
    assert shown["keys"]["HYPERLIQUID"] == {
        "agent_address": ADDRESSES[1],
        "key_version": 1,
        "status": "PENDING",
        "code": "",
        "checked_at": None,
    }
    assert "secret" not in answer.text
    told = await person.checked()
    assert (told["key_status"], told["keys"]["HYPERLIQUID"]["status"]) == ("READY", "READY")
    signer = await person.api.runtime().make_accounts().signer(person.deployment_id, HL)
    assert signer.address == ADDRESSES[1]
    assert person.api.store.contents().get(OUTBOX, {}) == {}


async def test_deploy_when_the_key_is_rubbish_then_taken_and_invalid_once_checked(
    person: Person,
) -> None:
    """Case 39: the api cannot decrypt, so that the verdict comes from the executor."""
    answer = await person.deploy(hyperliquid_agent_key_tag="00" * 16)
    assert answer.status_code == 201
    told = await person.checked()
    assert told["key_status"] == "KEY_INVALID"
    assert told["keys"]["HYPERLIQUID"]["code"] == KeyCode.AUTHENTICATION_FAILED


async def test_deploy_when_several_keys_come_then_the_worst_counts(person: Person) -> None:
    answer = await person.deploy(1, **key_of("ostium"))
    assert answer.json()["enabled_venues"] == ["HYPERLIQUID", "OSTIUM"]
    told = await person.checked()
    assert told["key_status"] == "KEY_INVALID"
    assert told["keys"]["HYPERLIQUID"]["status"] == "READY"


async def test_deploy_when_no_key_comes_then_none(api: Api) -> None:
    answer = await api.post(DEPLOY, {"agent_id": V3_AGENT, "user_wallet": WALLET})
    assert (answer.json()["key_status"], answer.json()["keys"]) == ("NONE", {})


async def test_deploy_v2_when_aster_comes_with_a_key_then_it_is_stored(api: Api) -> None:
    body = {
        "agent_id": V2_AGENT,
        "user_wallet": WALLET,
        "enabled_venues": ["ASTER"],
        **key_of("aster"),
    }
    answer = await api.post("/api/agents/deploy", body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["keys"]["ASTER"]["status"] == "PENDING"
    stored = await api.get(f"/api/deployments/{answer.json()['deployment_id']}")
    assert stored.json() == answer.json()


async def test_deploy_when_the_bus_is_down_then_the_check_waits_in_the_outbox(
    person: Person,
) -> None:
    person.api.publisher = refusing_publisher()
    answer = await person.deploy()
    assert answer.status_code == 201
    (row,) = person.api.store.contents()[OUTBOX].values()
    assert (row["topic"], row["type"]) == ("key-submitted", "KeySubmitted")
    assert "agent_key" not in json.dumps(row)


async def test_deploy_when_repeated_while_pending_then_the_check_is_asked_for_again(
    person: Person,
) -> None:
    """So that a check which ended among the dead letters can be had once more."""
    await person.deploy()
    assert isinstance(person.api.publisher, RecordingPublisher)
    person.api.publisher.messages.clear()
    again = await person.deploy()
    assert again.status_code == 201
    assert [type(event) for event in person.api.publisher.events] == [KeySubmitted]
    assert (await person.checked())["key_status"] == "READY"
    await person.deploy()
    assert person.api.publisher.events == []


async def test_deploy_when_another_key_comes_then_409_names_the_rotation(person: Person) -> None:
    """Case 49."""
    await person.deploy(1)
    answer = await person.deploy(2)
    assert_problem(answer, 409, "DEPLOYMENT_EXISTS")
    assert "rotate" in answer.json()["detail"]


@pytest.mark.parametrize("field", ["user_wallet", "hyperliquid_agent_address"])
async def test_deploy_when_an_address_has_a_bad_checksum_then_422(
    person: Person, field: str
) -> None:
    """Case 33."""
    wrong = checksum_address(ADDRESSES[1])[:-1].swapcase().replace("0X", "0x") + ADDRESSES[1][-1]
    answer = await person.deploy(1, **{field: wrong})
    assert_problem(answer, 422, "INVALID_FIELD")
    assert answer.json()["where"] == f"body.{field}"
    assert "EIP-55" in answer.json()["detail"]


async def test_deploy_when_the_address_is_written_in_another_case_then_the_same_identity(
    person: Person,
) -> None:
    first = await person.deploy()
    for wallet in (WALLET, WALLET.lower(), "0x" + WALLET[2:].upper()):
        for agent in (checksum_address(ADDRESSES[1]), "0x" + ADDRESSES[1][2:].upper()):
            again = await person.deploy(user_wallet=wallet, hyperliquid_agent_address=agent)
            assert again.json() == first.json()


# --------------------------------------------------------------------------------------- rotation
async def test_rotate_when_a_new_agent_comes_then_the_next_version_and_the_old_one_is_over(
    person: Person,
) -> None:
    await person.deploy(1)
    await person.checked()
    old = await person.key()
    answer = await person.rotate(2, 2)
    assert answer.status_code == 200, answer.text
    assert answer.json()["key_status"] == "PENDING"
    accounts = person.api.runtime().make_accounts()
    assert (await accounts.account(person.deployment_id, HL)).agent_address == ADDRESSES[2]
    told = await person.checked()
    assert told["keys"]["HYPERLIQUID"]["key_version"] == 2
    assert told["key_status"] == "READY"
    assert (await accounts.signer(person.deployment_id, HL)).address == ADDRESSES[2]
    with pytest.raises(NotFoundError, match="disabled"):
        await person.api.runtime().make_secrets().access(old.secret_name, old.version)
    (retired,) = person.api.store.contents()[RETIRED_AGENT_ADDRESSES].values()
    assert (retired["address"], retired["reason"]) == (ADDRESSES[1], "rotated")
    actions = [row["action"] for row in person.api.store.contents()[AUDIT].values()]
    assert sorted(actions) == ["deployment-created", "key-checked", "key-checked", "key-rotated"]


async def test_rotate_when_sealed_with_the_old_version_then_invalid(person: Person) -> None:
    await person.deploy(1)
    await person.rotate(2, 1)
    told = await person.checked()
    assert told["keys"]["HYPERLIQUID"]["code"] == KeyCode.AUTHENTICATION_FAILED


@pytest.mark.parametrize("checked", [True, False])
async def test_rotate_when_repeated_then_the_same_answer_and_no_third_version(
    person: Person, checked: bool
) -> None:
    await person.deploy(1)
    await person.rotate(2, 2)
    if checked:
        await person.checked()
    before = await person.shown()
    again = await person.rotate(2, 2)
    assert again.status_code == 200
    assert again.json() == before
    assert (await person.key()).key_version == 2
    assert (await person.checked())["key_status"] == "READY"


async def test_rotate_when_to_the_same_address_then_422(person: Person) -> None:
    await person.deploy(1)
    before = person.api.store.contents()
    assert_problem(await person.rotate(1, 2), 422, "AGENT_ADDRESS_UNCHANGED")
    assert person.api.store.contents() == before


async def test_address_when_rotated_away_then_never_again_anywhere(person: Person) -> None:
    await person.deploy(1)
    await person.checked()
    await person.rotate(2, 2)
    assert_problem(await person.rotate(1, 3), 422, "AGENT_ADDRESS_RETIRED")
    other = await person.deploy(1, user_wallet="0x" + "77" * 20)
    assert_problem(other, 422, "AGENT_ADDRESS_RETIRED")
    assert other.json()["where"] == "body.hyperliquid_agent_address"
    body = {"agent_id": GMX_AGENT, "user_wallet": WALLET, **key_of("gmx")}
    body["gmx_agent_address"] = checksum_address(ADDRESSES[1])
    before = person.api.store.contents()
    assert_problem(await person.api.post("/api/agents/deploy", body), 422, "AGENT_ADDRESS_RETIRED")
    assert person.api.store.contents() == before


async def test_address_when_retired_by_one_then_the_other_who_shares_it_is_stopped(
    person: Person,
) -> None:
    await person.deploy(1)
    await person.checked()
    fields = {f"hyperliquid_{n}": v for n, v in (await person.sealed(1, 1)).items()}
    body = {"agent_id": V3_AGENT, "user_wallet": "0x" + "77" * 20, **fields}
    second = (await person.api.post(DEPLOY, body)).json()["deployment_id"]
    await person.rotate(2, 2)
    await person.checked()
    told = (await person.api.get(f"/api/v3/deployments/{second}")).json()
    assert told["keys"]["HYPERLIQUID"]["code"] == KeyCode.ADDRESS_RETIRED
    rotated = await person.api.post(ROTATE, rotation_body(second, 9))
    assert rotated.status_code == 200, rotated.text  # its retired address is no obstacle


async def test_address_when_declared_by_a_stranger_and_revoked_then_its_owner_still_signs(
    person: Person,
) -> None:
    """Anybody may declare an address; only a key that opened has proven whose it is."""
    await person.deploy(1)
    await person.checked()
    fields = {f"hyperliquid_{n}": v for n, v in (await person.sealed(9, 1)).items()}
    fields["hyperliquid_agent_address"] = checksum_address(ADDRESSES[1])
    body = {"agent_id": V3_AGENT, "user_wallet": "0x" + "77" * 20, **fields}
    stranger = (await person.api.post(DEPLOY, body)).json()["deployment_id"]

    subject = {"deployment_id": stranger, "venue": "HYPERLIQUID"}
    assert (await person.api.post(REVOKE, subject)).status_code == 200

    assert RETIRED_AGENT_ADDRESSES not in person.api.store.contents()
    await person.api.runtime().make_accounts().signer(person.deployment_id, HL)


# ------------------------------------------------------------------------------------- revocation
async def test_revoke_when_done_then_nothing_is_signed_any_more(person: Person) -> None:
    await person.deploy(1)
    await person.checked()
    accounts = person.api.runtime().make_accounts()
    await accounts.signer(person.deployment_id, HL)
    answer = await person.revoke()
    assert answer.status_code == 200, answer.text
    shown = answer.json()["keys"]["HYPERLIQUID"]
    assert (shown["status"], shown["code"]) == ("KEY_INVALID", "KEY_REVOKED")
    with pytest.raises(Exception, match="KEY_REVOKED"):
        await accounts.signer(person.deployment_id, HL)
    key = await person.key()
    with pytest.raises(NotFoundError):
        await person.api.runtime().make_secrets().access(key.secret_name, key.version)
    before = person.api.store.contents()
    assert (await person.revoke()).json() == answer.json()
    assert person.api.store.contents() == before
    assert (await person.deploy(1)).json() == answer.json()
    assert_problem(await person.rotate(1, 2), 422, "AGENT_ADDRESS_UNCHANGED")
    assert (await person.rotate(2, 2)).status_code == 200
    assert (await person.checked())["key_status"] == "READY"


async def test_revoke_when_the_check_is_still_under_way_then_it_stays_revoked(
    person: Person,
) -> None:
    await person.deploy(1)
    await person.revoke()
    assert (await person.checked())["keys"]["HYPERLIQUID"]["code"] == "KEY_REVOKED"


# ---------------------------------------------------------------------------------- what goes wrong
@pytest.mark.parametrize("verb", ["rotate", "revoke"])
@pytest.mark.parametrize(
    ("prefix", "deployment_id", "code"),
    [
        ("/api/v3/agents", "dep_nowhere", "DEPLOYMENT_NOT_FOUND"),
        ("/api/v3/agents", KEYED_V2, "DEPLOYMENT_NOT_FOUND"),
        ("/api/agents", KEYED_V3, "DEPLOYMENT_NOT_FOUND"),
    ],
)
async def test_key_verbs_when_the_deployment_is_not_of_this_book_then_404(
    api: Api, verb: str, prefix: str, deployment_id: str, code: str
) -> None:
    await seed_keyed_deployments(api.store)
    before = api.store.contents()
    body = rotation_body(deployment_id)
    if verb == "revoke":
        body = {name: body[name] for name in ("deployment_id", "venue")}
    assert_problem(await api.post(f"{prefix}/keys/{verb}", body), 404, code)
    assert api.store.contents() == before


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
async def test_key_verbs_when_the_venue_has_no_key_then_404(api: Api, verb: str) -> None:
    await seed_keyed_deployments(api.store)
    body = rotation_body(KEYED_V2, venue="ASTER")
    if verb == "revoke":
        body = {name: body[name] for name in ("deployment_id", "venue")}
    assert_problem(await api.post(f"/api/agents/keys/{verb}", body), 404, "KEY_NOT_FOUND")


@pytest.mark.parametrize("venue", ["DRIFT", "SYMPHONY", "MULTI", "nope"])
async def test_rotate_when_the_venue_takes_no_such_key_then_422(api: Api, venue: str) -> None:
    await seed_keyed_deployments(api.store)
    answer = await api.post(ROTATE, rotation_body(KEYED_V3, venue=venue))
    assert_problem(answer, 422, "INVALID_FIELD")


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
async def test_key_verbs_when_the_commit_fails_then_nothing_is_half_done(
    person: Person, verb: str
) -> None:
    await person.deploy(1)
    await person.checked()
    before, key = person.api.store.contents(), await person.key()

    async def down(operation: str, argument: object) -> None:
        if operation == "commit":
            raise TransientError("the store is down")

    person.api.store.before = down
    answer = await (person.rotate(2, 2) if verb == "rotate" else person.revoke())
    assert_problem(answer, 503, "STORE_UNAVAILABLE")
    person.api.store.before = None
    assert person.api.store.contents() == before
    assert await person.api.runtime().make_secrets().access(key.secret_name, key.version)
    again = await (person.rotate(2, 2) if verb == "rotate" else person.revoke())
    assert again.status_code == 200


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
async def test_key_verbs_when_disabling_fails_then_the_change_stands_and_the_repeat_disables(
    person: Person, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await person.deploy(1)
    await person.checked()
    old = await person.key()

    async def down(self: FileSecretStore, name: str, version: str) -> None:
        raise TransientError("the secret store is down")

    with monkeypatch.context() as patch:
        patch.setattr(FileSecretStore, "disable", down)
        answer = await (person.rotate(2, 2) if verb == "rotate" else person.revoke())
        assert_problem(answer, 503)
    secrets = person.api.runtime().make_secrets()
    assert await secrets.access(old.secret_name, old.version)
    assert (await person.key()).code == ("KEY_REVOKED" if verb == "revoke" else "")
    again = await (person.rotate(2, 2) if verb == "rotate" else person.revoke())
    assert again.status_code == 200
    with pytest.raises(NotFoundError):
        await secrets.access(old.secret_name, old.version)


async def test_rotate_when_a_verdict_comes_in_between_then_it_is_not_lost_and_not_taken_over(
    person: Person,
) -> None:
    await person.deploy(1)
    lost = False

    async def lose(operation: str, argument: object) -> None:
        nonlocal lost
        if operation == "commit" and not lost:
            lost = True
            await person.checked()
            raise ConflictError("lost", collection=V3.deployments, document_id="dep")

    person.api.store.before = lose
    answer = await person.rotate(2, 2)
    assert answer.status_code == 200, answer.text
    key = await person.key()
    assert (key.key_version, key.status, key.checked_at) == (2, KeyStatus.PENDING, None)
    assert (await person.checked())["key_status"] == "READY"


async def test_rotate_when_two_rotate_at_once_then_one_after_the_other(person: Person) -> None:
    await person.deploy(1)
    await person.checked()
    raced = False

    async def race(operation: str, argument: object) -> None:
        nonlocal raced
        if operation == "commit" and not raced:
            raced = True
            await person.rotate(3, 2)

    person.api.store.before = race
    answer = await person.rotate(2, 3)
    assert answer.status_code == 200, answer.text
    assert answer.json()["keys"]["HYPERLIQUID"]["key_version"] == 3
    assert set(person.api.store.contents()[RETIRED_AGENT_ADDRESSES]) == {ADDRESSES[1]}
    assert (await person.checked())["key_status"] == "READY"


def test_api_when_it_handles_keys_then_only_through_what_cannot_read() -> None:
    """The type that it is given has no `access`, and neither has the object behind it."""
    assert not hasattr(SecretAdder, "access")
    assert not hasattr(AddOnly, "access")
    for module in (deployments, keys):
        source = inspect.getsource(module)
        assert "SecretStore" not in source
        assert ".access(" not in source
        assert "open_envelope" not in source


async def test_api_when_it_deploys_rotates_and_revokes_then_it_reads_no_secret(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = [await person.sealed(1, 1), await person.sealed(2, 2)]  # reads the sealing key

    async def refuse(self: FileSecretStore, name: str, version: str) -> bytes:
        raise AssertionError(f"the api reads {name}")

    monkeypatch.setattr(FileSecretStore, "access", refuse)
    body = {f"hyperliquid_{name}": text for name, text in sealed[0].items()}
    answer = await person.api.post(DEPLOY, {"agent_id": V3_AGENT, "user_wallet": WALLET, **body})
    subject = {"deployment_id": answer.json()["deployment_id"], "venue": "HYPERLIQUID"}
    rotated = await person.api.post(ROTATE, {**subject, **sealed[1]})
    revoked = await person.api.post(REVOKE, subject)
    assert [each.status_code for each in (answer, rotated, revoked)] == [201, 200, 200]


async def test_deploy_when_live_at_a_venue_without_agents_then_it_needs_no_key(api: Api) -> None:
    """Symphony trades with the platform's API key."""
    body = {"agent_id": V2_AGENT, "user_wallet": WALLET, "capital": "250"}
    wish = DeployV2.model_validate({**body, "enabled_venues": ["SYMPHONY"]})
    live = Settings(mode="live")
    deployment, messages = await deployments.deploy(
        wish, book=V2, store=api.store, clock=api.clock, settings=live, secrets=None
    )
    assert (deployment.paper, deployment.key_status, messages) == (False, "NONE", [])
