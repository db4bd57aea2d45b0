"""The contracts' units and signatures."""

import subprocess
import sys
from decimal import Decimal
from random import Random

import pytest

from common.errors import InvalidInputError
from infra.venues.evm.abi import Revert, decode_call, selector, topic
from infra.venues.evm.refusals import RevertedError
from infra.venues.ostium.calls import (
    CLOSE_TRADE,
    DELEGATED_ACTION,
    ERRORS,
    OPEN_TRADE,
    UPDATE_SL,
    UPDATE_TP,
    OpenType,
    acting_for,
    close_trade,
    names_an_order,
    open_trade,
    refusal_of,
    to_collateral,
    to_price,
    update_sl,
    update_tp,
)
from tests.shared_data import REPOSITORY

TRADER, AGENT, TRADING = ("0x" + byte * 20 for byte in ("aa", "bb", "cc"))


def an_open(open_type: OpenType, slippage: str = "0.5") -> bytes:
    return open_trade(
        trader=TRADER,
        pair_index=7,
        buy=False,
        collateral=Decimal("98.900009"),
        leverage=Decimal("2.5"),
        price=Decimal("95.551675"),
        open_type=open_type,
        slippage_percent=Decimal(slippage),
        tp=Decimal("90"),
        sl=Decimal("100.5"),
    )


def test_errors_when_hashed_then_the_selectors_that_the_official_client_lists() -> None:
    listed = {  # ostium-python-sdk 3.3.1, utils.py
        "AboveMaxAllowedCollateral()": "80a71fc5",
        "AlreadyMarketClosed(address,uint16,uint8)": "f77a8069",
        "BelowMinLevPos()": "eca695e1",
        "DelegatedActionFailed()": "5be5878a",
        "ExposureLimits()": "46c4ede2",
        "IsDone()": "084986e7",
        "IsPaused()": "1309a563",
        "MaxPendingMarketOrdersReached(address)": "5c12ea62",
        "MaxTradesPerPairReached(address,uint16)": "e6f47fab",
        "NoDelegate(address)": "2a917859",
        "NoTradeFound(address,uint16,uint8)": "17e08e97",
        "PairNotListed(uint16)": "cb87b762",
        "TriggerPending(address,uint16,uint8)": "dd9397bb",
        "WrongLeverage(uint32)": "35fe85c5",
        "WrongParams()": "5863f789",
        "WrongSL()": "083fbd78",
        "WrongTP()": "a41bb918",
    }
    assert set(listed) <= set(ERRORS)
    assert {name: selector(name).hex() for name in listed} == listed


def test_open_trade_when_market_then_units_and_slippage_as_the_contract_wants() -> None:
    trade, builder, kind, slippage = decode_call(OPEN_TRADE, an_open(OpenType.MARKET))
    collateral, price, tp, sl, trader, leverage, pair, index, buy, day = trade
    assert collateral == 98_900000  # cut to 5 decimals, then 6
    assert price == 95_55168 * 10**13  # ties to even, then 18
    assert (tp, sl) == (90 * 10**18, 1005 * 10**17)
    assert (trader, leverage, pair, index, buy, day) == (TRADER, 250, 7, 0, False, False)
    assert builder == ("0x" + "0" * 40, 0)
    assert (kind, slippage) == (0, 50)


@pytest.mark.parametrize("open_type", [OpenType.LIMIT, OpenType.STOP])
def test_open_trade_when_limit_or_stop_then_no_slippage(open_type: OpenType) -> None:
    _, _, kind, slippage = decode_call(OPEN_TRADE, an_open(open_type))
    assert (kind, slippage) == (int(open_type), 0)


@pytest.mark.parametrize("slippage", ["0", "0.009", "100", "-1"])
def test_open_trade_when_market_slippage_would_revert_then_refused(slippage: str) -> None:
    with pytest.raises(InvalidInputError):
        an_open(OpenType.MARKET, slippage)


@pytest.mark.parametrize("share", [0, -1, 10_001])
def test_close_trade_when_share_is_out_of_range_then_refused(share: int) -> None:
    """0 would be read as all of it."""
    with pytest.raises(InvalidInputError):
        close_trade(
            pair_index=7, index=1, share=share, price=Decimal(1), slippage_percent=Decimal(1)
        )


def test_close_and_targets_when_encoded_then_read_back() -> None:
    data = close_trade(
        pair_index=7,
        index=1,
        share=2_500,
        price=Decimal("1.234567"),
        slippage_percent=Decimal("0.25"),
    )
    assert decode_call(CLOSE_TRADE, data) == (7, 1, 2_500, 1_23457 * 10**13, 25)
    target = update_tp(pair_index=7, index=1, price=Decimal("2"))
    assert decode_call(UPDATE_TP, target) == (7, 1, 2 * 10**18)
    stop = update_sl(pair_index=7, index=1, price=Decimal("0"))
    assert decode_call(UPDATE_SL, stop) == (7, 1, 0)


def test_acting_for_when_not_the_trader_itself_then_delegated() -> None:
    data = an_open(OpenType.MARKET)
    assert acting_for(TRADER, TRADER, TRADING, data).data == data
    delegated = acting_for(TRADER, AGENT, TRADING, data)
    assert delegated.to == TRADING
    assert decode_call(DELEGATED_ACTION, delegated.data) == (TRADER, data)


def test_names_an_order_when_opened_or_closed_then_true_and_for_no_other_event() -> None:
    assert names_an_order(topic("MarketOpenOrderInitiated(uint256,address,uint16)"))
    assert names_an_order(
        topic("MarketCloseOrderInitiatedV2(uint256,uint256,address,uint16,uint16)")
    )
    assert not names_an_order(topic("OracleFeeCharged(uint256,address,uint16,uint256)"))


def test_venue_when_imported_then_no_signing_library_comes_along() -> None:
    code = (
        "import sys, infra.venues.ostium.venue, infra.venues.spot.venue;"
        "print([name for name in sys.modules if name.split('.')[0] in"
        " {'eth_abi', 'eth_account', 'eth_utils', 'rlp', 'httpx', 'hexbytes'}])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert ran.stdout.strip() == "[]"


def test_units_when_any_amount_then_within_5_decimals_and_collateral_never_more() -> None:
    random = Random(11)
    for _ in range(10_000):
        value = Decimal(random.randrange(1, 10**14)) / 10 ** random.randrange(0, 13)
        assert to_price(value) % 10**13 == 0
        assert abs(Decimal(to_price(value)) / 10**18 - value) <= Decimal("0.000005")
        collateral = to_collateral(value)
        assert collateral % 10 == 0
        assert value - Decimal("0.00001") < Decimal(collateral) / 10**6 <= value


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("ExposureLimits", "ExposureLimits()", "OPEN_INTEREST_FULL"),
        ("NoTradeFound", "NoTradeFound()", "REDUCE_ONLY"),
        ("", "ERC20: insufficient allowance", "ALLOWANCE_INSUFFICIENT"),
        ("", "ERC20: transfer amount exceeds balance", "INSUFFICIENT_MARGIN"),
        ("", "error 0x12345678", "CONTRACT_REVERTED"),
    ],
)
def test_refusal_of_when_reverted_then_in_our_words(name: str, text: str, code: str) -> None:
    refusal = refusal_of(RevertedError(Revert(name, text)))
    assert (refusal.code, refusal.message) == (code, text)
