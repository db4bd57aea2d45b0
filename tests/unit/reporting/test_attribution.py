"""Whose a trade's result is."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from common.domain.order import FillRecord, OrderSide
from common.domain.position import apply_fill
from common.reporting.attribution import agent_records, results_by_signal
from tests.builders import NOON, a_fill, a_fill_record, a_position

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def a_trade(
    signal: str, side: OrderSide, quantity: str, realized: str = "0", position: str = "pos_1"
) -> FillRecord:
    return a_fill_record(
        a_fill(side=side, last_qty=Decimal(quantity)),
        signal_id=signal,
        realized_pnl=Decimal(realized),
        position_id=position,
    )


def test_results_when_closed_by_another_signal_then_the_opener_has_it() -> None:
    fills = [a_trade("a", BUY, "1"), a_trade("b", SELL, "1", "10")]
    assert results_by_signal(fills) == {"a": 10}


def test_results_when_two_opened_then_each_by_its_quantity() -> None:
    fills = [a_trade("a", BUY, "1"), a_trade("b", BUY, "3"), a_trade("c", SELL, "2", "8")]
    assert results_by_signal(fills) == {"a": 2, "b": 6}
    fills.append(a_trade("d", SELL, "2", "-4"))
    assert results_by_signal(fills) == {"a": 1, "b": 3}


def test_results_when_a_fill_crosses_zero_then_its_rest_opens() -> None:
    fills = [
        a_trade("a", BUY, "1"),
        a_trade("b", SELL, "3", "5"),
        a_trade("c", BUY, "2", "-6"),
        a_trade("d", BUY, "1"),
    ]
    assert results_by_signal(fills) == {"a": 5, "b": -6, "d": 0}


def test_results_when_the_opening_is_not_at_hand_then_left_out() -> None:
    fills = [a_trade("b", SELL, "1", "9"), a_trade("c", BUY, "1"), a_trade("d", SELL, "1", "1")]
    assert results_by_signal(fills) == {"c": 1}


def test_results_when_positions_differ_then_they_do_not_mix() -> None:
    fills = [a_trade("a", BUY, "1"), a_trade("b", SELL, "1", position="pos_2")]
    assert results_by_signal(fills) == {"a": 0, "b": 0}


def test_records_when_agents_agreed_or_not_then_each_has_its_own() -> None:
    fills = [
        a_trade("a", BUY, "1"),
        a_trade("b", SELL, "2", "10"),
        a_trade("c", BUY, "1", "-4"),
        a_trade("e", BUY, "1"),
    ]
    supporters = {"a": ["quant", "degen"], "b": ["quant"], "c": ["degen"], "e": ["degen"]}
    records = agent_records(["quant", "degen", "sage"], fills, supporters)
    quant, degen, sage = records["quant"], records["degen"], records["sage"]
    assert (quant.trades, quant.closed, quant.wins, quant.pnl) == (2, 2, 1, Decimal(6))
    assert quant.win_rate == Decimal("0.5")
    assert (degen.trades, degen.closed, degen.wins, degen.pnl) == (3, 1, 1, Decimal(10))
    assert (sage.trades, sage.win_rate, sage.pnl) == (0, Decimal(0), Decimal(0))


moves = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 5), st.integers(90, 110)),
    min_size=1,
    max_size=12,
)


@given(moves)
def test_results_when_every_fill_is_at_hand_then_they_sum_to_what_was_realised(
    steps: list[tuple[OrderSide, int, int]],
) -> None:
    position = a_position()
    fills = []
    for number, (side, quantity, price) in enumerate(steps):
        fill = a_fill(side=side, last_qty=Decimal(quantity), last_px=Decimal(price))
        after = apply_fill(position, fill, now=NOON)
        realized = after.realized_pnl - position.realized_pnl
        fills.append(a_fill_record(fill, signal_id=f"s{number}", realized_pnl=realized))
        position = after
    total = sum(results_by_signal(fills).values(), Decimal(0))
    assert abs(total - position.realized_pnl) < Decimal("1e-18")
