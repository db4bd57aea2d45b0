"""A deployment's money: a cash ledger in Decimal, and what risk limits remember of it."""

from dataclasses import dataclass

from common.domain.moment import UtcDatetime
from common.domain.money import ZERO, Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The document under `accounts`, id = deployment id; quote currency throughout.

    To the last digit: starting + realized_pnl - commissions + funding = cash + what the open
    quantities cost, and with marks: equity = cash + sum(signed quantity x mark).
    """

    deployment_id: str
    book: str
    agent_id: str
    paper: bool = False  # its record counts among those of paper trading alone
    starting: Money
    cash: Money
    realized_pnl: Money = ZERO  # before commissions
    commissions: Money = ZERO
    funding: Money = ZERO  # received; paid is negative
    trips: int = 0  # positions that went back to flat, or through it
    trips_won: int = 0  # ... with more than their commissions
    trip_gains: Money = ZERO  # sum of the won ones, after commissions
    trip_losses: Money = ZERO  # sum of the others, <= 0
    losses_in_row: int = 0
    last_loss_at: UtcDatetime | None = None
    day: str = ""  # 2026-11-27, UTC: of `day_start_equity`
    day_start_equity: Money = ZERO
    peak_equity: Money = ZERO  # highest at any mark since a person last resumed it after a fall
    drawn_down_at: UtcDatetime | None = None  # when the fall from it went beyond the limit
    equity: Money = ZERO  # at the last marks
    marked_at: UtcDatetime | None = None
    updated_at: UtcDatetime
