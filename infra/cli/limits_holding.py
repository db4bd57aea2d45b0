"""What holds for a part of the platform: the tightest of what the scopes above it and it say."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from decimal import Decimal

from common.config import LimitSettings
from common.domain.scope import PLATFORM_SCOPE, Scope, ScopeKind
from common.how.effective_limits import EffectiveLimits, effective
from common.how.limit_documents import ScopeLimits
from common.how.limits import Refusal

_ORDER = ("max_notional", "price_collar")
_DEPLOYMENT = (
    "max_exposure",
    "max_leverage",
    "max_concentration",
    "max_open_orders",
    "max_messages_per_minute",
    "max_daily_loss",
    "max_drawdown",
    "margin_fraction",
    "margin_buffer",
    "liquidation_buffer",
)
_PAIRS = (
    ("period_collars", "order.period_collar", "order.period_s"),
    ("repeats", "deployment.repeats_max", "deployment.repeats_window_s"),
    ("cool_downs", "deployment.losses_in_row_max", "deployment.cool_down_s"),
)


def holding(
    said: Mapping[str, ScopeLimits], scopes: Iterable[Scope], caps: LimitSettings
) -> EffectiveLimits | Refusal:
    """The limits of `scopes` together, the platform's among them; `said` is by scope key.

    A venue, and the policy of a user, may hold an order tighter still.
    """
    by_kind = {scope.kind: said.get(scope.key, ScopeLimits(scope)) for scope in scopes}
    platform, venue, agent, deployment = (
        by_kind.get(kind, ScopeLimits(PLATFORM_SCOPE))
        for kind in (ScopeKind.PLATFORM, ScopeKind.VENUE, ScopeKind.AGENT, ScopeKind.DEPLOYMENT)
    )
    return effective(platform, venue, agent, deployment, caps=caps)


def figures_of(limits: EffectiveLimits) -> Iterator[tuple[str, Decimal | int]]:
    """Each that is set; totals say whose they are: `total.max_exposure (venue GMX)`."""
    for block, names in (("order", _ORDER), ("deployment", _DEPLOYMENT)):
        for name in names:
            value = getattr(limits, name)
            if value is not None:
                yield f"{block}.{name}", value
    for symbol, most in limits.max_quantity.items():
        yield f"order.max_quantity.{symbol}", most
    for name, first, second in _PAIRS:
        for one, other in getattr(limits, name):
            yield first, one
            yield second, other
    for scope, total in limits.totals:
        for each in fields(total):
            value = getattr(total, each.name)
            if value is not None:
                yield f"total.{each.name} ({scope.label})", value
