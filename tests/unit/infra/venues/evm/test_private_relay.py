"""With a private relay, signed bytes go to it and to nobody else: sent, sent again and fenced."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from common.domain.order import Order, OrderStatus, SignedRequest
from common.errors import OutcomeUnknownError, RejectedError, SapphireError, TransientError
from common.ports import ExecutionVenue
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule
from infra.local.exchanges.server import ExchangeServer
from infra.venues.evm.orders import Stage
from infra.venues.evm.rpc import PRIVATE_RPC_URL
from tests.fakes.clock import FakeClock
from tests.fakes.overheard import Heard, OverheardTransport
from tests.unit.infra.venues.evm.desk import ChainDesk, a_chain_desk, another_order
from tests.unit.infra.venues.ostium.desk import an_ostium_desk
from tests.unit.infra.venues.spot.spot_desk import a_buy, a_desk

SEND = "eth_sendRawTransaction"
RELAY = "relay.invalid"
RELAY_URL = f"https://{RELAY}/send?key=hidden"
RELAYED = {PRIVATE_RPC_URL: RELAY_URL}


def striking(*kinds: FaultKind) -> FaultSchedule:
    return FaultSchedule([FaultRule(Fault(kind), operation=SEND, times=1) for kind in kinds])


def broadcast(wire: OverheardTransport) -> list[str]:
    """The raw transactions that the relay was sent; it was sent nothing else."""
    sent = [json.loads(heard.body) for heard in wire.heard if heard.host == RELAY]
    assert all(call["method"] == SEND for call in sent)
    return [call["params"][0] for call in sent]


def elsewhere(wire: OverheardTransport) -> list[Heard]:
    return [heard for heard in wire.heard if heard.host != RELAY]


@dataclass(frozen=True)
class Relayed:
    """A venue behind a relay with an order that is written ahead, and what was said until then."""

    venue: ExecutionVenue
    wire: OverheardTransport
    server: ExchangeServer
    clock: FakeClock
    order: Order
    request: SignedRequest


async def relayed_ostium() -> Relayed:
    desk = await an_ostium_desk(urls=RELAYED)
    order, request = await desk.written_ahead(desk.order(1))
    return Relayed(desk.venue, desk.wire, desk.server, desk.clock, order, request)


async def relayed_spot() -> Relayed:
    desk = a_desk(urls=RELAYED)
    order, request = await desk.prepare(a_buy())
    return Relayed(desk.venue, desk.wire, desk.server, desk.clock, order, request)


@pytest.mark.parametrize("relayed", [relayed_ostium, relayed_spot])
async def test_venue_when_a_relay_is_set_then_bytes_go_there_and_nowhere_else_to_the_fence(
    relayed: Callable[[], Awaitable[Relayed]],
) -> None:
    """Sent and lost, sent again and lost, then fenced off."""
    desk = await relayed()
    order, request = desk.order, desk.request
    assert broadcast(desk.wire) == []

    desk.server.faults = striking(FaultKind.LOST_REQUEST, FaultKind.LOST_REQUEST)
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError):
            await desk.venue.submit(order, request)
    await desk.venue.cancel(order)

    first, again, fence = broadcast(desk.wire)
    assert first == again == request.body
    assert fence != first
    assert not [heard for heard in elsewhere(desk.wire) if SEND in heard.body]
    assert not [heard for heard in elsewhere(desk.wire) if request.body[2:] in heard.body]
    desk.clock.advance(10)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.status is OrderStatus.REJECTED  # the fence took its nonce


def sent_to(desk: ChainDesk) -> set[str]:
    return {heard.host for heard in desk.wire.heard if SEND in heard.body}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FaultKind.DOWN, TransientError),
        (FaultKind.LOST_REQUEST, OutcomeUnknownError),
        (FaultKind.LOST_ANSWER, OutcomeUnknownError),
        (FaultKind.SERVER_ERROR, OutcomeUnknownError),
        (FaultKind.RATE_LIMITED, OutcomeUnknownError),
        (FaultKind.REDIRECT, OutcomeUnknownError),
        (FaultKind.EMPTY, OutcomeUnknownError),
        (FaultKind.ORDER_ERROR, OutcomeUnknownError),
    ],
)
async def test_broadcast_when_the_relay_fails_then_as_a_node_fails_and_no_node_is_asked_instead(
    kind: FaultKind, expected: type[SapphireError]
) -> None:
    relayed, plain = a_chain_desk(private_url=RELAY_URL), a_chain_desk()
    for desk in (relayed, plain):
        _, request = await desk.written_ahead(another_order(1))
        desk.server.faults = striking(kind)
        with pytest.raises(expected) as told:
            await desk.orders.broadcast(request)
        assert told.type is expected
        assert "hidden" not in str(told.value)
    assert sent_to(relayed) == {RELAY}
    assert sent_to(plain) == {"node.invalid"}


async def test_broadcast_when_the_relay_refuses_for_good_then_rejected_and_named() -> None:
    desk = a_chain_desk(private_url=RELAY_URL)
    _, request = await desk.written_ahead(another_order(1))
    desk.chain.world.balances[desk.signer.address] = 1_000
    with pytest.raises(RejectedError, match="INSUFFICIENT_GAS_FUNDS: Test chain's relay"):
        await desk.orders.broadcast(request)
    assert sent_to(desk) == {RELAY}


async def test_order_when_relayed_then_the_node_proves_what_became_of_it() -> None:
    desk = a_chain_desk(private_url=RELAY_URL)
    order, request = await desk.written_ahead(another_order(1))
    await desk.orders.broadcast(request)
    desk.clock.advance(10)
    assert (await desk.orders.trace(order)).stage is Stage.MINED
    assert {heard.host for heard in desk.wire.heard} == {RELAY, "node.invalid"}
    await desk.rpc.close()
