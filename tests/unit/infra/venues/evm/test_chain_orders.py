"""One order, one nonce, one transaction: whatever the chain and the wire do (F29, F30)."""

import asyncio
from dataclasses import replace

import pytest

from common.domain.order import Order, OrderStatus
from common.errors import (
    ConfigurationError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    TransientError,
)
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule
from infra.venues.evm.abi import Call, encode_call
from infra.venues.evm.orders import ChainOrders, Stage
from infra.venues.evm.refusals import RevertedError
from tests.unit.infra.venues.evm.desk import (
    ELSEWHERE,
    PROFILE,
    TOKEN,
    ChainDesk,
    a_chain_desk,
    another_order,
)

SEND = "eth_sendRawTransaction"
RECEIPT = "eth_getTransactionReceipt"


def struck(fault: Fault, operation: str = SEND, times: int = 1) -> FaultSchedule:
    return FaultSchedule([FaultRule(fault, operation=operation, times=times)])


async def stage(desk: ChainDesk, order: Order) -> Stage:
    return (await desk.orders.trace(order)).stage


async def test_order_when_broadcast_then_waits_is_mined_and_final_only_deep_enough() -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    assert await stage(desk, order) is Stage.UNSEEN
    await desk.orders.broadcast(request)
    assert await stage(desk, order) is Stage.PENDING
    desk.clock.advance(1)
    assert await stage(desk, order) is Stage.UNCONFIRMED
    desk.clock.advance(5)
    trace = await desk.orders.trace(order)
    assert trace.stage is Stage.MINED
    assert trace.receipt is not None
    assert trace.receipt.gas_used > 21_000
    assert desk.token.balances[ELSEWHERE] == 5


async def test_prepare_when_node_is_of_another_chain_then_nothing_is_signed() -> None:
    desk = a_chain_desk(rpc_chain_id=1)
    with pytest.raises(ConfigurationError, match="chain 42161, not 1"):
        await desk.written_ahead(another_order(1))


async def test_trace_when_node_is_of_another_chain_then_nothing_is_concluded() -> None:
    desk = a_chain_desk()
    order, _ = await desk.written_ahead(another_order(1))
    other = a_chain_desk(rpc_chain_id=10)
    with pytest.raises(ConfigurationError):
        await other.orders.trace(order)


async def test_prepare_when_asked_again_before_writing_then_same_nonce() -> None:
    desk = a_chain_desk()
    order = another_order(1)
    first = await desk.orders.prepare(order, desk.signer, desk.a_call())
    second = await desk.orders.prepare(order, desk.signer, desk.a_call())
    assert first == second


async def test_prepare_when_written_ahead_then_never_signed_again() -> None:
    desk = a_chain_desk()
    order, _ = await desk.written_ahead(another_order(1))
    with pytest.raises(RateLimitedError):
        await desk.orders.prepare(order, desk.signer, desk.a_call(6))


async def test_prepare_when_another_order_is_under_way_then_it_comes_later() -> None:
    desk = a_chain_desk()
    _, request = await desk.written_ahead(another_order(1))
    with pytest.raises(RateLimitedError):
        await desk.orders.prepare(another_order(2), desk.signer, desk.a_call())
    await desk.orders.broadcast(request)
    desk.clock.advance(1)
    with pytest.raises(RateLimitedError):  # mined, and not final
        await desk.orders.prepare(another_order(2), desk.signer, desk.a_call())
    desk.clock.advance(6)
    second = await desk.orders.prepare(another_order(2), desk.signer, desk.a_call())
    assert second.nonce == request.nonce + 1


@pytest.mark.parametrize("status", [OrderStatus.DENIED, OrderStatus.REJECTED])
async def test_prepare_when_holder_was_never_sent_then_its_nonce_goes_on(
    status: OrderStatus,
) -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    await desk.ended(order, status)
    second = await desk.orders.prepare(another_order(2), desk.signer, desk.a_call())
    assert second.nonce == request.nonce
    assert second.request_key != request.request_key


async def test_prepare_when_holder_was_never_written_then_nonce_goes_on_after_its_expiry() -> None:
    desk = a_chain_desk()
    lost = another_order(1)
    first = await desk.orders.prepare(lost, desk.signer, desk.a_call())
    with pytest.raises(RateLimitedError):
        await desk.orders.prepare(another_order(2), desk.signer, desk.a_call())
    desk.clock.advance((lost.expires_at - desk.clock.now()).total_seconds() + 6)
    second = await desk.orders.prepare(another_order(2), desk.signer, desk.a_call())
    assert second.nonce == first.nonce


async def test_two_orders_of_one_nonce_when_both_sent_then_one_happens_and_one_is_proven_dead() -> (
    None
):
    """A zombie wakes up and sends what it signed before its nonce was given away (F10, F29)."""
    desk = a_chain_desk()
    zombie, stale = await desk.written_ahead(another_order(1), desk.a_call(7))
    await desk.ended(zombie, OrderStatus.DENIED)
    order, request = await desk.written_ahead(another_order(2), desk.a_call(5))
    assert stale.nonce == request.nonce
    await desk.orders.broadcast(stale)
    with pytest.raises(OutcomeUnknownError, match="underpriced"):
        await desk.orders.broadcast(request)
    desk.clock.advance(10)
    assert await stage(desk, zombie) is Stage.MINED
    assert await stage(desk, order) is Stage.REPLACED
    assert desk.token.balances[ELSEWHERE] == 7


async def test_broadcast_when_repeated_then_it_proves_nothing_and_happens_once() -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    await desk.orders.broadcast(request)
    with pytest.raises(OutcomeUnknownError, match="already known"):
        await desk.orders.broadcast(request)
    desk.clock.advance(10)
    with pytest.raises(OutcomeUnknownError, match="nonce too low"):
        await desk.orders.broadcast(request)
    assert await stage(desk, order) is Stage.MINED
    assert desk.token.balances[ELSEWHERE] == 5


UNPROVEN = [
    Fault(FaultKind.LOST_REQUEST),
    Fault(FaultKind.LOST_ANSWER),
    Fault(FaultKind.LATE, delay_s=20),
    Fault(FaultKind.TWICE),
    Fault(FaultKind.SERVER_ERROR, lands=True),
    Fault(FaultKind.SERVER_ERROR, lands=False),
    Fault(FaultKind.RATE_LIMITED),
    Fault(FaultKind.RATE_LIMITED, retry_after_s=3),
    Fault(FaultKind.REDIRECT, lands=True),
    Fault(FaultKind.TRUNCATED),
    Fault(FaultKind.EMPTY),
    Fault(FaultKind.HUGE),
    Fault(FaultKind.ENDLESS),
    Fault(FaultKind.ORDER_ERROR),
    Fault(FaultKind.MISSING_FIELD, field="result"),
    Fault(FaultKind.RENAMED_FIELD, field="result"),
    Fault(FaultKind.NULL_FIELD, field="result"),
    Fault(FaultKind.NAN_FIELD, field="result"),
]


@pytest.mark.parametrize("fault", UNPROVEN, ids=lambda fault: f"{fault.kind}-{fault.lands}")
async def test_broadcast_when_unproven_then_resent_and_it_happens_exactly_once(
    fault: Fault,
) -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    desk.server.faults = struck(fault)
    with pytest.raises(OutcomeUnknownError) as told:
        await desk.orders.broadcast(request)
    assert "hidden" not in str(told.value)
    if await stage(desk, order) is Stage.UNSEEN:
        await desk.orders.broadcast(request)
    desk.clock.advance(60)
    assert await stage(desk, order) is Stage.MINED
    assert desk.token.balances[ELSEWHERE] == 5


async def test_broadcast_when_refused_connection_then_nothing_was_sent() -> None:
    desk = a_chain_desk(faults=struck(Fault(FaultKind.DOWN)))
    order, request = await desk.written_ahead(another_order(1))
    with pytest.raises(TransientError):
        await desk.orders.broadcast(request)
    assert await stage(desk, order) is Stage.UNSEEN


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.DOWN,
        FaultKind.LOST_ANSWER,
        FaultKind.SERVER_ERROR,
        FaultKind.RATE_LIMITED,
        FaultKind.REDIRECT,
        FaultKind.TRUNCATED,
        FaultKind.EMPTY,
        FaultKind.HUGE,
        FaultKind.ENDLESS,
        FaultKind.MISSING_FIELD,
        FaultKind.RENAMED_FIELD,
        FaultKind.NULL_FIELD,
        FaultKind.NAN_FIELD,
    ],
)
@pytest.mark.parametrize("operation", [RECEIPT, "eth_getTransactionCount"])
async def test_trace_when_the_answer_cannot_be_used_then_it_is_transient_never_absence(
    kind: FaultKind, operation: str
) -> None:
    desk = a_chain_desk()
    order, _ = await desk.written_ahead(another_order(1))
    desk.server.faults = struck(Fault(kind), operation)
    with pytest.raises(TransientError):
        await desk.orders.trace(order)


async def test_fence_when_order_never_arrived_then_it_cannot_come_any_more() -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    desk.server.faults = struck(Fault(FaultKind.LATE, delay_s=120))
    with pytest.raises(OutcomeUnknownError):
        await desk.orders.broadcast(request)
    await desk.orders.fence(order, desk.signer)
    desk.clock.advance(1)
    assert await stage(desk, order) is not Stage.REPLACED  # not final yet
    desk.clock.advance(6)
    assert await stage(desk, order) is Stage.REPLACED
    desk.clock.advance(200)  # the late one arrives now
    assert await stage(desk, order) is Stage.REPLACED
    assert ELSEWHERE not in desk.token.balances


async def test_fence_when_order_is_stuck_in_the_mempool_then_it_is_replaced() -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    desk.chain.stuck.add(request.request_key)
    await desk.orders.broadcast(request)
    desk.clock.advance(60)
    assert await stage(desk, order) is Stage.PENDING
    await desk.orders.fence(order, desk.signer)
    desk.clock.advance(7)
    assert await stage(desk, order) is Stage.REPLACED
    assert ELSEWHERE not in desk.token.balances


async def test_fence_when_order_is_already_mined_then_the_order_stands() -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    await desk.orders.broadcast(request)
    desk.clock.advance(10)
    with pytest.raises(OutcomeUnknownError, match="nonce too low"):
        await desk.orders.fence(order, desk.signer)
    assert await stage(desk, order) is Stage.MINED


async def test_fence_when_made_again_then_the_same_or_one_that_may_replace_it() -> None:
    desk = a_chain_desk()
    order, _ = await desk.written_ahead(another_order(1))
    await desk.orders.fence(order, desk.signer)
    (first,) = desk.chain.waiting
    with pytest.raises(OutcomeUnknownError, match="already known"):
        await desk.orders.fence(order, desk.signer)
    desk.chain.base_fee *= 40  # a spike while the fence waits
    await desk.orders.fence(order, desk.signer)
    (second,) = desk.chain.waiting
    assert second != first


async def test_fence_when_gas_costs_more_than_our_limit_then_later() -> None:
    desk = a_chain_desk()
    order, _ = await desk.written_ahead(another_order(1))
    desk.chain.base_fee = 10**12
    with pytest.raises(TransientError, match="gas"):
        await desk.orders.fence(order, desk.signer)


async def test_gas_spike_when_order_waits_then_it_is_pending_and_its_fence_outbids() -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    desk.chain.base_fee *= 10
    await desk.orders.broadcast(request)
    desk.clock.advance(30)
    assert await stage(desk, order) is Stage.PENDING
    await desk.orders.fence(order, desk.signer)
    desk.clock.advance(7)
    assert await stage(desk, order) is Stage.REPLACED


async def test_prepare_when_gas_costs_more_than_our_limit_then_rejected() -> None:
    desk = a_chain_desk()
    desk.chain.base_fee = 10**12
    with pytest.raises(RejectedError, match="GAS_PRICE_SPIKE"):
        await desk.written_ahead(another_order(1))


@pytest.mark.parametrize("keep", [True, False])
async def test_reorg_when_block_is_undone_then_nothing_final_was_said(keep: bool) -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    await desk.orders.broadcast(request)
    desk.clock.advance(2)
    assert await stage(desk, order) is Stage.UNCONFIRMED
    desk.chain.reorg(8, keep=keep)
    assert await stage(desk, order) is (Stage.PENDING if keep else Stage.UNSEEN)
    if not keep:
        await desk.orders.broadcast(request)
    desk.clock.advance(10)
    assert await stage(desk, order) is Stage.MINED
    assert desk.token.balances[ELSEWHERE] == 5


async def test_dropped_when_mempool_evicts_it_then_unseen_and_may_be_sent_again() -> None:
    desk = a_chain_desk()
    desk.chain.base_fee *= 10
    order, request = await desk.written_ahead(another_order(1))
    desk.chain.stuck.add(request.request_key)
    await desk.orders.broadcast(request)
    desk.chain.drop(request.request_key)
    assert await stage(desk, order) is Stage.UNSEEN
    desk.chain.stuck.clear()
    await desk.orders.broadcast(request)
    desk.clock.advance(10)
    assert await stage(desk, order) is Stage.MINED


async def test_read_lag_when_the_chain_has_it_then_absence_is_never_claimed_as_final() -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    desk.server.faults = struck(Fault(FaultKind.READ_LAG, delay_s=60))
    await desk.orders.broadcast(request)
    for _ in range(5):
        desk.clock.advance(10)
        assert await stage(desk, order) is Stage.UNSEEN
    desk.clock.advance(30)
    assert await stage(desk, order) is Stage.MINED


async def test_prepare_when_contract_would_revert_then_rejected_with_its_reason() -> None:
    desk = a_chain_desk()
    with pytest.raises(RevertedError, match="exceeds balance"):
        await desk.written_ahead(another_order(1), desk.a_call(5_000))


async def test_order_when_it_reverts_in_its_block_then_reverted_with_the_reason() -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1), desk.a_call(800))
    desk.token.balances[desk.signer.address] = 100
    await desk.orders.broadcast(request)
    desk.clock.advance(10)
    trace = await desk.orders.trace(order)
    assert trace.stage is Stage.REVERTED
    assert trace.receipt is not None
    reason = await desk.orders.revert_reason(order, trace.receipt)
    assert reason == "ERC20: transfer amount exceeds balance"


async def test_broadcast_when_account_cannot_pay_then_rejected_for_good() -> None:
    desk = a_chain_desk()
    order, request = await desk.written_ahead(another_order(1))
    desk.chain.world.balances[desk.signer.address] = 1_000
    with pytest.raises(RejectedError, match="INSUFFICIENT_GAS_FUNDS"):
        await desk.orders.broadcast(request)
    assert await stage(desk, order) is Stage.UNSEEN


async def test_fence_when_signed_by_another_key_then_refused() -> None:
    desk = a_chain_desk()
    order, _ = await desk.written_ahead(another_order(1))
    with pytest.raises(TransientError, match="another key"):
        await desk.orders.fence(replace(order, signer="0x" + "99" * 20), desk.signer)


async def test_call_when_encoded_then_read_back_from_the_chain() -> None:
    desk = a_chain_desk()
    data = encode_call("balanceOf(address)", desk.signer.address)
    assert int.from_bytes(await desk.rpc.call(Call(TOKEN, data)), "big") == 1_000
    assert await desk.rpc.balance(desk.signer.address) == 10**18


async def test_prepare_when_two_instances_race_for_the_nonce_then_one_has_it() -> None:
    """F29: both read the same slot; compare-and-set lets one write it."""
    desk = a_chain_desk()
    second = ChainOrders(desk.rpc, desk.store, desk.clock, PROFILE)
    outcomes = await asyncio.gather(
        desk.orders.prepare(another_order(1), desk.signer, desk.a_call()),
        second.prepare(another_order(2), desk.signer, desk.a_call()),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "RateLimitedError",
        "SignedRequest",
    ]
