"""What the store itself says: that it works, the limits, the trading state, what is left undone."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from common.books import ORDER_INTENTS, OUTBOX, PREFLIGHT_PROBES, TRADING_STATE
from common.contention import retry_on_conflict
from common.documents import every
from common.domain.moment import from_iso, iso
from common.domain.order import IntentStatus
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.errors import ConflictError, InvalidInputError
from common.how.limit_changes import NOBODY
from common.how.limit_documents import limits_ref, read_limits
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Create, Document, Query, Ref, Update, Where, Write
from common.reporting.preflight_ports import (
    PreflightLine,
    PreflightPorts,
    day_and_time,
    green,
    red,
    said,
)
from common.wire import from_document

"""The collection of the one document that proves that the store compares and sets."""

STATE = "trading state"
SET_THEM = "sapphire limits show, then sapphire limits set --reason WHY"

WAITING_MAX = timedelta(minutes=2)  # `relay` takes what is older than 30 s, once a minute
DEAD_LETTERS_FOR = timedelta(hours=1)  # after which a dead letter says nothing of today's health
_SCOPES_SHOWN = 3


async def check_store(ports: PreflightPorts) -> PreflightLine:
    """Written once, the same version is refused the second time."""
    ref = Ref(PREFLIGHT_PROBES, "store")

    async def write_twice() -> bool:
        before = await ports.store.get(ref)
        data = {"at": iso(ports.clock.now())}
        write: Write = Update(ref, data, before.version) if before else Create(ref, data)
        await ports.store.commit([write])
        try:
            await ports.store.commit([write])
        except ConflictError:
            return True
        return False

    if await retry_on_conflict(write_twice, what="the store's probe"):
        return green("store", f"{ports.settings.store}: reads, writes, and refuses a stale write")
    return red(
        "store",
        f"{ports.settings.store} took a write of a version that had been replaced",
        "trade nothing on this store: two writers would undo each other's work",
    )


async def check_limits(ports: PreflightPorts) -> PreflightLine:
    """Set, such that they can be obeyed, and live by a person."""
    found = read_limits(PLATFORM_SCOPE, await ports.store.get(limits_ref(PLATFORM_SCOPE)))
    if found.problem:
        return red(
            "limits", f"cannot be obeyed, so nothing trades: {said(found.problem)}", SET_THEM
        )
    limits = found.value
    if limits is None:
        return red("limits", "none are set, so nothing trades", SET_THEM)
    if ports.live and limits.changed_by == NOBODY:
        return red("limits", "Sapphire's own defaults, which nobody has looked at", SET_THEM)
    order, deployment = limits.order.max_notional, limits.deployment.max_exposure
    total = limits.total.max_exposure
    in_all = "no limit" if total is None else f"${total:,f}"
    assert order is not None  # noqa: S101 - read_limits takes no platform without its core
    assert deployment is not None  # noqa: S101 - as above
    return green(
        "limits",
        f"version {limits.version} by {said(limits.changed_by)}: ${order:,f} an order, "
        f"${deployment:,f} a deployment, {in_all} in all",
    )


def is_stopped(lines: Sequence[PreflightLine]) -> bool:
    """Whether the platform stands halted or reducing by somebody's word, until somebody resumes it.

    Where no state was ever set, the first start sets ACTIVE.
    """
    stopped = tuple(f"{state} since " for state in (TradingState.HALTED, TradingState.REDUCING))
    return any(line.name == STATE and line.detail.startswith(stopped) for line in lines)


async def check_state(ports: PreflightPorts) -> PreflightLine:
    """Any state will do, as long as it can be read, with who set it and why."""
    name = STATE
    found = {
        document.ref.id: _record(document) async for document in every(ports.store, TRADING_STATE)
    }
    unreadable = [key for key, record in found.items() if record is None]
    if unreadable:
        return red(
            name,
            f"{', '.join(unreadable[:_SCOPES_SHOWN])} cannot be read, which means HALTED",
            f"restore the document under {TRADING_STATE} from a backup",
        )
    platform = found.pop(PLATFORM.id, None)
    now = ports.clock.now()
    narrower = {
        key: record.at(now)
        for key, record in found.items()
        if record is not None and record.at(now) is not TradingState.ACTIVE
    }
    return green(name, _platform_text(platform, now) + _narrower_text(narrower))


def _record(document: Document) -> TradingStateRecord | None:
    try:
        return from_document(TradingStateRecord, document.data)
    except InvalidInputError:
        return None


def _platform_text(record: TradingStateRecord | None, now: datetime) -> str:
    if record is None:
        return "HALTED: none was ever set"
    why = f": {said(record.reason)}" if record.reason else ""
    since = day_and_time(record.changed_at)
    return f"{record.at(now)} since {since} by {said(record.changed_by)}{why}"


def _narrower_text(narrower: dict[str, TradingState]) -> str:
    if not narrower:
        return ""
    shown = [f"{_label(key)} {state}" for key, state in list(narrower.items())[:_SCOPES_SHOWN]]
    more = len(narrower) - len(shown)
    return f"; {', '.join(shown)}" + (f" and {more} more" if more else "")


def _label(key: str) -> str:
    try:
        return Scope.parse(key).label
    except InvalidInputError:
        return said(key)


async def check_unresolved(ports: PreflightPorts) -> PreflightLine:
    name = "unresolved orders"
    unresolved = Where("status", "==", IntentStatus.UNRESOLVED.value)
    count = await ports.store.count(Query(ORDER_INTENTS, (unresolved,)))
    if not count:
        return green(name, "none")
    return red(
        name,
        f"{count}: nothing proves what became of them",
        "GET /api/ops/unresolved lists them; look at the venue, then"
        " POST /api/ops/orders/INTENT_ID/settle",
    )


async def check_messages(ports: PreflightPorts) -> PreflightLine:
    """Neither the outbox nor the dead letters pile up. Before the start they may have."""
    now = ports.clock.now()
    waiting = await _waiting_since(ports, now - WAITING_MAX)
    dead = [said(text) for text in await ports.dead_letters(now - DEAD_LETTERS_FOR)]
    if waiting is None and not dead:
        return green("messages", "none waits, and none was lost within the hour")
    problems = [
        f"the outbox holds one since {day_and_time(waiting)}" if waiting else "",
        f"{len(dead)} dead within the hour, the last: {dead[-1]}" if dead else "",
    ]
    detail = "; ".join(filter(None, problems))
    if not ports.running:
        return green("messages", f"{detail}; the outbox is published once it runs")
    return red(
        "messages",
        detail,
        "look in the log for what `relay` and the named functions answer, and mend that;"
        " the outbox then empties by itself",
    )


async def _waiting_since(ports: PreflightPorts, before: datetime) -> datetime | None:
    """Since when the first message waits that was due before then; None: none does."""
    old = Where("occurred_at", "<", iso(before))
    async for row in every(ports.store, OUTBOX, old, order_by="occurred_at"):
        due = from_iso(row.data.get("deliver_at") or row.data["occurred_at"])
        if due < before:
            return due
    return None
