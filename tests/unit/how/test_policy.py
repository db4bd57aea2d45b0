"""What a user's rules make of a signal: sizes, refusals, exits, and what they never hold back."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import DEPLOYMENT_POLICIES
from common.domain.exit_rules import ExitRules
from common.domain.instrument import Venue
from common.domain.order import OrderSide
from common.domain.policy import Direction, Policy, PolicyRules, TradingSession
from common.domain.signal import RiskModel, SizeModel, SizeType
from common.errors import InvalidInputError
from common.how.denial import Denial
from common.how.kelly import TrackRecord
from common.how.limits import Refusal
from common.how.policy import (
    UNCHANGED,
    PolicyVerdict,
    apply_policy,
    policy_of,
    policy_ref,
    rules_problem,
    tighter,
)
from common.ports import Document
from common.wire import to_document
from tests.builders import DEPLOYMENT_ID, NOON, a_deployment, a_signal

BUY, SELL = OrderSide.BUY, OrderSide.SELL
HL, OSTIUM, GMX = Venue.HYPERLIQUID, Venue.OSTIUM, Venue.GMX


def a_policy(version: int = 7, **rules: Any) -> Policy:
    return Policy(
        deployment_id=DEPLOYMENT_ID,
        version=version,
        rules=PolicyRules(**rules),
        changed_by="Ada",
        changed_at=NOON,
    )


def decided(policy: Policy | None = None, **changes: Any) -> PolicyVerdict | Refusal:
    """LONG 10 % of 10,000 at 2,000: 0.5 ETH."""
    facts: dict[str, Any] = {
        "signal": a_signal(),
        "deployment": a_deployment(),
        "side": BUY,
        "held": Decimal(0),
        "price": Decimal(2000),
        "volatility_day": None,
        "record": TrackRecord(),
        "starter": Decimal("0.01"),
        "now": NOON,
        **changes,
    }
    return apply_policy(policy=policy, **facts)


def let_through(policy: Policy | None = None, **changes: Any) -> PolicyVerdict:
    verdict = decided(policy, **changes)
    assert isinstance(verdict, PolicyVerdict), verdict
    return verdict


def refused(policy: Policy | None = None, **changes: Any) -> Refusal:
    refusal = decided(policy, **changes)
    assert isinstance(refusal, Refusal), refusal
    return refusal


def a_size(kind: SizeType, value: str) -> SizeModel:
    return SizeModel(type=kind, value=Decimal(value))


def test_policy_when_none_is_set_then_the_signals_own_size_under_a_named_version() -> None:
    assert let_through() == PolicyVerdict(
        quantity=Decimal("0.5"),
        closes=Decimal(0),
        version=UNCHANGED,
        exits=ExitRules(trailing_stop=Decimal("0.025")),
        venues=None,
        steps=("10 % of 10,000 at 2,000 is 0.5",),
    )


def test_policy_when_it_has_no_rules_then_as_without_it_but_for_its_name() -> None:
    assert let_through(a_policy(3)) == replace(let_through(), version="policy-3")


def test_policy_when_it_lowers_the_size_then_step_by_step_in_words() -> None:
    policy = a_policy(
        size_model=a_size(SizeType.FIXED, "900"),
        risk_modifier=Decimal("0.5"),
        max_order_notional=Decimal(300),
    )
    verdict = let_through(policy)

    assert (verdict.quantity, verdict.version) == (Decimal("0.15"), "policy-7")
    assert verdict.words == (
        "10 % of 10,000 at 2,000 is 0.5"
        "; the policy's size is smaller: 900 at 2,000 is 0.45"
        "; risk modifier 0.5 makes it 0.225"
        "; the policy's largest order of 300 makes it 0.15"
    )


@pytest.mark.parametrize(
    "rules",
    [
        {"size_model": a_size(SizeType.PERCENTAGE, "11")},
        {"size_model": a_size(SizeType.PERCENTAGE, "10")},
        {"max_order_notional": Decimal(1000)},
        {"max_order_notional": Decimal(1001)},
    ],
)
def test_policy_when_its_own_size_is_no_smaller_then_the_signals(rules: dict[str, Any]) -> None:
    verdict = let_through(a_policy(**rules))

    assert (verdict.quantity, len(verdict.steps)) == (Decimal("0.5"), 1)


def test_policy_when_its_size_model_cannot_tell_then_refused() -> None:
    policy = a_policy(size_model=a_size(SizeType.KELLY, "50"))
    record = TrackRecord(trips=20, won=5, gains=Decimal(5), losses=Decimal(-9))
    assert refused(policy, record=record).code is Denial.KELLY_NO_EDGE


def test_policy_when_the_signals_size_cannot_be_told_then_refused_with_or_without_a_policy() -> (
    None
):
    signal = a_signal(size_model=a_size(SizeType.VOLATILITY, "1"))
    policy = a_policy(size_model=a_size(SizeType.FIXED, "10"))

    assert refused(signal=signal).code is Denial.SIZE_NEEDS_VOLATILITY
    assert refused(policy, signal=signal).code is Denial.SIZE_NEEDS_VOLATILITY
    assert let_through(policy, signal=signal, volatility_day=Decimal("0.1")).quantity == Decimal(
        "0.005"
    )


THURSDAY = TradingSession(days=(3,), start_minute=720, end_minute=780)  # NOON is on a Thursday
BLOCKING: list[tuple[dict[str, Any], Denial, str]] = [
    (
        {"allowed_symbols": ("BTC", "SOL")},
        Denial.POLICY_SYMBOL_NOT_ALLOWED,
        "The policy does not allow ETH",
    ),
    (
        {"denied_symbols": ("ETH",)},
        Denial.POLICY_SYMBOL_NOT_ALLOWED,
        "The policy does not allow ETH",
    ),
    (
        {"direction": Direction.SHORT_ONLY},
        Denial.POLICY_DIRECTION_NOT_ALLOWED,
        "The policy is SHORT_ONLY, and this would open the other way",
    ),
    (
        {"min_confidence": Decimal("0.76")},
        Denial.POLICY_CONFIDENCE_BELOW_MINIMUM,
        "The confidence of 0.75 is below the policy's 0.76",
    ),
    (
        {"sessions": (replace(THURSDAY, start_minute=721),)},
        Denial.POLICY_OUTSIDE_SESSION,
        "The policy allows no entry at Thu 12:00 UTC",
    ),
    (
        {"allowed_venues": (GMX,)},
        Denial.POLICY_VENUE_NOT_ALLOWED,
        "The policy allows no venue that the deployment has enabled",
    ),
]


@pytest.mark.parametrize(("rules", "code", "reason"), BLOCKING)
def test_policy_when_a_rule_forbids_the_entry_then_refused_with_its_code(
    rules: dict[str, Any], code: Denial, reason: str
) -> None:
    assert refused(a_policy(**rules)) == Refusal(code, reason)


def test_policy_when_it_is_long_only_then_a_short_entry_is_refused() -> None:
    policy = a_policy(direction=Direction.LONG_ONLY)

    assert refused(policy, side=SELL).code is Denial.POLICY_DIRECTION_NOT_ALLOWED
    assert let_through(policy).quantity == Decimal("0.5")


@pytest.mark.parametrize(
    "rules",
    [
        {"allowed_symbols": ("BTC", "ETH")},
        {"denied_symbols": ("BTC",)},
        {"direction": Direction.LONG_ONLY},
        {"min_confidence": Decimal("0.75")},
        {"sessions": (replace(THURSDAY, days=(2,)), THURSDAY)},
    ],
)
def test_policy_when_its_rules_allow_the_entry_then_it_goes(rules: dict[str, Any]) -> None:
    assert let_through(a_policy(**rules)).quantity == Decimal("0.5")


def test_policy_when_venues_are_its_own_then_they_come_with_the_verdict() -> None:
    assert let_through(a_policy(allowed_venues=(OSTIUM, GMX))).venues == (OSTIUM, GMX)


# ------------------------------------------------------------------------- what closes a position
@pytest.mark.parametrize(("rules", "code", "reason"), BLOCKING)
@pytest.mark.parametrize("held", ["-0.5", "-0.7"])
def test_policy_when_the_order_only_closes_then_no_rule_holds_it_back(
    rules: dict[str, Any], code: Denial, reason: str, held: str
) -> None:
    policy = a_policy(**rules, risk_modifier=Decimal("0.1"), max_order_notional=Decimal(1))
    verdict = let_through(policy, held=Decimal(held))

    assert verdict.quantity == verdict.closes == Decimal("0.5")
    assert verdict.only_closes
    assert (verdict.exits, verdict.venues) == (None, None)
    assert verdict.steps == ("10 % of 10,000 at 2,000 is 0.5",)


@pytest.mark.parametrize(("rules", "code", "reason"), BLOCKING)
def test_policy_when_the_order_reverses_and_may_not_open_then_only_what_closes_goes(
    rules: dict[str, Any], code: Denial, reason: str
) -> None:
    verdict = let_through(a_policy(**rules), held=Decimal("-0.2"))

    assert verdict.quantity == verdict.closes == Decimal("0.2")
    assert (verdict.exits, verdict.venues) == (None, None)
    assert verdict.steps[1:] == (reason, "the 0.2 that close what is held go whole")


@pytest.mark.parametrize(
    ("held", "modifier", "quantity", "closes"),
    [
        ("-0.2", "1", "0.5", "0.2"),
        ("-0.2", "0.6", "0.3", "0.2"),
        ("-0.2", "0.4", "0.2", "0.2"),
        ("-0.2", "0.1", "0.2", "0.2"),
        ("0.2", "0.1", "0.05", "0"),
    ],
)
def test_policy_when_the_order_reverses_then_sized_whole_but_never_below_what_closes(
    held: str, modifier: str, quantity: str, closes: str
) -> None:
    verdict = let_through(a_policy(risk_modifier=Decimal(modifier)), held=Decimal(held))

    assert (verdict.quantity, verdict.closes) == (Decimal(quantity), Decimal(closes))
    assert verdict.only_closes is (quantity == closes)
    assert (verdict.exits is None) is verdict.only_closes
    assert ("go whole" in verdict.words) is ((held, modifier) == ("-0.2", "0.1"))


def test_policy_when_a_short_signal_meets_a_long_position_then_it_closes_too() -> None:
    policy = a_policy(direction=Direction.LONG_ONLY)
    verdict = let_through(policy, side=SELL, held=Decimal("0.3"))

    assert verdict.quantity == verdict.closes == Decimal("0.3")


# ------------------------------------------------------------------------------------------ exits
@pytest.mark.parametrize(
    ("risk", "rules", "expected"),
    [
        (None, {}, None),
        (
            RiskModel(type="trailing-stop", stop=Decimal("2.5")),
            {},
            ExitRules(trailing_stop=Decimal("0.025")),
        ),
        (
            RiskModel(
                type="stop-loss", stop=Decimal(4), take_profit=Decimal(150), time_limit_s=3600
            ),
            {},
            ExitRules(stop_loss=Decimal("0.04"), take_profit=Decimal("1.5"), time_limit_s=3600),
        ),
        (
            RiskModel(type="stop-loss", stop=Decimal(4)),
            {"stop_loss": Decimal("0.2"), "time_limit_s": 60},
            ExitRules(stop_loss=Decimal("0.2"), time_limit_s=60),
        ),
        (
            RiskModel(type="trailing-stop", stop=Decimal(3), take_profit=Decimal(9)),
            {"stop_loss": Decimal("0.01"), "take_profit": Decimal("0.02")},
            ExitRules(
                stop_loss=Decimal("0.01"),
                take_profit=Decimal("0.02"),
                trailing_stop=Decimal("0.03"),
            ),
        ),
        (
            RiskModel(type="trailing-stop", stop=Decimal(3), time_limit_s=60),
            {"trailing_stop": Decimal("0.05"), "time_limit_s": 61},
            ExitRules(trailing_stop=Decimal("0.05"), time_limit_s=61),
        ),
        (None, {"stop_loss": Decimal("0.1")}, ExitRules(stop_loss=Decimal("0.1"))),
    ],
)
def test_exits_when_the_policy_has_its_own_then_they_replace_the_signals_field_by_field(
    risk: RiskModel | None, rules: dict[str, Any], expected: ExitRules | None
) -> None:
    signal = a_signal(risk_model=risk)
    assert let_through(a_policy(**rules), signal=signal).exits == expected


@pytest.mark.parametrize(
    "risk",
    [
        RiskModel(type="hope", stop=Decimal(1)),
        RiskModel(type="stop-loss", stop=Decimal(0)),
        RiskModel(type="trailing-stop", stop=Decimal(-1)),
        RiskModel(type="stop-loss", stop=Decimal(1), take_profit=Decimal(0)),
        RiskModel(type="stop-loss", stop=Decimal(1), time_limit_s=0),
    ],
)
def test_exits_when_the_signals_risk_model_is_none_then_invalid(risk: RiskModel) -> None:
    with pytest.raises(InvalidInputError) as raised:
        decided(signal=a_signal(risk_model=risk))
    assert raised.value.code == "INVALID_RISK_MODEL"


# ------------------------------------------------------------------------- policies that are none
NONE: list[dict[str, Any]] = [
    {"allowed_symbols": ()},
    {"allowed_venues": ()},
    {"risk_modifier": Decimal(0)},
    {"risk_modifier": Decimal("1.0001")},
    {"risk_modifier": Decimal(-1)},
    {"min_confidence": Decimal("1.01")},
    {"min_confidence": Decimal("-0.01")},
    {"size_model": a_size(SizeType.FIXED, "0")},
    {"max_order_notional": Decimal(0)},
    {"max_exposure": Decimal(-5)},
    {"max_leverage": Decimal(0)},
    {"stop_loss": Decimal(0)},
    {"stop_loss": Decimal(1)},
    {"trailing_stop": Decimal("-0.1")},
    {"trailing_stop": Decimal("1.5")},
    {"take_profit": Decimal(0)},
    {"take_profit": Decimal(1)},
    {"take_profit": Decimal(2), "direction": Direction.SHORT_ONLY},
    {"time_limit_s": 0},
    {"sessions": (replace(THURSDAY, days=()),)},
    {"sessions": (THURSDAY, replace(THURSDAY, end_minute=0))},
]


@pytest.mark.parametrize("rules", NONE)
@pytest.mark.parametrize("held", ["0", "-1"])
def test_policy_when_its_rules_cannot_be_meant_then_refused_and_never_ignored(
    rules: dict[str, Any], held: str
) -> None:
    refusal = refused(a_policy(**rules), held=Decimal(held))

    assert refusal.code is Denial.POLICY_UNREADABLE
    assert refusal.reason == f"The policy cannot be used: {rules_problem(PolicyRules(**rules))}"


@pytest.mark.parametrize(
    "rules",
    [
        {"risk_modifier": Decimal("0.001")},
        {"min_confidence": Decimal(0)},
        {"min_confidence": Decimal(1)},
        {"stop_loss": Decimal("0.999"), "trailing_stop": Decimal("0.001")},
        {"take_profit": Decimal("0.999")},
        {"take_profit": Decimal(3), "direction": Direction.LONG_ONLY},
        {"sessions": (THURSDAY,), "time_limit_s": 1},
    ],
)
def test_rules_problem_when_they_can_be_kept_then_none(rules: dict[str, Any]) -> None:
    assert rules_problem(PolicyRules(**rules)) is None


def test_policy_when_it_is_another_deployments_then_refused() -> None:
    policy = replace(a_policy(), deployment_id="dep_2")
    assert refused(policy).code is Denial.POLICY_UNREADABLE


def document_of(policy: Policy, **damage: Any) -> Document:
    return Document(policy_ref(policy.deployment_id), {**to_document(policy), **damage}, "1")


def test_policy_of_when_stored_then_read_and_where_none_was_set_then_none() -> None:
    policy = a_policy(
        allowed_symbols=("ETH",),
        allowed_venues=(HL,),
        sessions=(THURSDAY,),
        size_model=a_size(SizeType.KELLY, "50"),
        max_leverage=Decimal("1.5"),
        time_limit_s=60,
    )

    assert policy_of(document_of(policy)) == policy
    assert policy_of(None) is None
    assert policy_ref(DEPLOYMENT_ID).collection == DEPLOYMENT_POLICIES


@pytest.mark.parametrize(
    "damage",
    [
        {"rules": {"risk_modifier": 0.5}},
        {"rules": {"something_newer": 1}},
        {"rules": None},
        {"version": "one"},
        {"changed_at": "yesterday"},
        {"something_newer": 1},
    ],
)
def test_policy_of_when_it_cannot_be_read_then_refused(damage: dict[str, Any]) -> None:
    found = policy_of(document_of(a_policy(), **damage))

    assert found == Refusal(
        Denial.POLICY_UNREADABLE, "The policy cannot be used: its document cannot be read"
    )


@pytest.mark.parametrize(
    ("of_policy", "expected"), [(None, "10"), ("9.5", "9.5"), ("10", "10"), ("11", "10")]
)
def test_tighter_when_a_policy_has_a_limit_then_the_lower_one(
    of_policy: str | None, expected: str
) -> None:
    wanted = None if of_policy is None else Decimal(of_policy)
    assert tighter(Decimal(10), wanted) == Decimal(expected)


def test_policy_when_the_clock_moves_then_only_its_sessions_notice() -> None:
    policy = a_policy(sessions=(THURSDAY,))
    in_time, late = NOON + timedelta(minutes=59), NOON + timedelta(minutes=60)

    assert let_through(policy, now=in_time) == let_through(policy)
    assert refused(policy, now=late).code is Denial.POLICY_OUTSIDE_SESSION
