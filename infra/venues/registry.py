"""Builds the venues of this version: each on paper, with its own instruments, fees and latency."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from common.config import Settings
from common.domain.instrument import Capabilities, InstrumentTable, Venue
from common.errors import ConfigurationError
from common.ports import Clock, DocumentStore, ExecutionVenue
from infra.venues.gmx import capabilities as gmx_capabilities
from infra.venues.gmx import instruments as gmx_instruments
from infra.venues.hyperliquid import capabilities as hyperliquid_capabilities
from infra.venues.hyperliquid import instruments as hyperliquid_instruments
from infra.venues.ostium import capabilities as ostium_capabilities
from infra.venues.ostium import instruments as ostium_instruments
from infra.venues.paper.profile import PaperProfile
from infra.venues.paper.venue import PaperVenue
from infra.venues.spot import capabilities as spot_capabilities
from infra.venues.spot import instruments as spot_instruments

Listed = Callable[[datetime], InstrumentTable]

_ON_PAPER: dict[Venue, tuple[Capabilities, Listed, timedelta]] = {
    Venue.HYPERLIQUID: (
        hyperliquid_capabilities.CAPABILITIES,
        hyperliquid_instruments.listed,
        timedelta(milliseconds=200),
    ),
    Venue.OSTIUM: (  # the oracle's price arrives about a second after the order
        ostium_capabilities.CAPABILITIES,
        ostium_instruments.listed,
        timedelta(seconds=1),
    ),
    Venue.GMX: (  # keepers execute 1 to 10 s after the order
        gmx_capabilities.CAPABILITIES,
        gmx_instruments.listed,
        timedelta(seconds=3),
    ),
    Venue.SPOT: (
        spot_capabilities.CAPABILITIES,
        spot_instruments.listed,
        timedelta(seconds=2),
    ),
}


def paper_profile(venue: Venue, settings: Settings) -> PaperProfile:
    """Raises ConfigurationError: no such venue."""
    if venue not in _ON_PAPER:
        raise ConfigurationError(f"{venue} is not a venue of this version")
    capabilities, listed, latency = _ON_PAPER[venue]
    return PaperProfile(
        capabilities=capabilities,
        latency=latency,
        listed=listed,
        load=_live_loader(venue, settings),
        snapshot_age_max=settings.limits.snapshot_age_max,
    )


def _live_loader(
    venue: Venue, settings: Settings
) -> Callable[[datetime], Awaitable[InstrumentTable]] | None:
    """Where a live table is public and needs no key: the one that the live feed also reads."""
    if settings.feed != "live" or venue is not Venue.HYPERLIQUID:
        return None
    from infra.venues.hyperliquid.meta import MAINNET, load_meta

    url = settings.venue_urls.get(venue, MAINNET)

    async def load(now: datetime) -> InstrumentTable:
        return await load_meta(url, now)

    return load


def make_venues(
    settings: Settings, store: DocumentStore, clock: Clock
) -> dict[Venue, ExecutionVenue]:
    """Every venue in `settings.venues`. Raises ConfigurationError: one is not of this version."""
    return {
        venue: PaperVenue(paper_profile(venue, settings), store, clock) for venue in settings.venues
    }
