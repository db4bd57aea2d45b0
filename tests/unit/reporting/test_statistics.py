"""Statistics of closed trades, against values worked out by hand."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from common.domain.signal import PositionSide
from common.reporting.round_trips import RoundTrip
from common.reporting.statistics import Grouping, statistics_by, trade_statistics
from tests.builders import NOON

TRIP = RoundTrip(
    position_id="pos_1",
    book="v3",
    agent_id="swarm",
    deployment_id="dep_1",
    venue="GMX",
    symbol="ETH",
    side=PositionSide.LONG,
    exit_reason="SIGNAL",
    realized_pnl=Decimal(0),
    commissions=Decimal(1),
    opened_at=NOON,
    closed_at=NOON + timedelta(hours=1),
)


def trips(*results: str) -> list[RoundTrip]:
    """After a commission of 1 each; the n-th was held for n hours."""
    return [
        replace(
            TRIP,
            realized_pnl=Decimal(result) + 1,
            closed_at=NOON + timedelta(hours=number),
        )
        for number, result in enumerate(results, 1)
    ]


def test_statistics_when_some_win_then_as_by_hand() -> None:
    figures = trade_statistics(trips("6", "-2", "-1", "3", "0"))

    assert (figures.count, figures.wins) == (5, 2)
    assert (figures.pnl, figures.gains, figures.losses) == (Decimal(6), Decimal(9), Decimal(-3))
    assert (figures.commissions, figures.average_pnl) == (Decimal(5), Decimal("1.2"))
    assert figures.win_rate == 0.4
    assert figures.payoff_ratio == pytest.approx(4.5 / 1)  # 9 / 2 over 3 / 3
    assert figures.profit_factor == pytest.approx(3)
    assert figures.expectancy_ratio == pytest.approx(1.2)  # 0.4 x 4.5 - 0.6
    assert figures.average_held_for == timedelta(hours=3)


def test_statistics_when_the_average_has_no_end_then_it_is_rounded() -> None:
    assert trade_statistics(trips("1", "1", "-1")).average_pnl == Decimal("0.333333333333")


@pytest.mark.parametrize("results", [("3", "1"), ("0", "0")])
def test_statistics_when_nothing_was_lost_then_ratios_to_losses_are_undefined(
    results: tuple[str, ...],
) -> None:
    figures = trade_statistics(trips(*results))

    assert (figures.payoff_ratio, figures.profit_factor, figures.expectancy_ratio) == (
        None,
        None,
        None,
    )


def test_statistics_when_none_won_then_the_factor_is_nothing_and_there_is_no_payoff() -> None:
    figures = trade_statistics(trips("-3", "-1"))

    assert (figures.win_rate, figures.profit_factor, figures.payoff_ratio) == (0, 0, None)
    assert figures.expectancy_ratio == -1


def test_statistics_when_there_is_no_trade_then_nothing_is_made_up() -> None:
    figures = trade_statistics([])

    assert (figures.count, figures.pnl, figures.average_pnl) == (0, Decimal(0), Decimal(0))
    assert (figures.win_rate, figures.average_held_for) == (None, timedelta(0))


@pytest.mark.parametrize(
    ("grouping", "keys"),
    [
        (Grouping.AGENT, ["v2:swarm", "v3:swarm"]),
        (Grouping.SYMBOL, ["ETH", "WIF"]),
        (Grouping.VENUE, ["GMX", "SPOT"]),
        (Grouping.EXIT_REASON, ["SIGNAL", "STOP_LOSS"]),
    ],
)
def test_groups_when_trades_differ_then_by_key_in_its_order(
    grouping: Grouping, keys: list[str]
) -> None:
    other = replace(TRIP, book="v2", symbol="WIF", venue="SPOT", exit_reason="STOP_LOSS")
    groups = statistics_by(grouping, [other, TRIP, TRIP])

    assert list(groups) == keys
    assert sorted(each.count for each in groups.values()) == [1, 2]
