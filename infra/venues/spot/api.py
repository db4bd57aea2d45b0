"""The Uniswap Trading API. It quotes and writes calls; it moves nothing, so every answer that fails
proves that nothing was done.

Source: api-docs.uniswap.org (read 2026-11). Limit: 3 requests/s for each key, and an order needs 3
or 4 of them. So a request over it waits once, if the wait is short, and else ends as
RateLimitedError.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from common.domain.instrument import Venue
from common.errors import (
    ConfigurationError,
    InvalidInputError,
    RateLimitedError,
    RejectedError,
    TransientError,
)
from common.ports import Clock
from infra.venues.fields import Answer, as_object
from infra.venues.http import VenueAnswer, VenueHttp
from infra.venues.spot.permit import ROUTER_VERSION
from infra.venues.spot.quote import Quote, parse_quote, quote_request
from infra.venues.spot.swap import Swap

MAINNET = "https://trade-api.gateway.uniswap.org/v1"
WAIT_MAX_S = 2.0
WAIT_S = 1.0  # where the exchange names none
_CODES = {
    "QUOTE_ERROR": "NO_ROUTE",
    "ResourceNotFound": "NO_ROUTE",
    "RESOURCE_NOT_FOUND": "NO_ROUTE",
    "NO_QUOTES_AVAILABLE": "NO_ROUTE",
    "INSUFFICIENT_BALANCE": "INSUFFICIENT_BALANCE",
    "TOKEN_BALANCE_NOT_AVAILABLE": "INSUFFICIENT_BALANCE",
    "QUOTE_EXPIRED": "QUOTE_EXPIRED",
}


class TradingApi:
    """`api_key` is asked for each time, goes into a header, and nowhere else."""

    def __init__(
        self, http: VenueHttp, clock: Clock, api_key: Callable[[Venue], Awaitable[str]] | None
    ) -> None:
        self._http = http
        self._clock = clock
        self._api_key = api_key

    async def needs_approval(self, swap: Swap) -> bool:
        """Whether the wallet must first let Permit2 take the token: a transaction of its own."""
        body = {
            "walletAddress": swap.wallet,
            "token": swap.token_in.address,
            "amount": str(swap.pays_most),
            "chainId": swap.chain_id,
        }
        answer = await self._post("/check_approval", body)
        if "approval" not in answer:
            raise TransientError("SPOT check_approval: no word on the approval")
        return answer["approval"] is not None

    async def quote(self, swap: Swap, *, slippage: Decimal, now: datetime) -> Quote:
        """Raises RejectedError: no route, another swap than asked, or beyond the order's price."""
        answer = await self._post("/quote", quote_request(swap, slippage))
        try:
            return parse_quote(answer, swap, slippage=slippage, asked_at=now)
        except InvalidInputError as error:
            raise TransientError(f"SPOT quote: {error}") from None

    async def swap(self, quote: Quote, signature: str | None, deadline: int) -> Answer:
        """The transaction to sign, unchecked."""
        body: dict[str, Any] = {"quote": quote.raw, "deadline": deadline, "refreshGasPrice": False}
        if quote.permit is not None:
            body |= {"permitData": quote.permit, "signature": signature}
        answer = await self._post("/swap", body)
        try:
            return as_object(answer.get("swap"), "swap")
        except InvalidInputError as error:
            raise TransientError(f"SPOT swap: {error}") from None

    async def close(self) -> None:
        await self._http.close()

    async def _post(self, path: str, body: Mapping[str, Any]) -> Answer:
        headers = {"x-api-key": await self._key(), "x-universal-router-version": ROUTER_VERSION}
        try:
            answer = await self._http.read("POST", path, json=body, headers=headers)
        except RateLimitedError as error:
            wait_s = error.retry_after_s or WAIT_S
            if wait_s > WAIT_MAX_S:
                raise
            await self._clock.sleep(wait_s)
            answer = await self._http.read("POST", path, json=body, headers=headers)
        if answer.status in {401, 403}:
            raise ConfigurationError("SPOT: the Trading API refuses the platform's key; renew it")
        content = _content(answer, path)
        if answer.status != 200:
            raise _refusal(answer.status, content, path)
        return content

    async def _key(self) -> str:
        if self._api_key is None:
            raise ConfigurationError("SPOT: no key for the Uniswap Trading API is configured")
        key = await self._api_key(Venue.SPOT)
        if not key or not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigurationError("SPOT: the key for the Trading API is not printable ASCII")
        return key


def _content(answer: VenueAnswer, path: str) -> Answer:
    try:
        return as_object(answer.json(), path)
    except (ValueError, InvalidInputError):
        raise TransientError(f"SPOT {path}: HTTP {answer.status} without a JSON object") from None


def _refusal(status: int, content: Answer, path: str) -> RejectedError:
    told = content.get("errorCode")
    name = told if isinstance(told, str) else ""
    code = _CODES.get(name, "NO_ROUTE" if status == 404 else "VENUE_REFUSED")
    detail = content.get("detail")
    text = detail[:200] if isinstance(detail, str) else "no reason given"
    return RejectedError(code, f"{path} answered {status} {name[:40]!a}: {text!a}")
