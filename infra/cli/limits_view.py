"""Limits as people read them: one a line, with what it is measured in."""

from collections.abc import Iterator
from decimal import Decimal

from common.domain.money import parse_decimal
from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE, Scope, ScopeKind
from common.how.effective_limits import EffectiveLimits
from common.how.limits import Refusal
from common.text import quantity
from common.wire import to_document
from infra.cli.limits_fields import BLOCKS
from infra.cli.limits_holding import figures_of
from infra.cli.text import full_time

_MEANS = {
    "order.max_notional": "$ an order",
    "order.price_collar": "of the mark, that a price may be off it",
    "order.period_collar": "of the mark, that it may have moved ...",
    "order.period_s": "... within so many seconds",
    "deployment.max_exposure": "$ of positions and orders, at worst",
    "deployment.max_leverage": "times the equity",
    "deployment.max_concentration": "times the equity, in one symbol",
    "deployment.max_open_orders": "orders",
    "deployment.max_messages_per_minute": "orders and cancels",
    "deployment.repeats_max": "orders of one symbol ...",
    "deployment.repeats_window_s": "... within so many seconds",
    "deployment.max_daily_loss": "of the day's first equity",
    "deployment.max_drawdown": "of the highest equity",
    "deployment.losses_in_row_max": "losses in a row, then entries wait ...",
    "deployment.cool_down_s": "... so many seconds",
    "deployment.margin_fraction": "of the notional, counted as margin",
    "deployment.margin_buffer": "of the equity, that stays free of margin",
    "deployment.liquidation_buffer": "of adverse move, that must be survived",
    "total.max_exposure": "$ over all deployments",
    "total.max_open_orders": "orders",
    "total.max_messages_per_second": "orders and cancels",
    "total.max_messages_per_minute": "orders and cancels",
    "total.max_daily_loss": "$ realised and unrealised together",
}
_FRACTIONS = frozenset(
    {
        "order.price_collar",
        "order.period_collar",
        "deployment.max_daily_loss",
        "deployment.max_drawdown",
        "deployment.margin_fraction",
        "deployment.margin_buffer",
        "deployment.liquidation_buffer",
    }
)
_PATH_COLUMN = 36
_VALUE_COLUMN = 14
_NARROW = 100  # columns below which what a limit means is left out


def limits_lines(
    scope: Scope,
    limits: RiskLimits | None,
    default: RiskLimits | None,
    *,
    holds: EffectiveLimits | Refusal | None = None,
    problem: str = "",
    width: int | None = None,
) -> list[str]:
    """`default` is what a first `set` would begin with, where there is such a thing.

    `holds` is what comes of the scope and those above it; `problem` is why what stands cannot be
    obeyed. Of the platform what is not set is shown too.
    """
    meant = width is None or width >= _NARROW
    below = _holding(scope, holds, meant=meant)
    if limits is not None:
        at = full_time(limits.changed_at)
        return [
            f"Limits of {scope.label}: version {limits.version}, by {limits.changed_by} at {at}",
            f"  why: {limits.reason}",
            *_rows(limits, unset=scope == PLATFORM_SCOPE, meant=meant),
            *(() if scope == PLATFORM_SCOPE else ("  of all else, those of the platform hold",)),
            *below,
        ]
    if problem:
        return [
            f"The limits of {scope.label} cannot be obeyed, so nothing trades there:",
            f"  {problem}",
        ]
    if default is None:
        return [f"{scope.label} has no limits of its own: those of the platform hold", *below]
    return [
        "No limits are set, so nothing trades. `sapphire limits set` would begin with:",
        *_rows(default, unset=True, meant=meant),
    ]


def _holding(scope: Scope, holds: EffectiveLimits | Refusal | None, *, meant: bool) -> list[str]:
    if holds is None:
        return []
    if isinstance(holds, Refusal):
        return ["", f"So nothing trades: {holds.reason}"]
    above = "the platform, its agent" if scope.kind is ScopeKind.DEPLOYMENT else "the platform"
    return [
        "",
        f"What holds for {scope.label}, the tightest of {above} and its own:",
        *(_row(path, quantity(Decimal(value)), meant=meant) for path, value in figures_of(holds)),
    ]


def changes(before: RiskLimits | None, after: RiskLimits) -> list[str]:
    """`order.max_notional 25,000 -> 5,000` for each that differs; all of them when all are new."""
    if before is None:
        return _rows(after, unset=False, meant=False)
    old, new = dict(_values(before)), dict(_values(after))
    return [
        f"  {path:<{_PATH_COLUMN}}{old.get(path, '-')} -> {new.get(path, '-')}"
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    ]


def _rows(limits: RiskLimits, *, unset: bool, meant: bool) -> list[str]:
    values = dict(_values(limits))
    paths = [path for path in _MEANS if unset or path in values]
    paths += [path for path in values if path not in _MEANS]
    return [_row(path, values.get(path, "-"), meant=meant) for path in paths]


def _row(path: str, value: str, *, meant: bool) -> str:
    row = f"  {path:<{_PATH_COLUMN}}{value:>{_VALUE_COLUMN}}"
    return f"{row}  {_meaning(path, value)}" if meant else row


def _meaning(path: str, value: str) -> str:
    """Of a fraction the percent too: `5 % of the mark, that ...` beside 0.05."""
    means = _MEANS.get(path.partition(" ")[0], "base units an order")
    if path not in _FRACTIONS or value == "-":
        return means
    return f"{quantity(parse_decimal(value) * 100)} % {means}"


def _values(limits: RiskLimits) -> Iterator[tuple[str, str]]:
    for block in BLOCKS:
        for name, value in to_document(getattr(limits, block)).items():
            if isinstance(value, dict):
                for symbol, most in value.items():
                    yield f"{block}.{name}.{symbol}", _shown(most)
            elif value is not None:
                yield f"{block}.{name}", _shown(value)


def _shown(value: str | int) -> str:
    return quantity(parse_decimal(value))
