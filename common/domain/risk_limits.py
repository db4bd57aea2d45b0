"""The limits that stand as documents: of the platform, of a venue, an agent or a deployment.

None means that this scope says nothing. An order must keep all limits of all its scopes; the
platform's document says something of everything, and without it nothing trades.
"""

from dataclasses import dataclass, field

from common.domain.moment import UtcDatetime
from common.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLimits:
    """Of each order by itself (R1, R2, R3)."""

    max_notional: Money | None = None  # quote currency
    max_quantity: dict[str, Money] = field(default_factory=dict)  # base units, by symbol
    price_collar: Money | None = None  # fraction that a price may be off the mark
    period_collar: Money | None = None  # fraction that the mark may have moved ...
    period_s: int | None = None  # ... within so many seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentLimits:
    """Of each deployment within the scope (R4, R5, R18)."""

    max_exposure: Money | None = None  # worst-case gross notional, quote currency
    max_leverage: Money | None = None  # gross notional / equity
    max_concentration: Money | None = None  # one symbol's notional / equity
    max_open_orders: int | None = None
    max_messages_per_minute: int | None = None
    repeats_max: int | None = None  # orders of one symbol within `repeats_window_s`
    repeats_window_s: int | None = None
    max_daily_loss: Money | None = None  # fraction of the day's first equity
    max_drawdown: Money | None = None  # fraction of the highest equity
    losses_in_row_max: int | None = None  # then entries wait for `cool_down_s`
    cool_down_s: int | None = None
    margin_fraction: Money | None = None  # of notional that must be there as margin
    margin_buffer: Money | None = None  # of equity that stays free of margin after the order
    liquidation_buffer: Money | None = None  # adverse move, a fraction, that must be survivable


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalLimits:
    """Of the scope as a whole, over all its deployments (R7)."""

    max_exposure: Money | None = None
    max_open_orders: int | None = None
    max_messages_per_second: int | None = None
    max_messages_per_minute: int | None = None
    max_daily_loss: Money | None = None  # quote currency: realised and unrealised together


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The document under `risk_limits`, id = scope key; every change is a version."""

    scope: str
    version: int
    order: OrderLimits = field(default_factory=OrderLimits)
    deployment: DeploymentLimits = field(default_factory=DeploymentLimits)
    total: TotalLimits = field(default_factory=TotalLimits)
    reason: str
    changed_by: str
    changed_at: UtcDatetime
