"""The operator's own orders."""

import asyncio

from fastapi import APIRouter

from common.books import V3
from common.domain.signal import SignalStatus
from common.wire import JsonObject
from functions.api.payloads import ExecuteTrade
from functions.api.signals import generate
from functions.api.trading import (
    await_end,
    check_trade,
    require_operator,
    result_of,
    wish_of,
)
from infra.web.numbers import number, number_or_none
from infra.web.publish import publish
from infra.web.requests import Nonce, RuntimeOf, StrictRoute

router = APIRouter(tags=["trading"], route_class=StrictRoute)

POLLS = 150
PAUSE_S = 0.1  # of real time: a caller waits for it, whatever the runtime's clock says


@router.post("/api/trading/execute")
async def execute(body: ExecuteTrade, nonce: Nonce, runtime: RuntimeOf) -> JsonObject:
    """Trade for the operator through the whole chain; wait 15 s at most for its end.

    `success` is true when something was filled. A signal that is still open when the wait is over
    is told as such: GET /api/v3/signals/{signal_id} says what becomes of it. Live, the operator
    needs a key that is READY.
    """
    store, clock, settings = runtime.store, runtime.clock, runtime.settings
    await check_trade(body, store=store, clock=clock)
    await require_operator(store=store, clock=clock, settings=settings)
    record, messages = await generate(
        wish_of(body), book=V3, nonce=nonce, store=store, clock=clock, settings=settings
    )
    await publish(runtime, messages)
    record = await await_end(record, store=store, pause=_pause, polls=POLLS)
    result = await result_of(record, store=store)
    return {
        "success": record.status in {SignalStatus.EXECUTED, SignalStatus.PARTIAL},
        "order_id": result.order_id,
        "filled_price": number_or_none(result.filled_price),
        "platform": result.platform,
        "filled_quantity": number(result.filled_quantity),
        "signal_id": record.signal.signal_id,
        "status": record.status.value,
        "reason_code": record.reason_code,
        "reason": result.reason,
    }


async def _pause() -> None:
    await asyncio.sleep(PAUSE_S)
