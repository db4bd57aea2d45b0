"""How an order is to be worked (SW-08), and the parent order where an algorithm works it."""

from datetime import datetime, timedelta
from decimal import Decimal

from common.domain.market import HOUR_MS, INTERVAL_MS, Candle
from common.domain.moment import to_ms
from common.domain.money import parse_decimal
from common.domain.parent_order import DURATION_MAX_S, ExecAlgorithm, ParentOrder
from common.domain.signal import SizeType
from common.errors import TransientError
from common.execution.algorithms.parent import ParentRequest, new_parent
from common.execution.algorithms.selection import Choice, choose, realised_volatility
from common.execution.candles import candles_of_hours, last_candles
from common.how.limits import Refusal
from common.how.portfolio_state import PortfolioState
from common.where.router import Leg
from functions.route.desk import Case, Desk, Wanted

VOLATILITY_HOURS = 4
PROFILE_DAYS = 7
_YEAR_DAYS = Decimal(365)


async def volatility_of_year(desk: Desk, state: PortfolioState, now: datetime) -> Decimal | None:
    """Annualised, of the last hours' candles; None where there are too few."""
    interval = state.marks[state.symbol].interval
    candles = await last_candles(
        desk.store, state.symbol, interval, now_ms=to_ms(now), hours=VOLATILITY_HOURS
    )
    return realised_volatility(candles, INTERVAL_MS[interval])


async def volatility_of_day(
    desk: Desk, case: Case, state: PortfolioState, now: datetime
) -> Decimal | None:
    """One standard deviation of a day, where a size is asked for by it; None else."""
    sizes = [case.signal.size_model]
    policy = state.policy
    if policy is not None and not isinstance(policy, Refusal) and policy.rules.size_model:
        sizes.append(policy.rules.size_model)
    if all(size.type is not SizeType.VOLATILITY for size in sizes):
        return None
    annual = await volatility_of_year(desk, state, now)
    return None if annual is None else annual / _YEAR_DAYS.sqrt()


async def choose_algorithm(desk: Desk, case: Case, wanted: Wanted, now: datetime) -> Choice:
    """The signal's wish, else by size and volatility, which is looked up only where it decides."""
    settings = desk.settings.execution
    document = wanted.state.market
    told = document.data.get("hourly_volume") if document else None
    volume = parse_decimal(told) if told is not None else None
    quantity = wanted.verdict.quantity
    choice = choose(
        case.signal.execution,
        quantity=quantity,
        hourly_volume=volume,
        volatility=None,
        settings=settings,
    )
    wished = case.signal.execution is not None and case.signal.execution.algorithm is not None
    if wished or choice.algorithm is not ExecAlgorithm.TWAP:
        return choice
    return choose(
        case.signal.execution,
        quantity=quantity,
        hourly_volume=volume,
        volatility=await volatility_of_year(desk, wanted.state, now),
        settings=settings,
    )


async def make_parent(
    desk: Desk,
    case: Case,
    wanted: Wanted,
    choice: Choice,
    numbered: tuple[int, Leg],
    *,
    now: datetime,
) -> ParentOrder | Refusal:
    """The parent order of one leg. Raises TransientError: its instrument is not known any more."""
    number, leg = numbered
    first = leg.candidates[0]
    table = await desk.instruments.table(first.venue)
    instrument = table.find(case.signal.symbol) if table else None
    if instrument is None:
        raise TransientError(f"{first.venue.label}'s pairs are not loaded")
    request = ParentRequest(
        book=case.book.name,
        agent_id=case.signal.agent_id,
        deployment_id=case.deployment.deployment_id,
        delivery_id=case.delivery.value.delivery_id,
        signal_id=case.signal.signal_id,
        leg=number,
        symbol=case.signal.symbol,
        side=case.side,
        choice=choice,
        wish=case.signal.execution,
        candidates=leg.candidates,
        instrument=instrument,
        mark=wanted.mark.price,
        candles=await _profile_candles(desk, case, wanted, choice, now),
        slippage_max=desk.settings.limits.slippage_max,
        reduce_only=wanted.verdict.only_closes,
        exits=wanted.verdict.exits,
        policy_version=wanted.verdict.version,
        paper=case.deployment.paper,
    )
    return new_parent(request, settings=desk.settings.execution, now=now)


async def _profile_candles(
    desk: Desk, case: Case, wanted: Wanted, choice: Choice, now: datetime
) -> tuple[Candle, ...]:
    """Of the same time of day on the days before, an hour more at either end; of a wish that is
    longer than any may be, for which there will be no parent, of a day.
    """
    if choice.algorithm is not ExecAlgorithm.VWAP:
        return ()
    wish = case.signal.execution
    asked = wish.duration_s if wish else None
    seconds = min(asked or desk.settings.execution.duration_s, DURATION_MAX_S)
    longest = timedelta(seconds=max(seconds, 0))
    hours: set[int] = set()
    for back in range(1, PROFILE_DAYS + 1):
        start = to_ms(now - timedelta(days=back)) // HOUR_MS
        end = to_ms(now - timedelta(days=back) + longest) // HOUR_MS
        hours |= {hour * HOUR_MS for hour in range(start, end + 1)}
    interval = wanted.mark.interval
    return await candles_of_hours(desk.store, wanted.mark.symbol, interval, sorted(hours))
