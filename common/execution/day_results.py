"""What the day has brought, of a deployment, in the day's totals of its agent and the platform."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR

from common.domain.account import Account
from common.domain.position import EXACT
from common.domain.scope import PLATFORM_SCOPE, agent_scope
from common.execution.exposures import ensure
from common.how.risk_totals import RESULT, result_ref
from common.ports import DocumentStore, Increment

KEPT = timedelta(days=7)


async def day_result_writes(
    store: DocumentStore, before: Account | None, after: Account
) -> list[Increment]:
    """The difference that `after` makes, for the commit that writes it over `before`.

    Realised and unrealised together, as the account was last marked. On a new day all of it is the
    difference: a day's total is the sum over all deployments that were marked on it.

    Raises TransientError: the store does not answer.
    """
    difference = _cents(after)
    if before is not None and before.day == after.day:
        difference -= _cents(before)
    if not difference or not after.day:
        return []
    day = datetime.strptime(after.day, "%Y-%m-%d").replace(tzinfo=UTC)
    increments = [
        Increment(result_ref(scope, day), RESULT, difference)
        for scope in (PLATFORM_SCOPE, agent_scope(after.book, after.agent_id))
    ]
    await ensure(store, increments, expires_at=day + KEPT)
    return increments


def _cents(account: Account) -> int:
    """Down to the cent: a loss is not made smaller."""
    result = EXACT.subtract(account.equity, account.day_start_equity)
    return int(EXACT.multiply(result, 100).to_integral_value(rounding=ROUND_FLOOR))
