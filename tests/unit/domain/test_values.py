"""Money, moments, identifiers, instruments and the small questions that domain objects answer."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.identifiers import (
    ID_PATTERN,
    client_order_id,
    digest,
    intent_id,
    prefixed_id,
)
from common.domain.instrument import Venue, price_bound
from common.domain.moment import from_iso, from_ms, iso, to_ms
from common.domain.money import parse_decimal, plain, round_to
from common.domain.signal import SignalStatus
from common.errors import (
    ConflictError,
    DeniedError,
    InvalidInputError,
    RateLimitedError,
    RejectedError,
)
from tests.builders import NOON, a_book, a_tick, an_instrument_table
from tests.fakes.venue import some_capabilities

finite = st.decimals(
    allow_nan=False, allow_infinity=False, places=20, min_value=-(10**20), max_value=10**20
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1E+2", "100"),
        ("1.500", "1.5"),
        ("-0", "0"),
        ("0.000", "0"),
        ("-2.50", "-2.5"),
        ("1E-7", "0.0000001"),
        ("100", "100"),
    ],
)
def test_plain_when_written_then_the_shortest_fixed_point_text(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@given(value=finite)
def test_plain_when_any_value_then_it_reads_back_the_same(value: Decimal) -> None:
    text = plain(value)
    assert parse_decimal(text) == value
    assert plain(parse_decimal(text)) == text


@pytest.mark.parametrize("value", ["0.25", "-3", 7, Decimal("1E-9"), "007"])
def test_parse_decimal_when_exact_then_taken(value: object) -> None:
    assert parse_decimal(value) == Decimal(str(value))


@pytest.mark.parametrize(
    "value",
    [
        0.25,
        True,
        None,
        "",
        " 1",
        "1 ",
        "1e5",
        "NaN",
        "Infinity",
        "1_000",
        ".5",
        "5.",
        "+1",
        "٣",
        "1" * 31,
        "0." + "1" * 61,
        Decimal("NaN"),
        Decimal("-Infinity"),
        [],
    ],
)
def test_parse_decimal_when_not_plain_decimal_text_then_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"must be (finite|decimal text)"):
        parse_decimal(value)


def test_round_to_when_halfway_then_to_even() -> None:
    assert round_to(Decimal("0.5"), Decimal(1)) == 0
    assert round_to(Decimal("1.5"), Decimal(1)) == 2
    assert round_to(Decimal("-1.26"), Decimal("0.1")) == Decimal("-1.3")


def test_iso_when_written_then_fixed_width_in_utc() -> None:
    east = datetime(2026, 1, 15, 14, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert iso(east) == "2026-01-15T12:00:00.000005Z"
    assert from_iso(iso(east)) == east
    assert from_iso(iso(east)).tzinfo is UTC


def test_from_iso_when_there_is_no_offset_then_refused() -> None:
    with pytest.raises(ValueError, match="a moment needs a UTC offset"):
        from_iso("2026-01-15T12:00:00")


moments = st.datetimes(
    datetime(1970, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(2100, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    timezones=st.just(UTC),
)


@given(one=moments, other=moments)
def test_iso_when_any_two_moments_then_text_order_is_time_order(
    one: datetime, other: datetime
) -> None:
    assert (iso(one) < iso(other)) is (one < other)
    assert from_iso(iso(one)) == one
    assert timedelta(0) <= one - from_ms(to_ms(one)) < timedelta(milliseconds=1)


parts = st.lists(st.text(max_size=12), max_size=4)


@given(one=parts, other=parts)
def test_digest_when_parts_differ_then_digests_do(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) is (one == other)


def test_ids_when_made_then_pure_safe_and_of_the_shape_that_venues_take() -> None:
    intent = intent_id("swarm", "dep_1", "sig_1", 0, 0)
    order = client_order_id(intent, 1)

    assert intent == intent_id("swarm", "dep_1", "sig_1", 0, 0)
    assert len({intent, intent_id("swarm", "dep_1", "sig_1", 0, 1), prefixed_id("int", 1)}) == 3
    assert ID_PATTERN.match(intent)
    assert intent.startswith("int_")
    assert order.startswith("0x")
    assert len(bytes.fromhex(order[2:])) == 16
    assert order != client_order_id(intent, 2)


@pytest.mark.parametrize("text", ["", ".hidden", "a/b", "a b", "x" * 129, "ä"])
def test_id_pattern_when_unsafe_then_no_match(text: str) -> None:
    assert ID_PATTERN.match(text) is None


def test_venue_when_told_to_people_then_as_the_venue_writes_it() -> None:
    labels = [venue.label for venue in Venue]
    assert labels == [
        "Hyperliquid",
        "Ostium",
        "GMX",
        "Spot",
        "Aster",
        "Symphony",
        "Drift",
        "Multi",
    ]


def test_instrument_table_when_asked_then_found_by_the_tokens_own_name() -> None:
    table = an_instrument_table()

    found = table.find("ETH")

    assert found is not None
    assert found.symbol == "ETH"
    assert table.find("XYZ") is None
    assert table.pair_count == 2


def test_price_bound_when_slippage_then_against_us() -> None:
    assert price_bound(Decimal(100), buy=True, slippage=Decimal("0.005")) == Decimal("100.5")
    assert price_bound(Decimal(100), buy=False, slippage=Decimal("0.005")) == Decimal("99.5")


def test_small_properties_when_asked_then_right() -> None:
    assert some_capabilities().absence_is_final_after == timedelta(seconds=22)
    assert a_book("3000").mid == 3000
    assert a_tick("settle", scheduled_at=NOON).tick_id == "settle:20260115T120000"
    terminal = {status.value for status in SignalStatus if status.is_terminal}
    assert terminal == {"EXECUTED", "PARTIAL", "SKIPPED", "DENIED", "EXPIRED", "FAILED"}


def test_errors_when_raised_then_they_say_what_and_where() -> None:
    assert str(InvalidInputError("too big", where="size")) == "size: too big"
    assert str(InvalidInputError("too big")) == "too big"
    assert str(RejectedError("MARGIN", "no")) == "MARGIN: no"
    assert str(DeniedError("HALTED", "no")) == "HALTED: no"
    assert RateLimitedError("wait", retry_after_s=2).retry_after_s == 2
    error = ConflictError("taken", collection="orders", document_id="1")
    assert (error.collection, error.document_id) == ("orders", "1")
