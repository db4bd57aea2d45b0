"""Marks out of stored snapshots: what is usable, and over which prices a period looks."""

from datetime import timedelta
from typing import Any

import pytest

from common.how.marks import mark_of
from common.ports import Document
from tests.builders import NOON
from tests.unit.how.risk_desk import SETTINGS, d, market, marks_of


def test_mark_when_the_snapshot_is_sound_then_its_price_and_age() -> None:
    mark = marks_of(market())["ETH"]
    assert (mark.symbol, mark.price, mark.observed_at) == ("ETH", d(3000), NOON)


@pytest.mark.parametrize(
    "damage",
    [
        {"mark": "NaN"},
        {"mark": "Infinity"},
        {"mark": "0"},
        {"mark": "-3000"},
        {"mark": None},
        {"mark": 3000.5},
        {"observed_at": "yesterday"},
        {"observed_at": None},
        {"interval": "7m"},
        {"interval": ["5m"]},
        {"symbol": "BTC"},
    ],
)
def test_mark_when_the_snapshot_is_damaged_then_none(damage: dict[str, Any]) -> None:
    found = market()
    assert mark_of(Document(found.ref, {**found.data, **damage}, "1")) is None


def test_mark_when_a_field_is_gone_or_there_is_no_document_then_none() -> None:
    found = market()
    for name in ("mark", "observed_at", "interval", "symbol", "candles"):
        data = {key: value for key, value in found.data.items() if key != name}
        assert mark_of(Document(found.ref, data, "1")) is None
    assert mark_of(None) is None


def test_range_when_asked_then_the_candles_that_closed_within_the_period_and_the_newest() -> None:
    mark = marks_of(market(closes=("1", "2", "3", "4")))["ETH"]  # 11:45, 11:50, 11:55, 12:00
    for period_s, low in ((1, "4"), (300, "4"), (301, "3"), (600, "3"), (601, "2"), (86_400, "1")):
        assert mark.range_over(period_s, settings=SETTINGS) == (d(low), d(4)), period_s


def test_range_when_candles_have_wicks_then_these_count() -> None:
    mark = marks_of(market())["ETH"]  # closes 3000, 3001, 3002 with wicks of 1 either way
    assert mark.range_over(86_400, settings=SETTINGS) == (d(2999), d(3003))


def test_range_when_the_newest_candle_is_too_old_then_it_tells_nothing() -> None:
    """One candle's length and three minutes beyond the period, as for any price."""
    candles = marks_of(market(closes=("3000",)))["ETH"]
    for minutes, found in ((13, True), (14, False)):
        late = market(observed_at=NOON + timedelta(minutes=minutes))
        mark = marks_of(Document(late.ref, {**late.data, "candles": candles._candles}, "1"))["ETH"]
        assert (mark.range_over(300, settings=SETTINGS) is not None) is found


@pytest.mark.parametrize("damage", [{"low": "NaN"}, {"low": "0"}, {"high": None}, {}])
def test_range_when_a_candle_is_damaged_then_it_tells_nothing(damage: dict[str, Any]) -> None:
    found = market(closes=("3000", "3000"))
    newest = {**found.data["candles"][-1], **damage} if damage else "a candle"
    data = {**found.data, "candles": [*found.data["candles"][:-1], newest]}
    mark = marks_of(Document(found.ref, data, "1"))["ETH"]
    assert mark.range_over(300, settings=SETTINGS) is None
