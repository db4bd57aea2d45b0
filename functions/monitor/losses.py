"""The limits on losses: what an account that has broken one, or is near, calls for.

A limit that is broken sets the deployment's own trading state to REDUCING, so that it is obeyed at
the last gate: after a day's loss until the next UTC day, after a drawdown until a person resumes
it, from when on the fall is counted anew.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from common.books import ACCOUNTS
from common.contention import retry_on_conflict
from common.documents import load
from common.domain.account import Account
from common.domain.events import OutboxMessage
from common.domain.identifiers import prefixed_id
from common.domain.money import plain
from common.domain.notification import Notification, NotificationKind
from common.domain.scope import deployment_scope
from common.execution.accounts import day_pnl_of, drawdown_of
from common.how.effective_limits import EffectiveLimits
from common.how.equity import has_lost
from common.how.state_changes import state_writes
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.notifications import notification_writes
from common.ports import Ref
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


async def watch_losses(
    desk: Desk, account: Account, limits: EffectiveLimits
) -> list[OutboxMessage]:
    """Reduce what has broken a limit, once; tell of what comes near one, once a day."""
    now = desk.clock.now()
    messages: list[OutboxMessage] = []
    for breach in _breaches(account, limits, now):
        messages += await (_reduce if breach.broken else _warn)(desk, account, breach, now)
    return messages


def _breaches(account: Account, limits: EffectiveLimits, now: datetime) -> list[_Breach]:
    """Measured as at the gate (equity.py)."""
    found = []
    most, base, equity = limits.max_daily_loss, account.day_start_equity, account.equity
    if most is not None and has_lost(most * WARN_AT, of=base, now_at=equity):
        lost = _percent(-day_pnl_of(account) / base)
        text = f"lost {lost} today, {_percent(most)} is allowed"
        broken = has_lost(most, of=base, now_at=equity)
        found.append(_Breach("daily-loss", text, _next_day(now), broken))
    most, base = limits.max_drawdown, account.peak_equity
    if most is not None and has_lost(most * WARN_AT, of=base, now_at=equity):
        fall = _percent(drawdown_of(account))
        text = f"is {fall} below its highest equity, {_percent(most)} is allowed"
        found.append(_Breach("drawdown", text, None, has_lost(most, of=base, now_at=equity)))
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
