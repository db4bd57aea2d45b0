"""What a deployment is worth at the marks, and what it was worth before."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.config import LimitSettings
from common.how.denial import Denial
from common.how.limits import Refusal
from common.how.portfolio_state import PortfolioState


@dataclass(frozen=True, slots=True)
class Worth:
    """Quote currency."""

    equity: Decimal
    day_start: Decimal  # what the day's loss is counted from
    peak: Decimal  # the highest so far, this moment's included


def worth_of(state: PortfolioState, *, now: datetime, settings: LimitSettings) -> Worth | Refusal:
    """equity = cash + sum(signed quantity x mark), over all holdings.

    Without an account: the capital, and what the holdings have gained on the price of their last
    fill. A day whose first mark is still to come starts at the equity of the last one. Refused with
    PRICE_STALE: something is held whose price is not known now, so nobody knows what it is worth.
    """
    account = state.account.value if state.account else None
    equity = account.cash if account else state.deployment.capital
    for key, holding in state.held.holdings.items():
        symbol = key.split("|", 1)[1]
        mark = state.marks.get(symbol)
        if mark is None:
            return Refusal(Denial.PRICE_STALE, f"no usable price of {symbol}, which is held")
        stale = mark.refusal(now=now, settings=settings)
        if stale is not None:
            return stale
        basis = mark.price if account else mark.price - holding.price
        equity += holding.signed_qty * basis
    if account is None:
        capital = state.deployment.capital
        return Worth(equity, capital, max(capital, equity))
    begun = account.day >= now.date().isoformat()
    day_start = account.day_start_equity if begun else account.equity
    return Worth(equity, day_start, max(account.peak_equity, equity))
