"""What each venue can do in this mode, without building its adapter: for who plans orders."""

from collections.abc import Mapping

from common.config import Settings
from common.domain.instrument import Capabilities, Venue
from infra.venues.aster import capabilities as aster
from infra.venues.gmx import capabilities as gmx
from infra.venues.hyperliquid import capabilities as hyperliquid
from infra.venues.ostium import capabilities as ostium
from infra.venues.registry import paper_profile
from infra.venues.spot import capabilities as spot
from infra.venues.symphony import capabilities as symphony

_LIVE: dict[Venue, Capabilities] = {
    Venue.HYPERLIQUID: hyperliquid.LIVE,
    Venue.OSTIUM: ostium.CAPABILITIES,
    Venue.GMX: gmx.LIVE,
    Venue.SPOT: spot.LIVE,
    Venue.ASTER: aster.CAPABILITIES,
    Venue.SYMPHONY: symphony.CAPABILITIES,
}


def venue_capabilities(settings: Settings) -> Mapping[Venue, Capabilities]:
    """By venue; one that cannot be traded in this mode is left out."""
    if settings.mode == "live":
        return {venue: _LIVE[venue] for venue in settings.venues if venue in _LIVE}
    return {venue: paper_profile(venue, settings).capabilities for venue in settings.venues}
