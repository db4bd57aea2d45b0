"""Where an order may go, and the record that says why it went there."""

from dataclasses import dataclass
from enum import StrEnum

from common.domain.moment import UtcDatetime
from common.domain.money import ZERO, Money


class RoutingMode(StrEnum):
    """How Agent Where chooses among the venues that can take an order."""

    PRIORITY = "PRIORITY"  # the first in order
    COST = "COST"  # the one with the least expected cost
    SPLIT = "SPLIT"  # shares at several, at the least expected cost together


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueCheck:
    """What one venue said when it was asked, in priority order."""

    venue: str
    ok: bool
    code: (
        str  # AVAILABLE, PAIR_NOT_LISTED, BREAKER_OPEN, MARKET_CLOSED, QUANTITY_BELOW_MINIMUM, ...
    )
    reason: str  # for people: "ETH available on Hyperliquid (220 pairs)"
    pair_count: int | None
    breaker: str  # CLOSED, OPEN, HALF_OPEN
    quantity: Money | None  # the size that it would take
    table_age_s: int | None
    fee: Money | None = None  # fraction of notional that a taker pays
    liquidity: Money | None = None  # quote currency; None when the venue does not say
    cost_bps: Money | None = None  # expected for `quantity`: fee, and impact if liquidity is known


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedShare:
    """What a split sends to one venue."""

    venue: str
    quantity: Money  # base units


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingDecision:
    """The audit record under `venue_routing_history_v3` or `agent_routing_history`; one for each
    delivery.
    """

    routing_id: str
    book: str
    signal_id: str
    delivery_id: str
    agent_id: str
    deployment_id: str
    symbol: str
    requested_venues: tuple[str, ...]
    checked_venues: tuple[VenueCheck, ...]
    selected_venue: str | None
    routing_reason: str
    reason_code: str
    routing_duration_ms: int
    created_at: UtcDatetime
    requested_mode: RoutingMode = RoutingMode.PRIORITY
    mode: RoutingMode = RoutingMode.PRIORITY  # in force; `routing_reason` says why it differs
    shares: tuple[RoutedShare, ...] = ()  # of a split, the largest first
    left_over: Money = ZERO  # base units of a split that no venue could take
    policy_version: str = ""  # of the rules that let it through
    algorithm: str = ""  # how it is executed, and why so
    algorithm_reason: str = ""
