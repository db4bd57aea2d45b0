"""Cases 26 to 34: who signs for an agent, a deployment and its keys, and for nothing else."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.books import AUDIT, V3
from common.config import Settings
from common.documents import load
from common.domain.agent import Deployment
from common.ports import Ref
from tests.builders import an_agent
from tests.builders.wallets import (
    DOMAIN,
    Wallet,
    body_hash,
    proof_headers,
    sign_in_text,
    with_high_s,
    wrong_checksum,
    zulu,
)
from tests.catalogue.signing import CREATE, DEPLOY, NONCE, REVOKE, ROTATE, Signatory
from tests.functions.api_client import (
    KEYED_V3,
    V3_AGENT,
    Api,
    agent_body,
    assert_problem,
    key_of,
    rotation_body,
    seed_agents,
    seed_keyed_deployments,
)
from tests.shared_data import REPOSITORY

ANN, BOB = Wallet(1), Wallet(2)
SETTINGS = Settings(wallet_proof=True, wallet_domain=DOMAIN)


@pytest.fixture
async def api(tmp_path: Path) -> Api:
    """As in the cloud: who creates, deploys or changes keys must sign. The keyed one is Ann's."""
    api = Api(tmp_path, settings=SETTINGS)
    await seed_agents(api.store)
    await seed_keyed_deployments(api.store)
    found = await load(api.store, Deployment, Ref(V3.deployments, KEYED_V3))
    assert found is not None
    owned = replace(found.value, user_wallet=ANN.address.lower(), agent_id=V3_AGENT)
    await api.store.commit([found.update(owned)])
    return api


@pytest.fixture
def ann(api: Api) -> Signatory:
    return Signatory(api, ANN)


@pytest.fixture
def bob(api: Api) -> Signatory:
    return Signatory(api, BOB)


def an_agents_body(wallet: Wallet = ANN, **changes: Any) -> dict[str, Any]:
    """Its fractions as text, which is what is hashed."""
    weights = {"x": "0.6", "research": "0.4"}
    return agent_body(creator_wallet=wallet.address, weights=weights, **changes)


def a_deploy_body(wallet: Wallet = ANN, /, **changes: Any) -> dict[str, Any]:
    return {"agent_id": V3_AGENT, "user_wallet": wallet.address, **changes}


WISHES: dict[str, tuple[str, dict[str, Any], str]] = {
    "create": (CREATE, an_agents_body(), "new"),
    "deploy": (DEPLOY, a_deploy_body() | key_of("hyperliquid"), V3_AGENT),
    "rotate": (ROTATE, rotation_body(KEYED_V3), V3_AGENT),
    "revoke": (REVOKE, {"deployment_id": KEYED_V3, "venue": "HYPERLIQUID"}, V3_AGENT),
}


async def assert_refused(
    api: Api, path: str, body: Any, headers: dict[str, str], told: str
) -> None:
    """`told` is the status and the code. Nothing is written, and nothing of the proof told back."""
    status, code = int(told[:3]), told[4:]
    before = api.store.contents()
    answer = await api.post(path, body, headers=headers)
    assert_problem(answer, status, code)
    assert ("www-authenticate" in answer.headers) is (status == 401)
    for sent in headers.values():
        assert sent == "" or sent not in answer.text
    assert "evil" not in answer.text
    assert api.store.contents() == before


@pytest.mark.parametrize("action", WISHES)
async def test_case_026_when_the_owner_has_signed_then_done_and_on_record(
    api: Api, ann: Signatory, action: str
) -> None:
    """What the refusals below mean something by."""
    path, body, agent_id = WISHES[action]
    answer = await ann.send(path, body, agent_id=agent_id)
    assert answer.status_code in {200, 201}, answer.text
    rows = [row for row in api.store.contents()[AUDIT].values() if row["action"] == "wallet-proven"]
    (facts,) = [row["facts"] for row in rows]
    assert facts["wallet"] == ANN.address.lower()
    assert (facts["action"], facts["agent_id"]) == (action, agent_id)
    assert body_hash(body) in facts["message"]
    assert facts["signature"] == ANN.sign(facts["message"])


@pytest.mark.parametrize("action", WISHES)
async def test_case_026_when_there_is_no_proof_or_half_of_one_then_refused(
    api: Api, ann: Signatory, action: str
) -> None:
    path, body, agent_id = WISHES[action]
    await assert_refused(api, path, body, {}, "401 WALLET_PROOF_MISSING")
    whole = await ann.headers(path, body, agent_id=agent_id)
    half = {"Wallet-Message": whole["Wallet-Message"]}
    await assert_refused(api, path, body, half, "422 INVALID_WALLET_SIGNATURE")
    half = {"Wallet-Signature": whole["Wallet-Signature"]}
    await assert_refused(api, path, body, half, "422 INVALID_WALLET_MESSAGE")


@pytest.mark.parametrize("action", WISHES)
async def test_case_026_when_another_has_signed_anns_message_then_401(
    api: Api, ann: Signatory, action: str
) -> None:
    path, body, agent_id = WISHES[action]
    text = await ann.text(path, body, agent_id=agent_id)
    headers = proof_headers(text, BOB.sign(text))
    await assert_refused(api, path, body, headers, "401 WALLET_SIGNATURE_INVALID")


async def test_case_026_when_the_signature_is_of_another_text_then_401(
    api: Api, ann: Signatory
) -> None:
    path, body, _ = WISHES["create"]
    text = await ann.text(path, body, agent_id="new")
    headers = proof_headers(text, ANN.sign(text + "\n"))
    await assert_refused(api, path, body, headers, "401 WALLET_SIGNATURE_INVALID")


# -------------------------------------------------------------------------------------------- 27
async def test_case_027_when_a_nonce_is_used_again_then_401_and_one_agent(
    api: Api, ann: Signatory
) -> None:
    body = an_agents_body()
    headers = await ann.headers(CREATE, body)
    assert (await api.post(CREATE, body, headers=headers)).status_code == 201
    await assert_refused(api, CREATE, body, headers, "401 WALLET_NONCE_USED")
    keyed = {**headers, "Idempotency-Key": "another-request"}
    answer = await api.post(CREATE, body, headers=keyed)
    assert_problem(answer, 401, "WALLET_NONCE_USED")
    created = [a for a in api.store.contents()[V3.agents].values() if a["name"] == body["name"]]
    assert len(created) == 1


async def test_case_027_when_the_nonce_was_never_issued_or_to_another_then_401(
    api: Api, ann: Signatory, bob: Signatory
) -> None:
    body = an_agents_body()
    for nonce in ("f" * 32, "12345678", (await bob.nonce())["nonce"]):
        headers = await ann.headers(CREATE, body, Nonce=nonce)
        await assert_refused(api, CREATE, body, headers, "401 WALLET_NONCE_UNKNOWN")


async def test_case_027_when_the_nonce_has_expired_then_401(api: Api, ann: Signatory) -> None:
    told = await ann.nonce()
    api.clock.advance(601)
    body = an_agents_body()
    headers = await ann.headers(CREATE, body, Nonce=told["nonce"])
    await assert_refused(api, CREATE, body, headers, "401 WALLET_NONCE_EXPIRED")


async def test_case_027_when_the_same_request_is_repeated_then_its_stored_answer(
    api: Api, ann: Signatory
) -> None:
    """The nonce is used up, and the Idempotency-Key has its answer all the same."""
    body = an_agents_body()
    headers = {**await ann.headers(CREATE, body), "Idempotency-Key": "once"}
    first = await api.post(CREATE, body, headers=headers)
    again = await api.post(CREATE, body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201), again.text
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_case_027_when_the_first_try_was_refused_later_then_the_same_request_may_come_again(
    api: Api, ann: Signatory
) -> None:
    """Nothing but this request can use the proof; and it may, until it is done."""
    body = {**a_deploy_body(), "agent_id": "agt_later"}
    headers = await ann.headers(DEPLOY, body, agent_id="agt_later")
    keyed = {**headers, "Idempotency-Key": "once"}
    assert_problem(await api.post(DEPLOY, body, headers=keyed), 404, "AGENT_NOT_FOUND")
    await api.put_records((Ref(V3.agents, "agt_later"), an_agent("agt_later", book="v3")))
    await assert_refused(api, DEPLOY, body, headers, "401 WALLET_NONCE_USED")
    assert (await api.post(DEPLOY, body, headers=keyed)).status_code == 201


# -------------------------------------------------------------------------------------------- 28
@pytest.mark.parametrize(
    ("seconds", "code"),
    [(-301, "WALLET_PROOF_STALE"), (61, "WALLET_PROOF_FROM_THE_FUTURE")],
)
async def test_case_028_when_issued_too_long_ago_or_in_the_future_then_401(
    api: Api, ann: Signatory, seconds: int, code: str
) -> None:
    body = an_agents_body()
    moment = zulu(api.clock.now() + timedelta(seconds=seconds))
    headers = await ann.headers(CREATE, body, **{"Issued At": moment})
    await assert_refused(api, CREATE, body, headers, f"401 {code}")


async def test_case_028_when_the_message_itself_is_over_then_401(api: Api, ann: Signatory) -> None:
    body = an_agents_body()
    headers = await ann.headers(CREATE, body, **{"Expiration Time": zulu(api.clock.now())})
    await assert_refused(api, CREATE, body, headers, "401 WALLET_PROOF_EXPIRED")


@pytest.mark.parametrize("seconds", [-300, 60])
async def test_case_028_when_at_the_very_end_of_the_time_then_taken(
    api: Api, ann: Signatory, seconds: int
) -> None:
    moment = zulu(api.clock.now() + timedelta(seconds=seconds))
    answer = await ann.send(CREATE, an_agents_body(), **{"Issued At": moment})
    assert answer.status_code == 201, answer.text


# -------------------------------------------------------------------------------------------- 29
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (
            {"head": "evil.example wants you to sign in with your Ethereum account:"},
            "WALLET_DOMAIN_MISMATCH",
        ),
        ({"URI": f"https://evil.example{CREATE}"}, "WALLET_URI_MISMATCH"),
        ({"URI": f"https://{DOMAIN}/api/agents/create"}, "WALLET_URI_MISMATCH"),
        ({"URI": f"https://{DOMAIN}{DEPLOY}"}, "WALLET_URI_MISMATCH"),
        ({"Chain ID": "56"}, "WALLET_CHAIN_NOT_ALLOWED"),
    ],
)
async def test_case_029_when_the_message_is_for_another_place_then_401(
    api: Api, ann: Signatory, changes: dict[str, str], code: str
) -> None:
    body = an_agents_body()
    await assert_refused(
        api, CREATE, body, await ann.headers(CREATE, body, **changes), f"401 {code}"
    )


@pytest.mark.parametrize(
    "text",
    ["", "evil", sign_in_text(Version="2"), sign_in_text() + "\n", sign_in_text(Nonce=None)],
)
async def test_case_029_when_it_is_no_message_of_erc_4361_then_422(api: Api, text: str) -> None:
    headers = proof_headers(text, ANN.sign(text))
    await assert_refused(api, CREATE, an_agents_body(), headers, "422 INVALID_WALLET_MESSAGE")


@pytest.mark.parametrize("encoded", ["evil!", "YQ", "w7w=", "a" * 6000, "====", "Y Q=="])
async def test_case_029_when_it_is_no_base64_of_ascii_then_422(api: Api, encoded: str) -> None:
    headers = {"Wallet-Message": encoded, "Wallet-Signature": ANN.sign("x")}
    await assert_refused(api, CREATE, an_agents_body(), headers, "422 INVALID_WALLET_MESSAGE")


# -------------------------------------------------------------------------------------------- 30
CHANGED: dict[str, tuple[str, dict[str, Any]]] = {
    "create": ("create", {"profit_receiver_address": "0x" + "99" * 20}),
    "deploy": ("deploy", {"hyperliquid_agent_address": "0x" + "99" * 20}),
    "deploy with more capital": ("deploy", {"capital": "1000000"}),
    "rotate": ("rotate", {"agent_key_encrypted": "99" * 32}),
    "revoke": ("revoke", {"venue": "OSTIUM"}),
}


@pytest.mark.parametrize("name", CHANGED)
async def test_case_030_when_the_body_is_another_than_was_signed_then_401(
    api: Api, ann: Signatory, name: str
) -> None:
    action, changes = CHANGED[name]
    path, body, agent_id = WISHES[action]
    headers = await ann.headers(path, body, agent_id=agent_id)
    changed = {**body, **changes}
    await assert_refused(api, path, changed, headers, "401 WALLET_BODY_MISMATCH")


async def test_case_030_when_another_act_or_agent_was_signed_then_401(
    api: Api, ann: Signatory
) -> None:
    path, body, agent_id = WISHES["rotate"]
    for stated in (
        f"Sapphire revoke of agent {agent_id}, body sha256 {body_hash(body)}",
        f"Sapphire rotate of agent agt_other, body sha256 {body_hash(body)}",
        f"I agree to everything {body_hash(body)}",
        None,
    ):
        headers = await ann.headers(path, body, agent_id=agent_id, statement=stated)
        await assert_refused(api, path, body, headers, "401 WALLET_STATEMENT_MISMATCH")


async def test_case_030_when_only_white_space_and_order_differ_then_the_same_body(
    api: Api, ann: Signatory
) -> None:
    body = an_agents_body()
    headers = await ann.headers(CREATE, body)
    turned = json.dumps(dict(reversed(body.items())), indent=3)
    answer = await api.post(CREATE, content=turned.encode(), headers=headers)
    assert answer.status_code == 201, answer.text


# -------------------------------------------------------------------------------------------- 31
def no_v(signature: str) -> str:
    return f"{signature[:-2]}{int(signature[-2:], 16) - 27:02x}"


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (with_high_s, "WALLET_SIGNATURE_NOT_CANONICAL"),
        (no_v, "WALLET_SIGNATURE_NOT_CANONICAL"),
        (lambda signature: signature[:-2], "WALLET_SIGNATURE_NOT_CANONICAL"),
        (lambda signature: signature + "00", "WALLET_SIGNATURE_NOT_CANONICAL"),
        (lambda signature: signature[:-2] + "1d", "WALLET_SIGNATURE_NOT_CANONICAL"),
        (lambda signature: "0x" + "00" * 64 + signature[-2:], "WALLET_SIGNATURE_NOT_CANONICAL"),
    ],
    ids=["high s", "v of 0 or 1", "64 bytes", "66 bytes", "v of 29", "zeros"],
)
async def test_case_031_when_the_signature_is_in_another_form_then_401(
    api: Api, ann: Signatory, form: Any, code: str
) -> None:
    """The high s is of the right key, and would recover to the right address."""
    path, body, _ = WISHES["create"]
    text = await ann.text(path, body, agent_id="new")
    headers = proof_headers(text, form(ANN.sign(text)))
    await assert_refused(api, path, body, headers, f"401 {code}")


# -------------------------------------------------------------------------------------------- 32
@pytest.mark.parametrize("action", WISHES)
async def test_case_032_when_the_signer_is_another_than_the_owner_then_403(
    api: Api, bob: Signatory, action: str
) -> None:
    """Bob signs properly, for what is Ann's: her agent (creator_wallet), her deployment
    (user_wallet). Who deploys a creator's agent is a user with a wallet of their own (V3-04), so
    that there it is the user who signs, and never the creator.
    """
    path, body, agent_id = WISHES[action]
    headers = await bob.headers(path, body, agent_id=agent_id)
    await assert_refused(api, path, body, headers, "403 WALLET_NOT_OWNER")


async def test_case_032_when_a_user_deploys_anothers_agent_then_the_user_signs(
    api: Api, bob: Signatory
) -> None:
    answer = await bob.send(DEPLOY, a_deploy_body(BOB), agent_id=V3_AGENT)
    assert answer.status_code == 201, answer.text
    assert answer.json()["user_wallet"] == BOB.address.lower()


@pytest.mark.parametrize("action", ["rotate", "revoke"])
async def test_case_032_when_the_creator_touches_a_users_keys_then_403(
    api: Api, bob: Signatory, action: str
) -> None:
    """Bob has created the agent; the keys are of Ann's deployment of it."""
    await api.change(
        Ref(V3.agents, V3_AGENT),
        replace(an_agent(V3_AGENT, book="v3"), creator_wallet=BOB.address.lower()),
    )
    path, body, agent_id = WISHES[action]
    headers = await bob.headers(path, body, agent_id=agent_id)
    await assert_refused(api, path, body, headers, "403 WALLET_NOT_OWNER")


# -------------------------------------------------------------------------------------------- 33
@pytest.mark.parametrize("signed", [str, str.lower, lambda text: "0x" + text[2:].upper()])
@pytest.mark.parametrize("sent", [str, str.lower])
async def test_case_033_when_the_address_is_in_lower_case_or_a_checksum_then_the_same_person(
    api: Api, ann: Signatory, signed: Any, sent: Any
) -> None:
    body = an_agents_body() | {"creator_wallet": sent(ANN.address)}
    answer = await ann.send(CREATE, body, address=signed(ANN.address))
    assert answer.status_code == 201, answer.text
    assert answer.json()["creator_wallet"] == ANN.address.lower()


async def test_case_033_when_a_checksum_is_wrong_then_422(api: Api, ann: Signatory) -> None:
    wrong = wrong_checksum(ANN.address)
    body = an_agents_body()
    headers = await ann.headers(CREATE, body, address=wrong)
    await assert_refused(api, CREATE, body, headers, "422 INVALID_WALLET_MESSAGE")
    changed = body | {"creator_wallet": wrong}
    headers = await ann.headers(CREATE, changed)
    await assert_refused(api, CREATE, changed, headers, "422 INVALID_FIELD")
    await assert_refused(api, NONCE, {"wallet": wrong}, {}, "422 INVALID_FIELD")


# -------------------------------------------------------------------------------------------- 34
@pytest.mark.parametrize(
    "form",
    [
        lambda signature: signature + signature[2:],
        lambda signature: "0x" + "00" * 31 + "20" + signature[2:66] * 4,
        lambda signature: signature + "6492" * 16,
    ],
    ids=["Safe's owners in a row", "encoded for isValidSignature", "ERC-6492"],
)
async def test_case_034_when_it_is_the_signature_of_a_contract_then_422(
    api: Api, ann: Signatory, form: Any
) -> None:
    path, body, _ = WISHES["create"]
    text = await ann.text(path, body, agent_id="new")
    headers = proof_headers(text, form(ANN.sign(text)))
    await assert_refused(api, path, body, headers, "422 CONTRACT_WALLET_UNSUPPORTED")


# ----------------------------------------------------------------------------------------- on, off
async def test_case_026_when_nobody_asks_for_it_then_the_same_bodies_pass_unsigned(
    tmp_path: Path,
) -> None:
    api = Api(tmp_path)
    await seed_agents(api.store)
    await seed_keyed_deployments(api.store)
    for path, body, _ in WISHES.values():
        answer = await api.post(path, body)
        assert answer.status_code in {200, 201}, answer.text
    told = (await api.post(NONCE, {"wallet": ANN.address})).json()
    assert (told["required"], told["domain"], told["origin"]) == (False, None, None)


async def test_case_026_when_it_is_asked_for_and_no_domain_is_set_then_503(tmp_path: Path) -> None:
    api = Api(tmp_path, settings=Settings(wallet_proof=True))
    await seed_agents(api.store)
    assert_problem(await api.post(CREATE, an_agents_body()), 503, "CONFIGURATION")
    assert_problem(await api.post(NONCE, {"wallet": ANN.address}), 503, "CONFIGURATION")


async def test_case_032_when_the_keys_are_of_no_deployment_then_404_and_no_nonce_is_used(
    api: Api, ann: Signatory
) -> None:
    body = rotation_body("dep_nobody")
    headers = await ann.headers(ROTATE, body, agent_id=V3_AGENT)
    await assert_refused(api, ROTATE, body, headers, "404 DEPLOYMENT_NOT_FOUND")


async def test_case_026_when_a_person_does_as_the_documentation_says_then_taken(
    api: Api, ann: Signatory
) -> None:
    """docs/WALLETS.md: its own lines of Python run here."""
    text = (REPOSITORY / "docs" / "WALLETS.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shown: dict[str, Any] = {}
    exec(compile(block, "docs/WALLETS.md", "exec"), shown)  # noqa: S102 - our own documentation
    for action, (path, body, agent_id) in WISHES.items():
        message = shown["message"](
            await ann.nonce(),
            action=action,
            agent=agent_id,
            path=path,
            body=body,
            now=api.clock.now(),
        )
        headers = shown["headers"](message, ANN.sign(message))
        answer = await api.post(path, body, headers=headers)
        assert answer.status_code in {200, 201}, answer.text


def test_case_026_when_a_code_is_made_then_the_documentation_names_it() -> None:
    text = (REPOSITORY / "docs" / "WALLETS.md").read_text()
    folders = [REPOSITORY / "infra" / "wallets", REPOSITORY / "functions" / "api"]
    sources = "".join(path.read_text() for folder in folders for path in folder.glob("*.py"))
    codes = set(re.findall(r'"((?:INVALID_WALLET|CONTRACT_WALLET|WALLET)_[A-Z_]+)"', sources))
    assert len(codes) > 15
    assert codes == set(re.findall(r"`([A-Z]*_?WALLET_[A-Z_]+)`", text)) - {"SAPPHIRE_WALLET_PROOF"}
