"""Every account at its marks: equity, the day's result, and the limits on losses.

A limit that is broken sets the deployment's own trading state to REDUCING, so that it is obeyed at
the last gate: after a day's loss until the next UTC day, after a drawdown until a person resumes
it, from when on the fall is counted anew.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from common.books import ACCOUNTS, EQUITY_DAYS, EXPOSURES
from common.contention import retry_on_conflict
from common.documents import every, load
from common.domain.account import Account
from common.domain.events import OutboxMessage
from common.domain.exposure import Exposure
from common.domain.identifiers import prefixed_id
from common.domain.money import ZERO, plain
from common.domain.notification import Notification, NotificationKind
from common.domain.position import EXACT
from common.domain.scope import PLATFORM_SCOPE, agent_scope, deployment_scope
from common.errors import SapphireError
from common.execution.accounts import day_pnl_of, drawdown_of, marked
from common.execution.day_results import day_result_writes
from common.how.effective_limits import EffectiveLimits, effective
from common.how.limit_documents import ScopeLimits, limits_ref, read_limits
from common.how.limits import Refusal
from common.how.policy import policy_of, policy_ref
from common.how.state_changes import state_writes
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.notifications import notification_writes
from common.ports import Ref
from common.reporting.equity import EquityPoint
from common.reporting.equity_days import PLATFORM, equity_day_id, point_write
from functions.monitor.desk import Desk

WARN_AT = Decimal("0.8")
"""Of a limit: who is told then can still do something."""

BY = "monitor"


@dataclass(frozen=True, slots=True)
class _Breach:
    """A limit on losses that an account has broken, or is near."""

    name: str  # daily-loss, drawdown
    text: str
    until: datetime | None  # of the day's loss: the next UTC day
    broken: bool


async def mark_accounts(desk: Desk) -> list[OutboxMessage]:
    """All accounts at this moment's marks, then the platform's own curve.

    Raises SapphireError: one account's trouble, once all others were marked.
    """
    now = desk.clock.now()
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    equity = capital = ZERO
    ids = [document.ref.id async for document in every(desk.store, ACCOUNTS)]
    for deployment_id in ids:
        try:
            account, more = await _mark(desk, deployment_id, now)
        except SapphireError as error:
            troubles.append(error)
            continue
        messages += more
        equity = EXACT.add(equity, account.equity)
        capital = EXACT.add(capital, account.starting)
    if ids and not troubles:
        await _add_point(desk, PLATFORM, EquityPoint(at=now, equity=equity, capital=capital))
    if troubles:
        raise troubles[0]
    return messages


async def _mark(
    desk: Desk, deployment_id: str, now: datetime
) -> tuple[Account, list[OutboxMessage]]:
    """Written only where something has changed: an account that holds nothing keeps still."""

    async def once() -> Account:
        stored = await load(desk.store, Account, Ref(ACCOUNTS, deployment_id))
        exposed = await load(desk.store, Exposure, Ref(EXPOSURES, deployment_id))
        assert stored is not None  # noqa: S101 - accounts are never deleted
        exposure = exposed.value if exposed else Exposure.empty(deployment_id)
        after, _ = marked(stored.value, exposure, await _marks(desk, exposure, now), now)
        before = stored.value
        known = (before.equity, before.day, before.peak_equity)
        if (after.equity, after.day, after.peak_equity) == known:
            return before
        results = await day_result_writes(desk.store, before, after)
        await desk.store.commit([stored.update(after), *results])
        point = EquityPoint(at=now, equity=after.equity, capital=after.starting)
        await _add_point(desk, deployment_id, point)
        return after

    account = await retry_on_conflict(once, what=f"the account of {deployment_id}")
    return account, await _limits(desk, account, now)


async def _marks(desk: Desk, exposure: Exposure, now: datetime) -> dict[str, Decimal]:
    symbols = {key.split("|", 1)[1] for key in exposure.holdings}
    found = {symbol: await desk.mark(symbol, now) for symbol in sorted(symbols)}
    return {symbol: mark for symbol, mark in found.items() if mark is not None}


async def _add_point(desk: Desk, subject_id: str, point: EquityPoint) -> None:
    ref = Ref(EQUITY_DAYS, equity_day_id(subject_id, point.at))

    async def once() -> None:
        write = point_write(ref, await desk.store.get(ref), subject_id, point)
        if write is not None:
            await desk.store.commit([write])

    await retry_on_conflict(once, what=f"the equity curve of {subject_id}")


async def _limits(desk: Desk, account: Account, now: datetime) -> list[OutboxMessage]:
    """Reduce what has broken a limit, once; tell of what comes near one, once a day."""
    limits = await _limits_of(desk, account)
    messages: list[OutboxMessage] = []
    if limits is None:
        return messages
    for breach in _breaches(account, limits, now):
        messages += await (_reduce if breach.broken else _warn)(desk, account, breach, now)
    return messages


async def _limits_of(desk: Desk, account: Account) -> EffectiveLimits | None:
    """None where there are none: nothing is opened then anyway."""
    scopes = (
        PLATFORM_SCOPE,
        agent_scope(account.book, account.agent_id),
        deployment_scope(account.deployment_id),
    )
    *documents, policy = await desk.store.get_many(
        [*map(limits_ref, scopes), policy_ref(account.deployment_id)]
    )
    platform, agent, deployment = (
        read_limits(scope, document) for scope, document in zip(scopes, documents, strict=True)
    )
    no_venue = ScopeLimits(PLATFORM_SCOPE)
    caps = desk.settings.limits
    rules = policy_of(policy)
    if rules is None or isinstance(rules, Refusal):
        found = effective(platform, no_venue, agent, deployment, caps=caps)
    else:
        found = effective(platform, no_venue, agent, deployment, caps=caps, rules=rules.rules)
    return None if isinstance(found, Refusal) else found


def _breaches(account: Account, limits: EffectiveLimits, now: datetime) -> list[_Breach]:
    found = []
    most = limits.max_daily_loss
    if most is not None and account.day_start_equity > ZERO:
        loss = -day_pnl_of(account) / account.day_start_equity
        if loss >= most * WARN_AT:
            text = f"lost {_percent(loss)} today, {_percent(most)} is allowed"
            found.append(_Breach("daily-loss", text, _next_day(now), loss >= most))
    most = limits.max_drawdown
    if most is not None:
        fall = drawdown_of(account)
        if fall >= most * WARN_AT:
            text = f"is {_percent(fall)} below its highest equity, {_percent(most)} is allowed"
            found.append(_Breach("drawdown", text, None, fall >= most))
    return found


async def _reduce(
    desk: Desk, account: Account, breach: _Breach, now: datetime
) -> list[OutboxMessage]:
    """Trading in it only reduces from now on, whoever asks for what."""
    scope = deployment_scope(account.deployment_id)

    async def once() -> list[OutboxMessage]:
        stored = await load(desk.store, TradingStateRecord, state_ref(scope))
        if stored is not None and _stands(stored.value, breach, now):
            return []
        ledger = await load(desk.store, Account, Ref(ACCOUNTS, account.deployment_id))
        assert ledger is not None  # noqa: S101 - accounts are never deleted
        if stored is not None and _was_resumed(stored.value, ledger.value, breach):
            await desk.store.commit([ledger.update(_counted_anew(ledger.value, now))])
            return []
        record = TradingStateRecord(
            state=TradingState.REDUCING,
            epoch=stored.value.epoch + 1 if stored else 1,
            reason=f"{breach.name}: it {breach.text}",
            changed_by=BY,
            changed_at=now,
            until=breach.until,
        )
        writes, messages = state_writes(scope, stored, record)
        if breach.until is None:
            drawn_down = replace(ledger.value, drawn_down_at=now, updated_at=now)
            writes = [*writes, ledger.update(drawn_down)]
        await desk.store.commit(writes)
        return messages

    return await retry_on_conflict(once, what=f"the trading state of {scope.label}")


def _stands(record: TradingStateRecord, breach: _Breach, now: datetime) -> bool:
    """It reduces for long enough already; or a person has resumed it today, which the limit on the
    day's loss outlives: no order that opens passes it before tomorrow.
    """
    if record.at(now) is not TradingState.ACTIVE:
        return breach.until is not None or record.until is None
    resumed_today = record.changed_by != BY and record.changed_at.date() == now.date()
    return breach.until is not None and resumed_today


def _was_resumed(record: TradingStateRecord, account: Account, breach: _Breach) -> bool:
    """Whether a person has, since this fall made it reduce."""
    by_a_person = record.state is TradingState.ACTIVE and record.changed_by != BY
    since = account.drawn_down_at
    if breach.until is not None or since is None:
        return False
    return by_a_person and record.changed_at > since


def _counted_anew(account: Account, now: datetime) -> Account:
    return replace(account, peak_equity=account.equity, drawn_down_at=None, updated_at=now)


async def _warn(
    desk: Desk, account: Account, breach: _Breach, now: datetime
) -> list[OutboxMessage]:
    notification = Notification(
        notification_id=prefixed_id(
            "ntf", "near", breach.name, account.deployment_id, f"{now:%Y%m%d}"
        ),
        kind=NotificationKind.RISK,
        text=f"Near a limit: {account.deployment_id} {breach.text}",
        subject_id=account.deployment_id,
        created_at=now,
    )
    writes, message = notification_writes(notification)
    if await desk.store.get(writes[0].ref) is not None:
        return []
    await desk.store.commit(writes)
    return [message]


def _next_day(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _percent(fraction: Decimal) -> str:
    return f"{plain((fraction * 100).quantize(Decimal('0.01')))} %"
