"""What the day has brought, in the day's totals of the agents and the platform."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR

from common.domain.account import Account
from common.domain.position import EXACT
from common.domain.scope import PLATFORM_SCOPE, Scope, agent_scope
from common.execution.exposures import ensure
from common.how.risk_totals import RESULT, result_ref
from common.ports import DocumentStore, Increment

KEPT = timedelta(days=7)


async def day_result_writes(
    store: DocumentStore, changes: Iterable[tuple[Account | None, Account]]
) -> list[Increment]:
    """The difference that each account makes, for the commit that writes it over the one before.

    Realised and unrealised together, as the account was last marked. On a new day all of it is the
    difference: a day's total is the sum over all deployments that were marked on it.

    Raises TransientError: the store does not answer.
    """
    by_day: dict[str, Counter[Scope]] = {}
    for before, after in changes:
        difference = _cents(after)
        if before is not None and before.day == after.day:
            difference -= _cents(before)
        if after.day:
            sums = by_day.setdefault(after.day, Counter())
            sums[PLATFORM_SCOPE] += difference
            sums[agent_scope(after.book, after.agent_id)] += difference
    writes: list[Increment] = []
    for name, sums in by_day.items():
        day = datetime.strptime(name, "%Y-%m-%d").replace(tzinfo=UTC)
        increments = [
            Increment(result_ref(scope, day), RESULT, cents)
            for scope, cents in sums.items()
            if cents
        ]
        await ensure(store, increments, expires_at=day + KEPT)
        writes += increments
    return writes


def _cents(account: Account) -> int:
    """Down to the cent: a loss is not made smaller."""
    result = EXACT.subtract(account.equity, account.day_start_equity)
    return int(EXACT.multiply(result, 100).to_integral_value(rounding=ROUND_FLOOR))
