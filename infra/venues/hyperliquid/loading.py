"""Hyperliquid's live instruments: perpetuals, spot pairs and builders' markets."""

from datetime import datetime

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.moment import to_ms
from common.errors import TransientError
from common.ports import Instruments
from infra.venues.budget import Purpose
from infra.venues.hyperliquid.client import HyperliquidClient
from infra.venues.hyperliquid.listing import (
    parse_builder_meta,
    parse_builder_names,
    whole_table,
)

BUILDERS_EACH = 2
"""Builders' exchanges read anew by one load; the others stay as the stored table has them."""

_MINUTE_MS = 60_000


async def load_table(
    client: HyperliquidClient, instruments: Instruments, now: datetime
) -> InstrumentTable:
    """The table as the venue lists it now.

    Builders' markets are refused and only shown, so they are not worth a sixth of the budget each
    minute: each load reads two of their exchanges in turn, and one that does not answer keeps its
    last known markets.

    Raises:
        TransientError: no answer about perpetuals or spot; RateLimitedError with its wait.
        InvalidInputError: an answer that is no listing.
    """
    meta = await client.info({"type": "meta"}, purpose=Purpose.READ)
    spot_meta = await client.info({"type": "spotMeta"}, purpose=Purpose.READ)
    stored = await instruments.table(Venue.HYPERLIQUID)
    builders = await _builders(client, stored, now)
    return whole_table(meta, spot_meta, builders, now)


async def _builders(
    client: HyperliquidClient, stored: InstrumentTable | None, now: datetime
) -> tuple[Instrument, ...]:
    known: dict[str, tuple[Instrument, ...]] = {}
    for item in stored.instruments if stored else ():
        name, colon, _ = item.venue_symbol.partition(":")
        if colon:
            known[name] = (*known.get(name, ()), item)
    try:
        names = parse_builder_names(await client.info({"type": "perpDexs"}, purpose=Purpose.READ))
        for number in _turn(len(names), now):
            name = names[number - 1]
            payload = await client.info({"type": "meta", "dex": name}, purpose=Purpose.READ)
            known[name] = parse_builder_meta(payload, name, number)
    except TransientError:
        # What cannot be traded anyway must not keep the rest from being listed.
        return tuple(item for markets in known.values() for item in markets)
    return tuple(item for name in names for item in known.get(name, ()))


def _turn(count: int, now: datetime) -> list[int]:
    """Which of the exchanges 1..count are read in this minute."""
    first = to_ms(now) // _MINUTE_MS * BUILDERS_EACH
    return sorted({(first + step) % count + 1 for step in range(BUILDERS_EACH)}) if count else []
