"""A policy as people send it and read it: distances in percent, sessions by day and clock."""

import re
from decimal import Decimal
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, ConfigDict, Field

from common.domain.instrument import Venue
from common.domain.money import ONE, plain
from common.domain.policy import Direction, Policy, PolicyRules, TradingSession
from common.domain.signal import SizeModel, SizeType
from common.how.policy import UNCHANGED
from common.how.sessions import MINUTES
from common.wire import JsonObject, to_document
from functions.api.payloads import AbsoluteSize, KellySize, PercentageSize, VolatilitySize
from infra.web.fields import Amount, Fraction, Name, Payload, Percentage, Symbol, VenueOrder

Day = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
DAYS: tuple[str, ...] = get_args(Day)
TIME_LIMIT_MAX_S = 366 * 86_400

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_HUNDRED = Decimal(100)


def _above_zero(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError("must be above 0")
    return value


def _below_whole(value: Decimal) -> Decimal:
    if value >= _HUNDRED:
        raise ValueError("must be below 100: no price falls by all of itself")
    return value


def _gain(value: Decimal) -> Decimal:
    if value > _HUNDRED * 10:
        raise ValueError("must be 1000 at most")
    return value


def _clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise ValueError("must be a time of day such as 08:30")
    return text


def _each_once(items: list[str]) -> list[str]:
    if not items or len(set(items)) != len(items):
        raise ValueError("must name at least one, each once; leave it out for no such rule")
    return items


Clock = Annotated[str, AfterValidator(_clock)]
Distance = Annotated[Percentage, AfterValidator(_below_whole)]
Gain = Annotated[Amount, AfterValidator(_gain)]
Modifier = Annotated[Fraction, AfterValidator(_above_zero)]
Symbols = Annotated[list[Symbol], Field(max_length=500), AfterValidator(_each_once)]
Days = Annotated[list[Day], AfterValidator(_each_once)]
Seconds = Annotated[int, Field(ge=1, le=TIME_LIMIT_MAX_S)]


PolicySize = Annotated[
    PercentageSize | AbsoluteSize | VolatilitySize | KellySize, Field(discriminator="type")
]


class SessionPayload(Payload):
    """When entries are allowed, UTC. `days` are those of its start: one that ends at or before
    its start goes over midnight.
    """

    days: Days
    start: Clock
    end: Clock = Field(description="not included; 00:00 is the end of the day")

    def session(self) -> TradingSession:
        return TradingSession(
            days=tuple(sorted(DAYS.index(day) for day in self.days)),
            start_minute=_minute(self.start),
            end_minute=_minute(self.end) or MINUTES,
        )


class RulesPayload(Payload):
    """What is left out, or null, is no rule. What makes a position smaller passes them all."""

    allowed_symbols: Symbols | None = None
    denied_symbols: Symbols | None = None
    allowed_venues: VenueOrder | None = Field(
        default=None, description="of the deployment's own; the order says nothing"
    )
    direction: Literal["BOTH", "LONG_ONLY", "SHORT_ONLY"] = "BOTH"
    min_confidence: Fraction | None = None
    sessions: Annotated[list[SessionPayload], Field(min_length=1, max_length=50)] | None = None
    max_order_notional: Amount | None = Field(
        default=None, description="quote currency; a larger order is cut down to it"
    )
    max_exposure: Amount | None = Field(
        default=None, description="quote currency, all positions together"
    )
    max_leverage: Amount | None = Field(default=None, description="exposure by equity: 2 is 2x")
    size_model: PolicySize | None = Field(
        default=None, description="instead of a signal's, where that is larger"
    )
    risk_modifier: Modifier = Field(
        default=ONE, description="a factor of every size: 0.5 halves it; 1 at most"
    )
    stop_loss: Distance | None = Field(
        default=None,
        description="in percent of the entry price: 2.5 is 2.5 %. Instead of a signal's, as are"
        " the other exits, also where it is wider",
    )
    take_profit: Gain | None = Field(
        default=None,
        description="in percent of the entry price: 5 is 5 %; from 100 on for LONG_ONLY alone",
    )
    trailing_stop: Distance | None = Field(
        default=None, description="in percent of the best price since the entry: 2.5 is 2.5 %"
    )
    time_limit_s: Seconds | None = Field(
        default=None, description="a position is closed so many seconds after it was opened"
    )

    def rules(self) -> PolicyRules:
        """In one order, so that the same rules are equal however they were listed."""
        sessions = {each.session(): None for each in self.sessions or ()}
        size = self.size_model
        return PolicyRules(
            allowed_symbols=_sorted(self.allowed_symbols) if self.allowed_symbols else None,
            denied_symbols=_sorted(self.denied_symbols or []),
            allowed_venues=_by_priority(self.allowed_venues) if self.allowed_venues else None,
            direction=Direction(self.direction),
            min_confidence=self.min_confidence,
            sessions=tuple(sorted(sessions, key=_session_key)),
            max_order_notional=self.max_order_notional,
            max_exposure=self.max_exposure,
            max_leverage=self.max_leverage,
            size_model=SizeModel(type=SizeType(size.type), value=size.value) if size else None,
            risk_modifier=self.risk_modifier,
            stop_loss=_fraction(self.stop_loss),
            take_profit=_fraction(self.take_profit),
            trailing_stop=_fraction(self.trailing_stop),
            time_limit_s=self.time_limit_s,
        )


class SetPolicy(Payload):
    """All rules of a deployment at once: they replace the former ones. `{}` is no rule at all."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rules": {
                        "allowed_symbols": ["BTC", "ETH"],
                        "direction": "LONG_ONLY",
                        "min_confidence": "0.7",
                        "sessions": [{"days": ["MON", "TUE"], "start": "08:00", "end": "16:30"}],
                        "max_order_notional": "1000",
                        "risk_modifier": "0.5",
                        "stop_loss": "2.5",
                        "take_profit": "5",
                    },
                    "by": "Ada",
                }
            ]
        }
    )

    rules: RulesPayload
    by: Name | None = None


def policy_view(policy: Policy) -> JsonObject:
    """A policy whose rules read as they are sent."""
    document = to_document(policy)
    return {**document, "name": policy.name, "rules": rules_view(policy.rules)}


def pass_through_view(deployment_id: str) -> JsonObject:
    """Where none was ever set."""
    return {
        "deployment_id": deployment_id,
        "version": 0,
        "name": UNCHANGED,
        "rules": rules_view(PolicyRules()),
        "changed_by": None,
        "changed_at": None,
    }


def rules_view(rules: PolicyRules) -> JsonObject:
    """What `RulesPayload` takes: it makes the same rules again."""
    return {
        **to_document(rules),
        "denied_symbols": list(rules.denied_symbols) or None,
        "sessions": [_session_view(each) for each in rules.sessions] or None,
        "stop_loss": _percent(rules.stop_loss),
        "take_profit": _percent(rules.take_profit),
        "trailing_stop": _percent(rules.trailing_stop),
    }


def _session_view(session: TradingSession) -> JsonObject:
    return {
        "days": [DAYS[day] for day in session.days],
        "start": _time(session.start_minute),
        "end": _time(session.end_minute % MINUTES),
    }


def _session_key(session: TradingSession) -> tuple[tuple[int, ...], int, int]:
    return session.days, session.start_minute, session.end_minute


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def _time(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _sorted(symbols: list[str]) -> tuple[str, ...]:
    return tuple(sorted(symbols))


def _by_priority(venues: list[Venue]) -> tuple[Venue, ...]:
    return tuple(venue for venue in Venue if venue in venues)


def _fraction(percent: Decimal | None) -> Decimal | None:
    return None if percent is None else percent / _HUNDRED


def _percent(fraction: Decimal | None) -> str | None:
    return None if fraction is None else plain(fraction * _HUNDRED)
