"""Drift on paper: our hand table against the recorded market list."""

import json
from datetime import timedelta
from decimal import Decimal

from common.domain.rounding import check_order
from infra.venues.drift.capabilities import CAPABILITIES, LIVE_REFUSAL
from infra.venues.drift.instruments import BASE_PRECISION, PRICE_PRECISION, listed, token_unit
from tests.builders import NOON
from tests.shared_data import shared_path


def test_listed_when_compared_with_the_recorded_markets_then_every_index_and_name_agrees() -> None:
    recorded = json.loads(shared_path("data/drift/market_configs.json").read_text())
    names = {str(row["market_index"]): row["symbol"] for row in recorded["mainnet_perp"]}
    ours = {item.venue_id: item.venue_symbol for item in listed(NOON).instruments}
    assert ours.items() <= names.items()
    left_out = {name for index, name in names.items() if index not in ours}
    assert {name for name in left_out if name.endswith("-PERP")} == {"1KPUMP-PERP"}
    numbers = recorded["numeric_constants"]
    assert numbers["PRICE_PRECISION"] * PRICE_PRECISION == 1
    assert numbers["BASE_PRECISION"] * BASE_PRECISION == 1


def test_listed_when_a_market_bundles_tokens_then_the_units_of_the_oracle() -> None:
    """PythLazer1M prices a million tokens; the quote of one token has six decimals more."""
    recorded = json.loads(shared_path("data/drift/market_configs.json").read_text())
    for row in recorded["mainnet_perp"]:
        unit = token_unit(row["base_asset_symbol"])[1]
        source = row["oracle_source"]
        assert (unit == 1_000_000) == ("1M" in source), row["symbol"]
        assert (unit == 1_000) == ("1K" in source), row["symbol"]


def test_listed_when_bundled_then_one_token_with_its_own_tick_and_lot() -> None:
    pepe = listed(NOON).find("PEPE")
    assert pepe is not None
    assert (pepe.venue_symbol, pepe.venue_id) == ("1MPEPE-PERP", "10")
    assert pepe.price_increment == Decimal("1e-12")
    assert pepe.price_decimals_max == 12
    assert pepe.size_increment == Decimal("0.001")
    assert check_order(pepe, Decimal("1000000.001"), Decimal("0.000010000001")) is None
    assert check_order(pepe, Decimal("1000000.0001"), Decimal("0.00001")) == "QUANTITY_NOT_ON_LOT"


def test_capabilities_when_read_then_live_is_refused_with_its_reason() -> None:
    assert CAPABILITIES.live_refusal == LIVE_REFUSAL
    for fact in ("2026-04-01", "Velocity", "Python"):
        assert fact in LIVE_REFUSAL
    assert CAPABILITIES.order_ttl >= timedelta(seconds=90)
    assert not CAPABILITIES.resends
