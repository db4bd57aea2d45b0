"""Spot pairs, builders' markets and asset numbers."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from common.domain.instrument import Instrument
from common.errors import InvalidInputError
from infra.venues.hyperliquid.listing import (
    BUILDER_REFUSAL,
    parse_builder_meta,
    parse_builder_names,
    parse_spot_meta,
    spot_base,
    whole_table,
)
from infra.venues.hyperliquid.parse import parse_meta
from tests.shared_data import shared_path

NOW = datetime(2026, 11, 20, tzinfo=UTC)
META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5},
        {"name": "MATIC", "szDecimals": 1, "isDelisted": True},
        {"name": "HYPE", "szDecimals": 2},
        {"name": "kPEPE", "szDecimals": 0},
    ]
}
SPOT_META: dict[str, Any] = {
    "tokens": [
        {"name": "USDC", "szDecimals": 8, "index": 0},
        {"name": "PURR", "szDecimals": 0, "index": 1},
        {"name": "HYPE", "szDecimals": 2, "index": 150},
        {"name": "USDH", "szDecimals": 2, "index": 360},
        {"name": "HYPE", "szDecimals": 0, "index": 900},
        {"name": "ODD-NAME", "szDecimals": 0, "index": 901},
    ],
    "universe": [
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True},
        {"name": "@107", "tokens": [150, 0], "index": 107},
        {"name": "@230", "tokens": [150, 360], "index": 230},
        {"name": "@300", "tokens": [900, 0], "index": 300},
        {"name": "@301", "tokens": [901, 0], "index": 301},
    ],
}
XYZ = {
    "universe": [
        {"name": "xyz:XYZ100", "szDecimals": 4},
        {"name": "xyz:OLD", "szDecimals": 1, "isDelisted": True},
        {"name": "xyz:TSLA", "szDecimals": 3},
    ]
}


def found(symbol: str) -> Instrument:
    table = whole_table(META, SPOT_META, parse_builder_meta(XYZ, "xyz", 1), NOW)
    instrument = table.find(symbol)
    assert instrument is not None
    return instrument


@pytest.mark.parametrize(
    ("symbol", "coin", "asset"),
    [
        ("BTC", "BTC", "0"),
        ("HYPE", "HYPE", "2"),
        ("PEPE", "kPEPE", "3"),
        ("PURRUSDC", "PURR/USDC", "10000"),
        ("HYPEUSDC", "@107", "10107"),
        ("xyzXYZ100", "xyz:XYZ100", "110000"),
        ("xyzTSLA", "xyz:TSLA", "110002"),
    ],
)
def test_whole_table_when_listed_then_numbered_as_the_venue_does(
    symbol: str, coin: str, asset: str
) -> None:
    assert (found(symbol).venue_symbol, found(symbol).venue_id) == (coin, asset)


def test_whole_table_when_a_token_has_both_then_its_symbol_is_the_perpetual() -> None:
    assert found("HYPE").shortable
    assert spot_base(found("HYPE")) is None
    pair = found("HYPEUSDC")
    assert (spot_base(pair), pair.shortable, pair.quote_currency) == ("HYPE", False, "USDC")
    assert pair.size_increment == Decimal("0.01")
    assert pair.price_decimals_max == 6


def test_whole_table_when_two_pairs_have_one_name_then_the_first_keeps_it() -> None:
    """Anybody may deploy a token called HYPE."""
    table = whole_table(META, SPOT_META, (), NOW)
    assert [item.venue_symbol for item in table.instruments if item.symbol == "HYPEUSDC"] == [
        "@107"
    ]
    assert len({item.symbol for item in table.instruments}) == table.pair_count
    assert {item.symbol for item in table.instruments} == {
        "BTC",
        "HYPE",
        "PEPE",
        "PURRUSDC",
        "HYPEUSDC",
    }


def test_parse_builder_meta_when_listed_then_refused_with_the_reason() -> None:
    markets = parse_builder_meta(XYZ, "xyz", 1)
    assert [market.refusal for market in markets] == [BUILDER_REFUSAL] * 2
    assert "vanish" in BUILDER_REFUSAL
    assert markets[1].instrument_id == "xyz:TSLA-USD-PERP.HYPERLIQUID"


def test_parse_builder_meta_when_recorded_then_the_numbers_other_programs_use() -> None:
    path = shared_path("data/hyperliquid/passivbot_ccxt_hip3_markets.json")
    raw = json.loads(path.read_text())["markets"]["raw"].values()
    numbers = {row["baseName"]: row["id"] for row in raw}
    para = {
        "universe": [{"name": f"para:{coin}", "szDecimals": 1} for coin in ("A", "OTHERS", "BTCD")]
    }
    ours = {item.venue_symbol: item.venue_id for item in parse_builder_meta(para, "para", 8)}
    assert ours["para:OTHERS"] == numbers["para:OTHERS"]
    assert ours["para:BTCD"] == numbers["para:BTCD"]


def test_parse_spot_meta_when_recorded_then_read() -> None:
    path = shared_path("data/hyperliquid/samples/http_spot_meta_non_usdc_collateral.json")
    assert parse_spot_meta(json.loads(path.read_text())) == ()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"tokens": 1}, "spotMeta.tokens"),
        ({"tokens": [*SPOT_META["tokens"], SPOT_META["tokens"][0]]}, "an index twice"),
        ({"universe": [{"name": "@1", "tokens": [1], "index": 1}]}, "not a pair"),
        ({"universe": [{"name": "@1", "tokens": [1, 77], "index": 1}]}, "not a pair"),
        ({"universe": [{"name": "@1", "tokens": [1, [0]], "index": 1}]}, "not a pair"),
        ({"universe": [{"name": "@1", "tokens": [1, 0], "index": -1}]}, "index"),
        ({"universe": SPOT_META["universe"] * 2}, "an index twice"),
        ({"tokens": [{"name": "USDC", "szDecimals": 9, "index": 0}]}, "szDecimals"),
    ],
)
def test_parse_spot_meta_when_it_cannot_be_trusted_then_refused(
    change: dict[str, Any], where: str
) -> None:
    with pytest.raises(InvalidInputError, match=where):
        parse_spot_meta({**SPOT_META, **change})


def test_parse_builder_names_when_listed_then_in_order() -> None:
    assert parse_builder_names([None, {"name": "xyz"}, {"name": "flx"}]) == ("xyz", "flx")


@pytest.mark.parametrize(
    "payload",
    [
        [],
        [{"name": "xyz"}],
        [None, {}],
        [None, {"name": "x:y"}],
        [None, {"name": "a"}, {"name": "a"}],
    ],
)
def test_parse_builder_names_when_it_cannot_be_trusted_then_refused(payload: object) -> None:
    with pytest.raises(InvalidInputError, match="perpDexs"):
        parse_builder_names(payload)


def test_parse_builder_meta_when_of_another_exchange_then_refused() -> None:
    """Its numbers would be those of other markets."""
    with pytest.raises(InvalidInputError, match="not a market of flx"):
        parse_builder_meta(XYZ, "flx", 2)


def test_parse_meta_when_some_are_delisted_then_the_rest_keep_their_numbers() -> None:
    table = parse_meta(META, NOW, "live")
    assert [(item.symbol, item.venue_id) for item in table.instruments] == [
        ("BTC", "0"),
        ("HYPE", "2"),
        ("PEPE", "3"),
    ]
