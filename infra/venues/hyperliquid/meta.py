"""Hyperliquid's live instrument table: one public, unsigned request to `/info`."""

from datetime import datetime
from typing import TYPE_CHECKING

from common.domain.instrument import InstrumentTable
from common.errors import ConfigurationError, InvalidInputError, RateLimitedError, TransientError
from infra.venues.hyperliquid.parse import parse_meta

if TYPE_CHECKING:
    import httpx

MAINNET = "https://api.hyperliquid.xyz"
ANSWER_BYTES_MAX = 4_000_000  # the real one is about 30 kB


async def load_meta(
    base_url: str, now: datetime, *, transport: "httpx.AsyncBaseTransport | None" = None
) -> InstrumentTable:
    """`POST {base_url}/info {"type": "meta"}`.

    Raises:
        TransientError: no answer in 8 s, or a 5xx; RateLimitedError on 429.
        InvalidInputError: another answer than a table.
        ConfigurationError: `base_url` is no http URL.
    """
    import httpx

    timeout = httpx.Timeout(8.0, connect=3.0)
    try:
        async with httpx.AsyncClient(timeout=timeout, transport=transport) as client:
            response = await client.post(f"{base_url.rstrip('/')}/info", json={"type": "meta"})
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise ConfigurationError(f"HYPERLIQUID_API_URL: {error}") from None
    except httpx.RequestError as error:
        raise TransientError(f"Hyperliquid meta: {type(error).__name__}") from error
    return parse_meta(_json(response), now, "live")


def _json(response: "httpx.Response") -> object:
    status = response.status_code
    if status == 429:
        raise RateLimitedError("Hyperliquid meta: too many requests")
    if status == 408 or status >= 500:
        raise TransientError(f"Hyperliquid meta: HTTP {status}")
    if status != 200:
        raise InvalidInputError(f"HTTP {status}", where="Hyperliquid meta")
    if len(response.content) > ANSWER_BYTES_MAX:
        raise InvalidInputError(f"over {ANSWER_BYTES_MAX} bytes", where="Hyperliquid meta")
    try:
        answer: object = response.json()
    except (ValueError, RecursionError):
        raise InvalidInputError("not JSON", where="Hyperliquid meta") from None
    return answer
