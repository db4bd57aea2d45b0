"""The user's rules for a deployment. A policy may lower what a signal asks for, never raise it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.books import DEPLOYMENT_POLICIES
from common.domain.agent import Deployment
from common.domain.exit_rules import ExitRules
from common.domain.instrument import Venue
from common.domain.money import ONE, ZERO
from common.domain.order import OrderSide
from common.domain.policy import Direction, Policy, PolicyRules
from common.domain.signal import RiskModel, Signal, SizeModel
from common.errors import InvalidInputError
from common.how.denial import Denial
from common.how.kelly import TrackRecord
from common.how.limits import Refusal
from common.how.sessions import is_open, session_problem
from common.how.sizing import DOWN, Target, figure, quantity_at, target_quantity
from common.ports import Document, Ref
from common.wire import from_document

UNCHANGED = "pass-through-1"

_HUNDRED = Decimal(100)
_NO_RULES = PolicyRules()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVerdict:
    """What the policy lets through; `version` names the rules that said so."""

    quantity: Decimal  # base units, > 0, before lots
    closes: Decimal  # how much of it closes what is held; the rest opens
    version: str
    exits: ExitRules | None  # of what it opens; None: the position keeps the rules it has
    venues: tuple[Venue, ...] | None  # where it may open; None: everywhere
    steps: tuple[str, ...]  # how the quantity came about, for the audit

    @property
    def only_closes(self) -> bool:
        return self.closes == self.quantity

    @property
    def words(self) -> str:
        return "; ".join(self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    signal: Signal
    deployment: Deployment
    side: OrderSide
    price: Decimal
    volatility_day: Decimal | None
    record: TrackRecord
    starter: Decimal
    now: datetime

    def target(self, size: SizeModel) -> Target | Refusal:
        return target_quantity(
            size,
            capital=self.deployment.capital,
            price=self.price,
            volatility_day=self.volatility_day,
            record=self.record,
            starter=self.starter,
        )


def policy_ref(deployment_id: str) -> Ref:
    return Ref(DEPLOYMENT_POLICIES, deployment_id)


def policy_of(document: Document | None) -> Policy | Refusal | None:
    """The policy in force; None where none was ever set. One that cannot be read refuses."""
    if document is None:
        return None
    try:
        return from_document(Policy, document.data)
    except InvalidInputError:
        return _unreadable("its document cannot be read")


def tighter(limit: Decimal, of_policy: Decimal | None) -> Decimal:
    """The limit in force: a policy's counts where it is the lower one."""
    return limit if of_policy is None else min(limit, of_policy)


def apply_policy(
    signal: Signal,
    policy: Policy | None,
    *,
    deployment: Deployment,
    side: OrderSide,
    held: Decimal,
    price: Decimal,
    volatility_day: Decimal | None,
    record: TrackRecord,
    starter: Decimal,
    now: datetime,
) -> PolicyVerdict | Refusal:
    """What of `signal` may go for `deployment`; without a policy, its own size (pass-through).

    `held` is the signed quantity that the order could close: without what other orders are
    closing already. What closes it passes every rule at the signal's own size. What goes beyond
    it opens, and is refused or sized by the rules; when they refuse, what closes goes alone.

    The size is the signal's, or the policy's model's where that is smaller; times the risk
    modifier; at most the policy's largest order; and never less than what closes. It is never
    more than without a policy.

    `record` and `starter` are what KELLY is sized by (sizing.py).

    Exits are the signal's, each field replaced by the policy's own where it has one, also by a
    wider one: the user's money, the user's distance.

    Raises InvalidInputError: the signal's risk model is none.
    """
    rules = _NO_RULES if policy is None else policy.rules
    problem = None if policy is None else _policy_problem(policy, deployment)
    if problem is not None:
        return _unreadable(problem)
    case = _Case(
        signal=signal,
        deployment=deployment,
        side=side,
        price=price,
        volatility_day=volatility_day,
        record=record,
        starter=starter,
        now=now,
    )
    own = case.target(signal.size_model)
    if isinstance(own, Refusal):
        return own
    closes = min(own.quantity, abs(held)) if held * side.sign < ZERO else ZERO
    sized = _sized(case, rules, own, closes)
    if isinstance(sized, Refusal):
        return sized
    opens = sized.quantity > closes
    return PolicyVerdict(
        quantity=sized.quantity,
        closes=closes,
        version=UNCHANGED if policy is None else policy.name,
        exits=_exits(signal.risk_model, rules) if opens else None,
        venues=rules.allowed_venues if opens else None,
        steps=sized.steps,
    )


@dataclass(frozen=True, slots=True)
class _Sized:
    quantity: Decimal
    steps: tuple[str, ...]


def _sized(case: _Case, rules: PolicyRules, own: Target, closes: Decimal) -> _Sized | Refusal:
    if closes == own.quantity:
        return _Sized(closes, (own.words,))
    refusal = _opening_refusal(case, rules)
    sized = _opening_size(case, rules, own) if refusal is None else refusal
    if isinstance(sized, _Sized) and sized.quantity >= closes:
        return sized
    if isinstance(sized, Refusal) and not closes:
        return sized
    so_far = (own.words, sized.reason) if isinstance(sized, Refusal) else sized.steps
    return _Sized(closes, (*so_far, f"the {figure(closes)} that close what is held go whole"))


def entry_refusal(
    rules: PolicyRules, *, symbol: str, side: OrderSide, now: datetime
) -> Refusal | None:
    """Why nothing of `symbol` may be opened on `side` now, whatever signal asks; None when it may.

    Asked again for each slice of a parent order: rules hold from the moment they are set.
    """
    allowed = rules.allowed_symbols is None or symbol in rules.allowed_symbols
    if not allowed or symbol in rules.denied_symbols:
        detail = f"The policy does not allow {symbol}"
        return Refusal(Denial.POLICY_SYMBOL_NOT_ALLOWED, detail)
    refused = {Direction.LONG_ONLY: OrderSide.SELL, Direction.SHORT_ONLY: OrderSide.BUY}
    if refused.get(rules.direction) is side:
        detail = f"The policy is {rules.direction}, and this would open the other way"
        return Refusal(Denial.POLICY_DIRECTION_NOT_ALLOWED, detail)
    if rules.sessions and not is_open(rules.sessions, now):
        detail = f"The policy allows no entry at {now:%a %H:%M} UTC"
        return Refusal(Denial.POLICY_OUTSIDE_SESSION, detail)
    return None


def _opening_refusal(case: _Case, rules: PolicyRules) -> Refusal | None:
    """Why nothing may be opened; None when it may."""
    signal = case.signal
    refusal = entry_refusal(rules, symbol=signal.symbol, side=case.side, now=case.now)
    if refusal is not None:
        return refusal
    if rules.min_confidence is not None and signal.confidence < rules.min_confidence:
        detail = (
            f"The confidence of {figure(signal.confidence)} is below the policy's"
            f" {figure(rules.min_confidence)}"
        )
        return Refusal(Denial.POLICY_CONFIDENCE_BELOW_MINIMUM, detail)
    enabled = case.deployment.enabled_venues
    if rules.allowed_venues is not None and not set(rules.allowed_venues) & set(enabled):
        detail = "The policy allows no venue that the deployment has enabled"
        return Refusal(Denial.POLICY_VENUE_NOT_ALLOWED, detail)
    return None


def _opening_size(case: _Case, rules: PolicyRules, own: Target) -> _Sized | Refusal:
    quantity, steps = own.quantity, [own.words]
    if rules.size_model is not None:
        of_policy = case.target(rules.size_model)
        if isinstance(of_policy, Refusal):
            return of_policy
        if of_policy.quantity < quantity:
            quantity = of_policy.quantity
            steps.append(f"the policy's size is smaller: {of_policy.words}")
    if rules.risk_modifier != ONE:
        quantity = DOWN.multiply(quantity, rules.risk_modifier)
        modifier = figure(rules.risk_modifier)
        steps.append(f"risk modifier {modifier} makes it {figure(quantity)}")
    if rules.max_order_notional is not None:
        most = quantity_at(rules.max_order_notional, case.price)
        if most < quantity:
            quantity = most
            largest = figure(rules.max_order_notional)
            steps.append(f"the policy's largest order of {largest} makes it {figure(quantity)}")
    return _Sized(quantity, tuple(steps))


def _exits(risk: RiskModel | None, rules: PolicyRules) -> ExitRules | None:
    """The signal's, with the policy's own instead wherever it has one; None when there are none."""
    signals = ExitRules() if risk is None else _signals_exits(risk)
    merged = ExitRules(
        stop_loss=signals.stop_loss if rules.stop_loss is None else rules.stop_loss,
        take_profit=signals.take_profit if rules.take_profit is None else rules.take_profit,
        trailing_stop=(
            signals.trailing_stop if rules.trailing_stop is None else rules.trailing_stop
        ),
        time_limit_s=signals.time_limit_s if rules.time_limit_s is None else rules.time_limit_s,
    )
    return None if merged.are_empty else merged


def _signals_exits(risk: RiskModel) -> ExitRules:
    """Percents of a risk model as fractions."""
    fields = {"trailing-stop": "trailing_stop", "stop-loss": "stop_loss"}
    given = (risk.stop, risk.take_profit, risk.time_limit_s)
    if risk.type not in fields or any(each is not None and each <= 0 for each in given):
        detail = f"must be one of {', '.join(fields)}, with distances and times above 0"
        raise InvalidInputError(detail, code="INVALID_RISK_MODEL", where="signal.risk_model")
    stop = risk.stop / _HUNDRED
    return ExitRules(
        stop_loss=stop if risk.type == "stop-loss" else None,
        take_profit=None if risk.take_profit is None else risk.take_profit / _HUNDRED,
        trailing_stop=stop if risk.type == "trailing-stop" else None,
        time_limit_s=risk.time_limit_s,
    )


def _policy_problem(policy: Policy, deployment: Deployment) -> str | None:
    if policy.deployment_id != deployment.deployment_id:
        return "it is another deployment's"
    return rules_problem(policy.rules)


def rules_problem(rules: PolicyRules) -> str | None:
    """Why the rules cannot be meant, whoever wrote them; None when they can."""
    if rules.allowed_symbols == () or rules.allowed_venues == ():
        return "it allows nothing"
    if not ZERO < rules.risk_modifier <= ONE:
        return "its risk modifier must be above 0 and at most 1"
    if rules.min_confidence is not None and not ZERO <= rules.min_confidence <= ONE:
        return "its confidence must be from 0 to 1"
    size = None if rules.size_model is None else rules.size_model.value
    positive = (
        size,
        rules.max_order_notional,
        rules.max_exposure,
        rules.max_leverage,
        rules.stop_loss,
        rules.trailing_stop,
        rules.take_profit,
        rules.time_limit_s,
    )
    if any(value is not None and value <= 0 for value in positive):
        return "its sizes, limits and exits must be above 0"
    if any(stop is not None and stop >= ONE for stop in (rules.stop_loss, rules.trailing_stop)):
        return "its stops must be below 100 %"
    unbounded = rules.direction is Direction.LONG_ONLY
    if rules.take_profit is not None and rules.take_profit >= ONE and not unbounded:
        return "no short position can win 100 %"
    problems = (session_problem(session) for session in rules.sessions)
    return next((problem for problem in problems if problem is not None), None)


def _unreadable(why: str) -> Refusal:
    return Refusal(Denial.POLICY_UNREADABLE, f"The policy cannot be used: {why}")
