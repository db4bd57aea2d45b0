"""GMX's recorded markets and tickers, and what is refused."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from common.errors import InvalidInputError
from infra.venues.gmx.instruments import listed
from infra.venues.gmx.parse import parse_markets, parse_tickers, parse_token_decimals
from tests.shared_data import shared_path

NOW = datetime(2026, 11, 20, tzinfo=UTC)
MARKET = {"name": "DOT/USD [WBTC.b-USDC]", "indexToken": "0x1", "isListed": True}
TICKER = {
    "tokenSymbol": "APT",
    "minPrice": "6080179422913060750000",
    "maxPrice": "6084593140971020250000",
}


def recorded(name: str) -> Any:
    return json.loads(shared_path(f"data/gmx/{name}.json").read_text())


def test_parse_markets_when_recorded_then_each_token_once() -> None:
    table = parse_markets(recorded("arbitrumMarkets"), NOW, "recorded")
    symbols = [one.symbol for one in table.instruments]
    assert len(symbols) == len(set(symbols)) > 100
    assert {"BTC", "PEPE", "WIF", "XAUT"} <= set(symbols)
    assert "SWAP-ONLY" not in symbols


def test_parse_markets_when_beside_our_own_list_then_ours_names_no_other_market() -> None:
    theirs = {
        one.symbol
        for one in parse_markets(recorded("arbitrumMarkets"), NOW, "recorded").instruments
    }
    assert {one.symbol for one in listed(NOW).instruments} <= theirs


def test_parse_tickers_when_recorded_then_dollars_per_token() -> None:
    decimals = parse_token_decimals(recorded("arbitrumTokens"))
    books = parse_tickers(recorded("arbitrumTickers"), decimals)
    assert books["APT"].bid == Decimal("0.608017942291306075")
    assert 10_000 < books["BTC"].mid < 1_000_000
    assert all(book.bid <= book.ask for book in books.values())


def test_parse_tickers_when_a_token_is_not_known_then_left_out() -> None:
    assert parse_tickers([TICKER], {}) == {}


def test_parse_markets_when_delisted_then_refused_as_empty() -> None:
    with pytest.raises(InvalidInputError, match="lists nothing"):
        parse_markets({"markets": [{**MARKET, "isListed": False}]}, NOW, "live")


@pytest.mark.parametrize(
    ("market", "where"),
    [
        ({**MARKET, "name": "DOT"}, r"markets\[0\]\.name"),
        ({**MARKET, "name": "D T/USD [A-B]"}, r"markets\[0\]\.name"),
        ({**MARKET, "name": "DOT/EUR [A-B]"}, r"markets\[0\]\.name"),
        ({**MARKET, "indexToken": None}, r"markets\[0\]\.indexToken"),
        ("DOT", r"markets\[0\]"),
    ],
)
def test_parse_markets_when_unusable_then_names_the_field(market: object, where: str) -> None:
    with pytest.raises(InvalidInputError, match=where):
        parse_markets({"markets": [market]}, NOW, "live")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"minPrice": "NaN"}, r"tickers\[0\]\.minPrice"),
        ({"minPrice": "-5"}, r"tickers\[0\]\.minPrice"),
        ({"maxPrice": "0"}, r"tickers\[0\]\.maxPrice"),
        ({"maxPrice": "1"}, "crossed"),
        ({"tokenSymbol": None}, r"tickers\[0\]\.tokenSymbol"),
    ],
)
def test_parse_tickers_when_unusable_then_names_the_field(
    change: dict[str, object], where: str
) -> None:
    with pytest.raises(InvalidInputError, match=where):
        parse_tickers([{**TICKER, **change}], {"APT": 8})


@pytest.mark.parametrize("places", [None, True, -1, 31, "8"])
def test_parse_token_decimals_when_unusable_then_names_the_field(places: object) -> None:
    with pytest.raises(InvalidInputError, match=r"tokens\[0\]\.decimals"):
        parse_token_decimals({"tokens": [{"symbol": "APT", "decimals": places}]})
