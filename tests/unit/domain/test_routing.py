"""V3-08, VP-04: routing records of every age can be read."""

from decimal import Decimal

from common.domain.routing import RoutedShare, RoutingDecision, RoutingMode, VenueCheck
from common.wire import from_document, to_document
from tests.builders import NOON

OLD_CHECK = {
    "venue": "HYPERLIQUID",
    "ok": True,
    "code": "AVAILABLE",
    "reason": "ETH available on Hyperliquid (220 pairs)",
    "pair_count": 220,
    "breaker": "CLOSED",
    "quantity": "0.3333",
    "table_age_s": 3,
}
OLD_DECISION = {
    "routing_id": "rte_1",
    "book": "v3",
    "signal_id": "sig_1",
    "delivery_id": "dlv_1",
    "agent_id": "swarm",
    "deployment_id": "dep_1",
    "symbol": "ETH",
    "requested_venues": ["HYPERLIQUID"],
    "checked_venues": [OLD_CHECK],
    "selected_venue": "HYPERLIQUID",
    "routing_reason": "ETH available on Hyperliquid (220 pairs)",
    "reason_code": "AVAILABLE",
    "routing_duration_ms": 1,
    "created_at": "2026-01-02T03:04:05.000Z",
}


def test_decision_when_recorded_before_modes_then_read_as_by_priority() -> None:
    decision = from_document(RoutingDecision, OLD_DECISION)

    assert (decision.requested_mode, decision.mode) == (RoutingMode.PRIORITY,) * 2
    assert not decision.shares
    assert decision.left_over == 0
    (check,) = decision.checked_venues
    assert (check.fee, check.liquidity, check.cost_bps) == (None, None, None)


def test_decision_when_split_then_reads_back_the_same() -> None:
    check = VenueCheck(
        venue="GMX",
        ok=True,
        code="AVAILABLE",
        reason="ETH available on GMX (9 pairs)",
        pair_count=9,
        breaker="CLOSED",
        quantity=Decimal(50_000),
        table_age_s=3,
        fee=Decimal("0.0015"),
        liquidity=Decimal(1_000_000),
        cost_bps=Decimal("22.5"),
    )
    decision = RoutingDecision(
        routing_id="rte_1",
        book="v3",
        signal_id="sig_1",
        delivery_id="dlv_1",
        agent_id="swarm",
        deployment_id="dep_1",
        symbol="ETH",
        requested_venues=("GMX", "HYPERLIQUID"),
        checked_venues=(check,),
        selected_venue="GMX",
        routing_reason="ETH over 2 venues: GMX 60.0 %, Hyperliquid 40.0 %",
        reason_code="AVAILABLE",
        routing_duration_ms=1,
        created_at=NOON,
        requested_mode=RoutingMode.SPLIT,
        mode=RoutingMode.SPLIT,
        shares=(RoutedShare(venue="GMX", quantity=Decimal(50_000)),),
        left_over=Decimal("0.5"),
    )

    document = to_document(decision)

    assert (document["mode"], document["left_over"]) == ("SPLIT", "0.5")
    assert document["shares"] == [{"venue": "GMX", "quantity": "50000"}]
    assert from_document(RoutingDecision, document) == decision
