"""Closed trades out of fills, beside what the positions and the account counted on their way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.account import Account
from common.domain.order import FillRecord, OrderPurpose, OrderSide
from common.domain.position import EXACT, Position, apply_fill
from common.domain.signal import PositionSide
from common.execution.accounts import after_fill, open_account
from common.execution.reconciliation import EXTERNAL
from common.reporting.round_trips import (
    RoundTrip,
    exit_reason,
    held_before,
    in_order,
    round_trips,
)
from common.reporting.statistics import Grouping, statistics_by, trade_statistics
from tests.builders import NOON, a_deployment, a_fill, a_fill_record, a_position

BUY, SELL = OrderSide.BUY, OrderSide.SELL


@dataclass
class Desk:
    """Books fills as the recorder does: a minute apart, each on its position and the account."""

    account: Account = field(default_factory=lambda: open_account(a_deployment(), NOON))
    positions: dict[str, Position] = field(default_factory=dict)
    records: list[FillRecord] = field(default_factory=list)

    def trade(
        self,
        side: OrderSide,
        quantity: str,
        price: str,
        fee: str = "0",
        *,
        position: str = "pos_1",
        purpose: OrderPurpose = OrderPurpose.ENTRY,
    ) -> None:
        before = self.positions.get(position) or a_position(position)
        now = NOON + timedelta(minutes=len(self.records))
        fill = a_fill(
            f"trade-{len(self.records)}",
            side=side,
            last_qty=Decimal(quantity),
            last_px=Decimal(price),
            commission=Decimal(fee),
            ts_event=now,
        )
        after = apply_fill(before, fill, now=now)
        self.account = after_fill(self.account, before, fill, after, now=now)
        self.positions[position] = after
        self.records.append(
            a_fill_record(
                fill,
                position_id=position,
                realized_pnl=EXACT.subtract(after.realized_pnl, before.realized_pnl),
                recorded_at=now,
                purpose=purpose,
            )
        )

    def trips(self) -> tuple[RoundTrip, ...]:
        return round_trips(self.records)


def minutes(trip: RoundTrip) -> tuple[int, int]:
    start, end = trip.opened_at - NOON, trip.closed_at - NOON
    return start // timedelta(minutes=1), end // timedelta(minutes=1)


def test_trip_when_opened_added_to_and_closed_in_parts_then_one_with_all_its_fees() -> None:
    desk = Desk()
    desk.trade(BUY, "1", "100", "1")
    desk.trade(BUY, "1", "110", "1")
    desk.trade(SELL, "1", "120", "2")
    assert desk.trips() == ()
    desk.trade(SELL, "1", "90", "0.5", purpose=OrderPurpose.STOP_LOSS)
    (trip,) = desk.trips()

    assert (trip.side, trip.exit_reason) == (PositionSide.LONG, "STOP_LOSS")
    assert (trip.realized_pnl, trip.commissions, trip.pnl) == (
        Decimal(0),
        Decimal("4.5"),
        Decimal("-4.5"),
    )
    assert minutes(trip) == (0, 3)
    assert trip.held_for == timedelta(minutes=3)
    assert (trip.symbol, trip.venue, trip.agent_id) == ("ETH", "HYPERLIQUID", "swarm")


def test_trip_when_a_fill_crosses_zero_then_it_ends_one_and_begins_the_next() -> None:
    desk = Desk()
    desk.trade(SELL, "1", "100", "1")
    desk.trade(BUY, "3", "90", "1")
    desk.trade(SELL, "2", "95", "1")
    short, long = desk.trips()

    assert (short.side, long.side) == (PositionSide.SHORT, PositionSide.LONG)
    assert (short.pnl, long.pnl) == (Decimal(8), Decimal(9))
    assert (minutes(short), minutes(long)) == ((0, 1), (1, 2))


def test_trip_when_its_beginning_is_not_at_hand_then_left_out() -> None:
    desk = Desk()
    desk.trade(BUY, "2", "100")
    desk.trade(SELL, "1", "100")  # realises nothing: no sign that it closes
    desk.trade(SELL, "1", "110")
    desk.trade(BUY, "1", "100")
    desk.trade(SELL, "1", "130")
    late = desk.records[1:]

    (trip,) = round_trips(late, held_before(late, desk.positions.values()))
    assert trip.pnl == 30
    assert round_trips(late) == ()  # taken for a short: what comes of not being told


def test_held_when_a_fill_was_booked_after_the_position_was_read_then_it_is_not_in_it() -> None:
    desk = Desk()
    desk.trade(BUY, "2", "100")
    read = dict(desk.positions)
    desk.trade(SELL, "2", "110")
    desk.trade(BUY, "1", "100", position="pos_new")

    assert held_before(desk.records[:2], read.values()) == {"pos_1": Decimal(0)}
    assert held_before(desk.records[1:], read.values()) == {"pos_1": Decimal(2)}
    assert held_before(desk.records, read.values()) == {"pos_1": Decimal(0)}


def test_trip_when_nothing_is_left_of_the_first_fill_then_it_begins_with_the_next() -> None:
    kept = a_fill("trade-0", last_qty=Decimal(1), base_withheld=Decimal(1))
    desk = Desk()
    desk.records.append(a_fill_record(kept))
    desk.trade(BUY, "1", "100", "1")
    desk.trade(SELL, "1", "105", "1")
    (trip,) = desk.trips()

    assert (trip.pnl, minutes(trip)) == (Decimal(3), (1, 2))


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (a_fill_record(), "SIGNAL"),
        (a_fill_record(purpose=OrderPurpose.FLATTEN), "FLATTEN"),
        (a_fill_record(intent_id=EXTERNAL, signal_id=EXTERNAL), "EXTERNAL"),
    ],
)
def test_exit_when_it_ends_a_trip_then_its_reason(record: FillRecord, reason: str) -> None:
    assert exit_reason(record) == reason


def test_trip_when_the_venue_tells_times_out_of_order_then_it_was_held_for_nothing() -> None:
    desk = Desk()
    desk.trade(BUY, "1", "100")
    desk.trade(SELL, "1", "101")
    opened, closed = desk.records
    early = a_fill("trade-1", side=SELL, last_qty=Decimal(1), ts_event=NOON - timedelta(seconds=1))
    (trip,) = round_trips([opened, a_fill_record(early, recorded_at=closed.recorded_at)])

    assert trip.held_for == timedelta(0)


def test_order_when_fills_share_a_moment_then_by_the_venues_time_and_number() -> None:
    def record(trade_id: str, seconds: int, event: int = 0) -> FillRecord:
        fill = a_fill(trade_id, ts_event=NOON + timedelta(seconds=event))
        return a_fill_record(fill, recorded_at=NOON + timedelta(seconds=seconds))

    wanted = [record("7", 0, 5), record("1", 1, 3), record("99", 1, 4), record("100", 1, 4)]
    assert in_order([wanted[number] for number in (3, 1, 2, 0)]) == wanted


# ------------------------------------------------------------------------------- in any order
steps = st.lists(
    st.tuples(
        st.sampled_from([BUY, SELL]),
        st.integers(min_value=1, max_value=3),
        st.integers(min_value=90, max_value=110),
        st.integers(min_value=0, max_value=3),
        st.sampled_from(["pos_1", "pos_2"]),
        st.sampled_from([OrderPurpose.ENTRY, OrderPurpose.STOP_LOSS, OrderPurpose.TAKE_PROFIT]),
    ),
    max_size=30,
)
Step = tuple[OrderSide, int, int, int, str, OrderPurpose]


def played(moves: Sequence[Step]) -> Desk:
    desk = Desk()
    for side, quantity, price, fee, position, purpose in moves:
        desk.trade(side, str(quantity), str(price), str(fee), position=position, purpose=purpose)
    return desk


@given(steps)
def test_trips_when_any_fills_then_as_the_account_counted_them(moves: list[Step]) -> None:
    desk = played(moves)
    figures = trade_statistics(desk.trips())
    account = desk.account

    assert (figures.count, figures.wins) == (account.trips, account.trips_won)
    assert (figures.gains, figures.losses) == (account.trip_gains, account.trip_losses)
    still_open = sum((each.trip_pnl for each in desk.positions.values()), Decimal(0))
    assert figures.pnl + still_open == account.realized_pnl - account.commissions


@given(steps, st.sampled_from(Grouping))
def test_statistics_when_grouped_by_anything_then_the_groups_sum_to_the_total(
    moves: list[Step], grouping: Grouping
) -> None:
    trips = played(moves).trips()
    total, groups = trade_statistics(trips), statistics_by(grouping, trips).values()

    assert sum(each.count for each in groups) == total.count
    assert sum(each.wins for each in groups) == total.wins
    for name in ("pnl", "gains", "losses", "commissions"):
        assert sum((getattr(each, name) for each in groups), Decimal(0)) == getattr(total, name)
    assert sum((each.held_for for each in groups), timedelta(0)) == total.held_for


@given(steps, st.integers(min_value=0, max_value=30))
def test_trips_when_older_fills_are_cut_off_then_those_that_began_later_stay_the_same(
    moves: list[Step], cut: int
) -> None:
    desk = played(moves)
    late = desk.records[cut:]
    found = round_trips(late, held_before(late, desk.positions.values()))

    began = NOON + timedelta(minutes=cut)
    assert found == tuple(trip for trip in desk.trips() if trip.opened_at >= began)
