"""Hyperliquid's recorded answers, and what is refused."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from common.errors import InvalidInputError
from infra.venues.hyperliquid.parse import (
    closed_candles,
    parse_asset_contexts,
    parse_book,
    parse_candles,
    parse_meta,
    parse_mids,
)
from tests.shared_data import shared_path

NOW = datetime(2026, 11, 20, tzinfo=UTC)
BAR = {
    "t": 1_700_000_000_000,
    "T": 1_700_000_299_999,
    "s": "kPEPE",
    "i": "5m",
    "o": "0.0012",
    "c": "0.0013",
    "h": "0.0014",
    "l": "0.0011",
    "v": "5000",
    "n": 7,
}
BOOK = {
    "coin": "BTC",
    "time": 1,
    "levels": [
        [{"px": "100", "sz": "2", "n": 1}, {"px": "99", "sz": "1", "n": 1}],
        [{"px": "101", "sz": "3", "n": 1}, {"px": "102", "sz": "1", "n": 1}],
    ],
}
META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "kPEPE", "szDecimals": 0, "maxLeverage": 10},
        {"name": "MATIC", "szDecimals": 1, "maxLeverage": 20, "isDelisted": True},
    ]
}
CONTEXT = {"funding": "0.0000125", "openInterest": "2", "dayNtlVlm": "1000.5", "markPx": "4"}


def recorded(name: str) -> Any:
    return json.loads(shared_path(f"data/hyperliquid/{name}").read_text())


def answers(cassette: str, request_type: str) -> list[Any]:
    exchanges = recorded(f"cassettes/{cassette}.json")
    return [one["response"] for one in exchanges if one["request"]["type"] == request_type]


def changed(payload: Any, path: list[str | int], value: object) -> Any:
    payload = copy.deepcopy(payload)
    spot = payload
    for step in path[:-1]:
        spot = spot[step]
    spot[path[-1]] = value
    return payload


def test_parse_meta_when_recorded_then_every_coin_with_its_increments() -> None:
    (answer,) = answers("test_get_info", "meta")
    table = parse_meta(answer, NOW, "recorded")
    assert table.pair_count == len(answer["universe"])
    bitcoin, pepe = table.find("BTC"), table.find("PEPE")
    assert bitcoin is not None
    assert (bitcoin.size_increment, bitcoin.price_decimals_max) == (Decimal("0.00001"), 1)
    assert pepe is not None
    assert (pepe.venue_symbol, pepe.size_increment, pepe.price_decimals_max) == (
        "kPEPE",
        Decimal(1000),
        9,
    )
    assert table.find("kPEPE") is None


def test_parse_meta_when_a_newer_sample_then_null_flags_are_listed() -> None:
    table = parse_meta(recorded("samples/http_meta_perp_sample.json"), NOW, "recorded")
    assert [one.symbol for one in table.instruments] == ["BTC", "ETH", "ATOM"]


def test_parse_meta_when_builder_markets_then_they_are_left_out() -> None:
    metas = recorded("samples/http_all_perp_metas_non_usdc_collateral.json")
    assert parse_meta(metas[0], NOW, "recorded").pair_count == 1
    with pytest.raises(InvalidInputError, match="lists nothing"):
        parse_meta(metas[1], NOW, "recorded")


def test_parse_meta_when_delisted_then_left_out() -> None:
    table = parse_meta(META, NOW, "live")
    assert [one.symbol for one in table.instruments] == ["BTC", "PEPE"]
    assert (table.refreshed_at, table.source) == (NOW, "live")


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["universe"], None, "meta.universe"),
        (["universe"], [], "meta.universe"),
        (["universe", 0], "BTC", r"meta\.universe\[0\]"),
        (["universe", 0, "name"], 7, r"meta\.universe\[0\]\.name"),
        (["universe", 0, "name"], "B TC", "meta.universe.name"),
        (["universe", 0, "szDecimals"], "5", "meta.BTC.szDecimals"),
        (["universe", 0, "szDecimals"], True, "meta.BTC.szDecimals"),
        (["universe", 0, "szDecimals"], -1, "meta.BTC.szDecimals"),
        (["universe", 0, "szDecimals"], 7, "meta.BTC.szDecimals"),
        (["universe", 0, "name"], "PEPE", "meta.kPEPE"),
    ],
)
def test_parse_meta_when_unusable_then_names_the_field(
    path: list[str | int], value: object, where: str
) -> None:
    with pytest.raises(InvalidInputError, match=where):
        parse_meta(changed(META, path, value), NOW, "live")


def test_parse_asset_contexts_when_aligned_then_per_token() -> None:
    contexts = [CONTEXT, {**CONTEXT, "markPx": "0.004"}, {**CONTEXT, "markPx": None}]
    parsed, refused = parse_asset_contexts([META, contexts])
    assert refused == {}
    assert set(parsed) == {"BTC", "PEPE"}
    assert parsed["BTC"].funding_rate_8h == Decimal("0.0001")
    assert parsed["BTC"].volume_24h == Decimal("1000.5")
    assert (parsed["PEPE"].mark, parsed["PEPE"].open_interest) == (
        Decimal("0.000004"),
        Decimal(2000),
    )


def test_parse_asset_contexts_when_recorded_contexts_then_each_reads() -> None:
    contexts = recorded("samples/ws_all_dexs_asset_ctxs.json")["data"]["ctxs"][0][1]
    meta = {"universe": [{"name": f"C{i}", "szDecimals": 2} for i in range(len(contexts))]}
    for index, context in enumerate(contexts):
        if context["midPx"] is None:
            meta["universe"][index]["isDelisted"] = True
    parsed, refused = parse_asset_contexts([meta, contexts])
    assert refused == {}
    assert parsed["C0"].mark == Decimal("77562.0")
    assert len(parsed) > 100


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        ([META], "metaAndAssetCtxs"),
        ([META, [CONTEXT]], "1 contexts for 3 coins"),
    ],
)
def test_parse_asset_contexts_when_unusable_then_names_the_field(
    payload: object, where: str
) -> None:
    with pytest.raises(InvalidInputError, match=where):
        parse_asset_contexts(payload)


@pytest.mark.parametrize(
    ("contexts", "symbol", "where"),
    [
        ([{**CONTEXT, "markPx": "NaN"}, CONTEXT, CONTEXT], "BTC", "context.BTC.markPx"),
        ([{**CONTEXT, "markPx": "0"}, CONTEXT, CONTEXT], "BTC", "context.BTC.markPx"),
        ([{**CONTEXT, "markPx": 4.0}, CONTEXT, CONTEXT], "BTC", "context.BTC.markPx"),
        ([{**CONTEXT, "dayNtlVlm": "-1"}, CONTEXT, CONTEXT], "BTC", "context.BTC.dayNtlVlm"),
        ([CONTEXT, None, CONTEXT], "PEPE", "context.kPEPE"),
    ],
)
def test_parse_asset_contexts_when_one_coin_is_unusable_then_the_others_are_kept(
    contexts: list[object], symbol: str, where: str
) -> None:
    parsed, refused = parse_asset_contexts([META, contexts])
    assert where in refused[symbol]
    assert set(parsed) == {"BTC", "PEPE"} - {symbol}


def test_parse_mids_when_recorded_then_tokens_by_their_own_name() -> None:
    (answer,) = answers("test_get_all_mids", "allMids")
    mids = parse_mids(answer)
    assert mids["BTC"] == Decimal("30135.0")
    assert mids["PEPE"] == Decimal("0.000001565")


def test_parse_mids_when_spot_pairs_among_them_then_left_out() -> None:
    mids = parse_mids(recorded("samples/ws_allmids.json")["data"]["mids"])
    assert set(mids) == {"BTC", "ETH", "SOL"}


@pytest.mark.parametrize("value", ["-1", "NaN", "Infinity", "1e3", "", 1.5, None, True])
def test_parse_mids_when_not_a_price_then_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match=r"allMids\.BTC"):
        parse_mids({"BTC": value})


@pytest.mark.parametrize("sample", ["http_l2_book_btc", "http_l2_book_snapshot"])
def test_parse_book_when_recorded_then_best_levels(sample: str) -> None:
    answer = recorded(f"samples/{sample}.json")
    book = parse_book(answer)
    assert str(book.bid) == answer["levels"][0][0]["px"]
    assert str(book.ask_size) == answer["levels"][1][0]["sz"]
    assert book.bid < book.ask
    assert not book.modelled


def test_parse_book_when_recorded_by_the_exchange_then_it_reads() -> None:
    (answer,) = answers("test_get_l2_snapshot", "l2Book")
    assert parse_book(answer).bid == Decimal(answer["levels"][0][0]["px"])


def test_parse_book_when_by_the_thousand_then_per_token() -> None:
    book = parse_book({**BOOK, "coin": "kPEPE"})
    assert (book.bid, book.bid_size) == (Decimal("0.1"), Decimal(2000))


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["coin"], None, "l2Book.coin"),
        (["levels"], [[]], "l2Book.levels"),
        (["levels", 0], [], "l2Book.bids: empty"),
        (["levels", 1], [], "l2Book.asks: empty"),
        (["levels", 0, 0, "px"], "101", "crossed"),
        (["levels", 0, 0, "px"], "98", "falling"),
        (["levels", 1, 0, "px"], "103", "rising"),
        (["levels", 1, 1, "px"], "101", "rising"),
        (["levels", 0, 1, "sz"], "-1", "l2Book.bids.sz"),
        (["levels", 0, 1, "px"], "NaN", "l2Book.bids.px"),
        (["levels", 0, 0], "100", "l2Book.bids"),
    ],
)
def test_parse_book_when_unusable_then_names_the_field(
    path: list[str | int], value: object, where: str
) -> None:
    with pytest.raises(InvalidInputError, match=where):
        parse_book(changed(BOOK, path, value))


def test_parse_candles_when_by_the_thousand_then_per_token_exactly() -> None:
    (candle,) = parse_candles([BAR], "PEPE")
    assert candle.open == Decimal("0.0000012")
    assert candle.volume == 5_000_000
    assert candle.open_time_ms == BAR["t"]


def test_closed_candles_when_one_is_still_open_then_left_out() -> None:
    later = {**BAR, "t": 1_700_000_300_000, "T": 1_700_000_599_999}
    now = datetime.fromtimestamp(1_700_000_300, UTC)
    assert len(parse_candles([BAR, later], "PEPE")) == 2
    assert len(closed_candles([BAR, later], "PEPE", now)) == 1
    assert closed_candles([BAR], "PEPE", datetime.fromtimestamp(1_700_000_299, UTC)) == ()


@pytest.mark.parametrize(
    ("payload", "where"),
    [
        ({}, "candleSnapshot"),
        ([None], r"candleSnapshot\[0\]"),
        ([{**BAR, "s": "BTC"}], "is of BTC, not PEPE"),
        ([{**BAR, "o": "NaN"}], r"candleSnapshot\[0\]\.o"),
        ([{**BAR, "c": "-1"}], r"candleSnapshot\[0\]\.c"),
        ([{**BAR, "v": "-1"}], r"candleSnapshot\[0\]\.v"),
        ([{**BAR, "h": "0.00125"}], "within low and high"),
        ([{**BAR, "t": "1"}], r"candleSnapshot\[0\]\.t"),
        ([{**BAR, "T": BAR["t"]}], r"candleSnapshot\[0\]\.T"),
        ([BAR, BAR], r"candleSnapshot\[1\]\.t"),
    ],
)
def test_parse_candles_when_unusable_then_names_the_field(payload: object, where: str) -> None:
    with pytest.raises(InvalidInputError, match=where):
        parse_candles(payload, "PEPE")
