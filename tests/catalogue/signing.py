"""A person with a wallet, who signs for what they send to an API that asks for it."""

from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.builders.wallets import DOMAIN, Wallet, body_hash, proof_headers, sign_in_text, zulu
from tests.functions.api_client import Api

CREATE, DEPLOY = "/api/v3/agents/create", "/api/v3/agents/deploy"
ROTATE, REVOKE = "/api/v3/agents/keys/rotate", "/api/v3/agents/keys/revoke"
NONCE = "/api/wallet/nonce"
ACTIONS = {CREATE: "create", DEPLOY: "deploy", ROTATE: "rotate", REVOKE: "revoke"}


@dataclass
class Signatory:
    api: Api
    wallet: Wallet = field(default_factory=Wallet)

    async def nonce(self) -> dict[str, Any]:
        answer = await self.api.post(NONCE, {"wallet": self.wallet.address})
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def text(self, path: str, body: dict[str, Any], *, agent_id: str, **changes: Any) -> str:
        """The right message, but for `changes`."""
        told = await self.nonce()
        assert (told["domain"], told["required"]) == (DOMAIN, True)
        now = self.api.clock.now()
        hashed = body_hash(body)
        statement = f"Sapphire {ACTIONS[path]} of agent {agent_id}, body sha256 {hashed}"
        fields = {
            "address": told["address"],
            "statement": statement,
            "URI": f"{told['origin']}{path}",
            "Chain ID": str(told["chain_ids"][0]),
            "Nonce": told["nonce"],
            "Issued At": zulu(now),
            "Expiration Time": None,
        }
        return sign_in_text(**{**fields, **changes})

    async def headers(
        self, path: str, body: dict[str, Any], *, agent_id: str = "new", **changes: Any
    ) -> dict[str, str]:
        text = await self.text(path, body, agent_id=agent_id, **changes)
        return proof_headers(text, self.wallet.sign(text))

    async def send(
        self, path: str, body: dict[str, Any], *, agent_id: str = "new", **changes: Any
    ) -> httpx.Response:
        headers = await self.headers(path, body, agent_id=agent_id, **changes)
        return await self.api.post(path, body, headers=headers)
