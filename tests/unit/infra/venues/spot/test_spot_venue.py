"""The SPOT adapter against its stand-in: what it trades, what it refuses, what it proves."""

import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Context, Decimal

import pytest

from common.books import ORDERS
from common.domain.instrument import Venue
from common.domain.order import Order, OrderSide, OrderStatus
from common.errors import (
    ConfigurationError,
    DeniedError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    TransientError,
)
from common.ports import Ref
from infra.local.exchanges.faults import (
    Fault,
    FaultFunction,
    FaultKind,
    FaultRule,
    FaultSchedule,
)
from infra.local.exchanges.uniswap.calls import Style
from infra.local.exchanges.uniswap.exchange import API_KEY
from infra.local.exchanges.uniswap.hostile import Hostility
from infra.venues.evm.abi import decode
from infra.venues.evm.transactions import fees_of
from infra.venues.spot.calldata import EXECUTE_TYPES
from infra.venues.spot.tokens import CURATED
from tests.builders import DEPLOYMENT_ID, NOON
from tests.unit.infra.venues.spot.spot_desk import (
    BLOCKS_TO_FINALITY_S,
    WALLET,
    a_buy,
    a_desk,
    a_sale,
    unproven,
)

EXACT = Context(prec=200)


async def test_instruments_when_loaded_then_the_curated_tokens_with_their_addresses() -> None:
    desk = a_desk()
    table = await desk.venue.load_instruments()
    eth, wif = table.find("ETH"), table.find("WIF")
    assert eth is not None
    assert wif is not None
    assert (eth.venue_id, eth.venue_symbol) == (
        "0x82aF49447D8a07e3bd95BD0d56f35241523fBab1",
        "WETH/USDC",
    )
    assert (eth.size_increment, wif.size_increment) == (Decimal("1E-8"), Decimal("1E-6"))
    assert not any(item.shortable for item in table.instruments)
    assert table.find("DOGE") is None


async def test_instruments_when_the_node_is_of_another_chain_then_configuration_error() -> None:
    desk = a_desk()
    desk.exchange.chain.chain_id = 1
    with pytest.raises(ConfigurationError, match="42161"):
        await desk.venue.load_instruments()


@pytest.mark.parametrize("style", list(Style))
async def test_purchase_when_mined_then_the_quantity_is_exact_and_the_cash_to_the_unit(
    style: Style,
) -> None:
    desk = a_desk(style=style)
    before = desk.exchange.balance(WALLET, "USDC")
    order, report = await desk.trade(a_buy())
    (fill,) = report.fills
    spent = before - desk.exchange.balance(WALLET, "USDC")
    assert report.status is OrderStatus.FILLED
    assert fill.last_qty == report.filled_qty == Decimal("0.5")
    assert EXACT.add(EXACT.multiply(fill.last_px, fill.last_qty), fill.commission) == spent
    assert Decimal(3009) < fill.last_px < order.price  # the pool's 0.3 % is inside
    assert fill.trade_id == fill.venue_order_id == order.request_key
    assert report.reason.endswith(" ETH")
    (oracle,) = desk.exchange.fills()
    assert (oracle.trade_id, oracle.qty, oracle.cash) == (fill.trade_id, fill.last_qty, spent)
    assert report == await desk.venue.query_order(order)


@pytest.mark.parametrize("style", list(Style))
async def test_sale_when_mined_then_the_cash_is_to_the_unit(style: Style) -> None:
    desk = a_desk(style=style)
    await desk.trade(a_buy())
    before = desk.exchange.balance(WALLET, "USDC")
    later = desk.clock.now() + timedelta(seconds=30)
    _, report = await desk.trade(a_sale(expires_at=later))
    (fill,) = report.fills
    received = desk.exchange.balance(WALLET, "USDC") - before
    assert fill.side is OrderSide.SELL
    assert EXACT.subtract(EXACT.multiply(fill.last_px, fill.last_qty), fill.commission) == received
    assert fill.commission >= 0
    assert await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is None


async def test_purchase_when_a_permit_is_signed_then_it_is_for_this_swap_alone() -> None:
    desk = a_desk()
    order, _ = await desk.trade(a_buy())
    router = desk.exchange._router
    left = desk.exchange.permit2().of(WALLET, desk.exchange.book.quote.address, router)
    assert left.nonce == 1
    bound = int(order.quantity * order.price * 10**6)
    assert 0 <= left.amount < bound  # what the swap did not use, never more than the bound


async def test_purchase_when_permitted_before_then_no_permit_is_needed() -> None:
    desk = a_desk()
    desk.exchange.permit_for_good(WALLET, "USDC")
    _, report = await desk.trade(a_buy())
    assert report.status is OrderStatus.FILLED


async def test_purchase_when_the_usual_slippage_passes_the_bound_then_quoted_again() -> None:
    desk = a_desk()
    order, report = await desk.trade(a_buy(price=Decimal("3010.5")))
    assert report.fills[0].last_px <= order.price
    quotes = [seen for seen, _ in desk.server.requests if seen.name == "quote"]
    assert len(quotes) == 2


@pytest.mark.parametrize(
    "order", [a_buy(price=Decimal(3000)), a_sale(price=Decimal(2995))], ids=["buy", "sell"]
)
async def test_order_when_the_pool_is_beyond_its_bound_then_rejected_unsigned(
    order: Order,
) -> None:
    desk = a_desk()
    await desk.trade(a_buy())
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(order)
    assert caught.value.code == "NOT_FILLED_WITHIN_BOUND"


async def test_purchase_when_the_price_runs_away_between_two_quotes_then_rejected() -> None:
    desk = a_desk()
    asked: list[str] = []

    def run_away(operation: str, key: str) -> None:
        asked.append(operation)
        if asked.count("quote") == 2:
            desk.exchange.set_price("ETH", "3001")

    desk.server.faults = FaultFunction(run_away)
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(a_buy(price=Decimal("3010.5")))
    assert caught.value.code == "NOT_FILLED_WITHIN_BOUND"
    assert asked.count("quote") == 2
    assert "swap" not in asked


async def test_quote_when_over_before_its_call_is_written_then_not_used() -> None:
    desk = a_desk()

    def dawdle(operation: str, key: str) -> None:
        if operation == "quote":
            desk.clock.advance(31)

    desk.server.faults = FaultFunction(dawdle)
    with pytest.raises(TransientError, match="the quote was over"):
        await desk.venue.prepare(a_buy(expires_at=NOON + timedelta(minutes=5)))
    assert "swap" not in [seen.name for seen, _ in desk.server.requests]


@pytest.mark.parametrize(("lives_s", "ends_s"), [(300, 30), (20, 20)])
async def test_call_when_signed_then_it_ends_with_the_quote_or_the_order(
    lives_s: int, ends_s: int
) -> None:
    desk = a_desk()
    order = a_buy(expires_at=NOON + timedelta(seconds=lives_s))
    written, request = await desk.prepare(order)
    ends = NOON + timedelta(seconds=ends_s)
    assert request.expires_at == ends
    await desk.venue.submit(written, request)
    seen = await desk.venue._rpc.transaction(request.request_key)
    assert seen is not None
    _, _, deadline = decode(EXECUTE_TYPES, seen.call.data[4:], "call")
    assert deadline == ends.timestamp()


async def test_request_when_its_quote_is_over_then_not_sent() -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy(expires_at=NOON + timedelta(minutes=5)))
    desk.clock.advance(30)
    with pytest.raises(TransientError, match="quote"):
        await desk.venue.submit(order, request)
    assert not [seen for seen, _ in desk.server.requests if seen.name.startswith("eth_send")]


async def test_transaction_when_mined_after_its_deadline_then_reverts_and_is_rejected() -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    desk.exchange.chain.stuck.add(request.request_key)
    await desk.venue.submit(order, request)
    desk.clock.advance(60)
    assert await desk.venue.query_order(order) is None
    desk.exchange.chain.stuck.clear()
    desk.clock.advance(BLOCKS_TO_FINALITY_S)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.status is OrderStatus.REJECTED
    assert report.fills == ()
    assert desk.exchange.fills() == []


async def test_swap_when_the_price_moves_past_the_bound_then_reverts_with_its_code() -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    desk.exchange.set_price("ETH", "3100")
    await desk.venue.submit(order, request)
    desk.clock.advance(BLOCKS_TO_FINALITY_S)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.status is OrderStatus.REJECTED
    assert "NOT_FILLED_WITHIN_BOUND" in report.reason


async def test_query_when_mined_and_not_final_then_nothing_is_proven() -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    told = await desk.venue.submit(order, request)
    assert (told.status, told.filled_qty) == (OrderStatus.ACCEPTED, Decimal(0))
    desk.clock.advance(1)
    assert await desk.venue.query_order(order) is None
    assert len(desk.exchange.fills()) == 1


async def test_block_when_undone_then_the_swap_was_never_told_as_filled() -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    await desk.venue.submit(order, request)
    desk.clock.advance(1)
    assert await desk.venue.query_order(order) is None
    desk.exchange.chain.reorg(10, keep=False)
    desk.clock.advance(BLOCKS_TO_FINALITY_S)
    assert await desk.venue.query_order(order) is None
    assert desk.exchange.fills() == []


async def test_resend_when_the_same_bytes_are_known_or_mined_then_unknown_never_rejected() -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    await desk.venue.submit(order, request)
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)
    desk.clock.advance(2)
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)
    assert len(desk.exchange.fills()) == 1


async def test_cancel_when_the_order_waits_then_the_fence_takes_its_nonce() -> None:
    desk = a_desk()
    order, request = await desk.prepare(a_buy())
    desk.exchange.chain.stuck.add(request.request_key)
    await desk.venue.submit(order, request)
    assert unproven(await desk.venue.cancel(order))
    desk.clock.advance(BLOCKS_TO_FINALITY_S)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.status is OrderStatus.REJECTED
    assert desk.exchange.fills() == []
    with pytest.raises(OutcomeUnknownError):
        await desk.venue.submit(order, request)  # the bytes are worth nothing now


async def test_cancel_when_the_order_has_filled_then_its_fill_is_told() -> None:
    desk = a_desk()
    order, report = await desk.trade(a_buy())
    assert await desk.venue.cancel(order) == report


async def test_query_when_the_order_was_never_prepared_then_none() -> None:
    desk = a_desk()
    assert await desk.venue.query_order(a_buy()) is None
    assert await desk.venue.cancel(a_buy()) is None


# ------------------------------------------------------------------------------- what is refused


async def test_order_when_permit2_is_not_approved_then_the_owner_is_told_what_to_do() -> None:
    desk = a_desk(approve=False)
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(a_buy())
    assert caught.value.code == "ALLOWANCE_INSUFFICIENT"
    for word in ("USDC", "0x000000000022D473030F116dDEE9F6B43aC78BA3", "approve"):
        assert word in caught.value.message
    quoted = [seen.name for seen, _ in desk.server.requests if seen.name in {"quote", "swap"}]
    assert quoted == []


async def test_sale_when_nothing_was_bought_here_then_the_owners_coins_are_not_sold() -> None:
    desk = a_desk()
    desk.exchange.mint(WALLET, "ETH", "7")
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(a_sale())
    assert caught.value.code == "INSUFFICIENT_BALANCE"
    assert desk.exchange.balance(WALLET, "ETH") == 7


async def test_purchase_when_the_wallet_is_too_poor_then_rejected() -> None:
    desk = a_desk()
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(a_buy(quantity=Decimal(100), price=Decimal(3100)))
    assert caught.value.code == "INSUFFICIENT_BALANCE"


async def test_purchase_when_there_is_no_eth_for_gas_then_rejected() -> None:
    desk = a_desk()
    desk.exchange.chain.world.balances[WALLET] = 0
    order, request = await desk.prepare(a_buy())
    with pytest.raises(RejectedError) as caught:
        await desk.venue.submit(order, request)
    assert caught.value.code == "INSUFFICIENT_GAS_FUNDS"


async def test_order_when_its_token_is_not_curated_then_rejected() -> None:
    desk = a_desk()
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(a_buy(symbol="DOGE"))
    assert caught.value.code == "INSTRUMENT_NOT_FOUND"
    assert desk.server.requests == []


async def test_order_when_no_pool_has_the_token_then_rejected_as_no_route() -> None:
    desk = a_desk()
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(a_buy(symbol="LINK", price=Decimal(20)))
    assert caught.value.code == "NO_ROUTE"


async def test_order_when_the_key_may_not_be_used_then_denied_and_nothing_is_asked() -> None:
    desk = a_desk()
    desk.accounts.refusal = DeniedError("KEY_INVALID", "revoked")
    with pytest.raises(DeniedError):
        await desk.venue.prepare(a_buy())
    assert desk.server.requests == []


async def test_order_when_the_key_is_of_another_address_then_rejected() -> None:
    desk = a_desk()
    declared = await desk.accounts.account(DEPLOYMENT_ID, Venue.SPOT)

    class Elsewhere:
        signer = staticmethod(desk.accounts.signer)

        @staticmethod
        async def account(account_id: str, venue: Venue) -> object:
            return replace(declared, agent_address="0x" + "ab" * 20)

    desk.venue._accounts = Elsewhere()  # type: ignore[assignment]  # a declared address that lies
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(a_buy())
    assert caught.value.code == "SIGNER_DIFFERS"


@pytest.mark.parametrize("hostility", list(Hostility))
async def test_exchange_when_hostile_then_nothing_is_signed_that_it_wrote(
    hostility: Hostility,
) -> None:
    desk = a_desk()
    desk.exchange.hostile = hostility
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(a_buy())
    assert caught.value.code in {
        "CALL_DIFFERS",
        "PERMIT_DIFFERS",
        "QUOTE_DIFFERS",
        "ROUTING_NOT_SUPPORTED",
        "TRANSACTION_DIFFERS",
    }
    named = [seen.name for seen, _ in desk.server.requests]
    assert "eth_sendRawTransaction" not in named
    assert "eth_estimateGas" not in named  # so not even the nonce was taken
    if caught.value.code in {"QUOTE_DIFFERS", "PERMIT_DIFFERS", "ROUTING_NOT_SUPPORTED"}:
        assert "swap" not in named  # no signed permit ever left


async def test_exchange_when_its_quote_is_over_at_once_then_rejected_unsigned() -> None:
    desk = a_desk()
    desk.exchange.quote_life = timedelta(0)
    with pytest.raises(RejectedError) as caught:
        await desk.venue.prepare(a_buy())
    assert caught.value.code == "QUOTE_EXPIRED"


async def test_exchange_when_an_order_needs_4_requests_in_a_second_then_the_last_waits() -> None:
    desk = a_desk(per_second=3)
    request = await desk.venue.prepare(a_buy(price=Decimal("3010.5")))
    assert request.body.startswith("0x02")
    assert desk.clock.sleeps == [1]
    names = [seen.name for seen, _ in desk.server.requests]
    assert (names.count("quote"), names.count("swap")) == (2, 2)  # the first swap was refused


@pytest.mark.parametrize(("told_s", "slept"), [(60, []), (None, [1.0])])
async def test_exchange_when_it_stays_over_its_limit_then_rate_limited_with_its_wait(
    told_s: int | None, slept: list[float]
) -> None:
    desk = a_desk()
    fault = Fault(FaultKind.RATE_LIMITED, retry_after_s=told_s)
    desk.server.faults = FaultSchedule([FaultRule(fault, "quote", times=None)])
    with pytest.raises(RateLimitedError) as caught:
        await desk.venue.prepare(a_buy())
    assert caught.value.retry_after_s == told_s
    assert desk.clock.sleeps == slept


async def test_exchange_when_it_refuses_the_key_then_configuration_error_without_the_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = a_desk()

    async def wrong(venue: Venue) -> str:
        return "a-wrong-key"

    desk.venue._api._api_key = wrong
    with caplog.at_level(logging.DEBUG), pytest.raises(ConfigurationError) as caught:
        await desk.venue.prepare(a_buy())
    assert "a-wrong-key" not in f"{caught.value!r} {caplog.text}"


async def test_key_when_an_order_is_prepared_then_it_is_in_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = a_desk()
    with caplog.at_level(logging.DEBUG):
        await desk.trade(a_buy())
    assert API_KEY not in caplog.text


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "k\u00e9y"])
async def test_key_when_it_is_no_header_then_configuration_error(key: str) -> None:
    desk = a_desk()

    async def strange(venue: Venue) -> str:
        return key

    desk.venue._api._api_key = strange
    with pytest.raises(ConfigurationError):
        await desk.venue.prepare(a_buy())


# ---------------------------------------------------------------------------------- the position


async def test_position_when_the_wallet_held_coins_before_then_only_ours_count() -> None:
    desk = a_desk()
    desk.exchange.mint(WALLET, "ETH", "7")
    assert await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is None
    await desk.trade(a_buy())
    held = await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert held is not None
    assert held.signed_qty == "0.5"
    state = await desk.venue.query_account(account_id=DEPLOYMENT_ID)
    assert (state.positions, state.open_orders) == ((held,), ())


async def test_position_when_a_stranger_sends_dust_then_it_is_no_position() -> None:
    desk = a_desk()
    await desk.trade(a_buy())
    desk.exchange.mint(WALLET, "ETH", "0.000000009")
    held = await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert held is not None
    assert held.signed_qty == "0.5"


async def test_position_when_the_owner_moves_coins_then_it_shrinks_and_never_goes_short() -> None:
    desk = a_desk()
    await desk.trade(a_buy())
    desk.exchange.mint(WALLET, "ETH", "-0.2")
    held = await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert held is not None
    assert held.signed_qty == "0.3"
    desk.exchange.mint(WALLET, "ETH", "-0.3")
    assert await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH") is None


async def test_prepare_when_called_again_before_write_ahead_then_the_same_nonce() -> None:
    desk = a_desk()
    first = await desk.venue.prepare(a_buy())
    again = await desk.venue.prepare(a_buy())
    assert first.nonce == again.nonce
    with pytest.raises(RateLimitedError):
        await desk.venue.prepare(a_buy(2))
    assert await desk.store.get(Ref(ORDERS, a_buy().client_order_id)) is None
    assert fees_of(first.body).max_fee <= 20 * 10**9


async def test_position_when_no_token_contract_answers_then_no_answer_and_never_flat() -> None:
    desk = a_desk()
    await desk.trade(a_buy())
    address = "0x82af49447d8a07e3bd95bd0d56f35241523fbab1"
    contracts = desk.exchange.chain.world.contracts
    del contracts[address]  # an address without code answers with nothing
    with pytest.raises(TransientError, match="no token contract"):
        await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    contracts[address] = contracts[desk.exchange._router]  # a contract that knows no such call
    with pytest.raises(TransientError, match="cannot be asked"):
        await desk.venue.query_account(account_id=DEPLOYMENT_ID)


async def test_query_when_the_token_left_the_list_then_no_answer() -> None:
    desk = a_desk()
    order, _ = await desk.trade(a_buy())
    with pytest.raises(TransientError, match="no longer in the token list"):
        await desk.venue.query_order(replace(order, symbol="DOGE"))
    assert await desk.venue.query_position(account_id=DEPLOYMENT_ID, symbol="DOGE") is None


async def test_order_when_no_api_key_is_configured_then_configuration_error() -> None:
    desk = a_desk()
    desk.venue._api._api_key = None
    with pytest.raises(ConfigurationError, match="no key"):
        await desk.venue.prepare(a_buy())
    await desk.venue.close()


async def test_user_list_when_given_then_its_token_is_traded_like_a_curated_one() -> None:
    ldo = replace(
        CURATED[3],
        address="0x13Ad51ed4F1B7e9Dc168d8a00cB3f4dDD85EfA60",
        symbol="LDO",
        trades_as="LDO",
    )
    desk = a_desk(further=(ldo,), prices={"LDO": "2"})
    order, report = await desk.trade(
        a_buy(symbol="LDO", quantity=Decimal(100), price=Decimal("2.02"))
    )
    assert (report.status, report.filled_qty) == (OrderStatus.FILLED, order.quantity)
