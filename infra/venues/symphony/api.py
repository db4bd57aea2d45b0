"""Symphony's API over HTTP: every call with the platform's key, and an open is sent once."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import urlencode

from common.domain.instrument import Venue
from common.domain.money import plain
from common.errors import (
    DeniedError,
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from infra.venues.http import VenueAnswer, VenueHttp
from infra.venues.parts import VenueParts
from infra.venues.symphony.parse import Batch, decoded, parse_batch
from infra.venues.symphony.sizing import LEVERAGE

HOST = "https://api.symphony.io"
AGENT_ID = "SYMPHONY_AGENT_ID"
SMART_ACCOUNT = "SYMPHONY_SMART_ACCOUNT"
HTTP_TIMEOUT_S = 20.0
READ_TIMEOUT_S = 8.0
_AGENT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REFUSALS = {
    400: "ORDER_INVALID",
    401: "NOT_AUTHORIZED",
    403: "NOT_AUTHORIZED",
    404: "ORDER_INVALID",
    422: "ORDER_INVALID",
}
"""HTTP statuses that refuse a request before it trades, when JSON of the API's own says so."""


class SymphonyApi:
    def __init__(self, parts: VenueParts) -> None:
        url = parts.api_url or HOST
        self._parts = parts
        self._reads, self._orders = (
            VenueHttp(url, label="Symphony", timeout_s=seconds, transport=parts.transport)
            for seconds in (READ_TIMEOUT_S, HTTP_TIMEOUT_S)
        )

    @property
    def agent_id(self) -> str:
        """Raises DeniedError: SYMPHONY_AGENT_ID is not set to an agent's id."""
        agent_id = self._parts.urls.get(AGENT_ID, "")
        if not _AGENT.fullmatch(agent_id):
            raise DeniedError("NO_AGENT", f"{AGENT_ID} is not set to the id of a Symphony agent")
        return agent_id

    async def smart_account(self, account_id: str) -> str:
        """The one account that our agent trades for, in lower case.

        An agent's batch trades for all of its subscribers, so only one deployment can use it: the
        one whose wallet is SYMPHONY_SMART_ACCOUNT. Raises DeniedError for any other.
        """
        account = await self._parts.accounts.account(account_id, Venue.SYMPHONY)
        if account.wallet.lower() != self._parts.urls.get(SMART_ACCOUNT, "").lower():
            raise DeniedError(
                "NOT_THE_AGENTS_ACCOUNT",
                f"the Symphony agent trades for {SMART_ACCOUNT} alone, which is another wallet",
            )
        return account.wallet.lower()

    async def read(self, path: str, query: Mapping[str, str]) -> object:
        """A query. Raises TransientError: no usable answer; RateLimitedError with its wait."""
        answer = await self._reads.read(
            "GET", f"/agent/{path}?{urlencode(query)}", headers=await self._headers()
        )
        if answer.status != 200:
            raise TransientError(f"Symphony: HTTP {answer.status} to {path}")
        try:
            return decoded(answer.body)
        except ValueError:
            raise TransientError(f"Symphony: no JSON in the answer to {path}") from None

    async def batch(self, path: str, body: str) -> Batch:
        """batch-open, batch-close or batch-swap, once.

        Raises:
            RejectedError: refused before anything was traded.
            TransientError: proven never sent.
            OutcomeUnknownError: anything else that is not a batch.
        """
        answer = await self._orders.order(
            "POST", f"/agent/{path}", content=body, headers=await self._headers()
        )
        payload = _json_of(answer)
        if answer.status in _REFUSALS and isinstance(payload, dict):
            code = _REFUSALS[answer.status]
            raise RejectedError(code, f"Symphony: HTTP {answer.status} {_said(payload)}".rstrip())
        if answer.status not in {200, 201}:
            raise OutcomeUnknownError(f"Symphony: HTTP {answer.status}")
        try:
            return parse_batch(payload)
        except InvalidInputError as error:
            raise OutcomeUnknownError(f"Symphony: {error}") from None

    async def close(self) -> None:
        await self._reads.close()
        await self._orders.close()

    async def _headers(self) -> dict[str, str]:
        if self._parts.api_key is None:
            raise DeniedError("NO_API_KEY", "SYMPHONY_API_KEY_SECRET is not set")
        key = await self._parts.api_key(Venue.SYMPHONY)
        return {"x-api-key": key, "content-type": "application/json"}


def open_body(agent_id: str, symbol: str, *, buy: bool, weight: Decimal) -> str:
    """batch-open at the market, as JSON text: the weight with exactly its own digits."""
    head = json.dumps({"agentId": agent_id, "symbol": symbol, "action": "LONG" if buy else "SHORT"})
    options = json.dumps({"triggerPrice": 0, "stopLossPrice": 0, "takeProfitPrice": 0})
    return (
        f'{head[:-1]}, "weight": {plain(weight)}, "leverage": {plain(LEVERAGE)}, '
        f'"orderOptions": {options}}}'
    )


def close_body(agent_id: str, batch_id: str) -> str:
    return json.dumps({"agentId": agent_id, "batchId": batch_id})


def swap_body(
    agent_id: str, *, token_in: str, token_out: str, weight: Decimal, protocol: str | None = None
) -> str:
    """batch-swap: spot on Monad, `weight` percent of each subscriber's `token_in`."""
    head = json.dumps({"agentId": agent_id, "tokenIn": token_in, "tokenOut": token_out})
    intent = {"intentOptions": {"desiredProtocol": protocol}} if protocol else {}
    tail = f", {json.dumps(intent)[1:-1]}" if intent else ""
    return f'{head[:-1]}, "weight": {plain(weight)}{tail}}}'


def _json_of(answer: VenueAnswer) -> object:
    """None for what is no JSON."""
    try:
        return decoded(answer.body)
    except ValueError:
        return None


def _said(payload: dict[object, object]) -> str:
    message = payload.get("message") or payload.get("error")
    return message[:120] if isinstance(message, str) else ""
