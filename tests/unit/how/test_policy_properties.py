"""Whatever the rules: less than without them, and no limit ever raised."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.instrument import ALL_VENUES
from common.domain.order import OrderSide
from common.domain.policy import Direction, Policy, PolicyRules, TradingSession
from common.domain.signal import Signal, SizeModel, SizeType
from common.how.denial import Denial
from common.how.kelly import TrackRecord
from common.how.limits import Refusal
from common.how.policy import PolicyVerdict, apply_policy, rules_problem, tighter
from tests.builders import DEPLOYMENT_ID, NOON, a_deployment, a_signal

SYMBOLS = ("BTC", "ETH", "SOL")

amounts = st.decimals("0.01", "100000", places=2)
fractions = st.decimals("0.001", "0.999", places=3)
sizes = st.one_of(
    st.builds(
        SizeModel,
        type=st.sampled_from([SizeType.PERCENTAGE, SizeType.VOLATILITY, SizeType.KELLY]),
        value=st.decimals("0.01", "100", places=2),
    ),
    st.builds(SizeModel, type=st.sampled_from([SizeType.FIXED, SizeType.QUANTITY]), value=amounts),
)
sessions = st.builds(
    TradingSession,
    days=st.lists(st.integers(0, 6), min_size=1, unique=True).map(tuple),
    start_minute=st.integers(0, 1439),
    end_minute=st.integers(1, 1440),
)


def listed(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(strategy, min_size=least, max_size=3, unique=True).map(tuple)


sound_rules = st.builds(
    PolicyRules,
    allowed_symbols=st.none() | listed(st.sampled_from(SYMBOLS), 1),
    denied_symbols=listed(st.sampled_from(SYMBOLS[1:])) | st.just(()),
    allowed_venues=st.none() | listed(st.sampled_from(ALL_VENUES), 1),
    direction=st.sampled_from(Direction),
    min_confidence=st.none() | st.decimals("0", "1", places=2),
    sessions=st.just(()) | listed(sessions, 1),
    max_order_notional=st.none() | amounts,
    max_exposure=st.none() | amounts,
    max_leverage=st.none() | st.decimals("0.1", "50", places=1),
    size_model=st.none() | sizes,
    risk_modifier=st.just(Decimal(1)) | st.decimals("0.0001", "1", places=4),
    stop_loss=st.none() | fractions,
    take_profit=st.none() | fractions,
    trailing_stop=st.none() | fractions,
    time_limit_s=st.none() | st.integers(1, 10**6),
)
any_rules = st.builds(
    PolicyRules,
    size_model=st.none() | sizes,
    risk_modifier=st.decimals("-3", "3", places=2),
    max_order_notional=st.none() | st.decimals("-10", "100000", places=2),
    stop_loss=st.none() | st.decimals("-2", "2", places=2),
)
signals = st.builds(
    a_signal,
    symbol=st.sampled_from(SYMBOLS),
    size_model=sizes,
    confidence=st.decimals("0", "1", places=2),
)
cases = st.fixed_dictionaries(
    {
        "side": st.sampled_from(OrderSide),
        "held": st.just(Decimal(0)) | st.decimals("-100", "100", places=3),
        "price": st.decimals("0.0001", "100000", places=4),
        "volatility_day": st.none() | st.decimals("0.001", "1", places=3),
        "record": st.just(TrackRecord())
        | st.just(TrackRecord(trips=50, won=30, gains=Decimal(90), losses=Decimal(-20))),
        "starter": st.decimals("0.001", "1", places=3),
        "now": st.integers(0, 7 * 1440).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        "deployment": st.builds(a_deployment, capital=st.decimals("1", "1000000", places=2)),
    }
)


def a_policy(rules: PolicyRules) -> Policy:
    return Policy(
        deployment_id=DEPLOYMENT_ID, version=1, rules=rules, changed_by="Ada", changed_at=NOON
    )


@settings(max_examples=400, deadline=None)
@given(signal=signals, rules=sound_rules, case=cases)
def test_policy_when_any_rules_meet_any_signal_then_never_more_than_without_them(
    signal: Signal, rules: PolicyRules, case: dict[str, Any]
) -> None:
    plain = apply_policy(signal, None, **case)
    ruled = apply_policy(signal, a_policy(rules), **case)

    if isinstance(plain, Refusal):
        assert ruled == plain
        return
    assert not (isinstance(ruled, Refusal) and ruled.code is Denial.POLICY_UNREADABLE)
    closes = plain.closes
    if isinstance(ruled, Refusal):
        assert closes == 0, "what closes is never refused"
        return
    assert closes <= ruled.quantity <= plain.quantity
    assert ruled.closes == closes
    if not ruled.only_closes:
        _opens_by_the_rules(ruled, plain, rules, case)


def _opens_by_the_rules(
    ruled: PolicyVerdict, plain: PolicyVerdict, rules: PolicyRules, case: dict[str, Any]
) -> None:
    """Exactly, in fractions, to the last digit."""
    quantity, price = Fraction(ruled.quantity), Fraction(case["price"])
    assert quantity <= Fraction(plain.quantity) * Fraction(rules.risk_modifier)
    if rules.max_order_notional is not None:
        assert quantity * price <= Fraction(rules.max_order_notional)
    if rules.allowed_venues is not None:
        assert ruled.venues == rules.allowed_venues
    opens = OrderSide.BUY if rules.direction is Direction.LONG_ONLY else OrderSide.SELL
    assert rules.direction is Direction.BOTH or case["side"] is opens


@given(signal=signals, case=cases)
def test_policy_when_what_is_held_is_known_then_what_closes_is_at_most_all_of_it(
    signal: Signal, case: dict[str, Any]
) -> None:
    verdict = apply_policy(signal, None, **case)
    if isinstance(verdict, Refusal):
        return
    after = case["held"] + verdict.closes * case["side"].sign
    assert after * case["held"] >= 0, "what closes never turns the position"
    assert abs(after) <= abs(case["held"])
    assert 0 <= verdict.closes <= verdict.quantity
    if verdict.closes < verdict.quantity and verdict.closes:
        assert after == 0, "nothing opens before all is closed"


@given(signal=signals, rules=any_rules, case=cases)
def test_policy_when_its_rules_are_out_of_bounds_then_refused_and_never_more(
    signal: Signal, rules: PolicyRules, case: dict[str, Any]
) -> None:
    plain = apply_policy(signal, None, **case)
    ruled = apply_policy(signal, a_policy(rules), **case)

    if rules_problem(rules) is not None:
        assert isinstance(ruled, Refusal)
        assert ruled.code is Denial.POLICY_UNREADABLE
    elif isinstance(ruled, PolicyVerdict):
        assert isinstance(plain, PolicyVerdict)
        assert ruled.quantity <= plain.quantity


@given(limit=amounts, of_policy=st.none() | st.decimals("-10", "1000000", places=2))
def test_tighter_when_any_policy_then_the_platforms_limit_is_never_raised(
    limit: Decimal, of_policy: Decimal | None
) -> None:
    assert tighter(limit, of_policy) <= limit
