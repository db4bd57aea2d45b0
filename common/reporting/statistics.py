"""Statistics of closed trades, by whatever they are grouped by: exact money, floats for ratios."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, localcontext
from enum import StrEnum

from common.domain.money import CASH_INCREMENT, ZERO, round_to
from common.domain.position import EXACT
from common.reporting.round_trips import RoundTrip


class Grouping(StrEnum):
    AGENT = "agent"
    SYMBOL = "symbol"
    VENUE = "venue"
    EXIT_REASON = "exit_reason"


_KEYS: Mapping[Grouping, Callable[[RoundTrip], str]] = {
    Grouping.AGENT: lambda trip: f"{trip.book}:{trip.agent_id}",
    Grouping.SYMBOL: lambda trip: trip.symbol,
    Grouping.VENUE: lambda trip: trip.venue,
    Grouping.EXIT_REASON: lambda trip: trip.exit_reason,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeStatistics:
    """Of round trips, after commissions. A trip with nothing left is not won, so it is lost."""

    count: int
    wins: int
    gains: Decimal  # sum of the won ones, >= 0
    losses: Decimal  # sum of the others, <= 0
    commissions: Decimal
    held_for: timedelta  # all together

    @property
    def pnl(self) -> Decimal:
        return EXACT.add(self.gains, self.losses)

    @property
    def average_pnl(self) -> Decimal:
        """The expectancy: win rate x average win - loss rate x average loss, which comes to this.

        Rounded to `CASH_INCREMENT`; 0 without a trade.
        """
        return round_to(self.pnl / self.count, CASH_INCREMENT) if self.count else ZERO

    @property
    def average_held_for(self) -> timedelta:
        return self.held_for / self.count if self.count else timedelta(0)

    @property
    def win_rate(self) -> float | None:
        """0..1; None without a trade."""
        return self.wins / self.count if self.count else None

    @property
    def payoff_ratio(self) -> float | None:
        """The average win over the average loss; None while either is missing or 0."""
        lost = self.count - self.wins
        if not self.wins or not self.losses:
            return None
        return float((self.gains / self.wins) / (-self.losses / lost))

    @property
    def profit_factor(self) -> float | None:
        """All gains over all losses; None while nothing was lost."""
        return float(self.gains / -self.losses) if self.losses else None

    @property
    def expectancy_ratio(self) -> float | None:
        """What a trade brings for each unit that an average loss costs (Tharp's R).

        win rate x payoff ratio - loss rate, which is average P&L / average loss; None while nothing
        was lost.
        """
        if not self.losses:
            return None
        lost = self.count - self.wins
        return float((self.pnl / self.count) / (-self.losses / lost))


def trade_statistics(trips: Iterable[RoundTrip]) -> TradeStatistics:
    count = wins = 0
    gains = losses = commissions = ZERO
    held_for = timedelta(0)
    with localcontext(EXACT):
        for trip in trips:
            result = trip.pnl
            count += 1
            wins += result > 0
            gains += max(result, ZERO)
            losses += min(result, ZERO)
            commissions += trip.commissions
            held_for += trip.held_for
    return TradeStatistics(
        count=count,
        wins=wins,
        gains=gains,
        losses=losses,
        commissions=commissions,
        held_for=held_for,
    )


def statistics_by(grouping: Grouping, trips: Iterable[RoundTrip]) -> dict[str, TradeStatistics]:
    """By key, in its order: `v3:agt_1`, ETH, HYPERLIQUID or STOP_LOSS."""
    key_of = _KEYS[grouping]
    groups: dict[str, list[RoundTrip]] = {}
    for trip in trips:
        groups.setdefault(key_of(trip), []).append(trip)
    return {key: trade_statistics(groups[key]) for key in sorted(groups)}
