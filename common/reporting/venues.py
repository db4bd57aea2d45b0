"""Where trades went, and why (VP-06's Venue Breakdown)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from common.domain.money import ZERO
from common.domain.order import FillRecord
from common.domain.routing import RoutingDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueShare:
    """`share` is the fraction of the trades (orders with a fill), 0..1."""

    venue: str
    trades: int
    share: Decimal
    volume: Decimal  # quote currency
    commissions: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRoute:
    """`fallback_share`: how often the venue asked first could not take it, of all routed, 0..1."""

    symbol: str
    most_common_venue: str
    routed: int
    fallback_share: Decimal


def venue_shares(fills: Sequence[FillRecord]) -> tuple[VenueShare, ...]:
    """The busiest venue first. An order that filled in parts is one trade."""
    by_venue: dict[str, list[FillRecord]] = {}
    for record in fills:
        by_venue.setdefault(record.fill.venue.value, []).append(record)
    trades = {
        venue: len({record.fill.client_order_id for record in records})
        for venue, records in by_venue.items()
    }
    total = sum(trades.values())
    shares = [
        VenueShare(
            venue=venue,
            trades=trades[venue],
            share=Decimal(trades[venue]) / total,
            volume=sum((each.fill.last_px * each.fill.last_qty for each in records), ZERO),
            commissions=sum((each.fill.commission for each in records), ZERO),
        )
        for venue, records in by_venue.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.trades, share.venue)))


def token_routes(decisions: Sequence[RoutingDecision]) -> tuple[TokenRoute, ...]:
    """By symbol, of the decisions that found a venue; skipped ones are left out."""
    chosen: dict[str, Counter[str]] = {}
    passed_over: Counter[str] = Counter()
    for decision in decisions:
        if decision.selected_venue is None:
            continue
        chosen.setdefault(decision.symbol, Counter())[decision.selected_venue] += 1
        if _fell_back(decision):
            passed_over[decision.symbol] += 1
    return tuple(_route(symbol, chosen[symbol], passed_over) for symbol in sorted(chosen))


def _fell_back(decision: RoutingDecision) -> bool:
    """Whether the venue asked first refused. A cheaper one, or a split, is a choice."""
    first = decision.requested_venues[:1]
    return any(check.venue in first and not check.ok for check in decision.checked_venues)


def _route(symbol: str, venues: Counter[str], passed_over: Mapping[str, int]) -> TokenRoute:
    routed = venues.total()
    most_common, _ = min(venues.items(), key=lambda item: (-item[1], item[0]))
    return TokenRoute(
        symbol=symbol,
        most_common_venue=most_common,
        routed=routed,
        fallback_share=Decimal(passed_over.get(symbol, 0)) / routed,
    )
