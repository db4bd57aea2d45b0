"""A page of accounts at this moment's marks: equity, the day's result and their curves."""

from collections.abc import Sequence
from datetime import datetime

from common.books import EQUITY_DAYS, EXPOSURES
from common.contention import retry_on_conflict
from common.documents import Stored, load
from common.domain.account import Account
from common.domain.exposure import Exposure
from common.errors import SapphireError
from common.execution.accounts import marked
from common.execution.day_results import day_result_writes
from common.ports import Document, Ref, Write
from common.reporting.equity import EquityPoint
from common.reporting.equity_days import equity_day_id, point_write
from common.wire import from_document
from functions.monitor.desk import Desk


async def mark_page(
    desk: Desk, documents: Sequence[Document]
) -> tuple[list[Account], list[SapphireError]]:
    """The accounts as they are then, and the trouble with those that could not be marked.

    All in one commit. Where that does not hold, for a fill came to one of them or one cannot be
    read, each is read and marked again for itself.
    """
    found, troubles = _readable(documents)
    if len(found) > 1:
        try:
            return await _mark(desk, found, desk.clock.now()), troubles
        except SapphireError:
            desk.forget_marks()
    accounts: list[Account] = []
    for stored in found:
        try:
            accounts.append(await _mark_one(desk, stored))
        except SapphireError as error:
            troubles.append(error)
    return accounts, troubles


def _readable(
    documents: Sequence[Document],
) -> tuple[list[Stored[Account]], list[SapphireError]]:
    found: list[Stored[Account]] = []
    troubles: list[SapphireError] = []
    for document in documents:
        try:
            account = from_document(Account, document.data)
        except SapphireError as error:
            troubles.append(error)
        else:
            found.append(Stored(document.ref, account, document.version))
    return found, troubles


async def _mark_one(desk: Desk, known: Stored[Account]) -> Account:
    async def once() -> Account:
        stored = await load(desk.store, Account, known.ref)
        assert stored is not None  # noqa: S101 - accounts are never deleted
        (account,) = await _mark(desk, [stored], desk.clock.now())
        return account

    return await retry_on_conflict(once, what=f"the account of {known.ref.id}")


async def _mark(desk: Desk, accounts: Sequence[Stored[Account]], now: datetime) -> list[Account]:
    """Written only where something has changed: an account that holds nothing keeps still.

    The exposures are read after the accounts: a fill in between changes both, and the account's
    version is the lock.
    """
    ids = [stored.ref.id for stored in accounts]
    curves = [Ref(EQUITY_DAYS, equity_day_id(each, now)) for each in ids]
    asked = [*(Ref(EXPOSURES, each) for each in ids), *curves]
    read = await desk.store.get_many(asked)
    exposures = [_exposure(each, read[place]) for place, each in enumerate(ids)]
    symbols = {key.split("|", 1)[1] for each in exposures for key in each.holdings}
    marks = await desk.marks(symbols, now)
    results: list[Account] = []
    changes: list[tuple[Account | None, Account]] = []
    writes: list[Write] = []
    for stored, exposure, ref, curve in zip(
        accounts, exposures, curves, read[len(ids) :], strict=True
    ):
        before = stored.value
        after, _ = marked(before, exposure, marks, now)
        known = (before.equity, before.day, before.peak_equity)
        if (after.equity, after.day, after.peak_equity) == known:
            results.append(before)
            continue
        point = EquityPoint(at=now, equity=after.equity, capital=after.starting)
        drawn = point_write(ref, curve, stored.ref.id, point)
        results.append(after)
        changes.append((before, after))
        writes += [stored.update(after), *([drawn] if drawn else [])]
    if writes:
        writes += await day_result_writes(desk.store, changes)
        await desk.store.commit(writes)
    return results


def _exposure(deployment_id: str, document: Document | None) -> Exposure:
    if document is None:
        return Exposure.empty(deployment_id)
    return from_document(Exposure, document.data)
