"""Halting where no server runs: written into the store, so that the next start is halted."""

from common.config import Settings
from common.contention import retry_on_conflict
from common.documents import load
from common.domain.scope import Scope
from common.how.existence import require_scope
from common.how.state_changes import state_writes
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.wire import JsonObject, to_document
from infra.bootstrap import Runtime
from infra.cli.known_symbols import warning_of_store
from infra.cli.offline_runtime import opened


async def stored_halt(
    settings: Settings, scope: Scope, *, reason: str, by: str
) -> tuple[JsonObject, str]:
    """The state that stands then, and a warning (or "") where its symbol is nobody's. One that is
    HALTED already stays as it is, its reason included.

    Its messages wait in the outbox: the next start cancels what rests, and tells people.

    Raises:
        NotFoundError: no such agent or deployment; nothing is halted.
    """
    async with opened(settings) as runtime:
        await require_scope(scope, runtime.store)
        record = await retry_on_conflict(
            lambda: _halt(runtime, scope, reason, by), what=f"the trading state of {scope.label}"
        )
        warning = await warning_of_store(runtime, scope)
    return to_document(record), warning


async def _halt(runtime: Runtime, scope: Scope, reason: str, by: str) -> TradingStateRecord:
    stored = await load(runtime.store, TradingStateRecord, state_ref(scope))
    now = runtime.clock.now()
    known = stored.value if stored else None
    if known is not None and known.at(now) is TradingState.HALTED and known.until is None:
        return known
    record = TradingStateRecord(
        state=TradingState.HALTED,
        epoch=known.epoch + 1 if known else 1,
        reason=reason,
        changed_by=by,
        changed_at=now,
    )
    writes, _ = state_writes(scope, stored, record)
    await runtime.store.commit(writes)
    return record
