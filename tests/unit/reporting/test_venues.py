"""Where trades went."""

from decimal import Decimal
from typing import Any

import pytest

from common.domain.instrument import Venue
from common.domain.order import FillRecord
from common.domain.routing import RoutingDecision, RoutingMode, VenueCheck
from common.reporting.venues import token_routes, venue_shares
from tests.builders import NOON, a_fill, a_fill_record


def a_trade(order: str, venue: Venue, quantity: str = "1") -> FillRecord:
    return a_fill_record(
        a_fill(
            client_order_id=order,
            venue=venue,
            last_qty=Decimal(quantity),
            last_px=Decimal(10),
            commission=Decimal("0.1"),
        )
    )


def a_check(venue: str, *, ok: bool) -> VenueCheck:
    return VenueCheck(
        venue=venue,
        ok=ok,
        code="AVAILABLE" if ok else "BREAKER_OPEN",
        reason="",
        pair_count=9,
        breaker="CLOSED",
        quantity=None,
        table_age_s=1,
    )


def checked(first_ok: bool) -> tuple[VenueCheck, ...]:
    return (a_check("HYPERLIQUID", ok=first_ok), a_check("OSTIUM", ok=True))


def a_route(symbol: str, selected: str | None, **changes: Any) -> RoutingDecision:
    fields: dict[str, Any] = {
        "routing_id": "rte_1",
        "book": "v3",
        "signal_id": "sig_1",
        "delivery_id": "dlv_1",
        "agent_id": "agt_1",
        "deployment_id": "dep_1",
        "symbol": symbol,
        "requested_venues": ("HYPERLIQUID", "OSTIUM"),
        "checked_venues": (),
        "selected_venue": selected,
        "routing_reason": "",
        "reason_code": "",
        "routing_duration_ms": 0,
        "created_at": NOON,
    }
    return RoutingDecision(**{**fields, **changes})


def test_shares_when_an_order_fills_in_parts_then_it_is_one_trade() -> None:
    fills = [
        a_trade("a", Venue.OSTIUM),
        a_trade("b", Venue.GMX, "2"),
        a_trade("b", Venue.GMX, "3"),
        a_trade("c", Venue.GMX),
    ]
    gmx, ostium = venue_shares(fills)
    assert (gmx.venue, gmx.trades, gmx.volume, gmx.commissions) == (
        "GMX",
        2,
        Decimal(60),
        Decimal("0.3"),
    )
    assert ostium.share == Decimal(1) / 3
    assert gmx.share + ostium.share == 1
    assert venue_shares([]) == ()


def test_routes_when_the_first_venue_refused_then_it_is_a_fallback() -> None:
    routes = [
        a_route("ETH", "HYPERLIQUID", checked_venues=checked(first_ok=True)),
        a_route("ETH", "OSTIUM", checked_venues=checked(first_ok=False)),
        a_route("ETH", None, checked_venues=checked(first_ok=False)),
        a_route("XAU", "OSTIUM", checked_venues=checked(first_ok=False)),
        a_route("BTC", "HYPERLIQUID", checked_venues=checked(first_ok=True)),
    ]
    btc, eth, xau = token_routes(routes)
    assert (btc.most_common_venue, btc.fallback_share) == ("HYPERLIQUID", Decimal(0))
    assert (eth.routed, eth.fallback_share) == (2, Decimal("0.5"))
    assert eth.most_common_venue == "HYPERLIQUID"  # a tie goes by name, so that it never flickers
    assert (xau.most_common_venue, xau.fallback_share) == ("OSTIUM", Decimal(1))
    assert token_routes([a_route("ETH", None)]) == ()


@pytest.mark.parametrize("mode", [RoutingMode.COST, RoutingMode.SPLIT])
def test_routes_when_another_venue_was_chosen_for_its_cost_then_it_is_no_fallback(
    mode: RoutingMode,
) -> None:
    """The venue asked first would have taken it; a later venue that refused says nothing."""
    checks = (*checked(first_ok=True), a_check("GMX", ok=False))
    (eth,) = token_routes([a_route("ETH", "OSTIUM", checked_venues=checks, mode=mode)])
    assert (eth.routed, eth.fallback_share) == (1, Decimal(0))
