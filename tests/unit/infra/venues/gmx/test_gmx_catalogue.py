"""The recorded markets and tokens of Arbitrum, in the API's shape, and what is refused."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.rounding import check_order, round_price, round_quantity
from common.errors import InvalidInputError
from infra.venues.gmx.answers import parse_band
from infra.venues.gmx.capabilities import CAPABILITIES, LIVE
from infra.venues.gmx.catalogue import Catalogue, parse_catalogue, parse_table
from infra.venues.gmx.contracts import network_named
from infra.venues.gmx.instruments import listed
from infra.venues.gmx.parse import parse_tickers, parse_token_decimals
from infra.venues.gmx.units import (
    contract_price,
    from_contract_price,
    tokens,
    told_price,
    units_down,
    units_up,
    usd,
    usd_down,
)
from tests.builders import NOON
from tests.shared_data import shared_path

USD = 10**30


def recorded(name: str) -> Any:
    return json.loads(shared_path(f"data/gmx/{name}.json").read_text())


def api_markets() -> list[dict[str, Any]]:
    """The oracle's recorded list under the names that the API's contract has for it."""
    return [
        {
            "symbol": row["name"],
            "marketTokenAddress": row["marketToken"],
            "indexTokenAddress": row["indexToken"],
            "longTokenAddress": row["longToken"],
            "shortTokenAddress": row["shortToken"],
            "isListed": row["isListed"],
            "isSpotOnly": int(row["indexToken"], 16) == 0,
            "minPositionSizeUsd": str(USD),
            "minCollateralUsd": str(USD),
        }
        for row in recorded("arbitrumMarkets")["markets"]
    ]


def catalogue() -> Catalogue:
    listed_tokens = recorded("arbitrumTokens")["tokens"]
    return parse_catalogue(api_markets(), listed_tokens, network_named("mainnet"))


def figures(address: str, free: int = 1_000_000) -> tuple[dict[str, Any], dict[str, Any]]:
    ticker = {"marketTokenAddress": address}
    ticker |= dict.fromkeys(("availableLiquidityLong", "availableLiquidityShort"), str(free * USD))
    fact = {"marketTokenAddress": address, "isDisabled": False}
    fact |= dict.fromkeys(("maxOpenInterestLong", "maxOpenInterestShort"), str(10**7 * USD))
    fact |= dict.fromkeys(("longInterestUsd", "shortInterestUsd"), "0")
    fact |= {
        "positionFeeFactorForBalanceWasNotImproved": str(6 * 10**26),
        "positionFeeFactorForBalanceWasImproved": str(4 * 10**26),
    }
    return ticker, fact


def test_catalogue_when_recorded_then_every_perpetual_with_its_token() -> None:
    found = catalogue()

    assert len(found.markets) > 100
    assert all(market.index.decimals > 0 for market in found.markets.values())
    assert found.usdc.symbol == "USDC"
    assert {one.symbol for one in listed(NOON).instruments} <= {
        market.symbol for market in found.markets.values()
    }


def test_table_when_recorded_then_each_token_once_at_the_deepest_market() -> None:
    found = catalogue()
    pairs = [figures(address, free) for free, address in enumerate(sorted(found.markets), 1)]

    table = parse_table(found, [one for one, _ in pairs], [one for _, one in pairs], NOON)

    symbols = [one.symbol for one in table.instruments]
    assert len(symbols) == len(set(symbols)) > 100
    for one in table.instruments:
        rivals = [market for market in found.markets.values() if market.symbol == one.symbol]
        deepest = max(market.address for market in rivals if found.takes_usdc(market))
        assert one.venue_id == deepest
        assert one.size_increment == tokens(1, found.markets[deepest].index.decimals)


def test_table_when_a_market_is_disabled_or_has_no_figures_then_left_out() -> None:
    found = catalogue()
    addresses = sorted(found.markets)
    pairs = [figures(address) for address in addresses[:3]]
    pairs[0][1]["isDisabled"] = True

    table = parse_table(found, [one for one, _ in pairs], [one for _, one in pairs], NOON)

    assert {one.venue_id for one in table.instruments} <= set(addresses[1:3])


def test_table_when_nothing_is_left_then_refused() -> None:
    with pytest.raises(InvalidInputError, match="nothing that can be traded"):
        parse_table(catalogue(), [], [], NOON)


def test_catalogue_when_usdc_is_another_token_then_refused() -> None:
    rows = recorded("arbitrumTokens")["tokens"]
    for row in rows:
        if row["symbol"] == "USDC":
            row["address"] = "0x" + "12" * 20

    with pytest.raises(InvalidInputError, match="USDC"):
        parse_catalogue(api_markets(), rows, network_named("mainnet"))


def test_catalogue_when_on_the_test_network_then_its_own_dollar() -> None:
    rows = [{"symbol": "USDC.SG", "address": "0x" + "12" * 20, "decimals": 6}]
    rows.append({"symbol": "ETH", "address": "0x" + "13" * 20, "decimals": 18})
    market = {
        "symbol": "ETH/USD [ETH-USDC.SG]",
        "marketTokenAddress": "0x" + "14" * 20,
        "indexTokenAddress": "0x" + "13" * 20,
        "longTokenAddress": "0x" + "13" * 20,
        "shortTokenAddress": "0x" + "12" * 20,
        "isListed": True,
        "isSpotOnly": False,
        "minPositionSizeUsd": "0",
        "minCollateralUsd": "0",
    }

    found = parse_catalogue([market], rows, network_named("testnet"))

    assert found.usdc.symbol == "USDC.SG"


def test_band_when_recorded_then_as_the_feed_reads_it() -> None:
    found = catalogue()
    rows = recorded("arbitrumTickers")
    books = parse_tickers(rows, parse_token_decimals(recorded("arbitrumTokens")))
    for market in list(found.markets.values())[:20]:
        book = books.get(market.index.symbol)
        if book is not None:
            assert parse_band(rows, market.index) == (book.bid, book.ask)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"minPrice": "0"}, "band above 0"),
        ({"minPrice": "NaN"}, "minPrice"),
        ({"maxPrice": "1"}, "band above 0"),
        ({"tokenAddress": "0x1"}, "no price of"),
    ],
)
def test_band_when_unusable_then_refused(change: dict[str, Any], where: str) -> None:
    token = next(iter(catalogue().markets.values())).index
    row = {"tokenAddress": token.address, "minPrice": "10", "maxPrice": "11"} | change
    with pytest.raises(InvalidInputError, match=where):
        parse_band([row], token)


def test_capabilities_when_live_then_only_more_than_on_paper() -> None:
    assert CAPABILITIES.order_types < LIVE.order_types
    assert (CAPABILITIES.resends, LIVE.resends) == (False, True)
    assert LIVE.request_timeout < LIVE.order_ttl


prices = st.decimals("1e-9", "1e6", places=9).filter(lambda price: price > 0)
decimals = st.integers(6, 18)


@given(prices, decimals)
def test_price_when_in_the_contracts_unit_then_back_exactly(price: Decimal, places: int) -> None:
    assert from_contract_price(contract_price(price, places, up=False), places) == price
    assert contract_price(price, places, up=True) == contract_price(price, places, up=False)


@given(prices, decimals)
def test_told_price_when_in_either_unit_then_the_same(price: Decimal, places: int) -> None:
    for raw in (contract_price(price, places, up=False), usd_down(price)):
        assert told_price(raw, places, near=price * Decimal("1.2"), where="x") == price
    with pytest.raises(InvalidInputError):
        told_price(usd_down(price) * 1000, places, near=price, where="x")


@given(st.decimals("1e-30", "1e12", places=30), decimals)
def test_amounts_when_rounded_then_never_up_but_where_named(amount: Decimal, places: int) -> None:
    assert usd(usd_down(amount)) <= amount
    low, high = units_down(amount, places), units_up(amount, places)
    assert tokens(low, places) <= amount <= tokens(high, places)
    assert high - low in {0, 1}


@pytest.mark.usefixtures("_loaded")
@given(st.decimals("0.001", "1e5", places=8), prices.filter(lambda price: price > Decimal("1e-6")))
def test_order_when_rounded_by_any_recorded_market_then_the_venue_takes_it(
    quantity: Decimal, price: Decimal
) -> None:
    instrument = TABLE[int(quantity * 10**8) % len(TABLE)]
    rounded = round_quantity(instrument, quantity)
    bound = round_price(instrument, price, buy=True)

    told = check_order(instrument, rounded, bound)

    assert rounded <= quantity
    assert told in {None, "NOTIONAL_BELOW_MINIMUM", "QUANTITY_BELOW_MINIMUM"}


def _table() -> list[Any]:
    found = catalogue()
    pairs = [figures(address) for address in found.markets]
    table = parse_table(found, [one for one, _ in pairs], [one for _, one in pairs], NOON)
    return list(table.instruments)


TABLE: list[Any] = []


@pytest.fixture(scope="module")
def _loaded() -> None:
    TABLE[:] = _table()
