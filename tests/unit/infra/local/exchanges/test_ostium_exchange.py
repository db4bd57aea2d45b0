"""The simulated trading contract: what it refuses, and what rests there."""

from decimal import Decimal
from typing import Any

import pytest

from infra.local.exchanges.chain.world import ReversionError
from infra.local.exchanges.ostium.exchange import OstiumExchange
from infra.local.exchanges.ostium.trading import SET_DELEGATE
from infra.venues.evm.abi import Call, decode, encode_call, revert_of
from infra.venues.ostium.calls import (
    DELEGATIONS,
    ERRORS,
    OPEN_TRADE,
    OpenType,
    acting_for,
    close_trade,
    open_trade,
    update_sl,
    update_tp,
)
from infra.venues.ostium.venue import OstiumVenue
from tests.builders import NOON
from tests.unit.infra.venues.ostium.desk import PRICES, WALLET, an_ostium_desk

AGENT = "0x" + "bb" * 20
STRANGER = "0x" + "dd" * 20


def an_exchange() -> OstiumExchange:
    exchange = OstiumExchange(PRICES, start=NOON)
    exchange.open_account(WALLET, AGENT)
    return exchange


def an_open(open_type: OpenType = OpenType.MARKET, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "trader": WALLET,
        "pair_index": 1,
        "buy": True,
        "collateral": Decimal(100),
        "leverage": Decimal(2),
        "price": Decimal(2_000),
        "slippage_percent": Decimal(1),
    }
    return open_trade(open_type=open_type, **{**fields, **changes})


def asked(exchange: OstiumExchange, data: bytes, sender: str = WALLET) -> str:
    """The error's name, "" where it would pass."""
    chain = exchange.chain
    try:
        chain.call(Call(exchange.network.trading, data), sender, chain.head)
    except ReversionError as error:
        revert = revert_of(error.data, [*ERRORS, "InvalidCallData()"])
        return revert.name or revert.text
    return ""


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (an_open(), ""),
        (an_open(pair_index=9), "PairNotListed"),
        (an_open(leverage=Decimal("0.5")), "WrongLeverage"),
        (an_open(leverage=Decimal(101)), "WrongLeverage"),
        (an_open(collateral=Decimal(2)), "BelowMinLevPos"),
        (an_open(collateral=Decimal(200_000)), "ERC20: transfer amount exceeds balance"),
        (an_open(price=Decimal(0)), "WrongParams"),
        (update_tp(pair_index=1, index=0, price=Decimal(1)), "NoTradeFound"),
        (update_sl(pair_index=1, index=0, price=Decimal(1)), "NoTradeFound"),
        (
            close_trade(
                pair_index=1, index=0, share=1, price=Decimal(1), slippage_percent=Decimal(1)
            ),
            "NoTradeFound",
        ),
        (
            close_trade(
                pair_index=1, index=0, share=1, price=Decimal(1), slippage_percent=Decimal(0)
            ),
            "WrongParams",
        ),
        (b"\x01\x02\x03\x04", "InvalidCallData"),
    ],
)
def test_contract_when_called_then_refuses_as_the_real_one(data: bytes, name: str) -> None:
    assert asked(an_exchange(), data) == name


@pytest.mark.parametrize(("kind", "slippage"), [(1, 50), (2, 50), (0, 0), (0, 10_000)])
def test_contract_when_slippage_does_not_fit_the_type_then_wrong_params(
    kind: int, slippage: int
) -> None:
    """The trap of February 2026: limits and stops revert with any slippage but 0."""
    trade = (10**8, 2 * 10**21, 0, 0, WALLET, 200, 1, 0, True, False)
    data = encode_call(OPEN_TRADE, trade, ("0x" + "0" * 40, 0), kind, slippage)
    assert asked(an_exchange(), data) == "WrongParams"


def test_delegation_when_named_then_the_agent_acts_and_a_stranger_does_not() -> None:
    exchange = an_exchange()
    trading = exchange.network.trading
    own = acting_for(WALLET, AGENT, trading, an_open())
    assert asked(exchange, own.data, AGENT) == ""
    assert asked(exchange, own.data, STRANGER) == "NotDelegate"
    delegate = exchange.chain.call(
        Call(trading, encode_call(DELEGATIONS, WALLET)), STRANGER, exchange.chain.head
    )
    assert decode(("address",), delegate.returned, "answer") == (AGENT,)
    assert asked(exchange, encode_call(SET_DELEGATE, STRANGER)) == ""
    assert exchange.trading.delegates == {WALLET: AGENT}  # a call changes nothing


async def test_account_when_somebody_else_placed_a_limit_then_it_is_told_as_not_ours() -> None:
    desk = await an_ostium_desk()
    await desk.done(desk.order(1))
    exchange = desk.exchange
    chain = exchange.chain
    data = an_open(OpenType.LIMIT, price=Decimal(1_600))
    chain._apply(Call(exchange.network.trading, data), WALLET, chain.head)
    desk.clock.advance(5)
    assert isinstance(desk.venue, OstiumVenue)
    state = await desk.venue.query_account(account_id="dep_1")
    (limit,) = state.open_orders
    assert (limit.client_order_id, limit.symbol, limit.left_qty) == (None, "ETH", "0.125")
    (position,) = state.positions
    assert position.avg_px is not None
    assert abs(Decimal(position.avg_px) - Decimal("2000.1")) < Decimal("0.00001")
