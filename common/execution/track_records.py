"""What a trip's end adds to the record of its agent, over all the agent's deployments."""

from decimal import ROUND_FLOOR, Decimal

from common.domain.account import Account
from common.domain.position import EXACT
from common.execution.exposures import ensure
from common.how.track_records import FIGURES, SCALE, record_refs
from common.ports import DocumentStore, Increment

_MOST = 10**16
"""Of one account: a counter has 64 bits, and ten thousand million are above any limit anyway."""


async def record_writes(
    store: DocumentStore, before: Account | None, after: Account
) -> list[Increment]:
    """The difference that `after` makes, for the commit that writes it over `before`.

    As the account holds the version that the difference was worked out from, the agent's record is
    at any moment the sum over the accounts of its kind, paper or live, each to the millionth. At
    most four writes; none where no trip has ended.

    Raises TransientError: the store does not answer.
    """
    known = figures_of(before) if before is not None else (0,) * len(FIGURES)
    refs = record_refs(after.book, after.agent_id, paper=after.paper)
    increments = [
        Increment(ref, name, now - was)
        for ref, name, now, was in zip(refs, FIGURES, figures_of(after), known, strict=True)
        if now != was
    ]
    await ensure(store, increments)
    return increments


def figures_of(account: Account) -> tuple[int, ...]:
    """What one account adds, in the order of `FIGURES`; amounts down, so that none looks better."""
    return (
        account.trips_won,
        account.trips - account.trips_won,
        _millionths(account.trip_gains),
        _millionths(account.trip_losses),
    )


def _millionths(amount: Decimal) -> int:
    if abs(amount) >= _MOST // 10**SCALE:
        return _MOST if amount > 0 else -_MOST
    return int(amount.scaleb(SCALE, EXACT).to_integral_value(rounding=ROUND_FLOOR))
