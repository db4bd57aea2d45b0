"""Every fault of the stand-in, at every step: what the adapter concludes is what happened."""

import pytest

from common.domain.order import Order, OrderReport, OrderStatus, SignedRequest
from common.errors import (
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    TransientError,
)
from infra.local.exchanges.faults import Fault, FaultKind, FaultRule, FaultSchedule, NoFaults
from tests.builders import DEPLOYMENT_ID
from tests.unit.infra.venues.spot.spot_desk import (
    BLOCKS_TO_FINALITY_S,
    WALLET,
    Desk,
    a_buy,
    a_desk,
)

SEND = "eth_sendRawTransaction"
RECEIPT = "eth_getTransactionReceipt"
NO_ANSWER = {
    FaultKind.DOWN,
    FaultKind.LOST_REQUEST,
    FaultKind.LOST_ANSWER,
    FaultKind.LATE,
    FaultKind.SERVER_ERROR,
    FaultKind.REDIRECT,
    FaultKind.TRUNCATED,
    FaultKind.EMPTY,
    FaultKind.HUGE,
    FaultKind.ENDLESS,
}
DRIFT = {
    FaultKind.MISSING_FIELD,
    FaultKind.RENAMED_FIELD,
    FaultKind.NULL_FIELD,
    FaultKind.NAN_FIELD,
}


def strike(
    desk: Desk, kind: FaultKind, operation: str, *, times: int | None = 1, **how: object
) -> None:
    fault = Fault(kind, **how)  # type: ignore[arg-type]  # the fields are each test's own
    desk.server.faults = FaultSchedule([FaultRule(fault, operation, times=times)])


async def prepared(desk: Desk, order: Order) -> SignedRequest | SapphireError:
    try:
        return await desk.venue.prepare(order)
    except SapphireError as error:
        return error


@pytest.mark.parametrize(
    "operation", ["check_approval", "quote", "swap", "eth_call", "eth_chainId"]
)
@pytest.mark.parametrize("kind", list(FaultKind))
async def test_prepare_when_a_step_fails_then_nothing_is_signed_or_it_is_sound(
    kind: FaultKind, operation: str
) -> None:
    desk = a_desk()
    limited = kind is FaultKind.RATE_LIMITED
    strike(desk, kind, operation, times=None if limited else 1)
    outcome = await prepared(desk, a_buy())
    assert set(desk.server.faults.fired) == {kind}
    if kind in NO_ANSWER:
        assert type(outcome) is TransientError
    elif limited:
        assert isinstance(outcome, RateLimitedError)
    elif kind is FaultKind.NULL_FIELD and operation == "check_approval":
        assert isinstance(outcome, SignedRequest)  # null is what it says in any case
    elif kind in DRIFT:
        assert isinstance(outcome, TransientError | RejectedError)
    elif kind is FaultKind.ORDER_ERROR and not operation.startswith("eth_"):
        assert isinstance(outcome, RejectedError)
    elif kind is FaultKind.NO_EFFECT and operation == "quote":
        assert isinstance(outcome, RejectedError)  # nobody remembers the quote
        assert outcome.code == "QUOTE_EXPIRED"
    else:
        assert isinstance(outcome, SignedRequest)
    assert SEND not in {seen.name for seen, _ in desk.server.requests}
    desk.server.faults = NoFaults()
    _, report = await desk.trade(a_buy())  # and the next try is as good as the first
    assert report.status is OrderStatus.FILLED


QUOTE_FIELDS = (
    "routing", "quote", "permitData", "chainId", "tradeType", "swapper", "slippage", "input",
    "output", "token", "amount", "recipient", "quoteId", "domain", "name", "verifyingContract",
    "types", "values", "details", "expiration", "nonce", "spender", "sigDeadline",
)  # fmt: skip
SWAP_FIELDS = ("swap", "to", "from", "data", "value", "chainId", "gasLimit")


@pytest.mark.parametrize("kind", sorted(DRIFT))
@pytest.mark.parametrize(
    ("operation", "name"),
    [
        *(("quote", name) for name in QUOTE_FIELDS),
        *(("swap", name) for name in SWAP_FIELDS),
        ("check_approval", "approval"),
    ],
)
async def test_prepare_when_one_field_drifts_then_refused_or_signed_without_it(
    kind: FaultKind, operation: str, name: str
) -> None:
    desk = a_desk()
    strike(desk, kind, operation, field=name)
    outcome = await prepared(desk, a_buy())
    if isinstance(outcome, SignedRequest):
        # Only what is not needed may be missing: the call itself is checked whatever is told.
        assert (operation, name) in {("swap", "gasLimit"), ("quote", "permitData")} or (
            (operation, name) == ("check_approval", "approval") and kind is FaultKind.NULL_FIELD
        )
    else:
        assert isinstance(outcome, TransientError | RejectedError)


# ------------------------------------------------------------------------------------ broadcasting

LOST = sorted(
    (NO_ANSWER | DRIFT | {FaultKind.RATE_LIMITED, FaultKind.ORDER_ERROR, FaultKind.TWICE})
    - {FaultKind.DOWN}
)


async def sent(desk: Desk, order: Order, request: SignedRequest) -> OrderReport | SapphireError:
    try:
        return await desk.venue.submit(order, request)
    except SapphireError as error:
        return error


async def told_is_what_happened(desk: Desk, order: Order) -> bool:
    """Whether it filled; the adapter's word and the chain's are the same."""
    report = await desk.venue.query_order(order)
    happened = desk.exchange.fills()
    told = [] if report is None else [fill.trade_id for fill in report.fills]
    assert told == [fill.trade_id for fill in happened]
    assert len(happened) <= 1
    return bool(happened)


@pytest.mark.parametrize("lands", [False, True])
@pytest.mark.parametrize("kind", LOST)
async def test_broadcast_when_its_answer_proves_nothing_then_unknown_and_settled_by_the_chain(
    kind: FaultKind, lands: bool
) -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    strike(desk, kind, SEND, delay_s=3.0, lands=lands)
    assert isinstance(await sent(desk, order, request), OutcomeUnknownError)
    desk.clock.advance(3)
    desk.server.catch_up()
    desk.clock.advance(BLOCKS_TO_FINALITY_S)
    filled = await told_is_what_happened(desk, order)
    if not filled:
        # The same bytes again are what settle sends; then it has happened, once.
        assert isinstance(await sent(desk, order, request), OrderReport)
        desk.clock.advance(BLOCKS_TO_FINALITY_S)
        assert await told_is_what_happened(desk, order)


async def test_broadcast_when_the_connection_is_refused_then_proven_never_sent() -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    strike(desk, FaultKind.DOWN, SEND)
    assert type(await sent(desk, order, request)) is TransientError
    desk.clock.advance(BLOCKS_TO_FINALITY_S)
    assert not await told_is_what_happened(desk, order)


@pytest.mark.parametrize(
    "kind",
    [
        FaultKind.NO_EFFECT,
        FaultKind.READ_LAG,
        FaultKind.PARTIAL_FILL,
        FaultKind.FILLS_SHUFFLED,
        FaultKind.FILLS_REPEATED,
    ],
)
async def test_broadcast_when_it_says_ok_then_only_the_chain_is_believed(kind: FaultKind) -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    strike(desk, kind, SEND, delay_s=10.0)
    told = await sent(desk, order, request)
    assert isinstance(told, OrderReport)
    assert (told.status, told.fills) == (OrderStatus.ACCEPTED, ())
    desk.clock.advance(BLOCKS_TO_FINALITY_S)
    if kind is FaultKind.READ_LAG:
        assert await desk.venue.query_order(order) is None  # and never "rejected" meanwhile
    desk.clock.advance(10)
    assert await told_is_what_happened(desk, order) is (kind is not FaultKind.NO_EFFECT)


async def test_broadcast_when_it_arrives_after_its_deadline_then_it_never_fills() -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    strike(desk, FaultKind.LATE, SEND, delay_s=40.0)
    assert isinstance(await sent(desk, order, request), OutcomeUnknownError)
    desk.clock.advance(40)
    desk.server.catch_up()
    desk.clock.advance(BLOCKS_TO_FINALITY_S)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.status is OrderStatus.REJECTED
    assert "ORDER_EXPIRED" in report.reason
    assert desk.exchange.fills() == []


# ----------------------------------------------------------------------------------------- asking


@pytest.mark.parametrize("operation", [RECEIPT, "eth_getBlockByNumber"])
@pytest.mark.parametrize("kind", list(FaultKind))
async def test_query_when_it_fails_then_no_answer_and_never_another_one(
    kind: FaultKind, operation: str
) -> None:
    desk = a_desk()
    order, report = await desk.trade(a_buy())
    strike(desk, kind, operation, times=None)
    try:
        told = await desk.venue.query_order(order)
    except TransientError:
        assert kind in NO_ANSWER | DRIFT | {FaultKind.RATE_LIMITED}
    else:
        assert told == report
    desk.server.faults = NoFaults()
    assert await desk.venue.query_order(order) == report


@pytest.mark.parametrize("kind", list(FaultKind))
async def test_position_when_the_query_fails_then_no_answer_and_never_flat(kind: FaultKind) -> None:
    desk = a_desk()
    await desk.trade(a_buy())
    strike(desk, kind, "eth_call", times=None)
    try:
        told = await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    except TransientError:
        assert kind in NO_ANSWER | DRIFT | {FaultKind.RATE_LIMITED}
    else:
        assert told is not None
        assert told.signed_qty == "0.5"


@pytest.mark.parametrize("kind", sorted(NO_ANSWER))
async def test_fence_when_the_node_fails_then_no_answer_and_it_can_be_offered_again(
    kind: FaultKind,
) -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    desk.exchange.chain.stuck.add(request.request_key)
    await desk.venue.submit(order, request)
    strike(desk, kind, SEND, delay_s=1.0)
    with pytest.raises((TransientError, OutcomeUnknownError)):
        await desk.venue.cancel(order)
    desk.server.faults = NoFaults()
    for _ in range(2):
        desk.clock.advance(1)
        desk.server.catch_up()
        try:
            await desk.venue.cancel(order)
        except (TransientError, OutcomeUnknownError):
            continue  # the first fence is in the way of the second: as good
    desk.clock.advance(BLOCKS_TO_FINALITY_S)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.status is OrderStatus.REJECTED
    assert desk.exchange.fills() == []
    assert desk.exchange.balance(WALLET, "ETH") == 0
