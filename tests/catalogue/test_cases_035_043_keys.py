"""Cases 35 to 43: keys that cannot be what they are said to be.

What has the wrong size or is no hexadecimal is refused at the door with 422 (35 to 38). What only
opening the envelope could tell (39 to 43) the api cannot know, because it cannot read a key (ADR
0010): there the request is taken, `execute` opens the envelope, marks the key KEY_INVALID with a
code, tells people, and nothing is ever signed with it.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.books import NOTIFICATIONS
from common.domain.agent import KeyCode
from common.domain.events import KeySubmitted
from common.domain.instrument import Venue
from common.errors import DeniedError
from common.notifications import notification_of
from infra.bootstrap import use
from infra.keys.address import CURVE_ORDER, address_of
from infra.keys.envelope import KeyUse, seal
from infra.keys.private_key import KeyEncryptionKey, PrivateKey
from infra.keys.sealed_keys import read_kek
from tests.builders.keys import a_private_key
from tests.fakes.publisher import RecordingPublisher
from tests.functions.api_client import (
    KEYED_V3,
    V3_AGENT,
    WALLET,
    Api,
    assert_problem,
    key_of,
    rotation_body,
    seed_agents,
    seed_keyed_deployments,
)
from tests.functions.harness import framework_app, push_of

DEPLOY, ROTATE = "/api/v3/agents/deploy", "/api/v3/agents/keys/rotate"
HL = Venue.HYPERLIQUID
OTHER_WALLET = "0x" + "98" * 20


@pytest.fixture
async def api(tmp_path: Path) -> Api:
    api = Api(tmp_path)
    await seed_agents(api.store)
    await seed_keyed_deployments(api.store)
    return api


# --------------------------------------------------------------------------------------- 35 to 38
def of_size(size: int) -> str:
    return "ab" * size


IVS = [of_size(0), of_size(8), of_size(11), of_size(13), of_size(16)]
TAGS = [of_size(0), of_size(4), of_size(8), of_size(12), of_size(15), of_size(17)]
KEYS = [of_size(0), of_size(16), of_size(31), of_size(33), of_size(64)]
SIZES = {"agent_key_iv": 12, "agent_key_tag": 16, "agent_key_encrypted": 32}


def not_hexadecimal(size: int) -> list[str]:
    """Odd, other letters, base64, white space, other digits, a sign, 0x twice."""
    right = of_size(size)
    return [
        right[:-1],
        f"{right}a",
        f"zz{right[2:]}",
        base64.b64encode(bytes(size)).decode(),
        f"{right} ",
        f" {right[1:]}",
        f"{right}\n",
        "\u0661" * (2 * size),
        f"-{right[1:]}",
        f"0x0x{right[4:]}",
        f"0X{right}",
    ]


async def assert_refused_everywhere(api: Api, field: str, text: str) -> None:
    """In a deployment and in a rotation; nothing is stored, and the text is not told back."""
    before = api.store.contents()
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET, **key_of("hyperliquid")}
    requests = [
        (DEPLOY, {**body, f"hyperliquid_{field}": text}, f"hyperliquid_{field}"),
        (ROTATE, rotation_body(KEYED_V3) | {field: text}, field),
    ]
    for path, changed, name in requests:
        answer = await api.post(path, changed)
        assert_problem(answer, 422, "INVALID_FIELD")
        assert answer.json()["where"] == f"body.{name}"
        assert len(text) < 8 or text not in answer.text
    assert api.store.contents() == before
    assert not [path for path in api.data_dir.rglob("*") if path.is_file()]


@pytest.mark.parametrize("iv", IVS, ids=lambda text: f"{len(text) // 2} bytes")
async def test_case_035_when_the_iv_has_not_12_bytes_then_422(api: Api, iv: str) -> None:
    await assert_refused_everywhere(api, "agent_key_iv", iv)


@pytest.mark.parametrize("tag", TAGS, ids=lambda text: f"{len(text) // 2} bytes")
async def test_case_036_when_the_tag_has_not_16_bytes_then_422(api: Api, tag: str) -> None:
    await assert_refused_everywhere(api, "agent_key_tag", tag)


@pytest.mark.parametrize("key", KEYS, ids=lambda text: f"{len(text) // 2} bytes")
async def test_case_037_when_the_key_has_not_32_bytes_then_422(api: Api, key: str) -> None:
    await assert_refused_everywhere(api, "agent_key_encrypted", key)


@pytest.mark.parametrize("number", range(len(not_hexadecimal(12))))
@pytest.mark.parametrize("field", SIZES)
async def test_case_038_when_it_is_no_hexadecimal_of_whole_bytes_then_422(
    api: Api, field: str, number: int
) -> None:
    await assert_refused_everywhere(api, field, not_hexadecimal(SIZES[field])[number])


async def test_case_038_when_the_sizes_are_right_then_taken(api: Api) -> None:
    """What the refusals above mean something by."""
    fields = {f"hyperliquid_{name}": of_size(size) for name, size in SIZES.items()}
    fields["hyperliquid_agent_address"] = "0x" + "33" * 20
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET, **fields}
    assert (await api.post(DEPLOY, body)).status_code == 201


# --------------------------------------------------------------------------------------- 39 to 43
@dataclass
class Office:
    """Deploys with a sealed key, and has `execute` look at it."""

    api: Api

    async def sealed(
        self, key: PrivateKey, *, under: KeyEncryptionKey | None = None, **changes: Any
    ) -> dict[str, str]:
        """`iv`, and any field of KeyUse, may be another."""
        iv = changes.pop("iv", b"\x07" * 12)
        use = {"agent_id": V3_AGENT, "wallet": WALLET, "venue": HL, "key_version": 1, **changes}
        kek = under or await read_kek(self.api.runtime().make_secrets(), "1")
        return seal(key, under=kek, use=KeyUse(**use), iv=iv).to_fields()

    async def verdict(
        self, fields: dict[str, str], *, address: str, wallet: str = WALLET
    ) -> tuple[str, str, str]:
        """The deployment's id, and its key's status and code once checked."""
        body = {f"hyperliquid_{name}": text for name, text in fields.items()}
        body |= {"agent_id": V3_AGENT, "user_wallet": wallet}
        body["hyperliquid_agent_address"] = address
        answer = await self.api.post(DEPLOY, body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["key_status"] == "PENDING"
        await self._check()
        deployment_id = answer.json()["deployment_id"]
        shown = (await self.api.get(f"/api/v3/deployments/{deployment_id}")).json()
        key = shown["keys"]["HYPERLIQUID"]
        assert set(key) == {"agent_address", "key_version", "status", "code", "checked_at"}
        return deployment_id, key["status"], key["code"]

    async def _check(self) -> None:
        publisher = self.api.publisher
        assert isinstance(publisher, RecordingPublisher)
        submitted = [m for m in publisher.messages if isinstance(m.event, KeySubmitted)]
        publisher.messages.clear()
        assert submitted
        with use(self.api.runtime()):
            transport = httpx.ASGITransport(framework_app("execute"))
            async with httpx.AsyncClient(transport=transport, base_url="http://execute") as http:
                for message in submitted:
                    answer = await http.post("/", content=json.dumps(push_of(message)))
                    assert answer.status_code == 204

    async def refuse(self, fields: dict[str, str], code: KeyCode, **deployed: Any) -> None:
        """KEY_INVALID, a message to people that says no more than the code, and never a signer."""
        deployment_id, status, told = await self.verdict(fields, **deployed)
        assert (status, told) == ("KEY_INVALID", code.value)
        raised = map(notification_of, self.api.store.contents()[NOTIFICATIONS].values())
        (text,) = [each.text for each in raised if each.subject_id == deployment_id]
        assert code.value in text
        assert not any(part in text for part in fields.values())
        with pytest.raises(DeniedError):
            await self.api.runtime().make_accounts().signer(deployment_id, HL)


@pytest.fixture
def office(api: Api) -> Office:
    return Office(api)


KEY = a_private_key()
ADDRESS = address_of(KEY)


async def test_case_039_when_the_key_is_right_then_ready_and_it_signs(office: Office) -> None:
    """What the refusals below mean something by."""
    deployment_id, status, code = await office.verdict(await office.sealed(KEY), address=ADDRESS)
    assert (status, code) == ("READY", "")
    signer = await office.api.runtime().make_accounts().signer(deployment_id, HL)
    assert signer.address == ADDRESS


@pytest.mark.parametrize("field", SIZES)
async def test_case_039_when_one_bit_of_the_envelope_is_another_then_invalid(
    office: Office, field: str
) -> None:
    fields = await office.sealed(KEY)
    fields[field] = f"{int(fields[field], 16) ^ 1:0{len(fields[field])}x}"
    await office.refuse(fields, KeyCode.AUTHENTICATION_FAILED, address=ADDRESS)


async def test_case_039_when_sealed_under_another_key_encryption_key_then_invalid(
    office: Office,
) -> None:
    fields = await office.sealed(KEY, under=KeyEncryptionKey(b"\x09" * 32))
    await office.refuse(fields, KeyCode.AUTHENTICATION_FAILED, address=ADDRESS)


@pytest.mark.parametrize(
    "changes",
    [
        {"agent_id": "agt_other"},
        {"wallet": OTHER_WALLET},
        {"venue": Venue.OSTIUM},
        {"key_version": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_case_040_when_the_envelope_is_anothers_then_invalid(
    office: Office, changes: dict[str, Any]
) -> None:
    """A ciphertext moved from another agent, wallet, venue or version does not open here."""
    fields = await office.sealed(KEY, **changes)
    await office.refuse(fields, KeyCode.AUTHENTICATION_FAILED, address=ADDRESS)


async def test_case_041_when_an_iv_is_used_again_for_another_key_then_invalid(
    office: Office,
) -> None:
    iv = b"\x05" * 12
    first = await office.sealed(KEY, iv=iv)
    assert (await office.verdict(first, address=ADDRESS))[1] == "READY"
    other = a_private_key(2)
    second = await office.sealed(other, iv=iv, wallet=OTHER_WALLET)
    await office.refuse(second, KeyCode.IV_REUSED, address=address_of(other), wallet=OTHER_WALLET)


async def test_case_042_when_the_keys_address_is_another_than_declared_then_invalid(
    office: Office,
) -> None:
    fields = await office.sealed(KEY)
    await office.refuse(fields, KeyCode.ADDRESS_MISMATCH, address=address_of(a_private_key(2)))


@pytest.mark.parametrize(
    "number", [0, CURVE_ORDER, CURVE_ORDER + 1, 2**256 - 1], ids=["0", "n", "n + 1", "all ones"]
)
async def test_case_043_when_the_key_is_zero_or_beyond_the_order_then_invalid(
    office: Office, number: int
) -> None:
    fields = await office.sealed(PrivateKey(number.to_bytes(32, "big")))
    await office.refuse(fields, KeyCode.OUT_OF_RANGE, address=ADDRESS)


@pytest.mark.parametrize("number", [1, CURVE_ORDER - 1], ids=["1", "n - 1"])
async def test_case_043_when_the_key_is_the_first_or_the_last_there_is_then_ready(
    office: Office, number: int
) -> None:
    key = PrivateKey(number.to_bytes(32, "big"))
    _, status, _ = await office.verdict(await office.sealed(key), address=address_of(key))
    assert status == "READY"
