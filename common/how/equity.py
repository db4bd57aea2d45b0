"""What a deployment is worth at the marks, and what it was worth before."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.config import LimitSettings
from common.domain.money import ZERO
from common.domain.position import EXACT
from common.how.denial import Denial
from common.how.limits import Refusal
from common.how.portfolio_state import PortfolioState


@dataclass(frozen=True, slots=True)
class Worth:
    """Quote currency."""

    equity: Decimal
    day_start: Decimal  # what the day's loss is counted from
    peak: Decimal  # the highest so far, this moment's included


def has_lost(share: Decimal, *, of: Decimal, now_at: Decimal) -> bool:
    """Whether what was worth `of` has lost `share` of it (a fraction) or more, to the last digit.

    The one comparison of the limits on losses: what is refused at the gate is what `monitor`
    reduces for. Nothing is a share of nothing: `of` <= 0 has lost none.
    """
    return of > ZERO and EXACT.subtract(of, now_at) >= EXACT.multiply(share, of)


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
