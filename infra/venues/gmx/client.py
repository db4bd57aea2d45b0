"""GMX's two services: the API that takes orders, on one host, and the oracle's prices, on several.

Orders never go to a further host: the API's peers do not know each other's requests, so a request
that one of them does not know may be under way at another.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from common.errors import InvalidInputError, RateLimitedError, TransientError
from common.ports import Clock
from common.wire import JsonObject
from infra.venues.gmx.answers import parse_band
from infra.venues.gmx.catalogue import Catalogue, Token, parse_catalogue
from infra.venues.gmx.contracts import Network
from infra.venues.gmx.wanted import Band
from infra.venues.http import VenueAnswer, VenueHttp

if TYPE_CHECKING:
    import httpx

CATALOGUE_FOR = timedelta(minutes=5)
ORACLE_TIMEOUT_S = 4.0
_LABEL = "GMX"


class GmxClient:
    """With `base_url` (GMX_API_URL) everything is asked there, the oracle's prices too."""

    def __init__(
        self,
        network: Network,
        *,
        clock: Clock,
        base_url: str | None,
        timeout_s: float,
        transport: "httpx.AsyncBaseTransport | None",
    ) -> None:
        self._network = network
        self._clock = clock
        self._api = VenueHttp(
            base_url or network.api_url, label=_LABEL, timeout_s=timeout_s, transport=transport
        )
        self._oracles = [
            VenueHttp(
                url, label=f"{_LABEL}'s oracle", timeout_s=ORACLE_TIMEOUT_S, transport=transport
            )
            for url in ((base_url,) if base_url else network.oracle_urls)
        ]
        self._catalogue: tuple[datetime, Catalogue] | None = None

    async def get(self, path: str, params: Mapping[str, str | int] | None = None) -> object:
        """Raises TransientError: no answer, or none that is JSON."""
        answer = await self._api.read("GET", f"/v1{path}", params=dict(params or {}))
        if answer.status != 200:
            raise TransientError(f"{_LABEL} {path}: HTTP {answer.status}")
        return _json(answer)

    async def ask(self, path: str, body: JsonObject) -> VenueAnswer:
        """A POST that changes nothing. Raises TransientError: no answer."""
        return await self._api.read("POST", f"/v1{path}", json=body)

    async def send(self, path: str, body: str) -> VenueAnswer:
        """A POST that may trade: exactly these bytes. Raises as `VenueHttp.order` does."""
        headers = {"content-type": "application/json"}
        return await self._api.order("POST", f"/v1{path}", content=body.encode(), headers=headers)

    async def catalogue(self) -> Catalogue:
        """Markets and tokens, read again after five minutes.

        Raises TransientError: no answer, or one that cannot be used.
        """
        known = self._catalogue
        now = self._clock.now()
        if known is not None and now - known[0] < CATALOGUE_FOR:
            return known[1]
        markets = await self.get("/markets")
        tokens = await self.get("/tokens")
        try:
            catalogue = parse_catalogue(markets, tokens, self._network)
        except InvalidInputError as error:
            raise TransientError(f"{_LABEL}'s lists cannot be used: {error}") from None
        self._catalogue = (now, catalogue)
        return catalogue

    async def band(self, token: Token) -> Band:
        """The oracle's prices now; the next host is asked where one does not answer.

        Raises TransientError: none gives an answer that can be used.
        """
        problem = TransientError(f"{_LABEL} has no oracle on this network")
        for oracle in self._oracles:
            try:
                answer = await oracle.read("GET", "/prices/tickers")
                if answer.status != 200:
                    raise TransientError(f"{_LABEL}'s oracle: HTTP {answer.status}")
                low, high = parse_band(_json(answer), token)
                return Band(low=low, high=high)
            except RateLimitedError:
                raise
            except (TransientError, InvalidInputError) as error:
                problem = TransientError(f"{_LABEL}'s oracle: {error}")
        raise problem

    async def close(self) -> None:
        for client in (self._api, *self._oracles):
            await client.close()


def _json(answer: VenueAnswer) -> object:
    try:
        return answer.json()
    except ValueError:
        raise TransientError(f"{_LABEL}'s answer is not JSON") from None
