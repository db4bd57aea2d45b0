"""Hyperliquid's two endpoints: `/info` to ask, `/exchange` to act. Weight is paid before either.

Weights: hyperliquid.gitbook.io, API > Rate limits and user limits: 1,200 a minute for an IP.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from common.domain.instrument import Venue
from common.errors import RateLimitedError, TransientError
from common.ports import Clock, DocumentStore
from infra.venues.budget import Purpose, RequestBudget
from infra.venues.http import VenueAnswer, VenueHttp

if TYPE_CHECKING:
    import httpx

WEIGHT_PER_MINUTE = 1200
LIGHT: Final = 2
HEAVY: Final = 20
ROWS_PER_WEIGHT: Final = 20  # of fills
ACTION: Final = 1  # with fewer than 40 orders
_LIGHT_REQUESTS = frozenset({"orderStatus", "clearinghouseState", "spotClearinghouseState"})


class HyperliquidClient:
    """The one of an adapter; every instance pays from the same budget in `store`."""

    def __init__(
        self,
        base_url: str,
        store: DocumentStore,
        clock: Clock,
        *,
        timeout_s: float,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        self.budget = RequestBudget(store, clock, Venue.HYPERLIQUID, per_minute=WEIGHT_PER_MINUTE)
        self._http = VenueHttp(
            base_url,
            label="Hyperliquid",
            timeout_s=timeout_s,
            headers={"content-type": "application/json"},
            transport=transport,
        )

    async def info(
        self, request: Mapping[str, object], *, purpose: Purpose | None = Purpose.SETTLE
    ) -> object:
        """The answer's JSON. Without a purpose it is paid later: for the next page of an answer
        that is of no use without it.

        Raises:
            RateLimitedError: ours or the venue's limit; with the wait.
            TransientError: no usable answer.
        """
        weight = LIGHT if request["type"] in _LIGHT_REQUESTS else HEAVY
        if purpose is None:
            self.budget.owe(weight)
        else:
            await self.budget.take(weight, purpose)
        try:
            answer = await self._http.read("POST", "/info", json=dict(request))
        except RateLimitedError as error:
            await self.budget.drain(error.retry_after_s)
            raise
        if answer.status != 200:
            raise TransientError(f"Hyperliquid {request['type']}: HTTP {answer.status}")
        try:
            return answer.json()
        except ValueError:
            raise TransientError(f"Hyperliquid {request['type']}: not JSON") from None

    async def exchange(self, body: str) -> VenueAnswer:
        """Send `body` byte for byte; the caller has paid its weight. Every status is returned.

        Raises:
            TransientError: no connection; nothing was sent.
            OutcomeUnknownError: it left, and no usable answer came.
        """
        answer = await self._http.order("POST", "/exchange", content=body.encode())
        if answer.status == 429:
            await self.budget.drain(answer.retry_after_s)
        return answer

    async def close(self) -> None:
        await self._http.close()
