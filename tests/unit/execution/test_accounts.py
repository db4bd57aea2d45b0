"""The cash ledger beside positions and a model that only counts: equal to the last digit."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.account import Account
from common.domain.exposure import Exposure
from common.domain.instrument import Venue
from common.domain.order import Fill, OrderSide
from common.domain.position import Position, apply_fill
from common.execution.accounts import (
    after_fill,
    after_funding,
    day_of,
    day_pnl_of,
    drawdown_of,
    equity_of,
    imbalance,
    marked,
    open_account,
    signed_cost,
    unrealized_of,
)
from common.wire import from_document, to_document
from tests.builders import NOON, a_deployment, a_fill, a_position

BUY, SELL = OrderSide.BUY, OrderSide.SELL
LATER = NOON + timedelta(minutes=5)


def money(*values: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, values))


def an_account() -> Account:
    return open_account(a_deployment(), NOON)


def a_trade(
    side: OrderSide, quantity: str, price: str, fee: str = "0", withheld: str = "0"
) -> Fill:
    return a_fill(
        side=side,
        last_qty=Decimal(quantity),
        last_px=Decimal(price),
        commission=Decimal(fee),
        base_withheld=Decimal(withheld),
    )


def booked(account: Account, *fills: Fill) -> tuple[Account, Position]:
    """All on one position."""
    position = a_position()
    for fill in fills:
        after = apply_fill(position, fill, now=LATER)
        account = after_fill(account, position, fill, after, now=LATER)
        position = after
    return account, position


def test_account_when_opened_then_all_of_the_capital_is_cash() -> None:
    account = open_account(a_deployment(capital=Decimal(2500)), NOON)

    assert (account.starting, account.cash, account.equity) == money("2500", "2500", "2500")
    assert (account.peak_equity, account.day_start_equity) == money("2500", "2500")
    assert account.day == "2026-01-15"
    assert (account.deployment_id, account.book) == ("dep_1", "v3")
    assert account.marked_at is None
    assert imbalance(account, []) == 0


def test_account_when_bought_and_sold_then_cash_is_what_changed_hands() -> None:
    account, position = booked(
        an_account(), a_trade(BUY, "2", "100", "0.5"), a_trade(SELL, "1", "110", "0.25")
    )

    assert account.cash == Decimal("10000") - 200 - Decimal("0.5") + 110 - Decimal("0.25")
    assert (account.realized_pnl, account.commissions) == money("10", "0.75")
    assert (account.trips, account.updated_at) == (0, LATER)
    assert imbalance(account, [position]) == 0


def test_account_when_the_venue_kept_some_then_the_commission_paid_for_it() -> None:
    account, position = booked(an_account(), a_trade(BUY, "2", "100", "0.6", withheld="0.006"))

    assert account.cash == 9800
    assert imbalance(account, [position]) == 0


def test_account_when_a_trip_pays_more_than_its_fees_then_it_is_won() -> None:
    account, _ = booked(
        replace(an_account(), losses_in_row=2),
        a_trade(BUY, "1", "100", "1"),
        a_trade(SELL, "1", "103", "1"),
    )

    assert (account.trips, account.trips_won, account.losses_in_row) == (1, 1, 0)
    assert (account.trip_gains, account.trip_losses) == money("1", "0")
    assert account.last_loss_at is None


@pytest.mark.parametrize(("price", "loss"), [("101", "-1"), ("102", "0"), ("90", "-12")])
def test_account_when_a_trip_only_pays_its_fees_or_less_then_it_is_lost(
    price: str, loss: str
) -> None:
    account, _ = booked(an_account(), a_trade(BUY, "1", "100", "1"), a_trade(SELL, "1", price, "1"))

    assert (account.trips, account.trips_won) == (1, 0)
    assert (account.trip_gains, account.trip_losses) == money("0", loss)
    assert (account.losses_in_row, account.last_loss_at) == (1, LATER)


def test_account_when_a_fill_crosses_zero_then_one_trip_ends_and_the_next_starts_at_nothing() -> (
    None
):
    account, position = booked(
        an_account(), a_trade(BUY, "1", "100", "1"), a_trade(SELL, "3", "90", "2")
    )

    assert (account.trips, account.trip_losses) == (1, Decimal(-13))
    assert (position.signed_qty, position.trip_pnl) == money("-2", "0")
    account, _ = booked(an_account(), a_trade(SELL, "1", "100"), a_trade(BUY, "3", "90"))
    assert (account.trips_won, account.trip_gains) == (1, Decimal(10))


def test_account_when_losses_follow_each_other_then_counted_until_a_win() -> None:
    lose = (a_trade(BUY, "1", "100"), a_trade(SELL, "1", "99"))
    win = (a_trade(BUY, "1", "100"), a_trade(SELL, "1", "101"))

    assert booked(an_account(), *lose, *lose)[0].losses_in_row == 2
    assert booked(an_account(), *lose, *win)[0].losses_in_row == 0
    assert booked(an_account(), *lose, *win, *lose)[0].losses_in_row == 1


def test_account_when_funding_is_paid_or_received_then_cash_moves_and_no_trip_ends() -> None:
    paid = after_funding(an_account(), Decimal("-1.25"), LATER)
    both = after_funding(paid, Decimal("0.5"), LATER)

    assert (paid.cash, paid.funding) == (Decimal("9998.75"), Decimal("-1.25"))
    assert (both.cash, both.funding, both.trips) == (Decimal("9999.25"), Decimal("-0.75"), 0)
    assert both.updated_at == LATER
    assert imbalance(both, []) == 0


def holding(*held: tuple[str, str, str, str]) -> Exposure:
    exposure = Exposure.empty("dep_1")
    for venue, symbol, quantity, price in held:
        exposure = exposure.hold(
            venue=venue, symbol=symbol, signed_qty=Decimal(quantity), price=Decimal(price)
        )
    return exposure


def test_equity_when_symbols_have_marks_or_not_then_those_without_are_named() -> None:
    exposure = holding(
        ("GMX", "ETH", "2", "90"), ("OSTIUM", "ETH", "-1", "90"), ("GMX", "WIF", "10", "3")
    )
    account = replace(an_account(), cash=Decimal(1000))

    value = equity_of(account, exposure, {"ETH": Decimal(100), "BTC": Decimal(1)})
    assert (value.equity, value.unmarked) == (Decimal(1000 + 100 + 30), ("WIF",))
    assert equity_of(account, Exposure.empty("dep_1"), {}).equity == 1000


def test_mark_when_within_the_day_then_the_peak_rises_and_the_start_stays() -> None:
    exposure = holding(("GMX", "ETH", "1", "100"))
    account = replace(an_account(), cash=Decimal(9900))

    up, _ = marked(account, exposure, {"ETH": Decimal(300)}, LATER)
    down, unmarked = marked(up, exposure, {"ETH": Decimal(50)}, LATER)
    assert (up.equity, up.peak_equity, up.day_start_equity) == money("10200", "10200", "10000")
    assert (down.equity, down.peak_equity, down.day_start_equity) == money("9950", "10200", "10000")
    assert (down.marked_at, down.updated_at, unmarked) == (LATER, LATER, ())
    assert (day_pnl_of(up), day_pnl_of(down)) == money("200", "-50")
    assert drawdown_of(down) == Decimal(250) / 10_200
    assert drawdown_of(up) == 0


def test_mark_when_a_day_begins_then_it_starts_at_the_last_equity_before_it() -> None:
    """What was lost while nobody looked is a loss of the new day, not of none."""
    exposure = holding(("GMX", "ETH", "1", "100"))
    evening, _ = marked(
        replace(an_account(), cash=Decimal(9900)), exposure, {"ETH": Decimal(200)}, LATER
    )
    morning, _ = marked(evening, exposure, {"ETH": Decimal(20)}, NOON + timedelta(days=1))

    assert (morning.day, morning.day_start_equity) == ("2026-01-16", Decimal(10_100))
    assert day_pnl_of(morning) == -180


def test_mark_when_the_clock_jumps_back_then_no_day_begins() -> None:
    account = replace(an_account(), day_start_equity=Decimal(7))
    after, _ = marked(account, Exposure.empty("dep_1"), {}, NOON - timedelta(days=3))

    assert (after.day, after.day_start_equity) == ("2026-01-15", Decimal(7))
    assert day_of(NOON - timedelta(days=3)) < after.day


def test_drawdown_when_there_never_was_anything_then_none() -> None:
    assert drawdown_of(replace(an_account(), peak_equity=Decimal(0), equity=Decimal(-5))) == 0


# ---------------------------------------------------------------------------- to the last digit
PLACES = [(venue, symbol) for venue in (Venue.GMX, Venue.SPOT) for symbol in ("ETH", "PEPE")]


def amount(places: int, most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value=Decimal(1).scaleb(-places), max_value=Decimal(most), places=places)


@dataclass(frozen=True)
class Trade:
    place: tuple[Venue, str]
    side: OrderSide
    quantity: Decimal
    price: Decimal
    fee: Decimal
    kept_ppm: int  # of a purchase

    def fill(self) -> Fill:
        kept = self.quantity * self.kept_ppm / 1_000_000 if self.side is BUY else Decimal(0)
        return a_fill(
            venue=self.place[0],
            symbol=self.place[1],
            side=self.side,
            last_qty=self.quantity,
            last_px=self.price,
            commission=self.fee,
            base_withheld=kept,
        )


@dataclass
class Desk:
    account: Account = field(default_factory=an_account)
    positions: dict[tuple[Venue, str], Position] = field(default_factory=dict)
    exposure: Exposure = field(default_factory=lambda: Exposure.empty("dep_1"))

    def trade(self, trade: Trade) -> None:
        before = self.positions.get(trade.place) or a_position(
            str(trade.place), venue=trade.place[0], symbol=trade.place[1]
        )
        fill = trade.fill()
        after = apply_fill(before, fill, now=LATER)
        self.account = after_fill(self.account, before, fill, after, now=LATER)
        self.positions[trade.place] = after
        self.exposure = self.exposure.hold(
            venue=after.venue, symbol=after.symbol, signed_qty=after.signed_qty, price=fill.last_px
        )


# Few sizes, so that positions go back to flat and through it; and odd ones, for the digits.
quantities = st.one_of(st.sampled_from([Decimal(1), Decimal(2), Decimal(3)]), amount(18, "1000"))
trades = st.builds(
    Trade,
    st.sampled_from(PLACES),
    st.sampled_from(OrderSide),
    quantities,
    st.one_of(amount(2, "90000"), amount(18, "1000000")),
    amount(12, "50"),
    st.sampled_from([0, 0, 3000, 1_000_000]),
)
payments = st.decimals(min_value=-100, max_value=100, places=12)
prices = st.fixed_dictionaries({"ETH": amount(9, "100000"), "PEPE": amount(18, "1")})


@given(
    steps=st.lists(st.one_of(trades, payments), max_size=25),
    marks=prices,
)
def test_account_when_anything_happens_then_the_ledger_balances_to_the_last_digit(
    steps: list[Trade | Decimal], marks: dict[str, Decimal]
) -> None:
    """I05: start + realised - fees + funding = cash + cost, and + unrealised = equity."""
    desk = Desk()
    for step in steps:
        if isinstance(step, Trade):
            desk.trade(step)
        else:
            desk.account = after_funding(desk.account, step, LATER)
        assert imbalance(desk.account, desk.positions.values()) == 0
    account, unmarked = marked(desk.account, desk.exposure, marks, LATER)

    with localcontext(prec=300):
        held = desk.positions.values()
        unrealized = sum((each.unrealized_pnl(marks[each.symbol]) for each in held), Decimal(0))
        booked = account.starting + account.realized_pnl - account.commissions + account.funding
        assert account.equity == booked + unrealized
        assert account.cash + sum(map(signed_cost, held), Decimal(0)) == booked
        assert unrealized_of(account) == unrealized
        assert unmarked == ()
        # A fill of which nothing was left begins no trip: its commission is in none.
        idle = sum((_fee_of_nothing(step) for step in _in_turn(steps)), Decimal(0))
        results = account.trip_gains + account.trip_losses
        results += sum((each.trip_pnl for each in held), Decimal(0))
        assert results == account.realized_pnl - account.commissions + idle
    assert 0 <= account.trips_won <= account.trips
    assert from_document(Account, to_document(account)) == account


def _in_turn(steps: list[Trade | Decimal]) -> list[tuple[Position, Fill]]:
    """Each fill with the position that it met."""
    positions: dict[tuple[Venue, str], Position] = {}
    met = []
    for step in steps:
        if isinstance(step, Trade):
            before, fill = positions.get(step.place) or a_position(), step.fill()
            met.append((before, fill))
            positions[step.place] = apply_fill(before, fill, now=LATER)
    return met


def _fee_of_nothing(met: tuple[Position, Fill]) -> Decimal:
    position, fill = met
    nothing = position.signed_qty == 0 and fill.last_qty == fill.base_withheld
    return fill.commission if nothing else Decimal(0)
