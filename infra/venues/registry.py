"""Builds the venues: each on paper with its own instruments, fees and latency, or each for real."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from common.config import Settings
from common.domain.instrument import Capabilities, InstrumentTable, Venue
from common.errors import ConfigurationError
from common.ports import Clock, DocumentStore, ExecutionVenue
from infra.venues.aster import capabilities as aster_capabilities
from infra.venues.aster import instruments as aster_instruments
from infra.venues.availability import further_tokens, live_refusal
from infra.venues.drift import capabilities as drift_capabilities
from infra.venues.drift import instruments as drift_instruments
from infra.venues.gmx import capabilities as gmx_capabilities
from infra.venues.gmx import instruments as gmx_instruments
from infra.venues.hyperliquid import capabilities as hyperliquid_capabilities
from infra.venues.hyperliquid import instruments as hyperliquid_instruments
from infra.venues.ostium import capabilities as ostium_capabilities
from infra.venues.ostium import instruments as ostium_instruments
from infra.venues.paper.profile import PaperProfile
from infra.venues.paper.venue import PaperVenue
from infra.venues.parts import VenueParts
from infra.venues.spot import capabilities as spot_capabilities
from infra.venues.spot import instruments as spot_instruments
from infra.venues.symphony import capabilities as symphony_capabilities
from infra.venues.symphony import instruments as symphony_instruments

Listed = Callable[[datetime], InstrumentTable]

_ON_PAPER: dict[Venue, tuple[Capabilities, Listed, timedelta]] = {
    Venue.HYPERLIQUID: (
        hyperliquid_capabilities.ON_PAPER,
        hyperliquid_instruments.listed,
        timedelta(milliseconds=200),
    ),
    Venue.OSTIUM: (  # the oracle's price arrives about a second after the order
        ostium_capabilities.CAPABILITIES,
        ostium_instruments.listed,
        timedelta(seconds=1),
    ),
    Venue.GMX: (  # keepers execute 1 to 10 s after the order
        gmx_capabilities.ON_PAPER,
        gmx_instruments.listed,
        timedelta(seconds=3),
    ),
    Venue.SPOT: (
        spot_capabilities.CAPABILITIES,
        spot_instruments.listed,
        timedelta(seconds=2),
    ),
    Venue.ASTER: (
        aster_capabilities.CAPABILITIES,
        aster_instruments.listed,
        timedelta(milliseconds=150),
    ),
    Venue.SYMPHONY: (
        symphony_capabilities.CAPABILITIES,
        symphony_instruments.listed,
        timedelta(seconds=2),
    ),
    Venue.DRIFT: (
        drift_capabilities.CAPABILITIES,
        drift_instruments.listed,
        timedelta(seconds=1),
    ),
}


def paper_profile(venue: Venue, settings: Settings) -> PaperProfile:
    """Raises ConfigurationError: no such venue.

    On paper every order has an expiry, which the paper venue keeps to, and nothing is sent a
    second time or fenced off; what else the venue can do is as it is.
    """
    if venue not in _ON_PAPER:
        raise ConfigurationError(f"{venue} is not a venue of this version")
    capabilities, listed, latency = _ON_PAPER[venue]
    return PaperProfile(
        capabilities=replace(
            capabilities,
            expires_after=True,
            resends=False,
            cancel_is_a_fence=False,
        ),
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
    """Every venue in `settings.venues`, on paper.

    Raises ConfigurationError: one is not of this version.
    """
    return {
        venue: PaperVenue(paper_profile(venue, settings), store, clock) for venue in settings.venues
    }


def make_live_venues(
    settings: Settings, parts_of: Callable[[Venue], VenueParts]
) -> dict[Venue, ExecutionVenue]:
    """The venues that can be traded live with these settings; the others are left out.

    A venue that is left out refuses its orders (NO_EXECUTION_CLIENT) and stands in the listing
    with its reason.
    """
    return {
        venue: _LIVE[venue](parts_of(venue), settings)
        for venue in settings.venues
        if live_refusal(venue, settings) is None
    }


def _hyperliquid(parts: VenueParts, _: Settings) -> ExecutionVenue:
    from infra.venues.hyperliquid.venue import HyperliquidVenue

    return HyperliquidVenue(parts)


def _ostium(parts: VenueParts, _: Settings) -> ExecutionVenue:
    from infra.venues.ostium.venue import OstiumVenue

    return OstiumVenue(parts)


def _gmx(parts: VenueParts, _: Settings) -> ExecutionVenue:
    from infra.venues.gmx.venue import GmxVenue

    return GmxVenue(parts)


def _spot(parts: VenueParts, settings: Settings) -> ExecutionVenue:
    from infra.venues.spot.venue import SpotVenue

    return SpotVenue(parts, further_tokens(settings))


def _aster(parts: VenueParts, _: Settings) -> ExecutionVenue:
    from infra.venues.aster.venue import AsterVenue

    return AsterVenue(parts)


def _symphony(parts: VenueParts, _: Settings) -> ExecutionVenue:
    from infra.venues.symphony.venue import SymphonyVenue

    return SymphonyVenue(parts)


_LIVE: dict[Venue, Callable[[VenueParts, Settings], ExecutionVenue]] = {
    Venue.HYPERLIQUID: _hyperliquid,
    Venue.OSTIUM: _ostium,
    Venue.GMX: _gmx,
    Venue.SPOT: _spot,
    Venue.ASTER: _aster,
    Venue.SYMPHONY: _symphony,
}
