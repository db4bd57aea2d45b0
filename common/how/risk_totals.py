"""What all deployments of a scope have at risk together, in documents of integers (R7).

Every change of an exposure adds its exact differences with `Increment`, in its own commit
(common/execution/exposures.py), so no two deployments ever wait for each other, and what a crash
leaves behind is either in both documents or in neither. But an increment asks no question: two
orders may each find room for one. So the last gate reads the totals again, once both
differences are in them: of two orders that are too much together, at least the one that was
written later is refused, and it may be both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from common.books import RISK_TOTALS
from common.domain.risk_limits import TotalLimits
from common.domain.scope import Scope, ScopeKind
from common.how.denial import Denial
from common.how.effective_limits import EffectiveLimits
from common.how.limits import Refusal
from common.how.worst_case import AtRisk
from common.ports import Document, Ref

GROSS = "gross_cents"
ORDERS = "open_orders"
RESULT = "result_cents"
_FIGURES = (GROSS, ORDERS, RESULT)


@dataclass(frozen=True, slots=True)
class ScopeTotals:
    """Of one scope, as its documents were read."""

    gross_cents: int = 0
    open_orders: int = 0
    result_cents: int = 0  # of the day, over all deployments; a loss is negative
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Addition:
    """What an order would add, by venue, while the totals do not have it yet."""

    by_venue: Mapping[str, AtRisk]

    def of(self, scope: Scope) -> AtRisk:
        """A venue's totals grow by what is there; the agent's and the platform's by all of it."""
        if scope.kind is ScopeKind.VENUE:
            return self.by_venue.get(scope.name, AtRisk())
        return AtRisk(
            sum(each.gross_cents for each in self.by_venue.values()),
            sum(each.open_orders for each in self.by_venue.values()),
        )


def gross_ref(scope: Scope) -> Ref:
    return Ref(RISK_TOTALS, scope.key)


def orders_ref(scope: Scope) -> Ref:
    """A document of its own: a commit may increment each document once."""
    return Ref(RISK_TOTALS, f"orders:{scope.key}")


def result_ref(scope: Scope, moment: datetime) -> Ref:
    """A document for each UTC day, so that a new day begins at 0 without a write."""
    return Ref(RISK_TOTALS, f"result:{scope.key}:{moment:%Y%m%d}")


def totals_refs(scope: Scope, now: datetime) -> tuple[Ref, ...]:
    """What `read_totals` reads."""
    if scope.kind is ScopeKind.VENUE:
        return gross_ref(scope), orders_ref(scope)
    return gross_ref(scope), orders_ref(scope), result_ref(scope, now)


def read_totals(documents: Sequence[Document | None]) -> ScopeTotals:
    """Of `totals_refs`, in order; what is not there yet is 0."""
    figures = [0, 0, 0]
    for place, document in enumerate(documents):
        figure = document.data.get(_FIGURES[place]) if document is not None else 0
        if type(figure) is not int:
            return ScopeTotals(problem="its totals cannot be read")
        figures[place] = figure
    gross, orders, result = figures
    return ScopeTotals(gross, orders, result)


def check_totals(
    totals: Mapping[str, ScopeTotals], limits: EffectiveLimits, adding: Addition | None = None
) -> Refusal | None:
    """Of the platform, the venue and the agent, each by its scope's key, in this order.

    `adding` is what the order would add: what adds nothing is not refused for what is there. None:
    the order is written ahead and counted, as at the last gate; there it is refused where the
    total is above its limit, whoever was first.
    """
    for scope, limit in limits.totals:
        refusal = _check_one(scope, limit, totals.get(scope.key), adding)
        if refusal is not None:
            return refusal
    return None


def _check_one(
    scope: Scope, limit: TotalLimits, found: ScopeTotals | None, adding: Addition | None
) -> Refusal | None:
    if found is None or found.problem:
        problem = found.problem if found else "its totals were not read"
        return Refusal(Denial.LIMITS_MISSING, f"{scope.label}: {problem}")
    more = adding.of(scope) if adding is not None else AtRisk()
    gross, orders = found.gross_cents + more.gross_cents, found.open_orders + more.open_orders
    most = limit.max_exposure
    if most is not None and gross > most * 100 and (adding is None or more.gross_cents > 0):
        words = (
            f"{scope.label}: positions and orders would be {_money(gross)} in all; the limit is"
            f" {_money(most * 100)}"
        )
        return Refusal(Denial.EXPOSURE_EXCEEDS_MAX_OF_SCOPE, words)
    allowed = limit.max_open_orders
    if allowed is not None and orders > allowed and (adding is None or more.open_orders > 0):
        words = f"{scope.label}: {orders} orders would be open; the limit is {allowed}"
        return Refusal(Denial.OPEN_ORDERS_EXCEED_MAX_OF_SCOPE, words)
    loss = limit.max_daily_loss
    if loss is not None and -found.result_cents > loss * 100:
        words = (
            f"{scope.label}: the loss of the day is {_money(-found.result_cents)}; the limit is"
            f" {_money(loss * 100)}"
        )
        return Refusal(Denial.DAILY_LOSS_EXCEEDED_IN_SCOPE, words)
    return None


def _money(cents: Decimal | int) -> str:
    """`$502.30`; whole dollars without cents."""
    return f"${f'{Decimal(cents) / 100:,.2f}'.removesuffix('.00')}"
