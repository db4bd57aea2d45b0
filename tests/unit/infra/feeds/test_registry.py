"""Which feed the settings name."""

from dataclasses import replace

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


def test_make_feed_when_orders_go_to_the_testnet_then_so_do_the_questions_for_prices() -> None:
    testnet = Settings(feed="live", mode="live", network="testnet")
    mainnet = Settings(feed="live", mode="live", network="mainnet")
    stand_in = replace(testnet, venue_urls={Venue.HYPERLIQUID: "http://127.0.0.1:9"})

    labels = [make_feed(settings, FakeClock()).label for settings in (testnet, mainnet, stand_in)]

    assert labels == [
        "live prices of Hyperliquid (https://api.hyperliquid-testnet.xyz)",
        "live prices of Hyperliquid (https://api.hyperliquid.xyz)",
        "live prices of Hyperliquid (http://127.0.0.1:9)",
    ]


def test_make_feed_when_replay_then_says_how_to_start_one() -> None:
    with pytest.raises(ConfigurationError, match="sapphire run --replay DIR"):
        make_feed(Settings(feed="replay"), FakeClock())
