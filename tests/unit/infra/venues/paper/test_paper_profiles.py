"""What each venue takes on paper."""

from common.config import Settings
from common.domain.instrument import ALL_VENUES, OrderType, TimeInForce, Venue
from infra.venues.aster.capabilities import CAPABILITIES as ASTER
from infra.venues.gmx.capabilities import LIVE as GMX
from infra.venues.hyperliquid.capabilities import LIVE as HYPERLIQUID
from infra.venues.registry import paper_profile

RESTING = {Venue.HYPERLIQUID: HYPERLIQUID, Venue.GMX: GMX, Venue.ASTER: ASTER}


def test_paper_profile_when_the_real_venue_lets_orders_rest_then_so_does_its_stand_in() -> None:
    for venue, live in RESTING.items():
        capabilities = paper_profile(venue, Settings()).capabilities
        assert capabilities.order_types == live.order_types == frozenset(OrderType)
        assert capabilities.time_in_force == live.time_in_force


def test_paper_profile_when_nothing_rests_there_then_stops_are_watched_by_us() -> None:
    for venue in set(ALL_VENUES) - set(RESTING):
        capabilities = paper_profile(venue, Settings()).capabilities
        assert TimeInForce.GTC not in capabilities.time_in_force
        assert OrderType.STOP_MARKET not in capabilities.order_types
        assert OrderType.MARKET_IF_TOUCHED not in capabilities.order_types


def test_paper_profile_when_any_venue_then_stops_outlive_their_position() -> None:
    """As Hyperliquid's with grouping "na" do: who placed them cancels them."""
    for venue in ALL_VENUES:
        assert not paper_profile(venue, Settings()).flat_cancels_reduce_only
