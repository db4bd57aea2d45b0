"""The router's call is read command by command before it is signed."""

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode

from common.errors import RejectedError
from infra.venues.spot.calldata import ADDRESS_THIS, EXECUTE, MSG_SENDER, check_call
from infra.venues.spot.permit import ROUTERS, Permit
from infra.venues.spot.swap import EXACT_INPUT, EXACT_OUTPUT, Swap
from infra.venues.spot.tokens import ARBITRUM, CURATED, USDC
from infra.venues.spot.transaction import check_transaction

WALLET = "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"
OTHER = "0x6813Eb9362372EEF6200f3b1dbC3f819671cBA69"
ROUTER = ROUTERS[ARBITRUM][0]
NOW_S = 1_768_478_400
SIGNATURE = bytes(range(65))
WETH, ARB = (next(token for token in CURATED if token.trades_as == name) for name in ("ETH", "ARB"))
SELL = Swap(
    chain_id=ARBITRUM,
    wallet=WALLET,
    token_in=WETH,
    token_out=USDC,
    kind=EXACT_INPUT,
    amount=10**18,
    bound=2_985_000_000,
    deadline=NOW_S + 30,
)
BUY = replace(
    SELL, token_in=USDC, token_out=WETH, kind=EXACT_OUTPUT, amount=10**18, bound=3_015_000_000
)
PERMIT = Permit(
    token=WETH.address,
    amount=10**18,
    expiration=NOW_S + 86_400,
    nonce=7,
    spender=ROUTER,
    sig_deadline=NOW_S + 1800,
)

Command = tuple[int, bytes]


def raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])


def v3(first: str, last: str, *, hops: tuple[str, ...] = (), fee: int = 3000) -> bytes:
    path = raw(first)
    for token in (*hops, last):
        path += fee.to_bytes(3, "big") + raw(token)
    return path


def swap_v3(
    first: int,
    second: int,
    *,
    path: bytes | None = None,
    recipient: str = MSG_SENDER,
    payer: bool = True,
    command: int = 0x00,
) -> Command:
    ends = v3(WETH.address, USDC.address)  # an exact output's path begins with what it buys
    types = ["address", "uint256", "uint256", "bytes", "bool"]
    return command, encode(types, [recipient, first, second, path or ends, payer])


def swap_v2(
    first: int,
    second: int,
    *,
    path: tuple[str, ...] = (WETH.address, USDC.address),
    recipient: str = MSG_SENDER,
    command: int = 0x08,
) -> Command:
    types = ["address", "uint256", "uint256", "address[]", "bool"]
    return command, encode(types, [recipient, first, second, path, True])


def permit(one: Permit = PERMIT, *, signature: bytes = SIGNATURE, command: int = 0x0A) -> Command:
    details = (one.token, one.amount, one.expiration, one.nonce)
    single = (details, one.spender, one.sig_deadline)
    types = ["((address,uint160,uint48,uint48),address,uint256)", "bytes"]
    return command, encode(types, [single, signature])


def sweep(least: int, *, token: str = USDC.address, recipient: str = WALLET) -> Command:
    return 0x04, encode(["address", "address", "uint256"], [token, recipient, least])


def call(*commands: Command, deadline: int = NOW_S + 30) -> bytes:
    numbers = bytes(number for number, _ in commands)
    payloads = [payload for _, payload in commands]
    return EXECUTE + encode(["bytes", "bytes[]", "uint256"], [numbers, payloads, deadline])


def check(data: bytes, swap: Swap = SELL, signed: Permit | None = None) -> int:
    return check_call(data, swap, permit=signed, signature=SIGNATURE, now_s=NOW_S)


MIN = 2_990_000_000
HALF = 5 * 10**17


@pytest.mark.parametrize(
    ("commands", "guaranteed"),
    [
        ([swap_v3(10**18, MIN)], MIN),
        ([swap_v3(10**18, MIN, recipient=WALLET)], MIN),
        ([swap_v2(10**18, MIN)], MIN),
        ([swap_v2(10**18, MIN, path=(WETH.address, ARB.address, USDC.address))], MIN),
        ([swap_v3(10**18, MIN, path=v3(WETH.address, USDC.address, hops=(ARB.address,)))], MIN),
        ([swap_v3(HALF, MIN // 2), swap_v2(HALF, MIN // 2)], MIN),
        (
            [
                swap_v3(HALF, 0, recipient=ADDRESS_THIS),
                swap_v2(HALF, 0, recipient=ADDRESS_THIS),
                sweep(MIN),
            ],
            MIN,
        ),
    ],
)
def test_sale_when_its_call_keeps_the_terms_then_what_it_guarantees(
    commands: list[Command], guaranteed: int
) -> None:
    assert check(call(*commands)) == guaranteed


def test_sale_when_the_permit_is_the_signed_one_then_accepted() -> None:
    assert check(call(permit(), swap_v3(10**18, MIN)), signed=PERMIT) == MIN
    may_revert = permit(command=0x8A)  # then the swap fails for want of it, and nothing is lost
    assert check(call(may_revert, swap_v3(10**18, MIN)), signed=PERMIT) == MIN


def test_purchase_when_its_call_keeps_the_terms_then_the_most_it_pays() -> None:
    cost = 3_001_000_000
    assert check(call(swap_v3(10**18, cost, command=0x01)), BUY) == cost
    backwards = (USDC.address, WETH.address)
    assert check(call(swap_v2(10**18, cost, path=backwards, command=0x09)), BUY) == cost


STRANGE: dict[str, tuple[Any, Swap, Permit | None]] = {
    "other recipient": (call(swap_v3(10**18, MIN, recipient=OTHER)), SELL, None),
    "kept, never swept": (call(swap_v3(10**18, MIN, recipient=ADDRESS_THIS)), SELL, None),
    "swept elsewhere": (
        call(swap_v3(10**18, MIN, recipient=ADDRESS_THIS), sweep(MIN, recipient=OTHER)),
        SELL,
        None,
    ),
    "sweeps another token": (
        call(swap_v3(10**18, MIN, recipient=ADDRESS_THIS), sweep(MIN, token=ARB.address)),
        SELL,
        None,
    ),
    "sweeps too little": (
        call(swap_v3(10**18, 0, recipient=ADDRESS_THIS), sweep(SELL.bound - 1)),
        SELL,
        None,
    ),
    "sweeps too early": (
        call(sweep(MIN), swap_v3(10**18, MIN, recipient=ADDRESS_THIS)),
        SELL,
        None,
    ),
    "guarantees too little": (call(swap_v3(10**18, SELL.bound - 1)), SELL, None),
    "larger amount": (call(swap_v3(10**18 + 1, MIN)), SELL, None),
    "smaller amount": (call(swap_v3(10**17, MIN)), SELL, None),
    "sells twice": (call(swap_v3(10**18, MIN), swap_v3(10**18, MIN)), SELL, None),
    "router pays": (call(swap_v3(10**18, MIN, payer=False)), SELL, None),
    "buys another token": (
        call(swap_v3(10**18, MIN, path=v3(WETH.address, ARB.address))),
        SELL,
        None,
    ),
    "sells another token": (
        call(swap_v3(10**18, MIN, path=v3(ARB.address, USDC.address))),
        SELL,
        None,
    ),
    "path cut": (call(swap_v3(10**18, MIN, path=raw(WETH.address) + b"\0" * 22)), SELL, None),
    "five hops": (
        call(
            swap_v3(10**18, MIN, path=v3(WETH.address, USDC.address, hops=(ARB.address,) * 4)),
        ),
        SELL,
        None,
    ),
    "one token path": (call(swap_v2(10**18, MIN, path=(WETH.address,))), SELL, None),
    "exact output for a sale": (call(swap_v3(10**18, MIN, command=0x01)), SELL, None),
    "exact input for a purchase": (call(swap_v3(10**18, MIN)), BUY, None),
    "pays over the bound": (call(swap_v3(10**18, BUY.bound + 1, command=0x01)), BUY, None),
    "buys less": (call(swap_v3(10**18 - 1, MIN, command=0x01)), BUY, None),
    "forward path for an output": (
        call(swap_v3(10**18, MIN, path=v3(USDC.address, WETH.address), command=0x01)),
        BUY,
        None,
    ),
    "permit never asked": (call(permit(), swap_v3(10**18, MIN)), SELL, None),
    "permit not handed in": (call(swap_v3(10**18, MIN)), SELL, PERMIT),
    "permit twice": (call(permit(), permit(), swap_v3(10**18, MIN)), SELL, PERMIT),
    "permit after": (call(swap_v3(10**18, MIN), permit()), SELL, PERMIT),
    "unlimited permit": (
        call(permit(replace(PERMIT, amount=2**160 - 1)), swap_v3(10**18, MIN)),
        SELL,
        PERMIT,
    ),
    "permit for another": (
        call(permit(replace(PERMIT, spender=OTHER)), swap_v3(10**18, MIN)),
        SELL,
        PERMIT,
    ),
    "other signature": (
        call(permit(signature=b"\1" * 65), swap_v3(10**18, MIN)),
        SELL,
        PERMIT,
    ),
    "swap may fail alone": (call(swap_v3(10**18, MIN, command=0x80)), SELL, None),
    "transfer": (
        call(
            swap_v3(10**18, MIN),
            (0x05, encode(["address", "address", "uint256"], [USDC.address, OTHER, 1])),
        ),
        SELL,
        None,
    ),
    "pay portion": (call(swap_v3(10**18, MIN), (0x06, b"")), SELL, None),
    "unwrap": (
        call(swap_v3(10**18, MIN), (0x0C, encode(["address", "uint256"], [WALLET, 1]))),
        SELL,
        None,
    ),
    "V4": (call((0x10, b"")), SELL, None),
    "sub plan": (call((0x21, b"")), SELL, None),
    "no command": (call(), SELL, None),
    "deadline later": (call(swap_v3(10**18, MIN), deadline=NOW_S + 31), SELL, None),
    "deadline over": (call(swap_v3(10**18, MIN), deadline=NOW_S), SELL, None),
    "without deadline": (bytes.fromhex("24856bc3") + b"\0" * 64, SELL, None),
    "a transfer": (
        bytes.fromhex("a9059cbb") + encode(["address", "uint256"], [OTHER, 1]),
        SELL,
        None,
    ),
    "cut": (call(swap_v3(10**18, MIN))[:-40], SELL, None),
    "more behind": (call(swap_v3(10**18, MIN)) + b"\0" * 32, SELL, None),
    "huge": (call(swap_v3(10**18, MIN)) + b"\0" * 20_000, SELL, None),
    "payload cut": (call((0x00, swap_v3(10**18, MIN)[1][:-32])), SELL, None),
    "payload longer": (call((0x00, swap_v3(10**18, MIN)[1] + b"\0" * 32)), SELL, None),
    "empty": (EXECUTE, SELL, None),
    "another function": (b"\1\2\3\4" + call(swap_v3(10**18, MIN))[4:], SELL, None),
    "seventeen commands": (call(*[swap_v3(10**18, MIN)] * 17), SELL, None),
    "swept, then swapped": (
        call(
            swap_v3(HALF, 0, recipient=ADDRESS_THIS),
            sweep(MIN),
            swap_v3(HALF, 0, recipient=ADDRESS_THIS),
        ),
        SELL,
        None,
    ),
    "kept beside a minimum": (
        call(swap_v3(HALF, MIN), swap_v3(HALF, 0, recipient=ADDRESS_THIS)),
        SELL,
        None,
    ),
    "inputs missing": (
        EXECUTE + encode(["bytes", "bytes[]", "uint256"], [b"\0\0", [b""], NOW_S + 9]),
        SELL,
        None,
    ),
}


PHRASES = {  # where two checks would refuse, the one that is meant
    "huge": "bytes",
    "another function": "not execute",
    "without deadline": "not execute",
    "inputs missing": "2 commands and 1 inputs",
    "seventeen commands": "17 commands",
    "no command": "0 commands",
    "one token path": "over 1 tokens",
    "swept, then swapped": "after the sweep",
    "kept, never swept": "in the router",
    "kept beside a minimum": "in the router",
}


@pytest.mark.parametrize("name", STRANGE)
def test_call_when_it_does_anything_else_then_refused_before_signing(name: str) -> None:
    data, swap, signed = STRANGE[name]
    with pytest.raises(RejectedError) as caught:
        check(data, swap, signed)
    assert caught.value.code == "CALL_DIFFERS"
    assert PHRASES.get(name, "") in caught.value.message


def test_call_when_it_only_hands_in_the_permit_then_refused() -> None:
    with pytest.raises(RejectedError, match="no swap in it"):
        check(call(permit()), signed=PERMIT)


# ----------------------------------------------------------------------------- the transaction


def a_transaction(**changes: Any) -> dict[str, Any]:
    return {
        "to": ROUTER.lower(),
        "from": WALLET,
        "data": "0x3593564c",
        "value": "0x00",
        "chainId": ARBITRUM,
        "gasLimit": "250000",
        "maxFeePerGas": "100000000",
    } | changes


def test_transaction_when_its_frame_is_right_then_router_and_data() -> None:
    made = check_transaction(a_transaction(), SELL)
    assert (made.to, made.data) == (ROUTER, EXECUTE)
    assert check_transaction(a_transaction(gasLimit=None, value=0), SELL) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"to": OTHER},
        {"to": None},
        {"to": USDC.address},
        {"from": OTHER},
        {"chainId": 1},
        {"chainId": str(ARBITRUM)},
        {"chainId": None},
        {"value": "1"},
        {"value": "0x01"},
        {"value": None},
        {"value": "-1"},
        {"value": 0.0},
        {"gasLimit": "5000001"},
        {"gasLimit": "20999"},
        {"gasLimit": "much"},
        {"data": "0x"},
        {"data": ""},
        {"data": "3593564c"},
        {"data": "0x3593564"},
        {"data": "0xzz"},
        {"data": None},
        {"data": "0x" + "00" * 30_000},
    ],
)
def test_transaction_when_a_field_of_its_frame_differs_then_refused(
    changes: dict[str, Any],
) -> None:
    with pytest.raises(RejectedError) as caught:
        check_transaction(a_transaction(**changes), SELL)
    assert caught.value.code == "TRANSACTION_DIFFERS"
