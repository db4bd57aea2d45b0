"""How: whether a delivery may trade at all, how much of it, and whether its limits allow it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from common.domain.agent import DeploymentStatus
from common.domain.identifiers import intent_id
from common.domain.instrument import Venue
from common.domain.money import ZERO
from common.domain.order import VenueCandidate
from common.domain.parent_order import ExecAlgorithm
from common.domain.scope import deployment_scope
from common.execution.algorithms.parent import parent_id
from common.how.denial import Denial
from common.how.limits import Refusal
from common.how.marks import Mark
from common.how.policy import PolicyVerdict, apply_policy
from common.how.portfolio_state import PortfolioState
from common.how.risk import OrderRisk, assess
from common.how.throttles import OrderThrottle, after_execution, check_throttle
from common.how.trading_state import state_refusal
from common.where.router import Leg
from functions.route.desk import Case, Desk, Wanted
from functions.route.working import volatility_of_day


def deployment_refusal(desk: Desk, case: Case) -> Refusal | None:
    if case.deployment.status is not DeploymentStatus.ACTIVE:
        return Refusal(Denial.DEPLOYMENT_NOT_ACTIVE, "The deployment is paused")
    if case.deployment.paper != (desk.settings.mode == "paper"):
        mode = "paper" if case.deployment.paper else "live"
        return Refusal(
            Denial.DEPLOYMENT_MODE_MISMATCH,
            f"The deployment is for {mode} trading, and this system runs on {desk.settings.mode}",
        )
    return None


async def sized(
    desk: Desk,
    case: Case,
    state: PortfolioState,
    mark: Mark,
    now: datetime,
    *,
    place: Venue | None,
) -> PolicyVerdict | Refusal:
    """What the user's policy makes of the signal's size."""
    if isinstance(state.policy, Refusal):
        return state.policy
    held = ZERO if place is None else _left(case, state, place)
    return apply_policy(
        case.signal,
        state.policy,
        deployment=case.deployment,
        side=case.side,
        held=held,
        price=mark.price,
        volatility_day=await volatility_of_day(desk, case, state, now),
        record=state.record,
        starter=desk.settings.execution.kelly_starter,
        now=now,
    )


def closing_venue(case: Case, state: PortfolioState, venues: Sequence[Venue]) -> Venue | None:
    """Where most is held that the signal would close; None where nothing is.

    A position is one venue's: only there can it be closed.
    """
    held = {venue: _left(case, state, venue) for venue in venues}
    closable = {venue: each for venue, each in held.items() if each * case.side.sign < ZERO}
    return max(closable, key=lambda venue: abs(closable[venue]), default=None)


def _left(case: Case, state: PortfolioState, venue: Venue) -> Decimal:
    """Without what other orders are closing there already."""
    return state.held.left_to_reduce("", venue, case.signal.symbol, case.side)


def closed_venues(
    case: Case, wanted: Wanted, venues: Sequence[Venue]
) -> tuple[dict[Venue, Refusal], Refusal | None]:
    """Where the trading state forbids the order; and why it may go nowhere, if that is so."""
    state = wanted.state
    found: dict[Venue, Refusal] = {}
    for venue in venues:
        refusal = state_refusal(
            state.standings[venue],
            side=case.side,
            quantity=wanted.verdict.quantity,
            held=state.held.held(venue, case.signal.symbol),
        )
        if refusal is not None:
            found[venue] = refusal
    nowhere = len(found) == len(venues) and found
    return found, next(iter(found.values())) if nowhere else None


def allowed_venues(
    case: Case, wanted: Wanted, venues: Sequence[Venue]
) -> tuple[Venue, ...] | Refusal:
    """The enabled venues that the policy allows to open at; of what only closes, the one where it
    is held.
    """
    if wanted.verdict.only_closes and wanted.closing_venue is not None:
        return (wanted.closing_venue,)
    enabled = case.deployment.enabled_venues
    rule = wanted.verdict.venues
    allowed = tuple(venue for venue in enabled if rule is None or venue in rule)
    if rule is not None and not set(allowed) & set(venues):
        detail = "The policy allows none of the deployment's venues"
        return Refusal(Denial.POLICY_VENUE_NOT_ALLOWED, detail)
    return allowed


@dataclass(frozen=True, slots=True)
class Effects:
    """What each leg's quantity is reserved under: its intent, or its parent order."""

    algorithm: ExecAlgorithm
    ids: tuple[str, ...]

    @property
    def whole(self) -> bool:
        return self.algorithm is ExecAlgorithm.MARKET

    @staticmethod
    def of(case: Case, algorithm: ExecAlgorithm, legs: int) -> "Effects":
        own = (case.signal.agent_id, case.deployment.deployment_id, case.signal.signal_id)
        if algorithm is ExecAlgorithm.MARKET:
            return Effects(algorithm, tuple(intent_id(*own, number, 0) for number in range(legs)))
        return Effects(algorithm, tuple(parent_id(*own, number) for number in range(legs)))


@dataclass(frozen=True, slots=True)
class RiskLeg:
    """One leg as it would be reserved: an order's, or a parent's."""

    effect_id: str
    first: VenueCandidate
    at_venue: bool
    price: Decimal  # what its order would carry


def leg_risks(case: Case, legs: Sequence[Leg], effects: Effects) -> list[RiskLeg]:
    """An order that rests carries its own price, every other one the bound around the mark."""
    wish = case.signal.execution
    resting = effects.algorithm is ExecAlgorithm.LIMIT and wish is not None
    own = wish.limit_price if resting and wish is not None else None
    return [
        RiskLeg(effect_id, leg.candidates[0], effects.whole, own or leg.candidates[0].price)
        for leg, effect_id in zip(legs, effects.ids, strict=True)
    ]


def risk_refusal(
    desk: Desk, case: Case, wanted: Wanted, legs: Sequence[RiskLeg], now: datetime
) -> Refusal | None:
    """Every leg against the limits of its venue, with the legs before it reserved."""
    state, settings = wanted.state, desk.settings.limits
    exposure = state.held
    for leg in legs:
        venue = leg.first.venue
        limits = state.limits_at(venue, settings)
        if isinstance(limits, Refusal):
            return limits
        order = OrderRisk(
            intent_id=leg.effect_id,
            venue=venue,
            symbol=case.signal.symbol,
            side=case.side,
            quantity=leg.first.quantity,
            price=leg.price,
            at_venue=leg.at_venue,
        )
        exposure = exposure.reserve(leg.effect_id, order.reservation(wanted.mark.price))
        reserved = replace(order, after=exposure)
        refusal = assess(reserved, state, limits, now=now, settings=settings)
        if refusal is not None:
            return refusal
    return None


def throttled(
    desk: Desk, case: Case, wanted: Wanted, legs: Sequence[RiskLeg], now: datetime
) -> tuple[OrderThrottle | None, Refusal | None]:
    """The deployment's throttle of this symbol with this execution in it, and what it says.

    None for what only makes a position smaller: no throttle keeps anybody from getting out.
    """
    if wanted.verdict.only_closes:
        return None, None
    state, first = wanted.state, legs[0].first
    limits = state.limits_at(first.venue, desk.settings.limits)
    if isinstance(limits, Refusal) or isinstance(state.throttle, Refusal):
        return None, limits if isinstance(limits, Refusal) else check_throttle(state.throttle)
    known = state.throttle.value if state.throttle else None
    scope = deployment_scope(case.deployment.deployment_id)
    after = after_execution(known, scope, case.signal.symbol, limits.repeats, now=now)
    return after, check_throttle(after)


def told(refusals: Mapping[Venue, Refusal]) -> dict[Venue, str]:
    """For the router: why a venue is not to be had."""
    return {venue: refusal.reason for venue, refusal in refusals.items()}
