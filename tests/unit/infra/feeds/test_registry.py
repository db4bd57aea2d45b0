"""Which feed the settings name."""

import pytest

from common.config import Settings
from common.domain.instrument import Venue
from common.errors import ConfigurationError
from infra.feeds.registry import make_feed
from tests.fakes.clock import FakeClock


def test_make_feed_when_simulated_then_label_says_so_with_its_seed() -> None:
    feed = make_feed(Settings(feed="simulated"), FakeClock(), seed=3)

    assert feed.label == "SIMULATED market, seed 3: not real prices"


@pytest.mark.parametrize(
    ("urls", "where"),
    [
        ({}, "https://api.hyperliquid.xyz"),
        ({Venue.HYPERLIQUID: "http://127.0.0.1:9"}, "http://127.0.0.1:9"),
    ],
)
def test_make_feed_when_live_then_takes_the_venues_url(urls: dict[Venue, str], where: str) -> None:
    feed = make_feed(Settings(feed="live", venue_urls=urls), FakeClock())

    assert feed.label == f"live prices of Hyperliquid ({where})"


def test_make_feed_when_replay_then_says_how_to_start_one() -> None:
    with pytest.raises(ConfigurationError, match="sapphire run --replay DIR"):
        make_feed(Settings(feed="replay"), FakeClock())
