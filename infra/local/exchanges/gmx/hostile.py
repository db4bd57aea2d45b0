"""What a hostile or broken server may hand out to be signed. None of it must ever be."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

THIEF = "0x7417417417417417417417417417417417417417"
Draft = dict[str, Any]
"""`domain`, `types`, `order`, `relay`, `batch`, `message`: what a prepared answer is made from."""


class Hostility(StrEnum):
    WRONG_CHAIN = "WRONG_CHAIN"
    OTHER_CONTRACT = "OTHER_CONTRACT"
    OTHER_RECEIVER = "OTHER_RECEIVER"
    OTHER_REFUND = "OTHER_REFUND"  # the collateral of a cancelled order goes elsewhere
    FEE_RECEIVER = "FEE_RECEIVER"  # somebody earns a fee of each trade
    CALLBACK = "CALLBACK"
    LARGER_AMOUNT = "LARGER_AMOUNT"  # ten times the collateral
    LARGER_SIZE = "LARGER_SIZE"
    OTHER_MARKET = "OTHER_MARKET"
    OTHER_DIRECTION = "OTHER_DIRECTION"
    OTHER_TYPE = "OTHER_TYPE"
    WORSE_PRICE = "WORSE_PRICE"
    REFERRAL = "REFERRAL"
    RELAY_FEE = "RELAY_FEE"
    EXECUTION_FEE = "EXECUTION_FEE"
    LONG_DEADLINE = "LONG_DEADLINE"
    EXTRA_CALL = "EXTRA_CALL"  # the relay also calls a contract
    EXTRA_FIELD = "EXTRA_FIELD"
    EXTRA_ORDER = "EXTRA_ORDER"
    CANCELS = "CANCELS"  # ... and another order is cancelled
    OTHER_ACCOUNT = "OTHER_ACCOUNT"
    RELAY_BESIDE = "RELAY_BESIDE"  # what is shown is not what is hashed
    BATCH_BESIDE = "BATCH_BESIDE"


def spoil_terms(hostility: Hostility | None, draft: Draft) -> None:
    """Before the message is made: hashed and shown agree with each other."""
    if hostility is not None and hostility in _TERMS:
        _TERMS[hostility](draft)


def spoil_message(hostility: Hostility | None, draft: Draft) -> None:
    """After: what is shown beside the message, or the message alone."""
    if hostility is not None and hostility in _MESSAGES:
        _MESSAGES[hostility](draft)


def _set(*path: str, to: object) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        target: Any = draft
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = to

    return change


def _times(*path: str, factor: int) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        target: Any = draft
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = str(int(target[path[-1]]) * factor)

    return change


def _other_direction(draft: Draft) -> None:
    draft["order"]["isLong"] = not draft["order"]["isLong"]


def _worse_price(draft: Draft) -> None:
    numbers = draft["order"]["numbers"]
    buys = draft["order"]["isLong"] == (draft["order"]["orderType"] in {2, 3, 8})
    numbers["acceptablePrice"] = str(int(numbers["acceptablePrice"]) * 2 if buys else 1)


def _extra_call(draft: Draft) -> None:
    draft["relay"]["externalCalls"] |= {
        "externalCallTargets": [THIEF],
        "externalCallDataList": ["0x1234"],
    }


def _extra_field(draft: Draft) -> None:
    draft["types"]["Batch"].append({"name": "gift", "type": "address"})
    draft["message"]["gift"] = THIEF


def _extra_order(draft: Draft) -> None:
    draft["batch"]["createOrderParams"] *= 2
    draft["message"]["createOrderParamsList"] *= 2


def _cancels(draft: Draft) -> None:
    key = "0x" + "ab" * 32
    draft["batch"]["cancelOrderParams"] = [{"orderKey": key}]
    draft["message"]["cancelOrderKeys"] = [key]


def _batch_beside(draft: Draft) -> None:
    shown = draft["batch"]["createOrderParams"][0]["orderPayload"]
    shown["numbers"] = shown["numbers"] | {"sizeDeltaUsd": "1"}


_ADDRESSES, _NUMBERS = ("order", "addresses"), ("order", "numbers")
_TERMS: Mapping[Hostility, Callable[[Draft], None]] = {
    Hostility.WRONG_CHAIN: _set("domain", "chainId", to=1),
    Hostility.OTHER_CONTRACT: _set("domain", "verifyingContract", to=THIEF),
    Hostility.OTHER_RECEIVER: _set(*_ADDRESSES, "receiver", to=THIEF),
    Hostility.OTHER_REFUND: _set(*_ADDRESSES, "cancellationReceiver", to=THIEF),
    Hostility.FEE_RECEIVER: _set(*_ADDRESSES, "uiFeeReceiver", to=THIEF),
    Hostility.CALLBACK: _set(*_ADDRESSES, "callbackContract", to=THIEF),
    Hostility.LARGER_AMOUNT: _times(*_NUMBERS, "initialCollateralDeltaAmount", factor=10),
    Hostility.LARGER_SIZE: _times(*_NUMBERS, "sizeDeltaUsd", factor=10),
    Hostility.OTHER_MARKET: _set(*_ADDRESSES, "market", to=THIEF),
    Hostility.OTHER_DIRECTION: _other_direction,
    Hostility.OTHER_TYPE: _set("order", "orderType", to=0),
    Hostility.WORSE_PRICE: _worse_price,
    Hostility.REFERRAL: _set("order", "referralCode", to="0x" + "11" * 32),
    Hostility.RELAY_FEE: _set("relay", "fee", "feeAmount", to=str(500 * 10**6)),
    Hostility.EXECUTION_FEE: _set(*_NUMBERS, "executionFee", to=str(10**18)),
    Hostility.LONG_DEADLINE: _times("relay", "deadline", factor=2),
    Hostility.EXTRA_CALL: _extra_call,
}
_MESSAGES: Mapping[Hostility, Callable[[Draft], None]] = {
    Hostility.EXTRA_FIELD: _extra_field,
    Hostility.EXTRA_ORDER: _extra_order,
    Hostility.CANCELS: _cancels,
    Hostility.OTHER_ACCOUNT: _set("message", "account", to=THIEF),
    Hostility.RELAY_BESIDE: _set("relay", "userNonce", to="7"),
    Hostility.BATCH_BESIDE: _batch_beside,
}
