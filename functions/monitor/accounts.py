"""Every account's turn: its equity at the marks, and what its losses call for."""

from dataclasses import replace
from datetime import datetime

from common.books import ACCOUNTS, EQUITY_DAYS
from common.contention import retry_on_conflict
from common.domain.account import Account
from common.domain.events import OutboxMessage
from common.domain.position import EXACT
from common.errors import SapphireError
from common.ports import Query, Ref
from common.reporting.equity import EquityPoint
from common.reporting.equity_days import PLATFORM, equity_day_id, point_write
from functions.monitor.desk import Desk
from functions.monitor.limits import LimitBook
from functions.monitor.losses import watch_losses
from functions.monitor.marking import mark_page
from functions.monitor.rounds import Round, Walk


async def mark_accounts(desk: Desk, *, until: datetime) -> list[OutboxMessage]:
    """The accounts at their marks, from where the last tick ended, and no page from `until` on;
    the platform's own curve when all of them had their turn.

    Raises SapphireError: one account's trouble, once all others were marked.
    """
    walk = await Walk.resume(desk, ACCOUNTS)
    limits = LimitBook(desk)
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    async for documents in walk.pages(Query(ACCOUNTS), until=until):
        marked, failed = await mark_page(desk, documents)
        told, more = await _look_at_losses(desk, limits, marked)
        messages += told
        failed += more
        troubles += failed
        walk.round = _added(walk.round, marked, troubled=bool(failed))
    whole = walk.is_done and walk.round.accounts and not walk.round.troubled
    if whole:
        await _add_point(desk, walk.round)
    await walk.keep()
    if troubles:
        raise troubles[0]
    return messages


async def _look_at_losses(
    desk: Desk, limits: LimitBook, accounts: list[Account]
) -> tuple[list[OutboxMessage], list[SapphireError]]:
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    try:
        in_force = await limits.of(accounts)
    except SapphireError as error:
        return [], [error]
    for account in accounts:
        known = in_force[account.deployment_id]
        if known is None:
            continue  # nothing is opened then anyway
        try:
            messages += await watch_losses(desk, account, known)
        except SapphireError as error:
            troubles.append(error)
    return messages, troubles


def _added(known: Round, accounts: list[Account], *, troubled: bool) -> Round:
    equity, capital = known.equity, known.capital
    for account in accounts:
        equity = EXACT.add(equity, account.equity)
        capital = EXACT.add(capital, account.starting)
    return replace(
        known,
        accounts=known.accounts + len(accounts),
        equity=equity,
        capital=capital,
        troubled=known.troubled or troubled,
    )


async def _add_point(desk: Desk, known: Round) -> None:
    """The sum over the round, whose accounts may have been marked a few ticks apart."""
    now = desk.clock.now()
    point = EquityPoint(at=now, equity=known.equity, capital=known.capital)
    ref = Ref(EQUITY_DAYS, equity_day_id(PLATFORM, now))

    async def once() -> None:
        write = point_write(ref, await desk.store.get(ref), PLATFORM, point)
        if write is not None:
            await desk.store.commit([write])

    await retry_on_conflict(once, what="the platform's equity curve")
