"""Hyperliquid's live instrument table: one public, unsigned request to `/info`."""

from datetime import datetime
from typing import TYPE_CHECKING

from common.domain.instrument import InstrumentTable
from common.errors import ConfigurationError, InvalidInputError
from infra.venues.http import VenueHttp
from infra.venues.hyperliquid.parse import parse_meta

if TYPE_CHECKING:
    import httpx

MAINNET = "https://api.hyperliquid.xyz"


async def load_meta(
    base_url: str, now: datetime, *, transport: "httpx.AsyncBaseTransport | None" = None
) -> InstrumentTable:
    """`POST {base_url}/info {"type": "meta"}`.

    Raises:
        TransientError: no usable answer in 8 s; RateLimitedError on 429.
        InvalidInputError: another answer than a table.
        ConfigurationError: `base_url` is no http URL.
    """
    try:
        http = VenueHttp(base_url, label="Hyperliquid meta", timeout_s=8.0, transport=transport)
        try:
            answer = await http.read("POST", "/info", json={"type": "meta"})
        finally:
            await http.close()
    except ConfigurationError as error:
        raise ConfigurationError(f"HYPERLIQUID_API_URL: {error}") from None
    if answer.status != 200:
        raise InvalidInputError(f"HTTP {answer.status}", where="Hyperliquid meta")
    try:
        payload = answer.json()
    except ValueError:
        raise InvalidInputError("not JSON", where="Hyperliquid meta") from None
    return parse_meta(payload, now, "live")
