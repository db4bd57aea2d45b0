"""A halt's cancels: no venue waits for another, and no account's trouble for another's outcome."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from common.books import EXPOSURES, ORDERS
from common.domain.events import TradingStateChanged
from common.domain.instrument import Venue
from common.errors import InvalidInputError
from common.how.trading_state import TradingState
from common.ports import Delete, Ref
from functions.settle.canceling import AT_ONCE, QUICK
from tests.builders import DEPLOYMENT_ID, a_plan
from tests.unit.functions.floor import OSTIUM, Floor


async def rest_at(floor: Floor, venue: Venue, count: int) -> None:
    candidate = replace(a_plan().candidates[0], venue=venue, instrument_id=f"ETH.{venue}")
    for first in range(0, count, 100):
        numbers = range(first, min(first + 100, count))
        await floor.rest_many(numbers, candidates=(candidate,))


async def halt(floor: Floor) -> None:
    state = await floor.set_state(TradingState.HALTED)
    await floor.settle(TradingStateChanged(scope="platform", epoch=state.epoch))


async def test_halt_when_one_venue_is_silent_then_the_cancels_of_the_others_go_out() -> None:
    floor = await Floor().open()
    await rest_at(floor, OSTIUM, AT_ONCE + 1)
    await floor.rest_many([900, 901])
    answers, asked = asyncio.Event(), asyncio.Event()

    async def silent(_: str) -> None:
        await answers.wait()

    async def told(_: str) -> None:
        if len(floor.hyperliquid.canceled) == 2:
            asked.set()

    floor.ostium.before, floor.hyperliquid.after = silent, told
    halting = asyncio.create_task(halt(floor))

    await asyncio.wait_for(asked.wait(), 4)

    assert floor.ostium.canceled == []
    answers.set()
    await halting
    assert len(floor.ostium.canceled) == AT_ONCE + 1


@pytest.mark.parametrize(("timeout", "most"), [(QUICK / 5, AT_ONCE), (QUICK * 3, 3 * AT_ONCE)])
async def test_halt_when_a_venue_answers_slowly_then_more_of_its_cancels_are_under_way(
    timeout: timedelta, most: int
) -> None:
    floor = await Floor().open()
    floor.ostium.capabilities = replace(floor.ostium.capabilities, request_timeout=timeout)
    await rest_at(floor, OSTIUM, 3 * AT_ONCE + 1)
    under_way = seen = 0

    async def begun(_: str) -> None:
        nonlocal under_way, seen
        under_way += 1
        seen = max(seen, under_way)
        await asyncio.sleep(0)

    async def ended(_: str) -> None:
        nonlocal under_way
        under_way -= 1

    floor.ostium.before, floor.ostium.after = begun, ended

    await halt(floor)

    assert seen == most


async def test_halt_when_one_account_cannot_be_written_then_the_other_is_and_it_is_told() -> None:
    floor = await Floor().open()
    broken = await floor.rest_many([1, 2], deployment_id="dep_0")
    sound = await floor.rest_many([3, 4], deployment_id=DEPLOYMENT_ID)
    await floor.store.commit([Delete(Ref(EXPOSURES, "dep_0"))])

    with pytest.raises(InvalidInputError, match="int_rest0001"):
        await halt(floor)

    rows = floor.rows(ORDERS)
    assert {rows[order.client_order_id]["status"] for order in sound} == {"CANCELED"}
    assert {rows[order.client_order_id]["status"] for order in broken} == {"ACCEPTED"}
