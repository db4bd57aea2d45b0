"""Requests to venues: bounded in time and size, no redirects, and each failure says what it proves.

A reading that fails proves nothing was changed (TransientError). An order that fails is unknown,
unless the connection was never made.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from common.errors import (
    ConfigurationError,
    OutcomeUnknownError,
    RateLimitedError,
    SapphireError,
    TransientError,
)
from infra.outside.cloud import guarding_transport
from infra.whole_body import ACCEPT, BodyRefusedError, whole_body

if TYPE_CHECKING:
    import httpx

ANSWER_BYTES_MAX = 5_000_000
CONNECT_S = 3.0


class VenueAnswer:
    """A whole answer: its status, its headers in lower case, and at most `ANSWER_BYTES_MAX`."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> object:
        """Raises ValueError: not JSON, or numbers that no venue sends (NaN, Infinity)."""
        import json

        def refuse(token: str) -> object:
            raise ValueError(f"{token} is no JSON number")

        try:
            answer: object = json.loads(self.body, parse_constant=refuse)
        except (RecursionError, UnicodeDecodeError) as error:
            raise ValueError(type(error).__name__) from None
        return answer

    @property
    def retry_after_s(self) -> float | None:
        value = self.headers.get("retry-after", "")
        return min(float(value), 3600.0) if value.isascii() and value.isdigit() else None


class VenueHttp:
    """One venue's client. `label` stands in every message; a URL or a body never does."""

    def __init__(
        self,
        base_url: str,
        *,
        label: str,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ConfigurationError(f"{label}: its address must start with http:// or https://")
        self._base_url = base_url.rstrip("/")
        self._label = label
        self._timeout_s = timeout_s
        self._headers = {**ACCEPT, **(headers or {})}
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def read(self, method: str, path: str, **request: object) -> VenueAnswer:
        """A request that changes nothing. Any status but 429 and 5xx is returned to the caller.

        Raises:
            RateLimitedError: 429 or 418, with the wait if the venue names one.
            TransientError: no usable answer (refused, timeout, 5xx, redirect, too large).
        """
        try:
            answer = await self._send(method, path, request)
        except _NeverSentError as error:
            raise TransientError(str(error)) from None
        except _NoAnswerError as error:
            raise TransientError(str(error)) from None
        if answer.status in {418, 429}:
            raise RateLimitedError(
                f"{self._label}: too many requests", retry_after_s=answer.retry_after_s
            )
        if answer.status >= 500 or answer.status == 408:
            raise TransientError(f"{self._label}: HTTP {answer.status}")
        return answer

    async def order(self, method: str, path: str, **request: object) -> VenueAnswer:
        """A request that may trade. Every status is returned, for the venue's own reading of it.

        Raises:
            TransientError: the connection was never made; nothing was sent.
            OutcomeUnknownError: it left, and no usable answer came.
        """
        try:
            return await self._send(method, path, request)
        except _NeverSentError as error:
            raise TransientError(str(error)) from None
        except _NoAnswerError as error:
            raise OutcomeUnknownError(str(error)) from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _send(self, method: str, path: str, request: Mapping[str, object]) -> VenueAnswer:
        import httpx

        try:
            client = self._connected()
            async with client.stream(method, path, **request) as response:  # type: ignore[arg-type]  # httpx's own keyword arguments
                if 300 <= response.status_code < 400:
                    raise _NoAnswerError(f"{self._label}: it redirects, which is never followed")
                body = await whole_body(response, most=ANSWER_BYTES_MAX)
                headers = {key.lower(): value for key, value in response.headers.items()}
                return VenueAnswer(response.status_code, headers, body)
        except BodyRefusedError as error:
            raise _NoAnswerError(f"{self._label}: {error}") from None
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _NeverSentError(f"{self._label}: {type(error).__name__}") from None
        except (httpx.RequestError, httpx.StreamError) as error:
            raise _NoAnswerError(f"{self._label}: {type(error).__name__}") from None
        except httpx.InvalidURL as error:
            raise ConfigurationError(f"{self._label}: {error}") from None

    def _connected(self) -> "httpx.AsyncClient":
        if self._client is None:
            import httpx

            limits = httpx.Limits(max_connections=64, max_keepalive_connections=8)
            self._client = httpx.AsyncClient(
                base_url=self._base_url,
                headers=self._headers,
                timeout=httpx.Timeout(self._timeout_s, connect=CONNECT_S),
                limits=limits,
                follow_redirects=False,
                transport=self._transport or guarding_transport(limits),
            )
        return self._client


class _NeverSentError(SapphireError):
    """No connection was made."""


class _NoAnswerError(SapphireError):
    """It was sent, and what came back is no answer."""
