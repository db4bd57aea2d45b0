"""Halt, reduce, resume, flatten; the breakers; orders that a person must settle."""

from fastapi import APIRouter

from common.books import FLATTENS
from common.domain.flatten import Flatten
from common.domain.moment import iso
from common.domain.money import plain
from common.domain.principal import Principal, Role
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.execution.by_hand import Sighting
from common.how.trading_state import PLATFORM, TradingState, record_of, state_ref
from common.ports import Ref
from common.where.breakers import Breakers
from common.wire import JsonObject, to_document
from functions.api.ops import (
    IntentAndOrder,
    StateWish,
    change_state,
    halted_within,
    in_force,
    list_flattens,
    open_orders,
    other_states,
    request_flatten,
    settle_by_hand,
    unresolved_orders,
)
from functions.api.payloads import ChangeTradingState, SettleByHand
from functions.api.preflight import require_preflight
from functions.api.records import required
from infra.bootstrap import Runtime
from infra.web.problems import Problem
from infra.web.publish import publish
from infra.web.requests import Caller, Cursor, Limit, RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["operations"], route_class=StrictRoute)


@router.get("/api/ops/state")
async def state(runtime: RuntimeOf) -> JsonObject:
    """The trading state in force, those of narrower scopes, and how many orders are open of which
    kind. None was ever set: HALTED.
    """
    stored = await runtime.store.get(PLATFORM)
    scopes = [
        {"scope": scope.key, **to_document(record)}
        for scope, record in await other_states(runtime.store, runtime.clock)
    ]
    counts = await open_orders(runtime.store)
    if stored is None:
        nothing = {"state": TradingState.HALTED.value, "epoch": 0}
        return {**nothing, "reason": "no state was ever set", "scopes": scopes, **counts}
    now = in_force(record_of(stored), runtime.clock)
    return {**to_document(now), "scopes": scopes, **counts}


@router.post("/api/ops/halt")
async def halt(
    runtime: RuntimeOf, caller: Caller, body: ChangeTradingState | None = None
) -> JsonObject:
    """Send no order at all, and cancel the entries that rest at the venues; stops stay there.

    Halting twice changes nothing. The body may be left out.
    """
    return await _change(TradingState.HALTED, body, runtime, caller)


@router.post("/api/ops/reduce")
async def reduce(
    runtime: RuntimeOf, caller: Caller, body: ChangeTradingState | None = None
) -> JsonObject:
    """Send orders that make positions smaller, and no other. The body may be left out."""
    wish = body or ChangeTradingState()
    await _require_admin_over_halt(wish.scope, caller, runtime)
    return await _change(TradingState.REDUCING, body, runtime, caller)


@router.post("/api/ops/resume")
async def resume(
    runtime: RuntimeOf, caller: Caller, body: ChangeTradingState | None = None
) -> JsonObject:
    """Trade again; refused while an order is UNRESOLVED. The body may be left out.

    Live, it is refused as well while the preflight is not all green.
    """
    if runtime.settings.mode == "live":
        await require_preflight(runtime)
    return await _change(TradingState.ACTIVE, body, runtime, caller)


@router.post("/api/ops/flatten", status_code=202)
async def flatten(
    runtime: RuntimeOf, caller: Caller, body: ChangeTradingState | None = None
) -> JsonObject:
    """Close every position, and go on until the venues say that none is left. The body may be
    left out.

    Trading only reduces until then, and is halted afterwards. Look at it again for how it goes.
    Refused below a halted agent or platform. `halted` names the scopes that keep what is in them
    open, because they are halted themselves.
    """
    wish = body or ChangeTradingState()
    await _require_admin_over_halt(wish.scope, caller, runtime)
    begun, messages = await request_flatten(
        wish.scope,
        reason=wish.reason,
        by=caller.acts_as(wish.by),
        store=runtime.store,
        clock=runtime.clock,
    )
    await publish(runtime, messages)
    return await _view_of(begun, runtime)


@router.get("/api/ops/flattens")
async def flattens(runtime: RuntimeOf, limit: Limit = 20, cursor: Cursor = None) -> JsonObject:
    """Newest first."""
    found, onward = await list_flattens(runtime.store, limit=limit, cursor=cursor)
    return {"flattens": [to_document(each) for each in found], "next_cursor": onward}


@router.get("/api/ops/flattens/{flatten_id}")
async def get_flatten(flatten_id: RecordId, runtime: RuntimeOf) -> JsonObject:
    """How far it is: CLOSING, FLAT, STUCK where a person must look, or ABANDONED where trading was
    resumed before; what remains, and which halted scopes keep theirs while it is not over.
    """
    found = await required(runtime.store, Flatten, Ref(FLATTENS, flatten_id), "flatten")
    return await _view_of(found, runtime)


async def _view_of(flatten: Flatten, runtime: Runtime) -> JsonObject:
    halted: list[str] = []
    if not flatten.status.is_terminal:
        scope = Scope.parse(flatten.scope)
        halted = await halted_within(runtime.store, scope, runtime.clock)
    return {**to_document(flatten), "halted": halted}


@router.get("/api/ops/breakers")
async def breakers(runtime: RuntimeOf) -> JsonObject:
    """Every venue's circuit breaker."""
    venues = runtime.settings.venues
    found = await Breakers(runtime.store, runtime.clock, runtime.settings.breaker).read(venues)
    return {"breakers": [to_document(breaker) for breaker in found.values()]}


@router.get("/api/ops/unresolved")
async def unresolved(runtime: RuntimeOf) -> JsonObject:
    """The orders whose outcome nothing proves, the oldest first. Each one keeps trading halted."""
    found = await unresolved_orders(runtime.store)
    return {"unresolved": [_view(each) for each in found]}


@router.post("/api/ops/orders/{intent_id}/settle")
async def settle(
    intent_id: RecordId, body: SettleByHand, runtime: RuntimeOf, caller: Caller
) -> JsonObject:
    """End an UNRESOLVED order as you saw it at the venue; refused for any other.

    Fills that the venue tells later are booked only beyond the quantity that you told.
    """
    seen = Sighting(
        filled_qty=body.filled_qty,
        avg_px=body.avg_px,
        commission=body.commission,
        reason=body.reason,
        by=caller.acts_as(None),
    )
    settled, messages = await settle_by_hand(
        intent_id,
        seen,
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
    )
    await publish(runtime, messages)
    return _view(settled)


def _view(each: IntentAndOrder) -> JsonObject:
    intent, order = each.intent, each.order
    return {
        "intent_id": intent.plan.intent_id,
        "status": intent.status.value,
        "since": iso(intent.updated_at),
        "reason_code": intent.reason_code,
        "reason": intent.reason,
        "book": intent.plan.book,
        "deployment_id": intent.plan.deployment_id,
        "signal_id": intent.plan.signal_id,
        "venue": order.venue.value,
        "symbol": order.symbol,
        "side": order.side.value,
        "quantity": plain(order.quantity),
        "price": plain(order.price),
        "booked_qty": plain(order.filled_qty),
        "order_status": order.status.value,
        "client_order_id": order.client_order_id,
        "venue_order_id": order.venue_order_id,
        "request_key": order.request_key,
        "submitted_at": iso(order.submitted_at),
    }


async def _require_admin_over_halt(scope: Scope, caller: Principal, runtime: Runtime) -> None:
    """Elsewhere to reduce and to flatten lowers risk; over a halt they let orders out again."""
    if caller.role.covers(Role.ADMIN):
        return
    stored = await runtime.store.get(state_ref(scope))
    halted = scope == PLATFORM_SCOPE  # which is halted while nothing was ever set
    if stored is not None:
        halted = record_of(stored).at(runtime.clock.now()) is TradingState.HALTED
    if halted:
        raise Problem(403, "ROLE_TOO_LOW", f"{scope.label} is halted: this takes an admin")


async def _change(
    wanted: TradingState, body: ChangeTradingState | None, runtime: Runtime, caller: Principal
) -> JsonObject:
    wish = body or ChangeTradingState()
    record, messages = await change_state(
        StateWish(state=wanted, scope=wish.scope, reason=wish.reason, by=caller.acts_as(wish.by)),
        store=runtime.store,
        clock=runtime.clock,
        settings=runtime.settings,
    )
    await publish(runtime, messages)
    return {"scope": wish.scope.key, **to_document(record)}
