"""Opening, reducing and closing at the simulated Ostium, and what is refused before signing."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.domain.instrument import TimeInForce
from common.domain.order import OrderSide, OrderStatus
from common.errors import ConfigurationError, DeniedError, RejectedError, TransientError
from infra.venues.evm.abi import decode_call
from infra.venues.ostium.calls import CLOSE_TRADE, DELEGATED_ACTION, OPEN_TRADE
from tests.unit.infra.venues.ostium.desk import WALLET, OstiumDesk, an_ostium_desk


async def refused(desk: OstiumDesk, code: str, side: str = "BUY", **changes: Any) -> str:
    order = desk.order(9, side, **changes)
    with pytest.raises(RejectedError) as told:
        await desk.venue.prepare(order)
    assert told.value.code == code
    assert desk.exchange.chain.waiting == {}
    return told.value.message


async def test_load_instruments_when_live_then_pairs_with_ids_fees_and_room() -> None:
    desk = await an_ostium_desk()
    table = await desk.venue.load_instruments()
    ether = table.find("ETH")
    assert ether is not None
    assert (ether.venue_id, ether.is_open, ether.taker_fee) == ("1", True, Decimal("0.001"))
    assert ether.liquidity == ether.max_notional == Decimal(30_000_000)
    assert table.find("USDJPY") is not None
    desk.exchange.oracle.named("ETH/USD").is_open = False
    closed = (await desk.venue.load_instruments()).find("ETH")
    assert closed is not None
    assert not closed.is_open


async def test_open_when_executed_then_filled_at_the_oracle_and_never_more_than_ordered() -> None:
    desk = await an_ostium_desk()
    report = await desk.done(desk.order(1))
    (truth,) = desk.exchange.fills()
    (fill,) = report.fills
    assert (fill.trade_id, fill.last_qty, fill.last_px) == (
        truth.trade_id,
        truth.quantity,
        Decimal("2000.1"),
    )
    assert Decimal("0.98") < fill.last_qty <= 1
    assert fill.commission > Decimal("1.9")  # 0.1 % and 0.10 USDC
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELED, truth.quantity)
    assert "bought" in report.reason
    assert await desk.net() == truth.quantity


async def test_open_when_price_improves_up_to_the_slippage_then_still_not_more_than_ordered() -> (
    None
):
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    desk.exchange.set_price("ETH/USD", "1991", desk.clock.now())
    await desk.venue.submit(order, request)
    desk.clock.advance(10)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert Decimal("0.99") < report.filled_qty <= 1


async def test_submit_when_taken_then_accepted_and_filled_only_when_the_oracle_said_so() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    sent = await desk.venue.submit(order, request)
    assert (sent.status, sent.fills) == (OrderStatus.ACCEPTED, ())
    for _ in range(4):
        report = await desk.venue.query_order(order)
        assert report is not None
        assert report.status is OrderStatus.ACCEPTED
        desk.clock.advance(1)
    desk.clock.advance(6)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.filled_qty > 0


async def test_sell_when_long_then_reduces_the_same_trade_exactly() -> None:
    desk = await an_ostium_desk()
    opened = await desk.done(desk.order(1))
    desk.clock.advance(10)
    half = opened.filled_qty / 2
    report = await desk.done(desk.order(2, "SELL", str(half)))
    assert report.fills[0].side is OrderSide.SELL
    assert Decimal(0) <= half - report.filled_qty <= opened.filled_qty / 10_000
    left = await desk.net()
    assert left == opened.filled_qty - report.filled_qty
    desk.clock.advance(10)
    flat = await desk.done(desk.order(3, "SELL", str(left), reduce_only=True))
    assert (flat.status, flat.filled_qty) == (OrderStatus.FILLED, left)
    assert await desk.net() == 0
    assert (await desk.venue.query_account(account_id="dep_1")).positions == ()


async def test_buy_when_short_then_closes_it() -> None:
    desk = await an_ostium_desk()
    opened = await desk.done(desk.order(1, "SELL"))
    assert await desk.net() == -opened.filled_qty
    desk.clock.advance(10)
    report = await desk.done(desk.order(2, "BUY", str(opened.filled_qty)))
    assert report.status is OrderStatus.FILLED
    assert report.fills[0].side is OrderSide.BUY
    assert await desk.net() == 0


async def test_sell_when_more_than_the_long_then_refused_since_it_needs_two() -> None:
    desk = await an_ostium_desk()
    await desk.done(desk.order(1))
    desk.clock.advance(10)
    await refused(desk, "NEEDS_TWO_TRANSACTIONS", "SELL", quantity="5")


async def test_reduce_when_spread_over_two_trades_then_one_closes_and_the_rest_is_left() -> None:
    desk = await an_ostium_desk()
    small = await desk.done(desk.order(1, quantity="1"))
    desk.clock.advance(10)
    large = await desk.done(desk.order(2, quantity="2"))
    desk.clock.advance(10)
    whole = small.filled_qty + large.filled_qty
    report = await desk.done(desk.order(3, "SELL", str(whole), reduce_only=True))
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELED, large.filled_qty)
    assert await desk.net() == small.filled_qty


async def test_prepare_when_market_is_closed_or_its_price_is_old_then_market_closed() -> None:
    desk = await an_ostium_desk()
    ether = desk.exchange.oracle.named("ETH/USD")
    ether.frozen_at = desk.clock.now() - timedelta(seconds=90)
    assert "90 s old" in await refused(desk, "MARKET_CLOSED")
    ether.frozen_at, ether.is_open = None, False
    await refused(desk, "MARKET_CLOSED")


async def test_prepare_when_open_interest_is_full_then_refused() -> None:
    desk = await an_ostium_desk()
    desk.exchange.oracle.named("ETH/USD").cap = Decimal(1_000)
    await refused(desk, "OPEN_INTEREST_FULL")


async def test_prepare_when_too_small_then_refused() -> None:
    desk = await an_ostium_desk()
    await refused(desk, "NOTIONAL_BELOW_MINIMUM", quantity="0.002")


async def test_prepare_when_the_price_is_past_the_bound_then_refused() -> None:
    desk = await an_ostium_desk()
    await refused(desk, "NOT_FILLED_WITHIN_BOUND", price="1999")
    await refused(desk, "NOT_FILLED_WITHIN_BOUND", "SELL", price="2001")


async def test_prepare_when_it_would_rest_or_must_fill_whole_then_refused() -> None:
    desk = await an_ostium_desk()
    await refused(desk, "POST_ONLY_WOULD_TAKE", post_only=True)
    for resting in (TimeInForce.GTC, TimeInForce.FOK):
        await refused(desk, "UNSUPPORTED_ORDER", time_in_force=resting)
    await refused(desk, "UNSUPPORTED_ORDER", trigger_price=Decimal(1900))


async def test_prepare_when_nothing_to_reduce_then_refused() -> None:
    desk = await an_ostium_desk()
    await refused(desk, "REDUCE_ONLY", "SELL", reduce_only=True)


async def test_prepare_when_allowance_is_missing_then_says_what_the_owner_must_do() -> None:
    desk = await an_ostium_desk()
    desk.exchange.usdc.allow(WALLET, desk.exchange.network.storage, 0)
    message = await refused(desk, "ALLOWANCE_INSUFFICIENT")
    assert desk.exchange.network.storage in message
    assert "approve" in message


async def test_prepare_when_the_wallet_has_no_usdc_then_insufficient_margin() -> None:
    desk = await an_ostium_desk()
    desk.exchange.usdc.balances[WALLET] = 10**6
    await refused(desk, "INSUFFICIENT_MARGIN")


async def test_prepare_when_the_agent_is_no_delegate_then_says_how_to_make_it_one() -> None:
    desk = await an_ostium_desk()
    desk.exchange.trading.delegates.clear()
    assert "setDelegate" in await refused(desk, "NOT_A_DELEGATE")


async def test_prepare_when_trading_is_paused_then_market_closed_by_the_contracts_own_word() -> (
    None
):
    desk = await an_ostium_desk()
    desk.exchange.trading.paused = True
    assert await refused(desk, "MARKET_CLOSED") == "IsPaused()"


async def test_prepare_when_the_key_is_refused_then_nothing_is_asked_of_the_chain() -> None:
    desk = await an_ostium_desk()
    desk.accounts.refusal = DeniedError("KEY_INVALID", "no")
    with pytest.raises(DeniedError):
        await desk.venue.prepare(desk.order(1))


async def test_prepare_when_the_signer_is_the_wallet_then_no_delegation() -> None:
    desk = await an_ostium_desk()
    agent = desk.accounts.fake_signer.address
    own = await an_ostium_desk(wallet=agent)
    order, request = await own.written_ahead(own.order(1))
    await own.venue.submit(order, request)
    (waiting,) = own.exchange.chain.waiting.values()
    trade, _, kind, _ = decode_call(OPEN_TRADE, waiting.signed.call.data)
    assert (trade[4], kind) == (agent, 0)


async def test_prepare_when_delegated_then_the_call_is_the_wallets_in_the_venues_units() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    (waiting,) = desk.exchange.chain.waiting.values()
    trader, inner = decode_call(DELEGATED_ACTION, waiting.signed.call.data)
    trade, builder, kind, slippage = decode_call(OPEN_TRADE, inner)
    assert kind == 0
    collateral, price, tp, sl, owner, leverage, pair, index, buy, day = trade
    assert (trader, owner) == (WALLET, WALLET)
    assert price == 2000_10000 * 10**13
    assert (tp, sl, leverage, pair, index, buy, day) == (0, 0, 200, 1, 0, True, False)
    assert slippage == 49  # 2010 / 2000.1 = +0.494 %, cut
    assert price * (10_000 + slippage) // 10_000 <= 2010 * 10**18
    assert builder == ("0x" + "0" * 40, 0)
    assert collateral % 10 == 0
    assert collateral * 2 <= 2000_100_000


async def test_close_when_sent_then_its_bound_is_never_worse_than_the_orders_price() -> None:
    desk = await an_ostium_desk()
    await desk.done(desk.order(1))
    desk.clock.advance(10)
    order, request = await desk.written_ahead(desk.order(2, "SELL", "0.5"))
    await desk.venue.submit(order, request)
    (waiting,) = desk.exchange.chain.waiting.values()
    _, inner = decode_call(DELEGATED_ACTION, waiting.signed.call.data)
    pair, index, share, price, slippage = decode_call(CLOSE_TRADE, inner)
    assert (pair, index) == (1, 0)
    assert 5_000 <= share <= 5_100
    assert price * (10_000 - slippage) // 10_000 >= 1990 * 10**18


async def test_order_when_the_price_runs_away_then_canceled_with_the_oracles_reason() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    desk.exchange.set_price("ETH/USD", "2100", desk.clock.now())
    desk.clock.advance(10)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert (report.status, report.filled_qty) == (OrderStatus.CANCELED, Decimal(0))
    assert "past the bound" in report.reason
    assert desk.exchange.fills() == []


async def test_order_when_the_market_closes_before_the_oracle_answers_then_canceled() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    desk.exchange.oracle.named("ETH/USD").is_open = False
    desk.clock.advance(10)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert report.reason == "Ostium: the market is closed"


async def test_order_when_the_keeper_never_answers_then_it_stays_accepted() -> None:
    desk = await an_ostium_desk()
    desk.exchange.trading.keeper_asleep = True
    report = await desk.done(desk.order(1))
    assert (report.status, report.reason) == (
        OrderStatus.ACCEPTED,
        "it waits for the oracle's price",
    )


async def test_order_when_it_reverts_in_its_block_then_rejected_with_the_reason() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    desk.exchange.usdc.allow(WALLET, desk.exchange.network.storage, 0)
    desk.clock.advance(10)
    report = await desk.venue.query_order(order)
    assert report is not None
    assert (report.status, report.reason) == (
        OrderStatus.REJECTED,
        "reverted: ERC20: insufficient allowance",
    )


async def test_order_when_the_subgraph_lags_then_accepted_until_it_tells() -> None:
    desk = await an_ostium_desk()
    desk.exchange.subgraph_lag = timedelta(seconds=30)
    report = await desk.done(desk.order(1))
    assert report.status is OrderStatus.ACCEPTED
    assert "subgraph" in report.reason
    assert await desk.net() == 0


async def test_order_when_its_number_is_anothers_then_nothing_is_concluded() -> None:
    desk = await an_ostium_desk()
    order, request = await desk.written_ahead(desk.order(1))
    await desk.venue.submit(order, request)
    desk.clock.advance(10)
    await desk.venue.query_order(order)
    for other in (replace(order, symbol="BTC"), replace(order, side=OrderSide.SELL)):
        with pytest.raises(TransientError, match="is not"):
            await desk.venue.query_order(other)


async def test_venue_when_its_network_is_unknown_then_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="mainnet and testnet"):
        await an_ostium_desk(network="devnet")


async def test_prepare_when_a_contract_is_not_there_then_nothing_is_signed() -> None:
    desk = await an_ostium_desk()
    del desk.exchange.chain.world.contracts[desk.exchange.network.usdc]
    with pytest.raises(TransientError, match="not the contract"):
        await desk.venue.prepare(desk.order(1))
