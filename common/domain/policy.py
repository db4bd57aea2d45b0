"""A user's rules for one deployment, as data. They may lower risk and never raise a limit."""

from dataclasses import dataclass
from enum import StrEnum

from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.domain.money import ONE, Money
from common.domain.signal import SizeModel


class Direction(StrEnum):
    BOTH = "BOTH"
    LONG_ONLY = "LONG_ONLY"
    SHORT_ONLY = "SHORT_ONLY"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSession:
    """When entries are allowed, UTC. One that ends at or before its start goes over midnight."""

    days: tuple[int, ...]  # 0 Monday .. 6 Sunday, of its start
    start_minute: int  # of the day, 0..1439
    end_minute: int  # 1..1440, not included


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRules:
    """None, and an empty tuple: no such rule. What reduces a position passes them all."""

    allowed_symbols: tuple[str, ...] | None = None
    denied_symbols: tuple[str, ...] = ()
    allowed_venues: tuple[Venue, ...] | None = None
    direction: Direction = Direction.BOTH
    min_confidence: Money | None = None  # 0..1
    sessions: tuple[TradingSession, ...] = ()  # none: always
    max_order_notional: Money | None = None  # quote currency; more is cut down to it
    max_exposure: Money | None = None  # quote currency, all positions together
    max_leverage: Money | None = None
    size_model: SizeModel | None = None  # instead of the signal's, where that is larger
    risk_modifier: Money = ONE  # 0 < m <= 1, times the size
    stop_loss: Money | None = None  # fractions; instead of the signal's
    take_profit: Money | None = None
    trailing_stop: Money | None = None
    time_limit_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The document under `deployment_policies`, id = deployment id. Older versions are kept."""

    deployment_id: str
    version: int  # 1, 2, ...
    rules: PolicyRules
    changed_by: str
    changed_at: UtcDatetime

    @property
    def name(self) -> str:
        """What decisions carry: the rules of this version never change."""
        return f"policy-{self.version}"
