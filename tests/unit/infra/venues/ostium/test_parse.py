"""Ostium's recorded pairs, and what is refused."""

import copy
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from common.errors import InvalidInputError
from infra.venues.ostium.instruments import listed
from infra.venues.ostium.parse import parse_mids, parse_pairs
from tests.shared_data import shared_path

NOW = datetime(2026, 11, 20, tzinfo=UTC)
PAIR = {
    "pairId": "2",
    "pairFrom": "EUR",
    "pairTo": "USD",
    "minNtl": "5.0",
    "openInterest": "100",
    "maxOpenInterest": "1000",
    "category": "forex",
    "midPx": "1.1",
    "isMarketOpen": True,
}


def recorded() -> Any:
    return json.loads(shared_path("data/ostium/sdk_get_pairs_raw.json").read_text())


def test_parse_pairs_when_recorded_then_every_pair_with_its_hours() -> None:
    table = parse_pairs(recorded(), NOW, "recorded")
    assert table.pair_count == len(recorded()["pairs"]) == 71
    euro, stock = table.find("EUR"), table.find("NVDA")
    assert euro is not None
    assert euro.venue_id == "2"
    assert (euro.venue_symbol, euro.min_notional, euro.is_open) == ("EUR/USD", Decimal(5), True)
    assert stock is not None
    assert not stock.is_open
    assert table.find("CL") is not None
    assert table.find("USDJPY") is not None


def test_parse_pairs_when_beside_our_own_list_then_ours_names_no_other_pair() -> None:
    theirs = {one.venue_symbol for one in parse_pairs(recorded(), NOW, "recorded").instruments}
    assert {one.venue_symbol for one in listed(NOW).instruments} <= theirs


def test_parse_pairs_when_no_room_is_left_then_closed() -> None:
    full = {**PAIR, "openInterest": "1200"}
    instrument = parse_pairs({"pairs": [full]}, NOW, "live").find("EUR")
    assert instrument is not None
    assert (instrument.is_open, instrument.max_notional) == (False, Decimal(0))


def test_parse_pairs_when_there_is_room_then_it_is_the_largest_size() -> None:
    instrument = parse_pairs({"pairs": [PAIR]}, NOW, "live").find("EUR")
    assert instrument is not None
    assert instrument.max_notional == instrument.liquidity == 900


def test_parse_mids_when_recorded_then_by_symbol() -> None:
    assert parse_mids(recorded())["XAU"] == Decimal("4734.035")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pairFrom", None),
        ("pairFrom", "EUR/"),
        ("isMarketOpen", "yes"),
        ("minNtl", "NaN"),
        ("minNtl", "0"),
        ("maxOpenInterest", -1),
        ("openInterest", 1.5),
        ("category", 7),
    ],
)
def test_parse_pairs_when_a_field_is_unusable_then_named(field: str, value: object) -> None:
    payload = {"pairs": [{**copy.deepcopy(PAIR), field: value}]}
    with pytest.raises(InvalidInputError, match=rf"pairs\[0\]\.{field}"):
        parse_pairs(payload, NOW, "live")


@pytest.mark.parametrize("payload", [None, [], {}, {"pairs": {}}, {"pairs": []}, {"pairs": [1]}])
def test_parse_pairs_when_another_shape_then_refused(payload: object) -> None:
    with pytest.raises(InvalidInputError, match="pairs"):
        parse_pairs(payload, NOW, "live")


def test_parse_pairs_when_twice_then_refused() -> None:
    with pytest.raises(InvalidInputError, match="listed twice"):
        parse_pairs({"pairs": [PAIR, PAIR]}, NOW, "live")


def test_fills_when_recorded_then_sizes_and_fee_signs_are_those_we_compute_with() -> None:
    """Ostium's own fills: a size is collateral x leverage / price, after the fees were taken, and
    a cost above 0 was paid, so that gross result - costs is the result that Ostium told.
    """
    fills = json.loads(
        shared_path("data/ostium/sdk_get_fills_recent_CL_USD_7_recent.json").read_text()
    )
    opened = {row["oid"]: row for row in fills if row["action"] == "Open"}
    assert len(opened) == 4
    for row in opened.values():
        leverage = Decimal(row["szi"]) * Decimal(row["px"]) / Decimal(row["collateralUsed"])
        assert abs(leverage - round(leverage)) < Decimal("1e-12")
    told = [row for row in fills if row["action"] == "Close" and row["pid"] in opened]
    assert told
    for row in told:
        entry = Decimal(opened[row["pid"]]["px"])
        sign = 1 if row["side"] == "B" else -1
        gross = sign * Decimal(row["szi"]) * (Decimal(row["px"]) - entry)
        net = gross - Decimal(row["fees"]["rollover"]) - Decimal("0.1")  # the oracle's fee
        assert abs(net - Decimal(row["closedPnl"])) < Decimal("0.00001")
