"""Whose wallet it is, before an agent is created or deployed, or a key replaced or revoked."""

import base64
import binascii
from hashlib import sha256
from typing import Annotated, NoReturn

from fastapi import Depends, Header, Request

from common.books import Book
from common.domain.agent import Deployment
from common.ports import Ref
from functions.api.records import required
from infra.bootstrap import Runtime
from infra.wallets.nonces import burn_nonce, usable_nonce
from infra.wallets.proof import Act, Action, check_message, relying_party
from infra.wallets.refusal import ProofRefusedError, unproven
from infra.wallets.sign_in import CHARACTERS_MAX, SignInMessage, parse_sign_in_message
from infra.wallets.signature import parse_signature, signer_of
from infra.web.canonical import canonical_body
from infra.web.guard import JSON_KEY
from infra.web.problems import Problem
from infra.web.requests import Nonce, RuntimeOf

MESSAGE, SIGNATURE = "Wallet-Message", "Wallet-Signature"

_STATUS = {"malformed": 422, "unproven": 401, "another": 403}
_CHALLENGE = {"WWW-Authenticate": 'ERC4361 realm="sapphire"'}


class WalletProof:
    """The proof that came with one request, if any."""

    def __init__(self, request: Request, runtime: Runtime, request_id: str) -> None:
        self._request = request
        self._runtime = runtime
        self._request_id = request_id

    async def require(self, action: Action, *, agent_id: str, wallet: str) -> None:
        """Return once `wallet` (lower case) has signed for this very request, where the settings
        ask for that (`wallet_proof`). Its nonce is used up then, whatever becomes of the request.

        Raises:
            Problem: 401 the proof is missing or does not hold, 403 it is another wallet's,
                422 it cannot be read.
            ConfigurationError: the settings name no domain.
            TransientError: the store does not answer.
        """
        if not self._runtime.settings.wallet_proof:
            return
        try:
            await self._check(action, agent_id, wallet)
        except ProofRefusedError as error:
            _refuse(error)

    async def require_owner(self, action: Action, deployment_id: str, book: Book) -> None:
        """As `require`, of the user whose deployment it is. Raises NotFoundError: there is none."""
        if not self._runtime.settings.wallet_proof:
            return
        ref = Ref(book.deployments, deployment_id)
        deployment = await required(self._runtime.store, Deployment, ref, "deployment")
        await self.require(action, agent_id=deployment.agent_id, wallet=deployment.user_wallet)

    async def _check(self, action: Action, agent_id: str, wallet: str) -> None:
        """The cheap checks first, the signature's curve late, and the one write last."""
        store, clock = self._runtime.store, self._runtime.clock
        by = relying_party(self._runtime.settings)
        text, message, signature = self._given()
        act = Act(
            action=action,
            agent_id=agent_id,
            path=self._request.url.path,
            body_sha256=sha256(self._body()).hexdigest(),
        )
        check_message(message, act, by=by, now=clock.now())
        nonce = await usable_nonce(
            message.nonce,
            wallet=message.address,
            request_id=self._request_id,
            store=store,
            clock=clock,
        )
        if signer_of(text, signature) != message.address:
            detail = "the signature is not of the address that the message names"
            raise unproven("WALLET_SIGNATURE_INVALID", detail)
        if message.address != wallet:
            detail = "the message is signed by another wallet than the one that this is about"
            raise ProofRefusedError("another", "WALLET_NOT_OWNER", detail)
        facts = {
            "wallet": wallet,
            "action": action,
            "agent_id": agent_id,
            "message": text,
            "signature": f"0x{signature.hex()}",
        }
        await burn_nonce(nonce, request_id=self._request_id, facts=facts, store=store, clock=clock)

    def _body(self) -> bytes:
        return canonical_body(self._request.scope.get(JSON_KEY)).encode()

    def _given(self) -> tuple[str, SignInMessage, bytes]:
        """The message as text and read, and the signature."""
        encoded, written = self._header(MESSAGE), self._header(SIGNATURE)
        if encoded is None and written is None:
            detail = f"the wallet must sign for this: {MESSAGE} and {SIGNATURE} are missing"
            raise unproven("WALLET_PROOF_MISSING", detail)
        signature = parse_signature(written or "")
        try:
            text = _decoded(encoded or "")
            message = parse_sign_in_message(text)
        except ValueError as error:
            where = f"header.{MESSAGE}"
            raise ProofRefusedError(
                "malformed", "INVALID_WALLET_MESSAGE", f"the message {error}", where=where
            ) from None
        return text, message, signature

    def _header(self, name: str) -> str | None:
        """The one value; what is sent twice is read as neither."""
        given = self._request.headers.getlist(name)
        return given[0] if len(given) == 1 else "" if given else None


def _decoded(encoded: str) -> str:
    if len(encoded) > CHARACTERS_MAX * 4 // 3 + 4:
        raise ValueError(f"has more than {CHARACTERS_MAX} characters")
    try:
        return base64.b64decode(encoded, validate=True).decode("ascii")
    except (binascii.Error, ValueError):  # UnicodeDecodeError among them
        raise ValueError("must be ASCII in base64, with its padding") from None


def _refuse(error: ProofRefusedError) -> NoReturn:
    status = _STATUS[error.kind]
    headers = _CHALLENGE if status == 401 else {}
    raise Problem(status, error.code, error.message, where=error.where, headers=headers) from None


async def _wallet_proof(
    request: Request,
    runtime: RuntimeOf,
    nonce: Nonce,
    message: Annotated[
        str | None,
        Header(
            alias=MESSAGE,
            description="A message of ERC-4361 in base64, whose nonce is of POST /api/wallet/nonce",
        ),
    ] = None,
    signature: Annotated[
        str | None,
        Header(alias=SIGNATURE, description="Its signature by the wallet: 0x and 65 bytes"),
    ] = None,
) -> WalletProof:
    """The two headers are declared for the reference alone: it is the request that is read."""
    del message, signature
    return WalletProof(request, runtime, nonce)


WalletProofOf = Annotated[WalletProof, Depends(_wallet_proof)]
