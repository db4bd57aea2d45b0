"""The risk check: every limit at its edge, what reducing passes, and which answer comes first."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.documents import Stored
from common.domain.account import Account
from common.domain.exposure import Exposure
from common.domain.order import OrderSide
from common.domain.scope import PLATFORM_SCOPE
from common.how.denial import Denial
from common.how.limits import Refusal
from common.how.risk import OrderRisk
from common.how.risk_totals import ScopeTotals
from common.how.throttles import OrderThrottle, throttle_ref
from common.how.trading_state import TradingState, state_denial
from common.ports import Document
from tests.builders import DEPLOYMENT_ID, NOON
from tests.unit.how.risk_desk import (
    AGENT,
    BUY,
    DEPLOYMENT,
    GMX,
    HL,
    SELL,
    VENUE,
    a_state,
    an_account,
    an_order,
    d,
    holding,
    in_force,
    judged,
    market,
    marks_of,
    reserved,
    some_limits,
    some_marks,
)

PORTFOLIO = (
    "max_leverage",
    "max_concentration",
    "margin_fraction",
    "margin_buffer",
    "liquidation_buffer",
)


def only(**deployment: Any) -> dict[str, Any]:
    """Of the limits of a portfolio's worst case, these alone and its exposure."""
    return {**dict.fromkeys(PORTFOLIO), **deployment}


def code_of(refusal: Refusal | None) -> Denial | None:
    return refusal.code if refusal else None


def test_an_order_when_nothing_is_wrong_then_it_goes() -> None:
    assert judged() is None
    assert judged(an_order(SELL)) is None
    assert judged(state=a_state(account=an_account())) is None


# ------------------------------------------------------------------------------------- the price
def test_price_when_there_is_none_then_stale() -> None:
    refusal = judged(state=a_state(marks={}))
    assert refusal == Refusal(Denial.PRICE_STALE, "no usable price of ETH")


def test_price_when_older_than_its_interval_and_three_minutes_then_stale() -> None:
    assert judged(now=NOON + timedelta(minutes=8)) is None
    assert code_of(judged(now=NOON + timedelta(minutes=8, seconds=1))) is Denial.PRICE_STALE
    assert judged(now=NOON - timedelta(minutes=8)) is None
    ahead = judged(now=NOON - timedelta(minutes=9))
    assert ahead is not None
    assert ahead.code is Denial.PRICE_STALE
    assert "540 s ahead of the clock" in ahead.reason


@pytest.mark.parametrize(
    ("price", "passes"),
    [
        ("3150", True),
        ("3150.01", False),
        ("2849.99", True),  # better than the mark
        ("1500", True),
        ("1499.99", False),
        ("0", False),
        ("-3000", False),
        ("NaN", False),
        ("Infinity", False),
    ],
)
def test_collar_when_the_price_is_further_off_the_mark_then_refused(
    price: str, passes: bool
) -> None:
    refusal = judged(an_order(price=Decimal(price)))
    assert code_of(refusal) is (None if passes else Denial.PRICE_OUTSIDE_COLLAR)


def test_collar_when_it_refuses_then_with_the_figures() -> None:
    refusal = judged(an_order(price=d("3150.010")))
    assert refusal is not None
    assert refusal.reason == (
        "ETH: the price of 3,150.01 is too far from the mark of 3,000; the limit is 5 %"
    )


def test_collar_when_a_stop_rests_far_below_then_its_trigger_is_what_counts() -> None:
    state = a_state(holding(ETH="2"))
    stop = an_order(SELL, price=d(2388), trigger_price=d(2400))
    assert judged(stop, state) is None
    for wrong in (replace(stop, price=d(2200)), replace(stop, trigger_price=d(0))):
        refusal = judged(wrong, state)
        assert refusal is not None
        assert refusal.code is Denial.PRICE_OUTSIDE_COLLAR
        assert "from the trigger of" in refusal.reason


@pytest.mark.parametrize(
    ("before", "passes"),
    [("2609", True), ("2608", False), ("3529", True), ("3530", False)],
)
def test_period_when_the_market_moved_more_than_15_percent_within_it_then_no_entries(
    before: str, passes: bool
) -> None:
    state = a_state(marks=marks_of(market(closes=(before, "3000"))))
    limits = in_force(order={"period_s": 301})  # the candle before the last closed 300 s ago
    refusal = judged(state=state, limits=limits)
    assert code_of(refusal) is (None if passes else Denial.PRICE_MOVED_TOO_FAR)
    assert judged(state=state, limits=in_force(order={"period_s": 300})) is None


def test_period_when_exits_are_wanted_in_a_crash_then_they_go() -> None:
    crash = marks_of(market(closes=("6000", "3000")))
    state = a_state(holding(ETH="2"), marks=crash)
    limits = in_force(order={"period_s": 600})
    assert code_of(judged(an_order(BUY), state, limits)) is Denial.PRICE_MOVED_TOO_FAR
    assert judged(an_order(SELL, 2), state, limits) is None


def test_period_when_there_is_no_candle_to_compare_with_then_refused() -> None:
    state = a_state(marks=marks_of(market(candles=())))
    refusal = judged(state=state)
    assert refusal is not None
    assert refusal == Refusal(Denial.PRICE_STALE, "no candles of ETH to compare its price with")
    assert judged(state=state, limits=in_force(order=_no_period())) is None


def _no_period() -> dict[str, Any]:
    return {"period_collar": None, "period_s": None}


def test_period_when_two_scopes_have_one_then_both_hold() -> None:
    state = a_state(marks=marks_of(market(closes=("2900", "3000"))))
    narrow = some_limits(VENUE, order={"period_collar": d("0.02"), "period_s": 600})
    refusal = judged(state=state, limits=in_force(narrow))
    assert refusal is not None
    assert refusal.code is Denial.PRICE_MOVED_TOO_FAR
    assert refusal.reason == (
        "ETH: the mark is 3,000 after 2,900 to 3,000 within 600 s; the limit is 2 %"
    )


# ---------------------------------------------------------------------------------- value, volume
def test_value_when_above_its_maximum_then_refused_at_the_worse_of_price_and_mark() -> None:
    limits = in_force(order={"max_notional": d(3000)})
    assert judged(an_order(), limits=limits) is None
    assert judged(an_order(SELL, price=d(2900)), limits=limits) is None
    assert code_of(judged(an_order(SELL, "1.01", price=d(2900)), limits=limits)) is (
        Denial.NOTIONAL_EXCEEDS_MAX_PER_ORDER
    )
    refusal = judged(an_order(price=d(3001)), limits=limits)
    assert refusal is not None
    assert refusal.reason == (
        "ETH: the order would be $3,001 at its worst price; the limit is $3,000"
    )


def test_volume_when_above_the_symbols_maximum_then_refused() -> None:
    limits = in_force(order={"max_quantity": {"ETH": d(1), "BTC": d("0.1")}})
    assert judged(an_order(), limits=limits) is None
    refusal = judged(an_order(BUY, "1.001"), limits=limits)
    assert refusal == Refusal(
        Denial.QUANTITY_EXCEEDS_MAX_PER_ORDER, "ETH: the order is of 1.001; the limit is 1"
    )


# ------------------------------------------------------------------------- results of the account
def test_equity_when_it_is_gone_then_no_entries() -> None:
    limits = in_force(deployment=only(max_daily_loss=None, max_drawdown=None))
    for cash, passes in (("0.01", True), ("0", False), ("-5", False)):
        refusal = judged(state=a_state(account=an_account(cash=d(cash))), limits=limits)
        expected = None if passes else Denial.CUM_MARGIN_EXCEEDS_FREE_BALANCE
        assert code_of(refusal) is expected


@pytest.mark.parametrize(("cash", "passes"), [("9000.01", True), ("9000", False)])
def test_daily_loss_when_its_share_of_the_days_first_equity_is_gone_then_no_entries(
    cash: str, passes: bool
) -> None:
    state = a_state(account=an_account(cash=d(cash)))
    refusal = judged(state=state)
    assert code_of(refusal) is (None if passes else Denial.DAILY_LOSS_EXCEEDED)
    if refusal is not None:
        assert refusal.reason == "ETH: the loss of the day is 10 %; the limit is 10 %"


def test_daily_loss_when_the_holdings_lost_it_then_it_counts_as_much() -> None:
    account = an_account(cash=d(4000))  # two ETH were bought at 3000
    state = a_state(holding(ETH="2"), account)
    assert judged(state=state) is None
    fallen = some_marks(ETH="2499")
    refusal = judged(an_order(price=d(2499)), replace(state, marks=fallen))
    assert code_of(refusal) is Denial.DAILY_LOSS_EXCEEDED


def test_daily_loss_when_the_day_is_new_then_counted_from_the_last_marks() -> None:
    account = an_account(cash=d(8500), equity=d(9000), day="2026-01-14")
    assert judged(state=a_state(account=account)) is None
    worse = replace(account, cash=d(8000))
    assert code_of(judged(state=a_state(account=worse))) is Denial.DAILY_LOSS_EXCEEDED


def test_daily_loss_when_there_is_no_account_then_against_the_capital() -> None:
    state = a_state(holding(ETH="3"), marks=some_marks(ETH="2600"))
    refusal = judged(an_order(price=d(2600)), state)
    assert code_of(refusal) is Denial.DAILY_LOSS_EXCEEDED


@pytest.mark.parametrize(("cash", "passes"), [("9000.01", True), ("9000", False)])
def test_drawdown_when_a_quarter_of_the_peak_is_gone_then_no_entries(
    cash: str, passes: bool
) -> None:
    account = an_account(cash=d(cash), peak_equity=d(12000), day_start_equity=d(9000))
    refusal = judged(state=a_state(account=account))
    assert code_of(refusal) is (None if passes else Denial.DRAWDOWN_EXCEEDED)
    if refusal is not None:
        assert refusal.reason == "ETH: the drawdown is 25 %; the limit is 25 %"


def test_cool_down_when_ten_losses_came_in_a_row_then_half_an_hour_without_entries() -> None:
    account = an_account(losses_in_row=10, last_loss_at=NOON)
    end = NOON + timedelta(minutes=30)
    state = a_state(account=account, marks=marks_of(market(observed_at=end, closes=("3000",))))

    refusal = judged(state=state, now=end - timedelta(seconds=1))
    assert refusal is not None
    assert refusal.code is Denial.COOLING_DOWN
    assert refusal.reason == (
        "ETH: 10 losses in a row; entries wait until 2026-01-15T12:30:00.000000Z"
    )
    assert judged(state=state, now=end) is None
    fewer = replace(account, losses_in_row=9)
    assert judged(state=a_state(account=fewer)) is None


def test_a_held_symbol_when_its_price_is_unknown_or_old_then_no_entries() -> None:
    state = a_state(holding(BTC="0.1"))
    refusal = judged(state=state)
    assert refusal == Refusal(Denial.PRICE_STALE, "no usable price of BTC, which is held")
    old = marks_of(market("BTC", observed_at=NOON - timedelta(minutes=9)))
    assert code_of(judged(state=replace(state, marks={**some_marks(), **old}))) is (
        Denial.PRICE_STALE
    )
    assert judged(state=replace(state, marks=some_marks(BTC="100000"))) is None


# --------------------------------------------------------------------------------- the worst case
def test_open_orders_when_one_more_is_too_many_then_refused() -> None:
    limits = in_force(deployment={"max_open_orders": 2})
    one = Exposure.empty(DEPLOYMENT_ID).reserve("int_1", reserved(BUY, "0.1"))
    two = one.reserve("int_2", reserved(BUY, "0.1"))
    assert judged(state=a_state(one), limits=limits) is None
    refusal = judged(state=a_state(two), limits=limits)
    assert refusal == Refusal(
        Denial.OPEN_ORDERS_EXCEED_MAX, "ETH: 3 orders would be open; the limit is 2"
    )
    # A further attempt is not one more, and a parent order sends nothing by itself.
    again = an_order(BUY, "0.1", intent_id="int_2")
    assert judged(again, a_state(two), limits) is None
    lowered = in_force(deployment={"max_open_orders": 1})
    assert judged(again, a_state(two), lowered) is None
    assert judged(an_order(at_venue=False), a_state(two), limits) is None


def test_exposure_when_it_would_grow_past_the_maximum_then_refused_with_the_figures() -> None:
    """UNKNOWN counts as filled: it is the reservation that stands for it."""
    unknown = Exposure.empty(DEPLOYMENT_ID).reserve("int_0", reserved(BUY, 6))
    limits = in_force(deployment=only())
    assert judged(an_order(BUY, "0.66"), a_state(unknown), limits) is None
    refusal = judged(an_order(BUY, 1), a_state(unknown), limits)
    assert refusal == Refusal(
        Denial.EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT,
        "ETH: positions and orders would be $21,000 at worst; the limit is $20,000",
    )


def test_exposure_when_an_order_turns_a_position_around_without_growing_then_it_goes() -> None:
    over = a_state(holding(ETH="7"))  # 21,000
    limits = in_force(deployment=only())
    wide = in_force(order={"max_notional": d(25_000)}, deployment=only())
    assert judged(an_order(SELL, 8), over, wide) is None
    refusal = judged(an_order(SELL, "0.1"), a_state(holding(ETH="-7")), limits)
    assert code_of(refusal) is Denial.EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT


def test_exposure_when_only_the_price_has_risen_then_what_adds_nothing_still_goes() -> None:
    first = Exposure.empty(DEPLOYMENT_ID).reserve("int_1", reserved(BUY, "6.6"))
    limits = in_force(deployment=only(max_exposure=d(19_000)))
    again = an_order(BUY, "6.6", intent_id="int_1", price=d(3100))
    assert code_of(judged(again, a_state(first), limits)) is (
        Denial.EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT
    )
    held = a_state(holding(ETH="6.6"))
    flip = an_order(SELL, 8, price=d(3100))
    assert judged(flip, held, limits) is None


def test_exposure_when_the_limit_was_lowered_meanwhile_then_a_further_try_still_goes() -> None:
    first = a_state(Exposure.empty(DEPLOYMENT_ID).reserve("int_1", reserved(BUY, 7)))
    limits = in_force(deployment=only())
    assert judged(an_order(BUY, 7, intent_id="int_1"), first, limits) is None
    assert judged(an_order(BUY, "7.1", intent_id="int_1"), first, limits) is not None


@pytest.mark.parametrize(
    ("fields", "quantity", "code", "reason"),
    [
        ({"max_leverage": "1.5"}, "5", None, ""),
        (
            {"max_leverage": "1.5"},
            "5.01",
            Denial.LEVERAGE_EXCEEDS_MAX,
            "ETH: the leverage would be 1.503; the limit is 1.5",
        ),
        ({"max_concentration": "1.5"}, "5", None, ""),
        (
            {"max_concentration": "1.5"},
            "5.01",
            Denial.CONCENTRATION_EXCEEDS_MAX,
            "ETH: the concentration would be 1.503; the limit is 1.5",
        ),
        ({"margin_fraction": "0.8"}, "4.166", None, ""),
        (
            {"margin_fraction": "0.8"},
            "4.17",
            Denial.CUM_MARGIN_EXCEEDS_FREE_BALANCE,
            "ETH: a margin of $10,008 would be bound, and $10,000 is free for it",
        ),
        ({"margin_fraction": "0.5", "margin_buffer": "0.25"}, "5", None, ""),
        (
            {"margin_fraction": "0.5", "margin_buffer": "0.25"},
            "5.01",
            Denial.CUM_MARGIN_EXCEEDS_FREE_BALANCE,
            "ETH: a margin of $7,515 would be bound, and $7,500 is free for it",
        ),
        ({"liquidation_buffer": "0.6"}, "5.5555", None, ""),
        (
            {"liquidation_buffer": "0.6"},
            "5.5556",
            Denial.LIQUIDATION_TOO_CLOSE,
            "ETH: an adverse move of 60 % would leave -$0.08 of equity, and $0 must be kept",
        ),
        # 10,000 - 15,000 x 0.5 = 2,500 >= 15,000 x 1.5 x 0.2 x 0.5 = 2,250; not so with 5.1.
        ({"margin_fraction": "0.2", "liquidation_buffer": "0.5"}, "5", None, ""),
        (
            {"margin_fraction": "0.2", "liquidation_buffer": "0.5"},
            "5.2",
            Denial.LIQUIDATION_TOO_CLOSE,
            "ETH: an adverse move of 50 % would leave $2,200 of equity, and $2,340 must be kept",
        ),
    ],
)
def test_the_worst_case_when_it_is_too_much_for_the_equity_then_refused(
    fields: dict[str, str], quantity: str, code: Denial | None, reason: str
) -> None:
    limits = in_force(deployment=only(**{name: d(text) for name, text in fields.items()}))
    refusal = judged(an_order(BUY, quantity), a_state(account=an_account()), limits)
    assert refusal == (Refusal(code, reason) if code else None)


def test_concentration_when_the_symbol_is_held_at_two_venues_then_they_count_together() -> None:
    held = holding(ETH="2").hold(venue=GMX, symbol="ETH", signed_qty=d(2), price=d(3000))
    limits = in_force(deployment=only(max_concentration=d("1.4")))
    marks = some_marks(BTC="100000")
    assert code_of(judged(state=a_state(held), limits=limits)) is Denial.CONCENTRATION_EXCEEDS_MAX
    bitcoin = an_order(symbol="BTC", quantity=d("0.05"), price=d(100_000))
    assert judged(bitcoin, a_state(held, symbol="BTC", marks=marks), limits) is None


def test_a_child_when_its_parent_is_reserved_then_it_adds_nothing_and_goes() -> None:
    """The limit was lowered after the parent went in; its children still may."""
    parent = Exposure.empty(DEPLOYMENT_ID).reserve("par_1", reserved(BUY, 6, at_venue=False))
    after = parent.reserve("par_1", reserved(BUY, 4, at_venue=False))
    child = an_order(BUY, 2, intent_id="int_1", after=after.reserve("int_1", reserved(BUY, 2)))
    limits = in_force(deployment=only(max_exposure=d(15_000)))
    assert judged(child, a_state(parent), limits) is None
    assert judged(replace(child, after=None), a_state(parent), limits) is not None


# ------------------------------------------------------------------------------------- the totals
@pytest.mark.parametrize("scope", [PLATFORM_SCOPE, VENUE, AGENT])
def test_totals_when_the_scope_has_no_room_then_refused(scope: Any) -> None:
    total = {"max_exposure": d(10_000), "max_open_orders": 5, "max_daily_loss": d(100)}
    if scope == VENUE:
        del total["max_daily_loss"]
    own: dict[str, Any] = {"total": total} if scope == PLATFORM_SCOPE else {}
    narrow = [] if scope == PLATFORM_SCOPE else [some_limits(scope, total=total)]
    limits = in_force(*narrow, **own)
    state = a_state()

    def with_totals(**figures: Any) -> Refusal | None:
        totals = {**state.totals, scope.key: ScopeTotals(**figures)}
        return judged(state=replace(state, totals=totals), limits=limits)

    assert with_totals(gross_cents=700_000, open_orders=4) is None
    assert with_totals(gross_cents=700_001) == Refusal(
        Denial.EXPOSURE_EXCEEDS_MAX_OF_SCOPE,
        f"{scope.label}: positions and orders would be $10,000.01 in all; the limit is $10,000",
    )
    assert with_totals(open_orders=5) == Refusal(
        Denial.OPEN_ORDERS_EXCEED_MAX_OF_SCOPE,
        f"{scope.label}: 6 orders would be open; the limit is 5",
    )
    if scope != VENUE:
        assert with_totals(result_cents=-10_000) is None
        assert with_totals(result_cents=-10_001) == Refusal(
            Denial.DAILY_LOSS_EXCEEDED_IN_SCOPE,
            f"{scope.label}: the loss of the day is $100.01; the limit is $100",
        )


def test_totals_when_an_order_adds_nothing_then_a_full_scope_does_not_stop_it() -> None:
    limits = in_force(total={"max_exposure": d(10_000), "max_open_orders": 1})
    full = {**a_state().totals, PLATFORM_SCOPE.key: ScopeTotals(2_000_000, 1)}
    turn = an_order(SELL, 4, intent_id="int_1")
    held = holding(ETH="2").reserve("int_1", reserved(SELL, 4))
    assert judged(turn, a_state(held, totals=full), limits) is None
    # At a risen price the same holding is worth more cents, and yet no more of it.
    risen = an_order(SELL, 3, price=d(3100))
    unlimited = in_force(total={"max_exposure": d(10_000), "max_open_orders": None})
    assert judged(risen, a_state(holding(ETH="2"), totals=full), unlimited) is None
    assert judged(an_order(SELL, 5), a_state(holding(ETH="2"), totals=full), unlimited) is not None


def test_totals_when_they_cannot_be_read_then_refused() -> None:
    broken = {**a_state().totals, PLATFORM_SCOPE.key: ScopeTotals(problem="its totals are odd")}
    refusal = judged(state=a_state(totals=broken))
    assert refusal == Refusal(Denial.LIMITS_MISSING, "the platform: its totals are odd")


# ------------------------------------------------------------------------------- throttle, policy
@pytest.mark.parametrize("field", ["throttle", "agent_throttle"])
def test_throttle_when_it_is_disabled_then_no_entries(field: str) -> None:
    scope = DEPLOYMENT if field == "throttle" else AGENT
    throttle = OrderThrottle(
        scope=scope.key, symbol="ETH", disabled=True, reason="orders=21 max=20 within 600 s"
    )
    stored = Stored(throttle_ref(scope, "ETH"), throttle, "1")
    disabled: dict[str, Any] = {field: stored}
    state = a_state(holding(ETH="1"), **disabled)
    refusal = judged(state=state)
    assert refusal is not None
    assert refusal.code is Denial.REPEATED_EXECUTION_DISABLED
    assert refusal.reason == (
        f"ETH: orders=21 max=20 within 600 s; a person must enable {scope.key}:ETH"
    )
    assert judged(an_order(SELL), state) is None
    opened: dict[str, Any] = {field: replace(stored, value=replace(throttle, disabled=False))}
    assert judged(state=replace(state, **opened)) is None


def test_policy_when_it_cannot_be_read_then_no_entries() -> None:
    unreadable = Refusal(Denial.POLICY_UNREADABLE, "its document cannot be read")
    state = a_state(holding(ETH="1"), policy=unreadable)
    assert judged(state=state) == unreadable
    assert judged(an_order(SELL), state) is None


# -------------------------------------------------------------------------------------- reducing
def test_reducing_when_everything_else_is_wrong_then_it_goes() -> None:
    """It passes all but the price, the collar and the message rate."""
    ruined = an_account(cash=d(-50_000), losses_in_row=99, last_loss_at=NOON)
    broken = Refusal(Denial.REPEATED_EXECUTION_DISABLED, "its throttle cannot be read")
    state = a_state(
        holding(ETH="20", BTC="1"),  # of which nobody knows the price
        ruined,
        policy=Refusal(Denial.POLICY_UNREADABLE, "odd"),
        throttle=broken,
        agent_throttle=broken,
        totals={},
    )
    limits = in_force(order={"max_notional": d(1), "max_quantity": {"ETH": d("0.1")}})
    assert judged(an_order(SELL, 20), state, limits) is None
    assert judged(an_order(SELL, "20.0001"), state, limits) is not None
    assert judged(an_order(BUY, "0.0001"), state, limits) is not None
    assert code_of(judged(an_order(SELL, 20, price=d(2000)), state, limits)) is (
        Denial.PRICE_OUTSIDE_COLLAR
    )
    assert code_of(judged(an_order(SELL, 20), replace(state, marks={}), limits)) is (
        Denial.PRICE_STALE
    )


def test_reducing_when_another_order_is_closing_already_then_only_the_rest_may_close() -> None:
    closing = holding(ETH="2").reserve("int_0", reserved(SELL, "1.5"))
    limits = in_force(order={"max_notional": d(1)})
    assert judged(an_order(SELL, "0.5"), a_state(closing), limits) is None
    assert judged(an_order(SELL, "0.6"), a_state(closing), limits) is not None
    # A resting stop closes nothing that an exit could not close before it.
    stopped = holding(ETH="2").reserve("int_0", reserved(SELL, 2, protective=True))
    assert judged(an_order(SELL, 2), a_state(stopped), limits) is None


QUANTITIES = st.decimals("-5", "5", places=2)


@given(
    held=QUANTITIES,
    under_way=st.lists(st.tuples(st.sampled_from(OrderSide), st.decimals("0.01", "3", places=2))),
    side=st.sampled_from(OrderSide),
    quantity=st.decimals("0.01", "5", places=2),
)
def test_reducing_when_the_trading_state_allows_it_while_reducing_then_so_do_the_limits(
    held: Decimal,
    under_way: list[tuple[OrderSide, Decimal]],
    side: OrderSide,
    quantity: Decimal,
) -> None:
    """Two modules ask whether an order only reduces; they must never disagree."""
    exposure = holding(ETH=str(held))
    for number, (other, amount) in enumerate(under_way):
        exposure = exposure.reserve(f"int_{number}", reserved(other, amount))
    order = an_order(side, quantity)
    after = exposure.reserve(order.intent_id, order.reservation(d(3000)))
    left = exposure.left_to_reduce(order.intent_id, HL, "ETH", side)
    allowed = state_denial(TradingState.REDUCING, side=side, quantity=quantity, held=left) is None
    assert order.only_reduces(after) is allowed
    if allowed:
        impossible = in_force(order={"max_notional": d("0.000000000001")})
        assert judged(order, a_state(exposure), impossible) is None


# ------------------------------------------------------------------------- the order of the checks
@dataclass
class World:
    """In which everything is wrong, until it is mended."""

    order: OrderRisk = field(default_factory=lambda: an_order(price=d(9000)))
    account: Account = field(
        default_factory=lambda: an_account(
            cash=d(-1), losses_in_row=10, last_loss_at=NOON, peak_equity=d(1_000_000)
        )
    )
    market: Document = field(
        default_factory=lambda: market(
            closes=("9000", "3000"), observed_at=NOON - timedelta(minutes=9)
        )
    )
    policy: Refusal | None = field(default_factory=lambda: Refusal(Denial.POLICY_UNREADABLE, ""))
    throttle: Refusal | None = field(
        default_factory=lambda: Refusal(Denial.REPEATED_EXECUTION_DISABLED, "")
    )
    of_order: dict[str, Any] = field(
        default_factory=lambda: {
            "period_s": 600,
            "max_notional": d(1),
            "max_quantity": {"ETH": d("0.1")},
        }
    )
    of_deployment: dict[str, Any] = field(
        default_factory=lambda: {
            "max_exposure": d(1),
            "max_open_orders": 1,
            "max_leverage": d("0.01"),
            "max_concentration": d("0.01"),
            "margin_fraction": d(1),
            "margin_buffer": d("0.99"),
            "liquidation_buffer": d("0.99"),
        }
    )
    of_all: dict[str, Any] = field(
        default_factory=lambda: {
            "max_exposure": d(1),
            "max_open_orders": 1,
            "max_daily_loss": d(1),
        }
    )

    def judged(self) -> Refusal | None:
        totals = {**a_state().totals, PLATFORM_SCOPE.key: ScopeTotals(100, 1, -101)}
        held = Exposure.empty(DEPLOYMENT_ID).reserve("int_0", reserved(BUY, "0.1"))
        state = a_state(
            held,
            self.account,
            marks=marks_of(self.market),
            policy=self.policy,
            throttle=self.throttle,
            totals=totals,
        )
        limits = in_force(order=self.of_order, deployment=self.of_deployment, total=self.of_all)
        return judged(self.order, state, limits)


def _mend(part: str, **values: Any) -> Callable[[World], None]:
    def mend(world: World) -> None:
        current = getattr(world, part)
        fresh = {**current, **values} if isinstance(current, dict) else replace(current, **values)
        setattr(world, part, fresh)

    return mend


STEPS: tuple[tuple[Denial, Callable[[World], None]], ...] = (
    (
        Denial.PRICE_STALE,
        lambda world: setattr(world, "market", market(closes=("9000", "3000"))),
    ),
    (Denial.PRICE_OUTSIDE_COLLAR, _mend("order", price=d(3000))),
    (Denial.POLICY_UNREADABLE, lambda world: setattr(world, "policy", None)),
    (Denial.REPEATED_EXECUTION_DISABLED, lambda world: setattr(world, "throttle", None)),
    (Denial.PRICE_MOVED_TOO_FAR, lambda world: setattr(world, "market", market())),
    (Denial.NOTIONAL_EXCEEDS_MAX_PER_ORDER, _mend("of_order", max_notional=d(3000))),
    (Denial.QUANTITY_EXCEEDS_MAX_PER_ORDER, _mend("of_order", max_quantity={})),
    (Denial.COOLING_DOWN, _mend("account", losses_in_row=9)),
    (Denial.DAILY_LOSS_EXCEEDED, _mend("account", day_start_equity=d(-1))),
    (Denial.DRAWDOWN_EXCEEDED, _mend("account", peak_equity=d(-1))),
    (Denial.CUM_MARGIN_EXCEEDS_FREE_BALANCE, _mend("account", cash=d(4000))),
    (Denial.OPEN_ORDERS_EXCEED_MAX, _mend("of_deployment", max_open_orders=2)),
    (Denial.EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT, _mend("of_deployment", max_exposure=d(3300))),
    (Denial.LEVERAGE_EXCEEDS_MAX, _mend("of_deployment", max_leverage=d(1))),
    (Denial.CONCENTRATION_EXCEEDS_MAX, _mend("of_deployment", max_concentration=d(1))),
    (Denial.CUM_MARGIN_EXCEEDS_FREE_BALANCE, _mend("of_deployment", margin_buffer=d("0.1"))),
    (Denial.LIQUIDATION_TOO_CLOSE, _mend("of_deployment", liquidation_buffer=d("0.1"))),
    (Denial.EXPOSURE_EXCEEDS_MAX_OF_SCOPE, _mend("of_all", max_exposure=d(3001))),
    (Denial.OPEN_ORDERS_EXCEED_MAX_OF_SCOPE, _mend("of_all", max_open_orders=2)),
    (Denial.DAILY_LOSS_EXCEEDED_IN_SCOPE, _mend("of_all", max_daily_loss=d(2))),
)


def test_checks_when_several_fail_then_the_documented_order_decides() -> None:
    world = World()
    for code, mend in STEPS:
        assert code_of(world.judged()) is code
        mend(world)
    assert world.judged() is None
