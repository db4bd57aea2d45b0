"""Ostium's contracts: signatures, units, and what their refusals mean. Pure.

Collateral has 6 decimals and prices 18, both rounded to 5 first; leverage and percentages have 2.
The signatures are those of the ABI in ostium-python-sdk 3.3.1.
"""

from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import IntEnum

from common.errors import InvalidInputError, RejectedError
from infra.venues.evm.abi import Call, encode_call, topic
from infra.venues.evm.refusals import RevertedError

_TRADE = "(uint256,uint192,uint192,uint192,address,uint32,uint16,uint8,bool,bool)"
OPEN_TRADE = f"openTrade({_TRADE},(address,uint32),uint8,uint256)"
CLOSE_TRADE = "closeTradeMarket(uint16,uint8,uint16,uint192,uint32)"
UPDATE_TP = "updateTp(uint16,uint8,uint192)"
UPDATE_SL = "updateSl(uint16,uint8,uint192)"
DELEGATED_ACTION = "delegatedAction(address,bytes)"
DELEGATIONS = "delegations(address)"
ALLOWANCE = "allowance(address,address)"
BALANCE_OF = "balanceOf(address)"

_ORDER_EVENTS = (  # each names the order in its first topic
    "MarketOpenOrderInitiated(uint256,address,uint16)",
    "MarketCloseOrderInitiated(uint256,uint256,address,uint16)",
    "MarketCloseOrderInitiatedV2(uint256,uint256,address,uint16,uint16)",
)

ERRORS = (
    "AboveMaxAllowedCollateral()",
    "AlreadyMarketClosed(address,uint16,uint8)",
    "BelowFees()",
    "BelowMinLevPos()",
    "DelegatedActionFailed()",
    "ExposureLimits()",
    "IsDone()",
    "IsPaused()",
    "MaxPendingMarketOrdersReached(address)",
    "MaxTradesPerPairReached(address,uint16)",
    "NoDelegate(address)",
    "NoTradeFound(address,uint16,uint8)",
    "NotDelegate(address,address)",
    "PairNotListed(uint16)",
    "TriggerPending(address,uint16,uint8)",
    "WrongLeverage(uint32)",
    "WrongParams()",
    "WrongSL()",
    "WrongTP()",
)
_CODES = {
    "BelowFees": "NOTIONAL_BELOW_MINIMUM",
    "BelowMinLevPos": "NOTIONAL_BELOW_MINIMUM",
    "ExposureLimits": "OPEN_INTEREST_FULL",
    "IsDone": "MARKET_CLOSED",
    "IsPaused": "MARKET_CLOSED",
    "NoTradeFound": "REDUCE_ONLY",
    "AlreadyMarketClosed": "REDUCE_ONLY",
    "NoDelegate": "NOT_A_DELEGATE",
    "NotDelegate": "NOT_A_DELEGATE",
    "PairNotListed": "NOT_LISTED",
}
ZERO_ADDRESS = "0x" + "0" * 40
ALL = 10_000  # 100 % with 2 decimals


def names_an_order(event: bytes) -> bool:
    """Whether a log's first topic is of an event that gives an order its number."""
    return event in {topic(signature) for signature in _ORDER_EVENTS}


class OpenType(IntEnum):
    MARKET = 0
    LIMIT = 1
    STOP = 2


def to_price(value: Decimal) -> int:
    """With 18 decimals, rounded to 5 as the contracts' own clients do."""
    scaled = (value * 100_000).to_integral_value(rounding=ROUND_HALF_EVEN)
    return int(scaled) * 10**13


def to_collateral(value: Decimal) -> int:
    """With 6 decimals, cut to 5: never more than was meant."""
    return int((value * 100_000).to_integral_value(rounding=ROUND_FLOOR)) * 10


def to_hundredths(value: Decimal) -> int:
    """Leverage or a percentage with 2 decimals, cut."""
    return int((value * 100).to_integral_value(rounding=ROUND_FLOOR))


def open_trade(
    *,
    trader: str,
    pair_index: int,
    buy: bool,
    collateral: Decimal,
    leverage: Decimal,
    price: Decimal,
    open_type: OpenType,
    slippage_percent: Decimal,
    tp: Decimal = Decimal(0),
    sl: Decimal = Decimal(0),
) -> bytes:
    """`price` is what the slippage counts from, or the trigger of a limit or stop.

    The slippage is left out of limits and stops: since February 2026 they revert with any but 0.
    """
    slippage = to_hundredths(slippage_percent) if open_type is OpenType.MARKET else 0
    if open_type is OpenType.MARKET and not 0 < slippage < ALL:
        raise InvalidInputError("must be 0.01 to 99.99 percent", where="openTrade.slippage")
    trade = (
        to_collateral(collateral),
        to_price(price),
        to_price(tp),
        to_price(sl),
        trader,
        to_hundredths(leverage),
        pair_index,
        0,
        buy,
        False,
    )
    return encode_call(OPEN_TRADE, trade, (ZERO_ADDRESS, 0), int(open_type), slippage)


def close_trade(
    *, pair_index: int, index: int, share: int, price: Decimal, slippage_percent: Decimal
) -> bytes:
    """`share` of the trade in hundredths of a percent, 1 to 10,000."""
    if not 0 < share <= ALL:
        raise InvalidInputError("must be 1 to 10,000", where="closeTradeMarket.share")
    slippage = to_hundredths(slippage_percent)
    return encode_call(CLOSE_TRADE, pair_index, index, share, to_price(price), slippage)


def update_tp(*, pair_index: int, index: int, price: Decimal) -> bytes:
    """0 takes it away."""
    return encode_call(UPDATE_TP, pair_index, index, to_price(price))


def update_sl(*, pair_index: int, index: int, price: Decimal) -> bytes:
    """0 takes it away."""
    return encode_call(UPDATE_SL, pair_index, index, to_price(price))


def acting_for(trader: str, signer: str, trading: str, data: bytes) -> Call:
    """The call as the signer may make it: directly, or as the trader's delegate."""
    if signer == trader:
        return Call(to=trading, data=data)
    return Call(to=trading, data=encode_call(DELEGATED_ACTION, trader, data))


def refusal_of(error: RevertedError) -> RejectedError:
    """The contract's refusal in our words."""
    text = error.revert.text
    if "ERC20" in text and "allowance" in text:
        return RejectedError("ALLOWANCE_INSUFFICIENT", text)
    if "ERC20" in text and "balance" in text:
        return RejectedError("INSUFFICIENT_MARGIN", text)
    return RejectedError(_CODES.get(error.revert.name, "CONTRACT_REVERTED"), text)
