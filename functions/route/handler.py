"""One delivery: policy, size and limits (How), then the venue (Where): plans, or a refusal."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from common.books import WATCHED_SYMBOLS, book_named
from common.config import Settings
from common.contention import retry_on_conflict
from common.domain.events import DeploymentSignal, OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.domain.moment import iso, to_ms
from common.domain.rounding import QUANTITY_BELOW_MINIMUM
from common.domain.routing import RoutingDecision
from common.domain.signal import SignalStatus
from common.errors import TransientError
from common.execution.algorithms.selection import Choice
from common.how.denial import Denial
from common.how.limits import Refusal
from common.how.marks import Mark
from common.how.portfolio_state import PortfolioState, read_portfolio_state
from common.ports import Clock, Create, DocumentStore, Instruments, Ref, Update
from common.where.breakers import Breakers
from common.where.checks import RouteCode
from common.where.priorities import RoutingPreference, routing_preference
from common.where.router import Route, RouteRequest, choose_venue
from functions.route.checking import (
    Effects,
    allowed_venues,
    closed_venues,
    closing_venue,
    deployment_refusal,
    leg_risks,
    risk_refusal,
    sized,
    told,
)
from functions.route.desk import Case, Desk, Wanted, load_case
from functions.route.endings import refuse, skip
from functions.route.planning import plan
from functions.route.working import choose_algorithm

WATCH_FOR = timedelta(hours=1)


async def route(
    event: DeploymentSignal,
    *,
    store: DocumentStore,
    clock: Clock,
    settings: Settings,
    instruments: Instruments,
    unavailable: Mapping[Venue, str],
) -> list[OutboxMessage]:
    """Route a delivery once; a repeated message changes nothing and returns what is still to
    publish.

    `unavailable` says of a venue why nothing can be traded there in this mode.
    """
    desk = Desk(store, clock, settings, instruments, unavailable)
    book = book_named(event.book)

    async def once() -> list[OutboxMessage]:
        case = await load_case(store, book, event.delivery_id)
        if case.delivery.value.status is not SignalStatus.PENDING:
            return []
        return await _route(desk, case)

    return await retry_on_conflict(once, what=f"delivery {event.delivery_id}")


async def _route(desk: Desk, case: Case) -> list[OutboxMessage]:
    started = desk.clock.now()
    preference = await routing_preference(desk.store, case.book, case.deployment)
    state = await read_portfolio_state(
        desk.store,
        deployment=case.deployment,
        symbol=case.signal.symbol,
        venues=preference.venues,
        now=started,
    )
    mark = state.marks.get(case.signal.symbol)
    if started >= case.signal.expires_at:
        expired = Refusal(Denial.SIGNAL_EXPIRED, _why_expired(mark))
        return await refuse(desk, case, expired, started)
    if mark is None or await _is_forgotten(desk, mark, started):
        await _watch(desk.store, case.signal.symbol, started)
        raise TransientError(f"no price of {case.signal.symbol} yet; it is asked for now")
    wanted = await _wanted(desk, case, state, mark, started, venues=preference.venues)
    if isinstance(wanted, Refusal):
        return await refuse(desk, case, wanted, started)
    closed, nowhere = closed_venues(case, wanted, preference.venues)
    allowed = allowed_venues(case, wanted, preference.venues)
    if isinstance(allowed, Refusal):
        return await refuse(desk, case, allowed, started, wanted=wanted)
    if nowhere is not None:
        return await refuse(desk, case, nowhere, started, wanted=wanted)
    choice = await choose_algorithm(desk, case, wanted, started)
    unavailable = {**told(closed), **desk.unavailable}
    chosen = await _choose(desk, case, wanted, preference, (allowed, unavailable))
    record = _record(desk, case, wanted, preference, (chosen, choice), started=started)
    if chosen.selected is None:
        too_small = _too_small(chosen)
        if too_small is not None:
            return await refuse(desk, case, too_small, record.created_at, wanted=wanted)
        return await skip(desk, case, chosen, record)
    effects = Effects.of(case, choice.algorithm, len(chosen.legs))
    legs = leg_risks(case, chosen.legs, effects)
    refusal = risk_refusal(desk, case, wanted, legs, record.created_at)
    if refusal is not None:
        return await refuse(desk, case, refusal, record.created_at, wanted=wanted)
    return await plan(desk, case, wanted, choice, (chosen, record, legs))


async def _wanted(
    desk: Desk,
    case: Case,
    state: PortfolioState,
    mark: Mark,
    now: datetime,
    *,
    venues: Sequence[Venue],
) -> Wanted | Refusal:
    """What may be traded, before it is known where."""
    refusal = deployment_refusal(desk, case) or mark.refusal(now=now, settings=desk.settings.limits)
    if refusal is not None:
        return refusal
    place = closing_venue(case, state, venues)
    verdict = await sized(desk, case, state, mark, now, place=place)
    return verdict if isinstance(verdict, Refusal) else Wanted(mark, verdict, state, place)


def _why_expired(mark: Mark | None) -> str:
    return (
        "The signal expired before a price was known"
        if mark is None
        else "The signal expired before it could be routed"
    )


async def _is_forgotten(desk: Desk, mark: Mark, now: datetime) -> bool:
    """Whether the price is old because nobody asks for it any more, not because the feed is."""
    if mark.refusal(now=now, settings=desk.settings.limits) is None:
        return False
    if mark.symbol in desk.settings.swarm.symbols:
        return False
    watch = await desk.store.get(Ref(WATCHED_SYMBOLS, mark.symbol))
    return watch is None or watch.data["until"] < iso(now)


async def _watch(store: DocumentStore, symbol: str, now: datetime) -> None:
    """Ask fetch_market for a symbol that is not among the configured ones."""
    ref = Ref(WATCHED_SYMBOLS, symbol)
    until = now + WATCH_FOR
    wanted = {"symbol": symbol, "until": iso(until)}
    found = await store.get(ref)
    if found is None:
        await store.commit([Create(ref, wanted, expires_at=until)])
    elif found.data["until"] < iso(now):
        await store.commit([Update(ref, wanted, found.version)])


async def _choose(
    desk: Desk,
    case: Case,
    wanted: Wanted,
    preference: RoutingPreference,
    open_to: tuple[Sequence[Venue], Mapping[Venue, str]],
) -> Route:
    symbol, venues = case.signal.symbol, wanted.in_order(preference.venues)
    allowed, unavailable = open_to
    request = RouteRequest(
        symbol=symbol,
        side=case.side,
        quantity=wanted.verdict.quantity,
        price=wanted.mark.price,
        slippage_max=desk.settings.limits.slippage_max,
        held={venue: wanted.state.held.held(venue, symbol) for venue in venues},
        enabled=frozenset(allowed),
        unavailable=unavailable,
    )
    breakers = Breakers(desk.store, desk.clock, desk.settings.breaker)
    return choose_venue(
        request,
        venues,
        tables={venue: await desk.instruments.table(venue) for venue in venues},
        breakers=await breakers.read(venues),
        breaker_settings=desk.settings.breaker,
        now=desk.clock.now(),
        mode=preference.mode,
    )


def _record(
    desk: Desk,
    case: Case,
    wanted: Wanted,
    preference: RoutingPreference,
    found: tuple[Route, Choice],
    *,
    started: datetime,
) -> RoutingDecision:
    chosen, choice = found
    now = desk.clock.now()
    return RoutingDecision(
        routing_id=prefixed_id("rte", case.delivery.value.delivery_id),
        book=case.book.name,
        signal_id=case.signal.signal_id,
        delivery_id=case.delivery.value.delivery_id,
        agent_id=case.signal.agent_id,
        deployment_id=case.deployment.deployment_id,
        symbol=case.signal.symbol,
        requested_venues=tuple(preference.venues),
        checked_venues=chosen.checks,
        selected_venue=chosen.selected,
        routing_reason=chosen.reason,
        reason_code=chosen.code,
        routing_duration_ms=to_ms(now) - to_ms(started),
        created_at=now,
        requested_mode=chosen.requested_mode,
        mode=chosen.mode,
        shares=chosen.shares,
        left_over=chosen.left_over,
        policy_version=wanted.verdict.version,
        algorithm=choice.algorithm,
        algorithm_reason=choice.reason,
    )


def _too_small(chosen: Route) -> Refusal | None:
    """Where the size is below the smallest lot of every venue that lists the pair."""
    without = {RouteCode.VENUE_NOT_ENABLED, RouteCode.PAIR_NOT_LISTED}
    asked = [check for check in chosen.checks if check.code not in without]
    if not asked or any(check.code != QUANTITY_BELOW_MINIMUM for check in asked):
        return None
    detail = f"The size rounds to nothing at every venue: {asked[0].reason}"
    return Refusal(Denial.QUANTITY_ROUNDS_TO_ZERO, detail)
