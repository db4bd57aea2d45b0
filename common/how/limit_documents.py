"""The limits documents: where they stand, how they are read, and what a fresh store begins with."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.books import RISK_LIMIT_VERSIONS, RISK_LIMITS
from common.config import LimitSettings
from common.documents import Stored, create, put
from common.domain.risk_limits import DeploymentLimits, OrderLimits, RiskLimits, TotalLimits
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.errors import InvalidInputError
from common.how.limit_bounds import check_meaning
from common.ports import Document, Ref, Write
from common.wire import from_document

MEASURED_WITH = 100_000
"""Deployments that one platform is measured with (bench): its totals must have room for them."""


@dataclass(frozen=True, slots=True)
class ScopeLimits:
    """What a scope's document says: nothing (None), its limits, or that it cannot be obeyed."""

    scope: Scope
    value: RiskLimits | None = None
    problem: str = ""


def limits_ref(scope: Scope) -> Ref:
    return Ref(RISK_LIMITS, scope.key)


def version_ref(scope: Scope, version: int) -> Ref:
    return Ref(RISK_LIMIT_VERSIONS, f"{scope.key}:{version}")


def read_limits(scope: Scope, document: Document | None) -> ScopeLimits:
    """Never raises. What cannot be read, or cannot be meant, is a problem and no limit."""
    if document is None:
        return ScopeLimits(scope)
    try:
        limits = from_document(RiskLimits, document.data)
        check_meaning(limits)
    except InvalidInputError as error:
        return ScopeLimits(scope, problem=str(error))
    if limits.scope != scope.key:
        return ScopeLimits(scope, problem="it is another scope's")
    return ScopeLimits(scope, limits)


def limits_writes(stored: Stored[RiskLimits] | None, limits: RiskLimits) -> list[Write]:
    """The document by compare-and-set, and its version, which never changes."""
    scope = Scope.parse(limits.scope)
    return [
        put(stored, limits_ref(scope), limits),
        create(version_ref(scope, limits.version), limits),
    ]


def default_limits(settings: LimitSettings, now: datetime) -> RiskLimits:
    """The platform's limits before anybody has set any; `limits_writes(None, ...)` stores them.

    The two caps are the settings'. The rest leaves room for the default swarm (10 % of the capital
    a signal, gross up to twice the capital) and stops what a healthy one does not do: a price 5 %
    off the mark, a market that moved 15 % in five minutes, a day that lost 10 %, a quarter of the
    peak gone, ten losses in a row, twenty orders of one symbol in ten minutes. Margin is counted as
    at a leverage of ten, a fifth of the equity stays free of it, and all positions together must
    survive an adverse move of 20 %. The totals are what `MEASURED_WITH` deployments may have at
    most; a loss in quote currency is for a person to set.
    """
    return RiskLimits(
        scope=PLATFORM_SCOPE.key,
        version=1,
        order=OrderLimits(
            max_notional=settings.max_notional_per_order,
            price_collar=Decimal("0.05"),
            period_collar=Decimal("0.15"),
            period_s=300,
        ),
        deployment=DeploymentLimits(
            max_exposure=settings.max_exposure_per_deployment,
            max_leverage=Decimal(3),
            max_concentration=Decimal(2),
            max_open_orders=100,
            max_messages_per_minute=120,
            repeats_max=20,
            repeats_window_s=600,
            max_daily_loss=Decimal("0.10"),
            max_drawdown=Decimal("0.25"),
            losses_in_row_max=10,
            cool_down_s=1800,
            margin_fraction=Decimal("0.1"),
            margin_buffer=Decimal("0.2"),
            liquidation_buffer=Decimal("0.2"),
        ),
        total=TotalLimits(
            max_exposure=settings.max_exposure_per_deployment * MEASURED_WITH,
            max_open_orders=10 * MEASURED_WITH,
            max_messages_per_second=1_000,
            max_messages_per_minute=30_000,
        ),
        reason="the defaults of a fresh store",
        changed_by="sapphire",
        changed_at=now,
    )
