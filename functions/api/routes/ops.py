"""Halt, reduce, resume; the breakers."""

from fastapi import APIRouter

from common.documents import load
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.where.breakers import Breakers
from common.wire import JsonObject, to_document
from functions.api.ops import change_state
from functions.api.payloads import ChangeTradingState
from infra.bootstrap import Runtime
from infra.web.publish import publish
from infra.web.requests import RuntimeOf, StrictRoute

router = APIRouter(tags=["operations"], route_class=StrictRoute)


@router.get("/api/ops/state")
async def state(runtime: RuntimeOf) -> JsonObject:
    """The trading state in force. None was ever set: HALTED."""
    stored = await load(runtime.store, TradingStateRecord, PLATFORM)
    if stored is None:
        return {"state": TradingState.HALTED.value, "epoch": 0, "reason": "no state was ever set"}
    return to_document(stored.value)


@router.post("/api/ops/halt")
async def halt(runtime: RuntimeOf, body: ChangeTradingState | None = None) -> JsonObject:
    """Send no order at all. Halting twice changes nothing. The body may be left out."""
    return await _change(TradingState.HALTED, body, runtime)


@router.post("/api/ops/reduce")
async def reduce(runtime: RuntimeOf, body: ChangeTradingState | None = None) -> JsonObject:
    """Send orders that make positions smaller, and no other. The body may be left out."""
    return await _change(TradingState.REDUCING, body, runtime)


@router.post("/api/ops/resume")
async def resume(runtime: RuntimeOf, body: ChangeTradingState | None = None) -> JsonObject:
    """Trade again; refused while an order is UNRESOLVED. The body may be left out."""
    return await _change(TradingState.ACTIVE, body, runtime)


@router.get("/api/ops/breakers")
async def breakers(runtime: RuntimeOf) -> JsonObject:
    """Every venue's circuit breaker."""
    venues = runtime.settings.venues
    found = await Breakers(runtime.store, runtime.clock, runtime.settings.breaker).read(venues)
    return {"breakers": [to_document(breaker) for breaker in found.values()]}


async def _change(
    wanted: TradingState, body: ChangeTradingState | None, runtime: Runtime
) -> JsonObject:
    record, messages = await change_state(
        wanted,
        reason=(body or ChangeTradingState()).reason,
        by="operator over the API",
        store=runtime.store,
        clock=runtime.clock,
    )
    await publish(runtime, messages)
    return to_document(record)
