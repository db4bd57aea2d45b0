"""What a wallet must have signed for one act, and whether a message says that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from common.config import Settings
from common.errors import ConfigurationError
from infra.wallets.refusal import unproven
from infra.wallets.sign_in import SignInMessage

Action = Literal["create", "deploy", "rotate", "revoke"]

NEW_AGENT = "new"
"""Stands for the id of an agent that is about to be created."""

AGE_MAX = timedelta(minutes=5)
AHEAD_MAX = timedelta(seconds=60)
CHAINS: Mapping[str, tuple[int, ...]] = {
    "mainnet": (1, 42161),  # Ethereum, Arbitrum One
    "testnet": (1, 42161, 11155111, 421614),  # and Sepolia of both
}
"""By network: a wallet signs for the chain that it happens to be on, and these two are ours."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is about to be done, as the wallet shows it to its owner before they sign."""

    action: Action
    agent_id: str
    path: str  # of the request: /api/v3/agents/deploy
    body_sha256: str  # hexadecimal, of infra.web.canonical.canonical_body

    @property
    def statement(self) -> str:
        return f"{self._head}{self.body_sha256}"

    @property
    def _head(self) -> str:
        return f"Sapphire {self.action} of agent {self.agent_id}, body sha256 "

    def check(self, statement: str | None) -> None:
        """Raises ProofRefusedError: WALLET_BODY_MISMATCH, WALLET_STATEMENT_MISMATCH."""
        if statement == self.statement:
            return
        if statement is not None and statement.startswith(self._head):
            detail = "the message was signed for another body"
            raise unproven("WALLET_BODY_MISMATCH", detail)
        detail = "the statement must read: Sapphire <action> of agent <id>, body sha256 <hex>"
        raise unproven("WALLET_STATEMENT_MISMATCH", detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relying:
    """The party that messages must be for: this API."""

    domain: str
    chains: tuple[int, ...]

    @property
    def origin(self) -> str:
        """With http only for a machine of one's own."""
        scheme = "http" if self.domain.partition(":")[0] in _LOOPBACK else "https"
        return f"{scheme}://{self.domain}"


def relying_party(settings: Settings) -> Relying:
    """Raises ConfigurationError: the settings name no domain."""
    domain = settings.wallet_domain or urlsplit(settings.api_audience or "").netloc
    if not domain:
        detail = "proofs of wallets need SAPPHIRE_WALLET_DOMAIN, or SAPPHIRE_API_AUDIENCE"
        raise ConfigurationError(detail)
    network = settings.network or ("mainnet" if settings.mode == "live" else "testnet")
    return Relying(domain=domain, chains=CHAINS[network])


def check_message(message: SignInMessage, act: Act, *, by: Relying, now: datetime) -> None:
    """Whether the message is for us, for now and for this act. Its nonce and its signature are not
    looked at.

    Raises:
        ProofRefusedError: unproven, with a code for each of them.
    """
    scheme = by.origin.partition(":")[0]
    if message.domain != by.domain or message.scheme not in {None, scheme}:
        raise unproven("WALLET_DOMAIN_MISMATCH", "the message is for another domain")
    if message.uri != f"{by.origin}{act.path}":
        detail = "its URI must be the address that the request goes to, without a query"
        raise unproven("WALLET_URI_MISMATCH", detail)
    if message.chain_id not in by.chains:
        allowed = ", ".join(map(str, by.chains))
        raise unproven("WALLET_CHAIN_NOT_ALLOWED", f"its Chain ID must be one of {allowed}")
    _check_times(message, now)
    act.check(message.statement)


def _check_times(message: SignInMessage, now: datetime) -> None:
    """The ends count: exactly five minutes old is taken, at its expiration it is over."""
    if now - message.issued_at > AGE_MAX:
        detail = f"the message was issued more than {AGE_MAX.seconds // 60} minutes ago: sign anew"
        raise unproven("WALLET_PROOF_STALE", detail)
    if message.issued_at - now > AHEAD_MAX:
        detail = f"the message was issued more than {AHEAD_MAX.seconds} s ahead of our clock"
        raise unproven("WALLET_PROOF_FROM_THE_FUTURE", detail)
    if message.expiration_time is not None and now >= message.expiration_time:
        raise unproven(
            "WALLET_PROOF_EXPIRED", "the message's Expiration Time has passed: sign anew"
        )
    if message.not_before is not None and now < message.not_before:
        raise unproven("WALLET_PROOF_NOT_YET_VALID", "the message's Not Before is still to come")
