"""Every price and size we send obeys the venue's tick and lot rules, for every recorded asset.

The rules are written here a second time, over the text that is sent: sizes have at most szDecimals
decimals; prices at most 5 significant figures and 6 - szDecimals decimals (spot: 8), and whole
prices are always allowed (hyperliquid.gitbook.io, API > Tick and lot size).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from common.domain.instrument import Instrument
from common.domain.rounding import is_valid_price, round_price, round_quantity
from common.errors import InvalidInputError
from infra.venues.hyperliquid.actions import wire_number, wire_price, wire_size
from infra.venues.hyperliquid.listing import parse_builder_meta, spot_pair
from infra.venues.hyperliquid.parse import parse_meta, perpetual, token_unit
from tests.shared_data import shared_path

CASES = 10_000
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@dataclass(frozen=True)
class Listed:
    instrument: Instrument
    size_decimals: int
    price_decimals: int


def recorded(name: str) -> Any:
    return json.loads(shared_path(f"data/hyperliquid/{name}").read_text())


def of_meta(meta: Any) -> Iterator[Listed]:
    decimals = {row["name"]: row["szDecimals"] for row in meta["universe"]}
    for item in parse_meta(meta, NOW, "recorded").instruments:
        size = decimals[item.venue_symbol]
        yield Listed(item, size, 6 - size)


def every_recorded_asset() -> list[Listed]:
    """Perpetuals, builders' markets, and spot pairs of every szDecimals there can be."""
    cassette = next(
        one["response"]
        for one in recorded("cassettes/test_get_info.json")
        if one["request"]["type"] == "meta"
    )
    listed = [*of_meta(cassette), *of_meta(recorded("samples/http_meta_perp_sample.json"))]
    for meta in recorded("samples/http_all_perp_metas_non_usdc_collateral.json")[1:]:
        name = meta["universe"][0]["name"].partition(":")[0]
        (item,) = parse_builder_meta(meta, name, 1)
        size = meta["universe"][0]["szDecimals"]
        listed.append(Listed(item, size, 6 - size))
    listed += [Listed(item, size, 6 - size) for item, size, _ in passivbot_markets()]
    for token in recorded("samples/http_spot_meta_non_usdc_collateral.json")["tokens"]:
        size = token["szDecimals"]
        listed.append(Listed(spot_pair(f"T{size}", size, 1, "@1"), size, 8 - size))
    return listed


def passivbot_markets() -> list[tuple[Instrument, int, Decimal]]:
    """HIP-3 markets as another program recorded them: with a lot and a price step."""
    rows = recorded("passivbot_ccxt_hip3_markets.json")["markets"]["raw"].values()
    result = []
    for row in rows:
        lot = Decimal(str(row["precision"]["amount"]))
        size = max(-int(lot.normalize().as_tuple().exponent), 0)
        step = Decimal(str(row["precision"]["price"]))
        result.append((perpetual(row["baseName"], size), size, step))
    return result


def recorded_marks() -> list[Decimal]:
    exchanges = recorded("samples/ws_all_dexs_asset_ctxs.json")["data"]["ctxs"]
    marks = [Decimal(context["markPx"]) for _, contexts in exchanges for context in contexts]
    return [mark for mark in marks if mark > 0]


def decimals_of(text: str) -> int:
    return len(text.partition(".")[2])


def figures_of(text: str) -> int:
    return len(text.replace(".", "").lstrip("0"))


def is_plain(text: str) -> bool:
    return (
        text.replace(".", "", 1).isdigit()
        and not text.endswith(".")
        and not ("." in text and text.endswith("0"))
        and decimals_of(text) <= 8
    )


def test_every_price_and_size_when_rounded_by_us_then_the_venue_takes_them() -> None:
    random = Random(20261120)
    assets, marks = every_recorded_asset(), recorded_marks()
    assert len(assets) >= 35
    assert len(marks) >= 350
    seen: set[str] = set()
    priced = sized = 0
    for case in range(CASES):
        listed = assets[case % len(assets)]
        instrument = listed.instrument
        seen.add(instrument.venue_symbol)
        unit = token_unit(instrument.venue_symbol)[1]
        slippage = Decimal(random.randrange(-500_000, 500_000)).scaleb(-7)
        wanted = random.choice(marks) / unit * (1 + slippage)
        buy = random.random() < 0.5
        try:
            price = round_price(instrument, wanted, buy=buy)
        except InvalidInputError:  # a buy below the smallest price there is
            assert buy
            assert wanted < Decimal(1).scaleb(-instrument.price_decimals_max)
            continue
        priced += 1
        assert is_valid_price(instrument, price)
        assert price <= wanted if buy else price >= wanted
        text = wire_price(instrument, price)
        assert is_plain(text), (instrument.venue_symbol, text)
        assert Decimal(text) == price * unit
        if "." in text:
            assert figures_of(text) <= 5, (instrument.venue_symbol, text)
            assert decimals_of(text) <= listed.price_decimals, (instrument.venue_symbol, text)
        quantity = Decimal(random.randrange(1, 10**12)).scaleb(random.randrange(-11, 1))
        rounded = round_quantity(instrument, quantity)
        assert 0 <= quantity - rounded < instrument.size_increment
        text = wire_size(instrument, rounded)
        assert is_plain(text), (instrument.venue_symbol, text)
        assert decimals_of(text) <= listed.size_decimals
        assert Decimal(text) * unit == rounded
        sized += rounded > 0
    assert seen == {listed.instrument.venue_symbol for listed in assets}
    assert priced > CASES * 0.9
    assert sized > CASES * 0.5


def test_tick_when_a_market_was_recorded_by_another_program_then_ours_is_as_fine() -> None:
    """Its price step is what the venue allows at the price of that time, or coarser."""
    for instrument, size, step in passivbot_markets():
        assert instrument.size_increment == Decimal(1).scaleb(-size)
        assert step >= Decimal(1).scaleb(-instrument.price_decimals_max)


@pytest.mark.parametrize(
    ("size_decimals", "price", "valid"),
    [
        (0, "1234.5", True),
        (0, "1234.56", False),
        (0, "0.001234", True),
        (0, "0.0012345", False),
        (1, "0.01234", True),
        (1, "0.012345", False),
        (0, "123456", True),
        (0, "12345.6", False),
    ],
)
def test_is_valid_price_when_the_venue_gives_it_as_an_example_then_as_it_says(
    size_decimals: int, price: str, valid: bool
) -> None:
    assert is_valid_price(perpetual("XYZ", size_decimals), Decimal(price)) is valid


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.500", "1.5"),
        ("1E+3", "1000"),
        ("-0", "0"),
        ("0.00000001", "0.00000001"),
        ("100", "100"),
        ("1670.10", "1670.1"),
    ],
)
def test_wire_number_when_written_then_the_shortest_text(value: str, text: str) -> None:
    assert wire_number(Decimal(value), "price") == text


@pytest.mark.parametrize("value", ["-1", "0.000000001", "NaN", "Infinity"])
def test_wire_number_when_the_venue_cannot_read_it_then_refused(value: str) -> None:
    with pytest.raises(InvalidInputError, match="price"):
        wire_number(Decimal(value), "price")


def test_wire_price_when_by_the_thousand_then_scaled_back_exactly() -> None:
    pepe = perpetual("kPEPE", 0)
    assert wire_price(pepe, Decimal("0.000006812")) == "0.006812"
    assert wire_size(pepe, Decimal(1_467_000)) == "1467"
