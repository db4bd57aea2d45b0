"""Which market feed the settings name."""

from common.config import Settings
from common.domain.instrument import Venue
from common.errors import ConfigurationError
from common.ports import Clock, MarketFeed

DEFAULT_SEED = 7


def make_feed(settings: Settings, clock: Clock, *, seed: int = DEFAULT_SEED) -> MarketFeed:
    """The simulated market or live prices.

    Raises:
        ConfigurationError: for "replay": whoever has the folder builds `ReplayFeed` itself and
            passes it to `infra.bootstrap.build`.
    """
    interval = settings.swarm.interval
    if settings.feed == "simulated":
        from infra.feeds.simulated import SimulatedFeed

        return SimulatedFeed(seed, clock, interval)
    if settings.feed == "live":
        from infra.feeds.hyperliquid import API_URL, TESTNET_URL, HyperliquidFeed

        # Orders of the testnet are bounded by its own prices, which are not the real ones.
        usual = TESTNET_URL if (settings.mode, settings.network) == ("live", "testnet") else API_URL
        url = settings.venue_urls.get(Venue.HYPERLIQUID, usual)
        return HyperliquidFeed(url, clock, interval)
    raise ConfigurationError(
        "SAPPHIRE_FEED=replay needs a folder of candle files: sapphire run --replay DIR"
    )
