"""Which moments of the market an order hears, and what each does to it. Pure."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import Settings
from common.domain.instrument import OrderType, Venue
from common.domain.market import MarketSnapshot
from common.domain.order import LiquiditySide, Order, OrderSide, OrderStatus
from common.ports import Document, Ref
from common.wire import to_document
from infra.venues.paper.judging import (
    NOT_FILLED,
    NOTHING_TO_REDUCE,
    Moment,
    Step,
    is_reached,
    moments,
    stepped,
)
from infra.venues.paper.matching import Decision, decide
from infra.venues.paper.resting import PaperResting, turn
from infra.venues.registry import paper_profile
from tests.builders import NOON, a_book, a_snapshot, an_instrument
from tests.unit.infra.venues.paper.desk import (
    BAR,
    a_bar,
    a_buy,
    a_limit,
    a_stop,
    a_target,
    standing,
)

ETH = an_instrument()
PROFILE = paper_profile(Venue.HYPERLIQUID, Settings())
NOW = NOON + timedelta(milliseconds=200)


def decided(order: Order, position: str = "0", **snapshot: Any) -> Decision:
    ref = Ref("any", "one")
    return decide(
        order,
        PROFILE,
        at=NOW,
        instrument=replace(ETH, instrument_id=order.instrument_id),
        snapshot=Document(ref, to_document(a_snapshot(**snapshot)), "1"),
        position=Document(ref, {"signed_qty": position}, "1"),
        fault=None,
    )


def resting(order: Order) -> PaperResting:
    found = decided(order, "5").resting
    assert found is not None
    return found


def market(*bars: Any, mid: str = "3000", minutes: int = 10, **changes: Any) -> MarketSnapshot:
    snapshot = a_snapshot(
        candles=bars,
        book=a_book(mid),
        mark=Decimal(mid),
        observed_at=NOON + timedelta(minutes=minutes),
    )
    return replace(snapshot, **changes)


def look(mid: str = "3000", **changes: Any) -> Moment:
    return moments(market(mid=mid, **changes))[-1]


def bar(*prices: str, opened: int = 1, volume: str = "100") -> Moment:
    return moments(market(a_bar(opened, *prices, volume=volume)))[0]


def after(order: Order, moment: Moment, held: str = "5") -> Step | None:
    decision = decided(order, held)
    assert decision.resting is not None
    return stepped(decision.resting, decision.record, moment, instrument=ETH, signed=Decimal(held))


def test_moments_when_read_then_each_candle_at_its_close_and_the_book_last() -> None:
    first, second = a_bar(1, "1", "1", "1", "1"), a_bar(2, "2", "2", "2", "2")
    found = moments(market(first, second, minutes=16))
    assert [moment.at for moment in found] == [
        NOON + 2 * BAR,
        NOON + 3 * BAR,
        NOON + timedelta(minutes=16),
    ]
    assert [moment.candle for moment in found] == [first, second, None]


@pytest.mark.parametrize(
    ("order", "moment", "reached"),
    [
        (a_limit(1, "2990"), bar("3000", "3001", "2989", "3000"), True),
        (a_limit(1, "2990"), bar("3000", "3001", "2990", "3000"), False),
        (a_limit(1, "2990"), bar("3000", "3001", "2900", "3000", opened=0), False),
        (a_limit(1, "3010", side=OrderSide.SELL), bar("3000", "3011", "2990", "3000"), True),
        (a_limit(1, "3010", side=OrderSide.SELL), bar("3000", "3010", "2990", "3000"), False),
        (a_limit(1, "2990"), look("2989"), True),
        (a_limit(1, "2990"), look("2990"), False),  # its ask is a basis point higher
        (a_limit(1, "3010", side=OrderSide.SELL), look("3011"), True),
        (a_limit(1, "2990"), look("2900", minutes=0), False),
        (a_stop(1, "2950"), bar("3000", "3001", "2950", "3000"), True),
        (a_stop(1, "2950"), bar("3000", "3001", "2951", "3000"), False),
        (a_stop(1, "2950"), bar("3000", "3001", "2900", "3000", opened=0), False),
        (a_stop(1, "2950"), look("2950"), True),
        (a_stop(1, "2950"), look("2951"), False),
        (a_stop(1, "3050", side=OrderSide.BUY), bar("3000", "3050", "2999", "3000"), True),
        (a_stop(1, "3050", side=OrderSide.BUY), look("3049"), False),
        (a_target(1, "3050"), bar("3000", "3050", "2999", "3000"), True),
        (a_target(1, "3050"), look("3049"), False),
        (a_target(1, "2950", side=OrderSide.BUY), bar("3000", "3001", "2950", "3000"), True),
        (a_target(1, "2950", side=OrderSide.BUY), look("2951"), False),
    ],
)
def test_is_reached_when_the_market_moves_then_by_what_came_after_the_order(
    order: Order, moment: Moment, reached: bool
) -> None:
    assert is_reached(resting(order), moment) is reached


def test_is_reached_when_a_fault_lets_nothing_more_fill_then_never() -> None:
    none_left = replace(resting(a_limit()), fillable=Decimal(0))
    assert not is_reached(none_left, bar("2900", "2900", "2900", "2900"))


def test_turn_when_several_are_reached_then_stops_first_then_the_older() -> None:
    limit, target, stop = map(resting, (a_limit(1), a_target(2), a_stop(3)))
    older = replace(limit, accepted_at=NOON)
    assert sorted([limit, older, target, stop], key=turn) == [stop, target, older, limit]


def test_stepped_when_a_limit_fills_in_part_then_it_hears_neither_that_candle_nor_its_book() -> (
    None
):
    moment = bar("3000", "3001", "2980", "3000", volume="0.4")
    step = after(a_limit(), moment)
    assert step is not None
    assert step.resting is not None
    assert standing(step.record) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.4"))
    assert (step.resting.left, step.resting.fillable) == (Decimal("0.6"), Decimal("0.6"))
    assert not is_reached(step.resting, moment)
    at_its_close = replace(look("2900"), at=moment.at)
    assert not is_reached(step.resting, at_its_close)
    assert is_reached(step.resting, bar("3000", "3001", "2980", "3000", opened=2))


def test_stepped_when_the_book_fills_it_then_not_the_candle_that_runs_meanwhile() -> None:
    order = a_limit(quantity=Decimal(80))
    step = after(order, look("2980", minutes=7))
    assert step is not None
    assert step.resting is not None
    assert not is_reached(step.resting, bar("3000", "3001", "2980", "3000", opened=1))
    assert is_reached(step.resting, bar("3000", "3001", "2980", "3000", opened=2))


def test_stepped_when_not_one_lot_can_fill_then_nothing_has_changed() -> None:
    assert after(a_limit(), bar("3000", "3001", "2980", "3000", volume="0.00001")) is None


def test_stepped_when_it_only_reduces_then_cut_to_what_is_held_and_ended() -> None:
    step = after(a_stop(quantity=Decimal(3)), bar("3000", "3001", "2940", "3000"), held="2")
    assert step is not None
    assert step.resting is None
    assert standing(step.record) == (OrderStatus.CANCELED, 2)
    assert step.record.reason == "filled 2 of 3, which is all that was held"


@pytest.mark.parametrize("held", ["0", "-2"])
def test_stepped_when_it_would_increase_then_ended_without_a_fill(held: str) -> None:
    step = after(a_stop(), bar("3000", "3001", "2940", "3000"), held=held)
    assert step is not None
    assert step.resting is None
    assert standing(step.record) == (OrderStatus.CANCELED, 0)
    assert step.record.reason == NOTHING_TO_REDUCE


def test_stepped_when_a_token_cannot_be_shorted_then_no_more_than_is_held_is_sold() -> None:
    decision = decided(a_limit(1, "3010", side=OrderSide.SELL), "1")
    assert decision.resting is not None
    spot = replace(ETH, shortable=False)
    moment = bar("3000", "3020", "2999", "3000")
    step = stepped(
        decision.resting, decision.record, moment, instrument=spot, signed=Decimal("0.25")
    )
    assert step is not None
    assert step.record.filled_qty == Decimal("0.25")


def test_stepped_when_triggered_and_only_a_part_fits_then_the_rest_is_canceled() -> None:
    order = a_stop(1, "2950", "2700", quantity=Decimal(5))
    step = after(order, bar("3000", "3001", "2940", "3000", volume="2"))
    assert step is not None
    assert step.resting is None
    assert standing(step.record) == (OrderStatus.CANCELED, 2)
    assert step.record.reason == f"{NOT_FILLED}: filled 2 of 5 within 2700"
    assert {fill.liquidity_side for fill in step.record.fills} == {LiquiditySide.TAKER}


def test_stepped_when_triggered_by_the_mark_then_at_the_book_beside_it() -> None:
    step = after(a_stop(), look("2940"))
    assert step is not None
    (fill,) = step.record.fills
    assert fill.last_px == Decimal("2939.7")  # the bid, on a tick of five figures
    assert fill.ts_event == NOON + timedelta(minutes=10)


def test_decide_when_it_takes_all_that_is_held_then_a_reduce_only_order_does_not_rest() -> None:
    order = a_limit(1, "2900", side=OrderSide.SELL, reduce_only=True, quantity=Decimal(9))
    decision = decided(order, "5")
    assert decision.resting is None
    assert standing(decision.record) == (OrderStatus.CANCELED, 5)


def test_decide_when_reduce_only_is_tiny_then_the_minimum_value_does_not_count() -> None:
    tiny = replace(a_buy(1, "0.001"), side=OrderSide.SELL, price=Decimal(2900))
    assert decided(tiny, "1").record.code == "NOTIONAL_BELOW_MINIMUM"
    closing = replace(tiny, reduce_only=True)
    assert standing(decided(closing, "1").record) == (OrderStatus.FILLED, closing.quantity)


def test_decide_when_a_candle_opened_after_it_came_then_it_is_not_judged_yet() -> None:
    early, late = a_bar(0, "1", "1", "1", "1"), a_bar(1, "1", "1", "1", "1")
    assert decided(a_limit(), candles=(early,)).is_judged
    assert not decided(a_limit(), candles=(early, late)).is_judged


quantities = st.integers(1, 900).map(lambda number: Decimal(number) / 100)


@given(
    order_type=st.sampled_from([OrderType.LIMIT, OrderType.STOP_MARKET]),
    side=st.sampled_from(OrderSide),
    quantity=quantities,
    reduce_only=st.booleans(),
    held=st.integers(-900, 900).map(lambda number: Decimal(number) / 100),
    volumes=st.lists(quantities, min_size=1, max_size=4),
    bound=st.integers(-40, 40),
)
def test_stepped_when_any_order_meets_any_candles_then_never_above_it_the_volume_or_what_is_held(
    *,
    order_type: OrderType,
    side: OrderSide,
    quantity: Decimal,
    reduce_only: bool,
    held: Decimal,
    volumes: list[Decimal],
    bound: int,
) -> None:
    away = Decimal(100) * -side.sign if order_type is OrderType.LIMIT else Decimal(100) * side.sign
    order = a_limit(
        1,
        str(3000 + away + bound),
        order_type=order_type,
        side=side,
        quantity=quantity,
        trigger_price=None if order_type is OrderType.LIMIT else 3000 + away / 2,
    )
    decision = decided(order)
    record, left = (
        replace(decision.record, order=replace(order, reduce_only=reduce_only)),
        (decision.resting),
    )
    assert left is not None
    for number, volume in enumerate(volumes, start=1):
        moment = bar("3000", "3200", "2800", "3000", opened=number, volume=str(volume))
        if left is None or not is_reached(left, moment):
            break
        step = stepped(left, record, moment, instrument=ETH, signed=held)
        if step is None:
            continue
        fresh = step.record.fills[len(record.fills) :]
        filled = sum((fill.last_qty for fill in fresh), Decimal(0))
        assert filled <= volume
        if reduce_only and filled:
            assert held * side.sign < 0
            assert filled <= abs(held)
        held += filled * side.sign
        record, left = step.record, step.resting
        assert (left is None) == record.status.is_terminal
        assert record.filled_qty + (left.left if left else 0) <= quantity
        if left is not None:
            assert record.filled_qty + left.left == quantity
    assert (record.status is OrderStatus.FILLED) == (record.filled_qty == quantity)
    assert len({fill.trade_id for fill in record.fills}) == len(record.fills)
