"""What fills, funding and marks do to a deployment's cash ledger. Pure, and exact in Decimal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, localcontext

from common.domain.account import Account
from common.domain.agent import Deployment
from common.domain.exposure import Exposure
from common.domain.moment import iso
from common.domain.money import ZERO, Money
from common.domain.order import Fill
from common.domain.position import EXACT, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    equity: Money  # quote currency: cash, and holdings at their marks
    unmarked: tuple[str, ...]  # symbols without a mark: they count at their last fill's price


def open_account(deployment: Deployment, now: datetime) -> Account:
    """The ledger before its first fill: the deployment's capital, in cash."""
    capital = deployment.capital
    return Account(
        deployment_id=deployment.deployment_id,
        book=deployment.book,
        agent_id=deployment.agent_id,
        paper=deployment.paper,
        starting=capital,
        cash=capital,
        day=day_of(now),
        day_start_equity=capital,
        peak_equity=capital,
        equity=capital,
        updated_at=now,
    )


def day_of(moment: datetime) -> str:
    """`2026-11-27`, UTC: text order is the order of days."""
    return iso(moment)[:10]


def after_fill(
    account: Account, before: Position, fill: Fill, after: Position, *, now: datetime
) -> Account:
    """The account after `fill`, which made `after` of the position `before`.

    Cash moves by what changed hands; what the venue kept of a purchase is paid for by the
    commission. A round trip ends where the position is flat or has crossed zero. Its result is all
    that it realised less all its commissions, those of the crossing fill included, whole.
    """
    with localcontext(EXACT):
        traded = fill.last_px * (fill.last_qty - fill.base_withheld)
        realized = after.realized_pnl - before.realized_pnl
        moved = replace(
            account,
            cash=account.cash - fill.side.sign * traded - fill.commission,
            realized_pnl=account.realized_pnl + realized,
            commissions=account.commissions + fill.commission,
            updated_at=now,
        )
        if before.signed_qty * after.signed_qty > 0 or before.signed_qty == 0:
            return moved
        return _after_trip(moved, before.trip_pnl + realized - fill.commission, now)


def _after_trip(account: Account, result: Decimal, now: datetime) -> Account:
    """A trip that brought no more than its commissions is not won, so it is lost."""
    if result > 0:
        return replace(
            account,
            trips=account.trips + 1,
            trips_won=account.trips_won + 1,
            trip_gains=account.trip_gains + result,
            losses_in_row=0,
        )
    return replace(
        account,
        trips=account.trips + 1,
        trip_losses=account.trip_losses + result,
        losses_in_row=account.losses_in_row + 1,
        last_loss_at=now,
    )


def after_funding(account: Account, amount: Decimal, now: datetime) -> Account:
    """`amount` in quote currency, negative where it is paid. The caller applies each one once."""
    with localcontext(EXACT):
        return replace(
            account,
            cash=account.cash + amount,
            funding=account.funding + amount,
            updated_at=now,
        )


def equity_of(account: Account, exposure: Exposure, marks: Mapping[str, Decimal]) -> Valuation:
    """What the account is worth; `exposure` must be as old as it is, `marks` are by symbol."""
    equity, unmarked = account.cash, set()
    with localcontext(EXACT):
        for key, holding in exposure.holdings.items():
            symbol = key.split("|", 1)[1]
            mark = marks.get(symbol)
            if mark is None:
                unmarked.add(symbol)
            equity += holding.signed_qty * (holding.price if mark is None else mark)
    return Valuation(equity=equity, unmarked=tuple(sorted(unmarked)))


def marked(
    account: Account, exposure: Exposure, marks: Mapping[str, Decimal], now: datetime
) -> tuple[Account, tuple[str, ...]]:
    """The account with its equity at the marks, and the symbols that have none.

    A new UTC day starts at the equity of the last marks before it, so that what was lost while
    nobody looked counts in one of the two days. A clock that jumps back starts no day.
    """
    value, today = equity_of(account, exposure, marks), day_of(now)
    begins = today > account.day
    after = replace(
        account,
        day=today if begins else account.day,
        day_start_equity=account.equity if begins else account.day_start_equity,
        peak_equity=max(account.peak_equity, value.equity),
        equity=value.equity,
        marked_at=now,
        updated_at=now,
    )
    return after, value.unmarked


def unrealized_of(account: Account) -> Decimal:
    """Of the open positions, at the last marks; exact while no fill came after them."""
    with localcontext(EXACT):
        booked = account.starting + account.realized_pnl + account.funding
        return account.equity - (booked - account.commissions)


def day_pnl_of(account: Account) -> Decimal:
    """What the day has brought, realised or not, at the last marks."""
    return EXACT.subtract(account.equity, account.day_start_equity)


def drawdown_of(account: Account) -> Decimal:
    """How far equity is below its peak, as a fraction of the peak, at the last marks: >= 0."""
    if account.peak_equity <= 0:
        return ZERO
    return max((account.peak_equity - account.equity) / account.peak_equity, ZERO)


def imbalance(account: Account, positions: Iterable[Position]) -> Decimal:
    """What the ledger is off by beside all of the deployment's positions: 0, always and exactly.

    starting + realised - commissions + funding = cash + the signed cost of what is open.
    """
    with localcontext(EXACT):
        cost = sum((signed_cost(position) for position in positions), ZERO)
        booked = account.starting + account.realized_pnl - account.commissions + account.funding
        return booked - account.cash - cost


def signed_cost(position: Position) -> Decimal:
    """What the open quantity was bought for; what it was sold short for is negative."""
    return position.open_cost if position.signed_qty > 0 else -position.open_cost
