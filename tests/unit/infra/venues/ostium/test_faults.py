"""Ostium's adapter under every fault of the wire: each call ends in the right kind of error."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest

from common.domain.order import OrderReport, OrderStatus
from common.errors import OutcomeUnknownError, RateLimitedError, RejectedError, TransientError
from infra.local.exchanges.faults import Fault, FaultKind
from infra.venues.evm.orders import REPLACED_REASON
from infra.venues.http import VenueHttp
from tests.unit.infra.venues.ostium.desk import an_ostium_desk

SEND = "eth_sendRawTransaction"
RECEIPT = "eth_getTransactionReceipt"
HARMLESS = {  # the answer is whole and right
    FaultKind.TWICE,
    FaultKind.NO_EFFECT,
    FaultKind.READ_LAG,
    FaultKind.PARTIAL_FILL,
    FaultKind.ORDER_ERROR,
    FaultKind.FILLS_SHUFFLED,
    FaultKind.FILLS_REPEATED,
}
UNREADABLE = [kind for kind in FaultKind if kind not in HARMLESS]
TAKEN = {FaultKind.NO_EFFECT, FaultKind.READ_LAG, FaultKind.PARTIAL_FILL}
SEND_FAULTS = [
    *(Fault(kind, delay_s=20) for kind in FaultKind),
    Fault(FaultKind.SERVER_ERROR, lands=True),
    Fault(FaultKind.REDIRECT, lands=True),
    Fault(FaultKind.RATE_LIMITED, retry_after_s=5),
]


def named(fault: Fault) -> str:
    return f"{fault.kind}-{fault.lands}-{fault.retry_after_s}"


@pytest.mark.parametrize("fault", SEND_FAULTS, ids=named)
async def test_submit_when_the_broadcast_fails_then_only_what_is_proven_is_said(
    fault: Fault,
) -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    desk.strike(fault, SEND)
    if fault.kind in TAKEN | {FaultKind.FILLS_SHUFFLED, FaultKind.FILLS_REPEATED}:
        assert (await desk.venue.submit(order, request)).status is OrderStatus.ACCEPTED
    elif fault.kind is FaultKind.DOWN:
        with pytest.raises(TransientError):
            await desk.venue.submit(order, request)
    else:
        with pytest.raises(OutcomeUnknownError):
            await desk.venue.submit(order, request)


@pytest.mark.parametrize("fault", SEND_FAULTS, ids=named)
async def test_order_when_its_broadcast_fails_then_resent_or_fenced_and_told_once(
    fault: Fault,
) -> None:
    """What settle does: ask, send the same bytes again, at last fence; then the proof."""
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    desk.strike(fault, SEND)
    with suppress(OutcomeUnknownError, TransientError):
        await desk.venue.submit(order, request)
    report: OrderReport | None = None
    for turn in range(20):
        desk.clock.advance(5)
        report = await desk.venue.query_order(order)
        if report is not None and report.status.is_terminal:
            break
        if report is None and turn == 8:
            report = await desk.venue.cancel(order)
    assert report is not None
    assert report.status.is_terminal
    happened = desk.exchange.fills()
    assert [fill.trade_id for fill in report.fills] == [fill.trade_id for fill in happened]
    if not happened:
        assert report.reason == REPLACED_REASON
    desk.clock.advance(300)
    desk.server.catch_up()
    assert desk.exchange.fills() == happened


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize(
    "operation",
    ["latest-prices", "subgraph.Pairs", "subgraph.Trades", "eth_call", "eth_estimateGas"],
)
async def test_prepare_when_an_answer_cannot_be_used_then_transient_and_nothing_sent(
    kind: FaultKind, operation: str
) -> None:
    desk = await an_ostium_desk()
    await desk.done(desk.order(1))
    desk.clock.advance(10)
    desk.strike(Fault(kind), operation)
    with pytest.raises(TransientError) as told:
        await desk.venue.prepare(desk.order(2))
    assert isinstance(told.value, RateLimitedError) is (kind is FaultKind.RATE_LIMITED)
    assert desk.exchange.chain.waiting == {}


@pytest.mark.parametrize("kind", UNREADABLE)
@pytest.mark.parametrize("operation", [RECEIPT, "subgraph.Order"])
async def test_query_order_when_an_answer_cannot_be_used_then_transient_never_not_found(
    kind: FaultKind, operation: str
) -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    desk.clock.advance(10)
    desk.strike(Fault(kind), operation)
    with pytest.raises(TransientError):
        await desk.venue.query_order(order)


@pytest.mark.parametrize(
    "field",
    ["tradeNotional", "priceAfterImpact", "devFee", "isPending", "isBuy", "trader", "executedAt"],
)
@pytest.mark.parametrize(
    "kind", [FaultKind.MISSING_FIELD, FaultKind.NULL_FIELD, FaultKind.NAN_FIELD]
)
async def test_query_order_when_a_field_of_the_fill_drifts_then_no_fill_is_made_up(
    kind: FaultKind, field: str
) -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    desk.clock.advance(10)
    desk.strike(Fault(kind, field=field), "subgraph.Order")
    with pytest.raises(TransientError, match="cannot be used"):
        await desk.venue.query_order(order)


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_positions_when_the_subgraph_does_not_answer_then_transient_never_flat(
    kind: FaultKind,
) -> None:
    desk = await an_ostium_desk()
    await desk.done(desk.order(1))
    desk.strike(Fault(kind), "subgraph.Trades", times=None)
    with pytest.raises(TransientError):
        await desk.venue.query_position(account_id="dep_1", symbol="ETH")
    with pytest.raises(TransientError):
        await desk.venue.query_account(account_id="dep_1")


@pytest.mark.parametrize("kind", UNREADABLE)
async def test_load_instruments_when_the_answer_cannot_be_used_then_transient(
    kind: FaultKind,
) -> None:
    desk = await an_ostium_desk()
    for operation in ("latest-prices", "subgraph.Pairs"):
        desk.strike(Fault(kind), operation)
        with pytest.raises(TransientError):
            await desk.venue.load_instruments()


async def test_query_order_when_asked_again_then_the_same_fill_under_the_same_number() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    desk.clock.advance(10)
    assert await desk.venue.query_order(order) == await desk.venue.query_order(order)


async def test_submit_when_the_agent_cannot_pay_gas_then_rejected_for_good() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    desk.exchange.chain.world.balances[desk.accounts.fake_signer.address] = 1
    with pytest.raises(RejectedError, match="INSUFFICIENT_GAS_FUNDS"):
        await desk.venue.submit(order, request)


async def test_two_orders_when_one_is_under_way_then_the_other_comes_later() -> None:
    """F29: two instances want the account's nonce at once."""
    desk = await an_ostium_desk()
    _, request = await desk.written_ahead(desk.order(1))
    with pytest.raises(RateLimitedError, match="under way"):
        await desk.venue.prepare(desk.order(2))
    await desk.ended(desk.order(1), OrderStatus.DENIED)
    assert (await desk.venue.prepare(desk.order(2))).nonce == request.nonce


async def test_cancel_when_the_order_waits_in_the_mempool_then_it_never_happens() -> None:
    """F30: stuck, then replaced."""
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    desk.exchange.chain.stuck.add(request.request_key)
    await desk.venue.submit(order, request)
    desk.clock.advance(30)
    report = await desk.venue.cancel(order)
    assert report is None or report.status is OrderStatus.ACCEPTED
    desk.clock.advance(7)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert (report.status, report.reason) == (OrderStatus.REJECTED, REPLACED_REASON)
    assert desk.exchange.fills() == []


async def test_cancel_when_the_order_is_in_a_block_then_the_oracle_decides() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    desk.clock.advance(1)
    report = await desk.venue.cancel(order)
    assert report is not None
    assert report.status is OrderStatus.ACCEPTED
    desk.clock.advance(10)
    report = await desk.venue.cancel(order)
    assert report is not None
    assert report.filled_qty > 0


async def test_cancel_when_repeated_then_the_fence_stands_and_no_error_comes() -> None:
    desk = await an_ostium_desk()
    order, _ = await desk.written_ahead(desk.order(1))
    await desk.venue.cancel(order)
    await desk.venue.cancel(order)
    desk.clock.advance(7)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.reason == REPLACED_REASON


@pytest.mark.parametrize("keep", [True, False])
async def test_order_when_its_block_is_undone_then_no_fill_was_told_that_is_not_there(
    keep: bool,
) -> None:
    """F30: a reorganisation, with and without the transaction in the new branch."""
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    desk.clock.advance(3)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert (report.status, report.fills) == (OrderStatus.ACCEPTED, ())
    desk.exchange.chain.reorg(16, keep=keep)
    report = await desk.venue.query_order(order)
    if keep:
        assert report is not None
    else:
        assert report is None
        await desk.venue.submit(order, request)
    desk.clock.advance(12)
    report = await desk.venue.query_order(order)
    assert report is not None
    (fill,) = desk.exchange.fills()
    assert report.filled_qty == fill.quantity


async def test_prepare_when_gas_costs_too_much_then_refused() -> None:
    desk = await an_ostium_desk()
    desk.exchange.chain.base_fee = 10**12
    with pytest.raises(RejectedError, match="GAS_PRICE_SPIKE"):
        await desk.venue.prepare(desk.order(1))


async def test_submit_when_gas_rises_after_signing_then_refused_for_good_by_the_sequencer() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    desk.exchange.chain.base_fee *= 10
    with pytest.raises(RejectedError, match="GAS_PRICE_SPIKE"):
        await desk.venue.submit(order, request)


async def test_subgraph_when_it_lags_a_minute_then_the_fill_comes_whole_and_once() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    desk.exchange.subgraph_lag = timedelta(seconds=60)
    await desk.venue.submit(order, request)
    seen = set()
    for _ in range(10):
        desk.clock.advance(10)
        report = await desk.venue.query_order(order)
        assert report is not None
        seen.add((report.status, report.filled_qty))
    (fill,) = desk.exchange.fills()
    assert seen == {
        (OrderStatus.ACCEPTED, Decimal(0)),
        (OrderStatus.CANCELED, fill.quantity),
    }


async def test_services_when_read_over_tls_then_certificates_are_verified() -> None:
    """The official SDK turns this off for prices; ours must not."""
    import ssl

    from infra.venues.ostium.services import OstiumServices

    services = OstiumServices(
        prices_url="https://a.invalid", subgraph_url="https://b.invalid/gn", timeout_s=1
    )
    for http in (services._prices, services._subgraph):
        assert isinstance(http, VenueHttp)
        pool = http._connected()._transport
        context = pool._pool._ssl_context  # type: ignore[attr-defined]  # httpx's own pool
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    await services.close()
