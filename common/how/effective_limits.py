"""The limits in force for one order: the tightest of its four scopes, and of the user's policy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from common.config import LimitSettings
from common.domain.money import ONE
from common.domain.policy import PolicyRules
from common.domain.risk_limits import RiskLimits, TotalLimits
from common.domain.scope import Scope
from common.how.denial import Denial
from common.how.limit_documents import ScopeLimits
from common.how.limits import Refusal

N = TypeVar("N", int, Decimal)

NO_RULES = PolicyRules()
_NOTHING = TotalLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveLimits:
    """None, and an empty tuple: no scope says anything of it.

    Of limits that come in pairs none is the tighter one, so all are kept and all must hold.
    """

    max_notional: Decimal  # quote currency
    max_quantity: Mapping[str, Decimal]  # base units, by symbol
    price_collar: Decimal  # fraction
    period_collars: tuple[tuple[Decimal, int], ...]  # fraction, seconds
    max_exposure: Decimal  # quote currency, as all that follow of notional
    max_leverage: Decimal | None
    max_concentration: Decimal | None
    max_open_orders: int | None
    max_messages_per_minute: int | None
    repeats: tuple[tuple[int, int], ...]  # orders, seconds
    max_daily_loss: Decimal | None  # fraction
    max_drawdown: Decimal | None  # fraction
    cool_downs: tuple[tuple[int, int], ...]  # losses in a row, seconds
    margin_fraction: Decimal | None
    margin_buffer: Decimal | None
    liquidation_buffer: Decimal | None
    totals: tuple[tuple[Scope, TotalLimits], ...]  # of the platform, the venue and the agent


def effective(
    platform: ScopeLimits,
    venue: ScopeLimits,
    agent: ScopeLimits,
    deployment: ScopeLimits,
    *,
    caps: LimitSettings,
    rules: PolicyRules = NO_RULES,
) -> EffectiveLimits | Refusal:
    """The lowest of each limit; of margin and buffers, which ask for more, the highest.

    A venue's limits of a deployment hold for its whole portfolio when it orders there. The caps
    hold whatever a document says, and a policy can only lower. Refused with LIMITS_MISSING: the
    platform has no document, or any of the four cannot be obeyed as it stands.
    """
    scopes = (platform, venue, agent, deployment)
    broken = next((each for each in scopes if each.problem), None)
    if broken is not None:
        detail = f"The limits of {broken.scope.label} cannot be used: {broken.problem}"
        return Refusal(Denial.LIMITS_MISSING, detail)
    if platform.value is None:
        return Refusal(Denial.LIMITS_MISSING, "The platform has no limits: nothing trades")
    said = [(each.scope, each.value) for each in scopes if each.value is not None]
    return _tightest(said, caps, rules)


def _tightest(
    said: Sequence[tuple[Scope, RiskLimits]], caps: LimitSettings, rules: PolicyRules
) -> EffectiveLimits:
    orders = [limits.order for _, limits in said]
    deployments = [limits.deployment for _, limits in said]
    exposures = (rules.max_exposure, *(each.max_exposure for each in deployments))
    return EffectiveLimits(
        max_notional=_capped(caps.max_notional_per_order, (each.max_notional for each in orders)),
        max_quantity=_quantities(each.max_quantity for each in orders),
        price_collar=_capped(ONE, (each.price_collar for each in orders)),
        period_collars=_pairs((each.period_collar, each.period_s) for each in orders),
        max_exposure=_capped(caps.max_exposure_per_deployment, exposures),
        max_leverage=_lowest((rules.max_leverage, *(each.max_leverage for each in deployments))),
        max_concentration=_lowest(each.max_concentration for each in deployments),
        max_open_orders=_lowest(each.max_open_orders for each in deployments),
        max_messages_per_minute=_lowest(each.max_messages_per_minute for each in deployments),
        repeats=_pairs((each.repeats_max, each.repeats_window_s) for each in deployments),
        max_daily_loss=_lowest(each.max_daily_loss for each in deployments),
        max_drawdown=_lowest(each.max_drawdown for each in deployments),
        cool_downs=_pairs((each.losses_in_row_max, each.cool_down_s) for each in deployments),
        margin_fraction=_highest(each.margin_fraction for each in deployments),
        margin_buffer=_highest(each.margin_buffer for each in deployments),
        liquidation_buffer=_highest(each.liquidation_buffer for each in deployments),
        totals=tuple((scope, limits.total) for scope, limits in said if limits.total != _NOTHING),
    )


def _lowest(values: Iterable[N | None]) -> N | None:
    return min((value for value in values if value is not None), default=None)


def _highest(values: Iterable[N | None]) -> N | None:
    return max((value for value in values if value is not None), default=None)


def _capped(cap: Decimal, values: Iterable[Decimal | None]) -> Decimal:
    return min([cap, *(value for value in values if value is not None)])


def _pairs(values: Iterable[tuple[N | None, int | None]]) -> tuple[tuple[N, int], ...]:
    """Each once. That no pair is half set, `check_meaning` has seen to."""
    found = ((one, other) for one, other in values if one is not None and other is not None)
    return tuple(dict.fromkeys(found))


def _quantities(each: Iterable[Mapping[str, Decimal]]) -> dict[str, Decimal]:
    lowest: dict[str, Decimal] = {}
    for quantities in each:
        for symbol, most in quantities.items():
            lowest[symbol] = min(most, lowest.get(symbol, most))
    return lowest
