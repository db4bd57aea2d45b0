"""What executing an order cost, against values worked out by hand."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.instrument import Venue
from common.domain.order import FillRecord, IntentStatus, OrderPurpose, OrderSide, VenueCandidate
from common.domain.parent_order import ExecAlgorithm, ParentOrder, ParentStatus
from common.reporting.benchmark import Benchmark
from common.reporting.slippage import (
    Slippage,
    WorkedAs,
    slippage,
    worked_parent,
    worked_whole,
)
from tests.builders import NOON, a_fill, a_fill_record, a_plan, an_intent

BUY, SELL = OrderSide.BUY, OrderSide.SELL
ENDED = NOON + timedelta(minutes=10)
NO_MARKET = Benchmark(vwap=None, last_price=None, reason="No closed candle")


def a_market(vwap: str, last: str) -> Benchmark:
    return Benchmark(vwap=Decimal(vwap), last_price=Decimal(last))


def a_candidate(quantity: str) -> VenueCandidate:
    return VenueCandidate(
        venue=Venue.HYPERLIQUID,
        instrument_id="ETH-USD-PERP.HYPERLIQUID",
        quantity=Decimal(quantity),
        price=Decimal(3015),
    )


def a_parent(**changes: Any) -> ParentOrder:
    """Wants 10 at 100; 8 filled for 808 and 2 in fees."""
    parent = ParentOrder(
        parent_order_id="par_1",
        exec_algorithm_id=ExecAlgorithm.TWAP,
        book="v3",
        agent_id="swarm",
        deployment_id="dep_1",
        delivery_id="dlv_1",
        signal_id="sig_1",
        leg=0,
        symbol="ETH",
        side=BUY,
        candidates=(a_candidate("10"),),
        quantity=Decimal(10),
        limit_price=None,
        visible_quantity=None,
        schedule=(),
        chosen_because="by the signal",
        arrival_price=Decimal(100),
        slippage_max=Decimal("0.005"),
        policy_version="pass-through-1",
        paper=True,
        status=ParentStatus.PARTIAL,
        reason_code="OUT_OF_TIME",
        reason="",
        filled_qty=Decimal(8),
        filled_notional=Decimal(808),
        commissions=Decimal(2),
        created_at=NOON,
        expires_at=ENDED,
        ended_at=ENDED,
        updated_at=ENDED,
    )
    return replace(parent, **changes)


def report(market: Benchmark, **changes: Any) -> Slippage:
    return slippage(worked_parent(a_parent(**changes)), market)


def test_slippage_when_a_buy_paid_more_then_it_is_a_cost() -> None:
    found = report(a_market("100.5", "102"))

    assert found.avg_px == 101
    assert (found.slippage_cost, found.slippage_bps) == (Decimal(8), Decimal(100))
    assert found.fee_bps == 25  # 2 of 800
    assert found.vwap_bps == Decimal("49.7512")  # 101 / 100.5
    assert (found.unfilled_qty, found.unfilled_cost) == (Decimal(2), Decimal(4))
    assert found.unfilled_bps == 40  # 4 of the 1,000 that were wanted
    assert (found.shortfall, found.shortfall_bps) == (Decimal(14), Decimal(140))
    order = found.order
    assert (order.worked_as, order.exec_algorithm_id) == (WorkedAs.PARENT, "TWAP")
    assert (order.started_at, order.ended_at) == (NOON, ENDED)


def test_slippage_when_a_sale_brought_more_then_it_is_a_gain() -> None:
    found = report(a_market("100.5", "102"), side=SELL)

    assert (found.slippage_cost, found.slippage_bps) == (Decimal(-8), Decimal(-100))
    assert found.vwap_bps == Decimal("-49.7512")
    assert found.unfilled_cost == -4  # what did not sell is worth more now
    assert found.shortfall == -8 + 2 - 4


def test_slippage_when_all_filled_then_nothing_is_missed_even_without_a_market() -> None:
    found = report(NO_MARKET, filled_qty=Decimal(10), filled_notional=Decimal(1010))

    assert (found.unfilled_qty, found.unfilled_cost, found.unfilled_bps) == (Decimal(0),) * 3
    assert (found.shortfall, found.unfilled_reason) == (Decimal(12), "")
    assert (found.vwap_bps, found.benchmark.reason) == (None, "No closed candle")


def test_slippage_when_the_venue_filled_too_much_then_nothing_is_missed() -> None:
    found = report(NO_MARKET, filled_qty=Decimal(11), filled_notional=Decimal(1100))
    assert (found.unfilled_qty, found.shortfall) == (Decimal(0), Decimal(2))


def test_slippage_when_nothing_filled_then_only_what_was_missed_counts() -> None:
    found = report(
        a_market("101", "99"),
        filled_qty=Decimal(0),
        filled_notional=Decimal(0),
        commissions=Decimal(0),
    )

    assert (found.avg_px, found.slippage_bps, found.fee_bps, found.vwap_bps) == (None,) * 4
    assert (found.slippage_cost, found.unfilled_cost) == (Decimal(0), Decimal(-10))
    assert found.shortfall_bps == -100


def test_slippage_when_it_works_still_then_what_is_open_is_no_shortfall() -> None:
    found = report(a_market("101", "102"), ended_at=None, status=ParentStatus.ACTIVE)

    assert (found.unfilled_cost, found.shortfall, found.shortfall_bps) == (None, None, None)
    assert (found.unfilled_bps, found.unfilled_reason) == (None, "It may fill still")
    assert found.slippage_bps == 100


def test_slippage_when_the_market_is_not_known_then_the_reason() -> None:
    found = report(NO_MARKET)
    assert (found.unfilled_cost, found.unfilled_reason) == (None, "No closed candle")


def some_fills(*traded: tuple[str, str]) -> list[FillRecord]:
    return [
        a_fill_record(
            a_fill(
                f"trade-{number}",
                last_qty=Decimal(quantity),
                last_px=Decimal(price),
                commission=Decimal("0.1"),
                ts_event=NOON + timedelta(hours=number),
            )
        )
        for number, (quantity, price) in enumerate(traded, 1)
    ]


def test_order_when_it_went_whole_then_its_fills_and_the_candidate_that_ran() -> None:
    plan = a_plan(candidates=(a_candidate("7"), a_candidate("5")), reference_price=Decimal(100))
    intent = an_intent(
        plan, candidate=1, status=IntentStatus.PARTIAL, reason_code="X", updated_at=ENDED
    )
    order = worked_whole(intent, some_fills(("1", "101"), ("3", "99")))

    assert (order.worked_as, order.exec_algorithm_id) == (WorkedAs.WHOLE, "MARKET")
    assert (order.quantity, order.filled_qty, order.filled_notional) == (
        Decimal(5),
        Decimal(4),
        Decimal(398),
    )
    assert (order.commissions, order.arrival_price) == (Decimal("0.2"), Decimal(100))
    assert (order.started_at, order.ended_at, order.reason_code) == (NOON, ENDED, "X")


@pytest.mark.parametrize("status", [IntentStatus.WORKING, IntentStatus.UNRESOLVED])
def test_order_when_its_intent_is_open_then_it_has_no_end(status: IntentStatus) -> None:
    assert worked_whole(an_intent(status=status), ()).ended_at is None


def test_order_when_it_is_a_stop_then_measured_from_its_trigger_and_its_first_fill() -> None:
    plan = a_plan(
        trigger_price=Decimal(90),
        reference_price=Decimal(100),
        purpose=OrderPurpose.STOP_LOSS,
        side=SELL,
        candidates=(a_candidate("2"),),
    )
    stop = worked_whole(
        an_intent(plan, status=IntentStatus.PARTIAL, updated_at=NOON + timedelta(hours=2)),
        some_fills(("1", "89")),
    )
    assert (stop.arrival_price, stop.rests) == (Decimal(90), True)
    assert stop.started_at == NOON + timedelta(hours=1)
    found = slippage(stop, a_market("89", "88"))
    assert (found.slippage_cost, found.unfilled_cost) == (Decimal(1), None)
    assert "stop" in found.unfilled_reason

    waits = worked_whole(an_intent(plan, status=IntentStatus.WORKING, updated_at=ENDED), ())
    assert waits.started_at == ENDED


def amount(places: int, most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=Decimal(1).scaleb(-places), max_value=Decimal(most), places=places)


@given(
    side=st.sampled_from(OrderSide),
    quantity=amount(6, "1000"),
    missed=amount(6, "1000"),
    notional=amount(12, "1000000"),
    arrival=amount(9, "90000"),
    last=amount(9, "90000"),
    fees=amount(9, "10"),
)
def test_shortfall_when_anything_filled_then_it_is_paper_against_real_to_the_last_digit(
    *,
    side: OrderSide,
    quantity: Decimal,
    missed: Decimal,
    notional: Decimal,
    arrival: Decimal,
    last: Decimal,
    fees: Decimal,
) -> None:
    """Perold: what the order would have made at its arrival price, less what it did make."""
    parent = a_parent(
        side=side,
        quantity=quantity + missed,
        filled_qty=quantity,
        filled_notional=notional,
        commissions=fees,
        arrival_price=arrival,
    )
    found = slippage(worked_parent(parent), Benchmark(vwap=None, last_price=last))

    with localcontext(prec=200):
        paper = side.sign * (quantity + missed) * (last - arrival)
        real = side.sign * (quantity * last - notional) - fees
        assert found.shortfall == paper - real


@given(quantity=amount(6, "1000"), notional=amount(12, "1000000"), arrival=amount(9, "90000"))
def test_slippage_when_the_side_is_the_other_then_the_cost_is_the_negative(
    quantity: Decimal, notional: Decimal, arrival: Decimal
) -> None:
    buy, sell = (
        report(
            a_market("3", "3"),
            side=side,
            filled_qty=quantity,
            filled_notional=notional,
            arrival_price=arrival,
        )
        for side in (BUY, SELL)
    )
    assert buy.slippage_cost == sell.slippage_cost.copy_negate()
    assert buy.vwap_bps is not None
    assert sell.vwap_bps is not None
    assert buy.vwap_bps == sell.vwap_bps.copy_negate()


def test_slippage_when_there_is_no_price_to_compare_with_then_no_points() -> None:
    found = report(a_market("1", "1"), arrival_price=Decimal(0))
    assert (found.slippage_bps, found.fee_bps, found.shortfall_bps) == (None, None, None)
