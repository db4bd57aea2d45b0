"""A private key goes all the way, with everything failing around it, and is found nowhere."""

import asyncio
import base64
import json
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from common.config import Settings
from common.domain.events import OutboxMessage
from common.domain.instrument import Venue
from common.errors import DeniedError, SapphireError, TransientError
from common.wire import encode_message
from infra.feeds.simulated import SimulatedFeed
from infra.gcp.logging import JsonFormatter
from infra.keys.address import address_of
from infra.keys.envelope import Envelope, KeyUse, open_envelope
from infra.keys.private_key import KeyEncryptionKey, PrivateKey
from infra.keys.sealed_keys import KEK_SECRET, read_kek
from infra.keys.vault import KeyVault
from infra.local.bus.embedded import EmbeddedBus
from infra.local.clock import SystemClock
from infra.local.secrets import FileSecretStore
from infra.local.stack.assembly import LocalStack
from infra.local.stack.embedded import EmbeddedBackend
from tests.functions.api_client import agent_body
from tests.integration.command import COMMAND, PATIENCE_S, environment
from tests.renderings import rendered

CANARIES = (
    bytes.fromhex("5ca1ab1e0ddba11c0ffee15bad5eed00feedfacecafebeefdeadc0de0b5e55ed"),
    bytes.fromhex("7ea5e70fba5eba11ca55e77e0b0e0ff1cea11dab1edec0dedfacade5ca1ded01"),
)
WALLET = "0x" + "51" * 20
TOKEN = "token-of-the-canary"
HL = Venue.HYPERLIQUID


def forms(key: bytes) -> dict[str, bytes]:
    """How the key may show; halves of it count too. Compared without regard to upper case."""
    halves = {"whole": key, "first half": key[:16], "second half": key[16:]}
    found: dict[str, bytes] = {}
    for name, part in halves.items():
        found[f"{name}, bytes"] = part
        found[f"{name}, hexadecimal"] = part.hex().encode()
        found[f"{name}, decimal"] = str(int.from_bytes(part, "big")).encode()
        found[f"{name}, repr"] = repr(part)[2:-1].encode()
        for skip in range(3):  # base64 of a longer text that holds it
            text = base64.b64encode(b"\0" * skip + part)[4:-4]
            found[f"{name}, base64 {skip}"] = text
            found[f"{name}, base64url {skip}"] = text.replace(b"+", b"-").replace(b"/", b"_")
    return found


def leaks(content: bytes | str, secrets: Sequence[bytes] = CANARIES) -> list[str]:
    raw = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    lower = raw.lower()
    return [
        name
        for secret in secrets
        for name, form in forms(secret).items()
        if form in raw or form.lower() in lower
    ]


class Collecting(logging.Handler):
    """Every record at DEBUG, as our formatter writes it and as a plain one does, unredacted."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        for formatter in (JsonFormatter(), logging.Formatter()):
            self.lines.append(formatter.format(record))


@pytest.fixture
def log() -> Iterator[Collecting]:
    handler, root = Collecting(), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


@dataclass
class Site:
    """The whole stack over a folder, with everything that leaves it kept for the search."""

    data_dir: Path
    stack: LocalStack
    http: httpx.AsyncClient
    heard: list[str] = field(default_factory=list)  # replies, messages, output of the command
    agent_id: str = ""

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        answer = await self.http.request(method, path, json=body)
        self.heard.append(f"{answer.status_code} {dict(answer.headers)} {answer.text}")
        return answer

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        answer = await self.call("POST", path, body)
        assert answer.is_success, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def checked(self, deployment_id: str) -> dict[str, Any]:
        await self.stack.idle()
        answer = await self.call("GET", f"/api/v3/deployments/{deployment_id}")
        told: dict[str, Any] = answer.json()["keys"]["HYPERLIQUID"]
        return told

    async def seal(self, typed: str, version: int = 1, wallet: str = WALLET) -> tuple[int, str]:
        """`sapphire seal` with `typed` piped in; what it printed on both streams is kept."""
        arguments = ["seal", "--agent", self.agent_id, "--wallet", wallet, "--venue", "hyperliquid"]
        arguments += ["--key-version", str(version), "--data-dir", str(self.data_dir)]
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
        async with asyncio.timeout(PATIENCE_S):
            out, error = await process.communicate(typed.encode())
        self.heard += [out.decode(), error.decode()]
        assert process.returncode is not None
        return process.returncode, out.decode()


@asynccontextmanager
async def a_site(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    clock = SystemClock()
    stack = LocalStack(
        settings=Settings(api_token=TOKEN, data_dir=str(data_dir)),
        clock=clock,
        backend=EmbeddedBackend(data_dir, clock=clock, in_order=True),
        make_feed=lambda: SimulatedFeed(7, clock, "5m"),
        push_token="push-token",
    )
    transport = httpx.ASGITransport(stack.functions.app("api"))
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://api.test", headers=headers
    ) as http:
        site = Site(data_dir, stack, http)
        publish = EmbeddedBus.publish

        async def overheard(bus: EmbeddedBus, messages: Sequence[OutboxMessage]) -> None:
            site.heard += [json.dumps(encode_message(message)) for message in messages]
            await publish(bus, messages)

        monkeypatch.setattr(EmbeddedBus, "publish", overheard)
        await stack.start()
        agent = await site.post("/api/v3/agents/create", agent_body())
        site.agent_id = agent["agent_id"]
        yield site
        await stack.stop()


async def _goes_right(site: Site) -> str:
    """Sealed, deployed, checked, used, rotated and used again: both canaries have signed."""
    code, out = await site.seal("0x" + CANARIES[0].hex() + "\n")
    assert code == 0
    body = {"agent_id": site.agent_id, "user_wallet": WALLET, **json.loads(out)}
    deployment_id: str = (await site.post("/api/v3/agents/deploy", body))["deployment_id"]
    assert (await site.checked(deployment_id))["status"] == "READY"
    await _signs(site, deployment_id, CANARIES[0])
    code, out = await site.seal(CANARIES[1].hex().upper(), version=2)
    subject = {"deployment_id": deployment_id, "venue": "HYPERLIQUID"}
    await site.post("/api/v3/agents/keys/rotate", {**subject, **json.loads(out)})
    assert (await site.checked(deployment_id))["status"] == "READY"
    await _signs(site, deployment_id, CANARIES[1])
    return deployment_id


async def _signs(site: Site, deployment_id: str, canary: bytes) -> None:
    signer = await site.stack.runtime.make_accounts().signer(deployment_id, HL)
    message = encode_defunct(text="an order")
    signed = signer.account.sign_message(message)
    by = Account.recover_message(message, signature=signed.signature)
    assert by.lower() == signer.address == address_of(PrivateKey(canary))
    site.heard += [repr(signer), repr(signer.account), str(vars(signer.account)), repr(signed)]


async def _goes_wrong(
    site: Site, deployment_id: str, monkeypatch: pytest.MonkeyPatch
) -> list[BaseException]:
    """The errors of everything that can fail around a key that is in use."""
    runtime = site.stack.runtime
    secrets = runtime.make_secrets()
    errors: list[BaseException] = []

    async def expect(work: Any) -> None:
        with pytest.raises(SapphireError) as caught:
            await work
        errors.append(caught.value)

    await secrets.add(KEK_SECRET, b"\x08" * 32)
    wrong = KeyVault(runtime.store, secrets, runtime.clock, "2")
    await expect(wrong.signer(deployment_id, HL))
    await expect(KeyVault(runtime.store, secrets, runtime.clock, "99").signer(deployment_id, HL))
    with monkeypatch.context() as patch:

        async def down(*_: object) -> bytes:
            raise TransientError("the secret store does not answer")

        patch.setattr(FileSecretStore, "access", down)
        await expect(KeyVault(runtime.store, secrets, runtime.clock, "1").signer(deployment_id, HL))
    signer = await runtime.make_accounts().signer(deployment_id, HL)
    for sign in (
        lambda: signer.account.sign_transaction({"gas": "much", "nonce": 1}),  # type: ignore[dict-item]  # wrong on purpose
        lambda: signer.account.sign_message("no message"),  # type: ignore[arg-type]  # wrong on purpose
        lambda: signer.account.sign_typed_data(full_message={"types": {}}),
    ):
        with pytest.raises(DeniedError) as caught:
            sign()
        errors.append(caught.value)
    errors.append(_fails_beside(PrivateKey(CANARIES[0]), signer))
    errors += await _opens_wrongly(site)
    return errors


def _fails_beside(key: PrivateKey, signer: Any) -> BaseException:
    """An error of somebody else's code, in frames that hold key, signer and account."""
    account, held = signer.account, {"key": key, "both": [signer, (key,)]}
    try:
        raise RuntimeError(f"{account} {held} {key:}")
    except RuntimeError as error:
        return error


async def _opens_wrongly(site: Site) -> list[BaseException]:
    """A right envelope under a wrong key, and a changed one under the right key."""
    _, out = await site.seal(CANARIES[0].hex())
    fields = {name.removeprefix("hyperliquid_"): text for name, text in json.loads(out).items()}
    use = KeyUse(agent_id=site.agent_id, wallet=WALLET, venue=HL, key_version=1)
    right = await read_kek(site.stack.runtime.make_secrets(), "1")
    assert open_envelope(Envelope.from_fields(fields), under=right, use=use) is not None
    errors: list[BaseException] = []
    for under, changes in (
        (KeyEncryptionKey(b"\x01" * 32), {}),
        (right, {"agent_key_tag": "00" * 16}),
        (right, {"agent_key_iv": "00" * 12}),
    ):
        envelope = Envelope.from_fields({**fields, **changes})
        with pytest.raises(DeniedError) as caught:
            open_envelope(envelope, under=under, use=use)
        errors.append(caught.value)
    return errors


async def _people_err(site: Site) -> None:
    """Keys that are typed where none belongs, and envelopes that do not open."""
    canary = CANARIES[0].hex()
    for typed in (canary + "0", canary[:-1], f"key: {canary}", canary + "\n" + canary, ""):
        code, out = await site.seal(typed)
        assert (code, out) == (2, "")
    _, out = await site.seal(canary, wallet="0x" + "52" * 20)
    fields = {**json.loads(out), "hyperliquid_agent_key_tag": "00" * 16}
    fields["hyperliquid_agent_address"] = "0x" + "54" * 20  # the canary's own is retired by now
    body = {"agent_id": site.agent_id, "user_wallet": "0x" + "52" * 20, **fields}
    made = await site.post("/api/v3/agents/deploy", body)
    shown = await site.checked(made["deployment_id"])
    assert shown["code"] == "KEY_AUTHENTICATION_FAILED"
    for place in (
        "hyperliquid_agent_address",
        "user_wallet",
        "agent_id",
        "hyperliquid_agent_key_iv",
    ):
        wrong = {**body, "user_wallet": "0x" + "53" * 20, place: f"0x{canary}"}
        answer = await site.call("POST", "/api/v3/agents/deploy", wrong)
        assert answer.status_code in {404, 422}, answer.text
    answer = await site.call("POST", "/api/v3/agents/deploy", {**body, canary: canary})
    assert answer.status_code == 422
    await site.call("GET", f"/api/v3/deployments/{made['deployment_id']}")
    await site.call("GET", "/api/notifications")


def _documents(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        return "\n".join(database.iterdump())


@pytest.mark.slow
async def test_canary_key_when_everything_fails_around_it_then_it_is_found_nowhere(
    tmp_path: Path,
    log: Collecting,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with a_site(tmp_path / "state", monkeypatch) as site:
        deployment_id = await _goes_right(site)
        await _people_err(site)
        errors = await _goes_wrong(site, deployment_id, monkeypatch)
        for error in errors:
            logging.getLogger("sapphire.canary").debug("it failed: %r", error, exc_info=error)
            site.heard.append(rendered(error))
        subject = {"deployment_id": deployment_id, "venue": "HYPERLIQUID"}
        await site.post("/api/v3/agents/keys/revoke", subject)
        await site.stack.idle()
        kek = await read_kek(site.stack.runtime.make_secrets(), "1")
    out, err = capfd.readouterr()

    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    databases = [path for path in files if path.suffix == ".sqlite"]
    documents = [_documents(path) for path in databases]
    assert len(errors) == 10
    assert any("key-encryption-key" in path.name for path in files)
    assert any(deployment_id in text for text in documents)
    assert any("KeySubmitted" in text for text in site.heard)
    assert any("KEY_AUTHENTICATION_FAILED" in line for line in log.lines)
    assert any("PrivateKey: hidden" in text for text in site.heard)
    searched = {
        "the log": "\n".join(log.lines),
        "replies, messages, printed errors and commands": "\n".join(site.heard),
        "this process's output": out + err,
        **{
            f"documents of {path.name}": text
            for path, text in zip(databases, documents, strict=True)
        },
    }
    secrets = (*CANARIES, kek.reveal())
    found = {name: leaks(text, secrets) for name, text in searched.items()}
    found |= {f"the file {path.name}": leaks(path.read_bytes(), secrets) for path in files}
    assert {name: what for name, what in found.items() if what} == {}


@pytest.mark.parametrize("canary", CANARIES)
def test_leaks_when_a_canary_is_there_in_any_form_then_it_is_found(canary: bytes) -> None:
    """The search above can fail."""
    shown: list[bytes | str] = [
        b"x" + canary + b"y",
        f"key={canary.hex()}",
        f"0x{canary.hex().upper()}",
        repr(canary),
        str(int.from_bytes(canary, "big")),
        base64.b64encode(canary),
        base64.urlsafe_b64encode(b"ab" + canary + b"c").decode(),
        f"...{canary.hex()[:32]}...",
    ]
    assert [text for text in shown if not leaks(text)] == []
    assert leaks("nothing to see") == []
