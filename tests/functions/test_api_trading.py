"""The operator's orders: through the chain, and back with what was filled."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from common.books import ORDER_INTENTS, ORDERS, V2, V3
from common.config import OPERATOR, Settings
from common.documents import create, load
from common.domain.agent import Deployment, KeyStatus, VenueKey
from common.domain.events import OutboxMessage, SignalCreated
from common.domain.order import IntentStatus, OrderStatus
from common.domain.signal import SignalRecord, SignalStatus
from common.errors import DeniedError
from common.how.trading_state import TradingState
from common.ports import Ref
from functions.api.trading import await_end, require_operator, result_of
from infra.local.store.memory import MemoryStore
from tests.builders import a_delivery, a_deployment, a_plan, a_signal_record, an_intent, an_order
from tests.fakes.clock import FakeClock
from tests.functions.api_client import Api, assert_problem

ORDER = {"symbol": "ETH", "side": "BUY", "quantity": 0.3, "order_type": "MARKET"}
PATH = "/api/trading/execute"


@pytest.fixture
async def api(api: Api) -> Api:
    """Trading is ACTIVE."""
    await api.set_state(TradingState.ACTIVE)
    return api


class Chain:
    """Stands for fan_out to settle: ends each signal as told, with `fills` as its orders."""

    def __init__(
        self, store: MemoryStore, status: SignalStatus, fills: Sequence[tuple[str, str]] = ()
    ) -> None:
        self._store = store
        self._status = status
        self._fills = fills
        self.seen: list[SignalCreated] = []

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        for message in messages:
            assert isinstance(message.event, SignalCreated)
            self.seen.append(message.event)
            await self._end(message.event.signal_id)

    async def _end(self, signal_id: str) -> None:
        stored = await load(self._store, SignalRecord, Ref(V3.signals, signal_id))
        assert stored is not None
        keys = tuple(f"0x{number:032x}" for number in range(len(self._fills)))
        ended = a_signal_record(
            stored.value.signal, status=self._status, reason_code="A_CODE", reason="A reason"
        )
        plan = a_plan(signal_id=signal_id)
        writes: list[Any] = [
            stored.update(ended),
            create(
                Ref(V3.deliveries, "dlv_1"),
                a_delivery("dlv_1", signal_id=signal_id, intent_id=plan.intent_id),
            ),
            create(Ref(ORDER_INTENTS, plan.intent_id), an_intent(plan, client_order_ids=keys)),
        ]
        for key, (quantity, price) in zip(keys, self._fills, strict=True):
            order = an_order(
                client_order_id=key,
                status=OrderStatus.FILLED,
                filled_qty=Decimal(quantity),
                avg_px=Decimal(price) if Decimal(quantity) else None,
            )
            writes.append(create(Ref(ORDERS, key), order))
        await self._store.commit(writes)


async def test_execute_when_filled_then_success_with_order_price_and_platform(api: Api) -> None:
    """SW-14."""
    chain = Chain(api.store, SignalStatus.EXECUTED, [("0.1", "3000"), ("0.2", "3003")])
    api.publisher = chain
    v2 = {name: api.store.contents().get(name) for name in (V2.agents, V2.signals)}
    response = await api.post(PATH, ORDER)
    assert response.status_code == 200, response.text
    shown = response.json()
    assert shown["success"] is True
    assert shown["order_id"] == f"0x{1:032x}"
    assert shown["filled_price"] == 3002
    assert shown["filled_quantity"] == 0.3
    assert shown["platform"] == "HYPERLIQUID"
    signal = api.store.contents()[V3.signals][shown["signal_id"]]["signal"]
    assert signal["agent_id"] == OPERATOR
    assert signal["side"] == "LONG"
    assert signal["size_model"] == {"type": "quantity", "value": "0.3"}
    assert {name: api.store.contents().get(name) for name in v2} == v2


@pytest.mark.parametrize("status", [SignalStatus.SKIPPED, SignalStatus.DENIED, SignalStatus.FAILED])
async def test_execute_when_not_filled_then_no_success_and_the_reason(
    api: Api, status: SignalStatus
) -> None:
    api.publisher = Chain(api.store, status)
    shown = (await api.post(PATH, {**ORDER, "side": "SELL"})).json()
    assert shown["success"] is False
    assert (shown["order_id"], shown["filled_price"], shown["platform"]) == (None, None, None)
    assert (shown["status"], shown["reason_code"]) == (status.value, "A_CODE")
    assert shown["reason"] == "A reason"


async def test_execute_when_repeated_with_its_key_then_one_order(api: Api) -> None:
    chain = Chain(api.store, SignalStatus.EXECUTED, [("0.3", "3000")])
    api.publisher = chain
    first = await api.post(PATH, ORDER, headers={"Idempotency-Key": "k"})
    again = await api.post(PATH, ORDER, headers={"Idempotency-Key": "k"})
    assert first.json() == again.json()
    assert len(chain.seen) == 1


async def test_execute_when_used_twice_then_one_operator_with_every_venue(api: Api) -> None:
    api.publisher = Chain(api.store, SignalStatus.SKIPPED)
    await api.post(PATH, ORDER)
    stored = await load(api.store, Deployment, Ref(V3.deployments, OPERATOR))
    assert stored is not None
    assert stored.value.enabled_venues == Settings().venues
    settings = Settings()
    await require_operator(store=api.store, clock=api.clock, settings=settings)
    assert await load(api.store, Deployment, stored.ref) == stored


@pytest.mark.parametrize("status", [None, KeyStatus.PENDING, KeyStatus.KEY_INVALID])
async def test_require_operator_when_live_without_a_ready_key_then_refused_and_nothing_is_written(
    status: KeyStatus | None,
) -> None:
    """A live deployment without a key would keep the preflight red for ever."""
    store = await operator_store(status)
    before = store.contents()
    with pytest.raises(DeniedError, match="deploy an agent with its key") as refused:
        await require_operator(store=store, clock=FakeClock(), settings=Settings(mode="live"))
    assert refused.value.code == "DEPLOYMENT_NOT_READY"
    assert store.contents() == before


async def test_require_operator_when_live_with_a_ready_key_then_it_may_trade() -> None:
    store = await operator_store(KeyStatus.READY)
    await require_operator(store=store, clock=FakeClock(), settings=Settings(mode="live"))
    assert set(store.contents()[V3.agents]) == {OPERATOR}


async def operator_store(status: KeyStatus | None) -> MemoryStore:
    """With the operator's live deployment and its key, or (None) with nothing at all."""
    store = MemoryStore()
    if status is not None:
        key = VenueKey(agent_address="0x" + "33" * 20, secret_name="s", version="1", status=status)
        keys = {"HYPERLIQUID": key}
        deployment = a_deployment(OPERATOR, agent_id=OPERATOR, paper=False, venue_keys=keys)
        await store.commit([create(Ref(V3.deployments, OPERATOR), deployment)])
    return store


async def test_execute_when_live_without_a_key_then_409_and_no_signal(api: Api) -> None:
    api.settings = Settings(mode="live", network="testnet", feed="live")
    response = await api.post(PATH, ORDER)
    assert_problem(response, 409, "DEPLOYMENT_NOT_READY")
    contents = api.store.contents()
    assert OPERATOR not in contents.get(V3.deployments, {})
    assert not contents.get(V3.signals)


async def test_result_when_the_order_is_still_being_worked_then_how_far_it_is() -> None:
    store = MemoryStore()
    record = a_signal_record()
    intent = an_intent(status=IntentStatus.WORKING, filled_qty=Decimal("0.1"))
    writes = [
        create(Ref(V3.deliveries, "dlv_1"), a_delivery("dlv_1", intent_id=intent.plan.intent_id)),
        create(Ref(ORDER_INTENTS, intent.plan.intent_id), intent),
    ]
    await store.commit(writes)
    told = await result_of(record, store=store)
    assert told.reason == "being worked: 0.1 of 0.3333 filled"


async def test_require_operator_when_another_request_is_quicker_then_no_error() -> None:
    store = MemoryStore()
    settings = Settings()
    raced = False

    async def race(operation: str, argument: object) -> None:
        nonlocal raced
        if operation == "commit" and not raced:
            raced = True
            await require_operator(store=store, clock=FakeClock(), settings=settings)

    store.before = race
    await require_operator(store=store, clock=FakeClock(), settings=settings)
    assert set(store.contents()[V3.deployments]) == {OPERATOR}


async def test_await_end_when_the_signal_stays_open_then_it_gives_up_and_says_so() -> None:
    store = MemoryStore()
    record = a_signal_record()
    await store.commit([create(Ref(V3.signals, record.signal.signal_id), record)])
    pauses = 0

    async def pause() -> None:
        nonlocal pauses
        pauses += 1

    ended = await await_end(record, store=store, pause=pause, polls=3)
    assert ended.status is SignalStatus.PENDING
    assert pauses == 3


async def test_await_end_when_the_signal_ends_meanwhile_then_it_stops_looking() -> None:
    store = MemoryStore()
    record = a_signal_record()
    ref = Ref(V3.signals, record.signal.signal_id)
    await store.commit([create(ref, record)])

    async def end_it() -> None:
        stored = await load(store, SignalRecord, ref)
        assert stored is not None
        ended = a_signal_record(record.signal, status=SignalStatus.EXPIRED)
        await store.commit([stored.update(ended)])

    ended = await await_end(record, store=store, pause=end_it, polls=3)
    assert ended.status is SignalStatus.EXPIRED
