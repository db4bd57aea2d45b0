"""What a limits document may say: how far each limit goes, what belongs together, and to whom."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal

from common.config import LimitSettings
from common.domain.money import ZERO, plain
from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE, Scope, ScopeKind
from common.errors import InvalidInputError

BLOCKS = ("order", "deployment", "total")
SCOPES = frozenset({ScopeKind.PLATFORM, ScopeKind.VENUE, ScopeKind.AGENT, ScopeKind.DEPLOYMENT})
"""Of these there are limits. A symbol has a `max_quantity` in each of them."""

CORE = ("order.max_notional", "order.price_collar", "deployment.max_exposure")
"""What the platform's document must say: without one of them nothing trades."""

LEVERAGE_MAX = Decimal(20)
REPEATS_MAX = 1000
"""A throttle's document keeps so many moments at most."""

_DAY_S = 86_400
_SMALLEST = Decimal("0.000000000001")
_LARGEST = Decimal(1_000_000_000_000)
_BASIS_POINT = Decimal("0.0001")
_NEARLY_ALL = Decimal("0.99")

_TOGETHER = (
    ("order", "period_collar", "period_s"),
    ("deployment", "repeats_max", "repeats_window_s"),
    ("deployment", "losses_in_row_max", "cool_down_s"),
)
"""The first says nothing without the second, nor the second without the first."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Both included."""

    at_least: Decimal
    at_most: Decimal


_COUNTS = {
    "order.period_s": _DAY_S,
    "deployment.max_open_orders": 10_000,
    "deployment.max_messages_per_minute": 100_000,
    "deployment.repeats_max": REPEATS_MAX,
    "deployment.repeats_window_s": _DAY_S,
    "deployment.losses_in_row_max": 1000,
    "deployment.cool_down_s": 7 * _DAY_S,
    "total.max_open_orders": 1_000_000_000,
    "total.max_messages_per_second": 1_000_000,
    "total.max_messages_per_minute": 60_000_000,
}
_FIXED = {
    "order.max_quantity": Bounds(_SMALLEST, _LARGEST),
    "order.price_collar": Bounds(_BASIS_POINT, Decimal("0.5")),
    "order.period_collar": Bounds(_BASIS_POINT, Decimal(1)),
    "deployment.max_leverage": Bounds(Decimal("0.01"), LEVERAGE_MAX),
    "deployment.max_concentration": Bounds(_BASIS_POINT, LEVERAGE_MAX),
    "deployment.max_daily_loss": Bounds(_BASIS_POINT, Decimal(1)),
    "deployment.max_drawdown": Bounds(_BASIS_POINT, Decimal(1)),
    # Of these three the lower one is the looser.
    "deployment.margin_fraction": Bounds(1 / LEVERAGE_MAX, Decimal(1)),
    "deployment.margin_buffer": Bounds(_BASIS_POINT, _NEARLY_ALL),
    "deployment.liquidation_buffer": Bounds(_BASIS_POINT, _NEARLY_ALL),
    "total.max_exposure": Bounds(_SMALLEST, _LARGEST),
    "total.max_daily_loss": Bounds(_SMALLEST, _LARGEST),
    **{path: Bounds(Decimal(1), Decimal(most)) for path, most in _COUNTS.items()},
}


def bounds(settings: LimitSettings) -> Mapping[str, Bounds]:
    """By path (`order.max_notional`). The platform's caps are the settings', and none may be
    raised by a document.
    """
    return {
        "order.max_notional": Bounds(_SMALLEST, settings.max_notional_per_order),
        "deployment.max_exposure": Bounds(_SMALLEST, settings.max_exposure_per_deployment),
        **_FIXED,
    }


def check_bounds(limits: RiskLimits, settings: LimitSettings) -> None:
    """Whether a person may have these limits set; `check_meaning` included.

    Raises:
        InvalidInputError: LIMIT_ABOVE_CAP or LIMIT_BELOW_MINIMUM of the first, whose message names
            the others too; or one of `check_meaning`.
    """
    check_meaning(limits)
    allowed = bounds(settings)
    found = [
        problem
        for path, value in _set_values(limits)
        if (problem := _beyond(path, value, allowed[".".join(path.split(".")[:2])])) is not None
    ]
    if found:
        first, *others = found
        detail = "; ".join([first.message, *map(str, others)])
        raise InvalidInputError(detail, code=first.code, where=first.where)


def _beyond(path: str, value: Decimal | int, bound: Bounds) -> InvalidInputError | None:
    if value > bound.at_most:
        detail = f"must be at most {plain(bound.at_most)}"
        return InvalidInputError(detail, code="LIMIT_ABOVE_CAP", where=path)
    if value < bound.at_least:
        detail = f"must be at least {plain(bound.at_least)}"
        return InvalidInputError(detail, code="LIMIT_BELOW_MINIMUM", where=path)
    return None


def check_meaning(limits: RiskLimits) -> None:
    """Whether the document can be obeyed at all, whoever wrote it.

    Raises:
        InvalidInputError: LIMIT_NOT_POSITIVE, LIMIT_INCOMPLETE (half of a pair), LIMIT_MISSING (of
            `CORE`), LIMIT_NOT_OF_SCOPE (a limit whose figure is not kept for that kind of scope);
            or INVALID_SCOPE.
    """
    scope = Scope.parse(limits.scope)
    if scope.kind not in SCOPES:
        raise InvalidInputError("has no limits", code="INVALID_SCOPE", where="scope")
    for path, value in _set_values(limits):
        if value <= ZERO:
            raise InvalidInputError("must be above 0", code="LIMIT_NOT_POSITIVE", where=path)
    _check_pairs(limits)
    _check_kept(limits, scope)
    if scope == PLATFORM_SCOPE:
        _check_core(limits)


def _set_values(limits: RiskLimits) -> Iterator[tuple[str, Decimal | int]]:
    for block in BLOCKS:
        part = getattr(limits, block)
        for each in fields(part):
            value = getattr(part, each.name)
            if isinstance(value, dict):
                for symbol, quantity in value.items():
                    yield f"{block}.{each.name}.{symbol}", quantity
            elif value is not None:
                yield f"{block}.{each.name}", value


def _check_pairs(limits: RiskLimits) -> None:
    for block, *names in _TOGETHER:
        part = getattr(limits, block)
        missing = [name for name in names if getattr(part, name) is None]
        if len(missing) == 1:
            detail = f"{' and '.join(names)} are set together, or neither"
            where = f"{block}.{missing[0]}"
            raise InvalidInputError(detail, code="LIMIT_INCOMPLETE", where=where)


def _check_kept(limits: RiskLimits, scope: Scope) -> None:
    """Whether the figures that the totals are measured by are kept for such a scope."""
    given = [each.name for each in fields(limits.total) if getattr(limits.total, each.name)]
    if scope.kind is ScopeKind.DEPLOYMENT and given:
        detail = "a deployment's own limits stand under deployment"
        raise _not_of_scope(given[0], detail)
    if scope.kind is ScopeKind.VENUE and "max_daily_loss" in given:
        raise _not_of_scope("max_daily_loss", "results are kept by agent, not by venue")


def _not_of_scope(name: str, detail: str) -> InvalidInputError:
    return InvalidInputError(detail, code="LIMIT_NOT_OF_SCOPE", where=f"total.{name}")


def _check_core(limits: RiskLimits) -> None:
    for path in CORE:
        block, name = path.split(".")
        if getattr(getattr(limits, block), name) is None:
            detail = "the platform must have this limit: without it nothing trades"
            raise InvalidInputError(detail, code="LIMIT_MISSING", where=path)
