"""A quote and a permit must say what was asked, field by field."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from common.errors import InvalidInputError, RejectedError
from infra.venues.spot.permit import PERMIT2, ROUTERS, TYPES, check_permit
from infra.venues.spot.quote import Quote, parse_quote, quote_request, tighter_slippage
from infra.venues.spot.swap import EXACT_INPUT, EXACT_OUTPUT, Swap
from infra.venues.spot.tokens import ARBITRUM, CURATED, USDC
from tests.builders import NOON

WALLET = "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"
KEY = "0x" + "00" * 31 + "02"
OTHER = "0x6813Eb9362372EEF6200f3b1dbC3f819671cBA69"
ROUTER = ROUTERS[ARBITRUM][0]
NOW_S = int(NOON.timestamp())
WETH = next(token for token in CURATED if token.trades_as == "ETH")

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
BUY = Swap(
    chain_id=ARBITRUM,
    wallet=WALLET,
    token_in=USDC,
    token_out=WETH,
    kind=EXACT_OUTPUT,
    amount=10**18,
    bound=3_015_000_000,
    deadline=NOW_S + 30,
)


def an_answer(swap: Swap, other: int, *, slippage: float = 0.2) -> dict[str, Any]:
    paid, got = (other, swap.amount) if swap.buys else (swap.amount, other)
    return {
        "requestId": "r-1",
        "routing": "CLASSIC",
        "permitData": None,
        "quote": {
            "chainId": swap.chain_id,
            "tradeType": swap.kind,
            "swapper": WALLET.lower(),
            "slippage": slippage,
            "input": {"token": swap.token_in.address, "amount": str(paid)},
            "output": {"token": swap.token_out.address, "amount": str(got), "recipient": WALLET},
        },
    }


def read(answer: object, swap: Swap, slippage: str = "0.2") -> Quote:
    return parse_quote(answer, swap, slippage=Decimal(slippage), asked_at=NOON)


def changed(path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(answer: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        place = answer
        for parent in parents:
            place = place[parent]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return change


def test_quote_when_as_asked_then_amounts_and_its_life() -> None:
    sold = read(an_answer(SELL, 2_999_000_000), SELL)
    assert (sold.amount_in, sold.amount_out) == (10**18, 2_999_000_000)
    assert sold.expires_at == NOON + timedelta(seconds=30)
    bought = read(an_answer(BUY, 3_001_000_000), BUY)
    assert (bought.amount_in, bought.amount_out) == (3_001_000_000, 10**18)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("quote.chainId", 1),
        ("quote.tradeType", EXACT_OUTPUT),
        ("quote.swapper", OTHER),
        ("quote.slippage", 0.21),
        ("quote.slippage", float("nan")),
        ("quote.slippage", "0.2"),
        ("quote.slippage", ...),
        ("quote.portionBips", 30),
        ("quote.input.token", USDC.address),
        ("quote.output.token", WETH.address),
        ("quote.output.recipient", OTHER),
        ("quote.output.recipient", ...),
        ("quote.input.amount", str(10**18 + 1)),
        ("quote.input.amount", str(10**17)),
        ("quote.aggregatedOutputs", [{"recipient": WALLET}, {"recipient": OTHER}]),
    ],
)
def test_quote_when_a_field_differs_from_what_was_asked_then_rejected(
    path: str, value: object
) -> None:
    answer = an_answer(SELL, 2_999_000_000)
    changed(path, value)(answer)
    with pytest.raises(RejectedError) as caught:
        read(answer, SELL)
    assert caught.value.code == "QUOTE_DIFFERS"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("quote.output.amount", "0"),
        ("quote.output.amount", "-5"),
        ("quote.output.amount", "1e9"),
        ("quote.output.amount", 2.5),
        ("quote.output.amount", True),
        ("quote.output.amount", "9" * 79),
        ("quote.output.amount", ...),
        ("quote.input", []),
        ("quote", "CLASSIC"),
        ("routing", ...),
        ("permitData", "none"),
    ],
)
def test_quote_when_not_the_shape_of_one_then_invalid(path: str, value: object) -> None:
    answer = an_answer(SELL, 2_999_000_000)
    changed(path, value)(answer)
    with pytest.raises(InvalidInputError):
        read(answer, SELL)


@pytest.mark.parametrize("routing", ["DUTCH_V2", "DUTCH_V3", "PRIORITY", "BRIDGE", "WRAP", "X"])
def test_quote_when_not_classic_then_rejected_with_its_own_code(routing: str) -> None:
    answer = an_answer(SELL, 2_999_000_000) | {"routing": routing}
    with pytest.raises(RejectedError) as caught:
        read(answer, SELL)
    assert caught.value.code == "ROUTING_NOT_SUPPORTED"


@pytest.mark.parametrize(("swap", "other"), [(SELL, 2_984_999_999), (BUY, 3_015_000_001)])
def test_quote_when_beyond_the_bound_then_not_filled(swap: Swap, other: int) -> None:
    with pytest.raises(RejectedError) as caught:
        read(an_answer(swap, other), swap)
    assert caught.value.code == "NOT_FILLED_WITHIN_BOUND"


@pytest.mark.parametrize(
    ("swap", "other", "tighter"),
    [
        (SELL, 2_999_000_000, None),
        (SELL, 2_988_000_000, Decimal("0.10")),
        (SELL, 2_985_000_000, Decimal("0.00")),
        (BUY, 3_001_000_000, None),
        (BUY, 3_012_000_000, Decimal("0.09")),
    ],
)
def test_slippage_when_it_would_pass_the_bound_then_just_what_fits(
    swap: Swap, other: int, tighter: Decimal | None
) -> None:
    quote = read(an_answer(swap, other), swap)
    assert tighter_slippage(quote, swap) == tighter
    if tighter is not None:
        again = read(an_answer(swap, other, slippage=float(tighter)), swap, str(tighter))
        assert tighter_slippage(again, swap) is None


def test_quote_request_when_written_then_exact_permit_and_pools_alone() -> None:
    body = quote_request(BUY, Decimal("0.2"))
    assert body["permitAmount"] == "EXACT"
    assert body["protocols"] == ["V2", "V3"]
    assert (body["type"], body["amount"]) == (EXACT_OUTPUT, str(10**18))
    assert body["generatePermitAsTransaction"] is False


# ---------------------------------------------------------------------------------------- permit


def a_permit(**details: Any) -> dict[str, Any]:
    return {
        "domain": {"name": "Permit2", "chainId": ARBITRUM, "verifyingContract": PERMIT2},
        "types": {name: TYPES[name] for name in ("PermitSingle", "PermitDetails")},
        "values": {
            "details": {
                "token": WETH.address,
                "amount": str(SELL.amount),
                "expiration": str(NOW_S + 30 * 86_400),
                "nonce": "7",
            }
            | details,
            "spender": ROUTER,
            "sigDeadline": str(NOW_S + 1800),
        },
    }


def check(permit: dict[str, Any]) -> Any:
    return check_permit(permit, SELL, pays=SELL.amount, nonce=7, now=NOON)


def test_permit_when_as_needed_then_signed_for_permit2_by_its_own_types() -> None:
    permit = check(a_permit())
    assert (permit.amount, permit.nonce, permit.spender) == (10**18, 7, ROUTER)
    message = encode_typed_data(full_message=permit.typed_data(ARBITRUM))
    signed = Account.sign_message(message, KEY)
    assert Account.recover_message(message, signature=signed.signature) == WALLET
    # The type hash of Uniswap/permit2, PermitHash.sol: _PERMIT_SINGLE_TYPEHASH's preimage.
    from eth_utils.crypto import keccak

    preimage = (
        b"PermitSingle(PermitDetails details,address spender,uint256 sigDeadline)"
        b"PermitDetails(address token,uint160 amount,uint48 expiration,uint48 nonce)"
    )
    assert message.body is not None
    from eth_account._utils.encode_typed_data.encoding_and_hashing import hash_type

    types = {name: TYPES[name] for name in ("PermitSingle", "PermitDetails")}
    assert hash_type("PermitSingle", types) == keccak(preimage)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("domain.name", "Permit3"),
        ("domain.chainId", 1),
        ("domain.chainId", str(ARBITRUM)),
        ("domain.verifyingContract", OTHER),
        ("domain.salt", "0x00"),
        ("domain.version", "1"),
        ("types.PermitDetails", TYPES["PermitDetails"][:3]),
        ("types.PermitSingle", []),
        ("types.Extra", [{"name": "x", "type": "address"}]),
        ("values.details.token", USDC.address),
        ("values.details.amount", str(SELL.amount - 1)),
        ("values.details.amount", str(2 * SELL.amount + 1)),
        ("values.details.amount", str(2**160 - 1)),
        ("values.details.expiration", str(NOW_S)),
        ("values.details.expiration", str(NOW_S + 31 * 86_400)),
        ("values.details.expiration", str(2**48 - 1)),
        ("values.details.nonce", "8"),
        ("values.details.nonce", 6),
        ("values.spender", OTHER),
        ("values.spender", PERMIT2),
        ("values.spender", ...),
        ("values.sigDeadline", str(NOW_S - 1)),
        ("values.sigDeadline", str(NOW_S + 3601)),
    ],
)
def test_permit_when_a_field_differs_from_what_is_needed_then_never_signed(
    path: str, value: object
) -> None:
    permit = a_permit()
    changed(path, value)(permit)
    with pytest.raises(RejectedError) as caught:
        check(permit)
    assert caught.value.code == "PERMIT_DIFFERS"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("domain", None),
        ("types", []),
        ("values", ...),
        ("values.details", "x"),
        ("values.details.amount", str(2**160)),
        ("values.details.amount", "0x10"),
        ("values.details.nonce", None),
        ("values.sigDeadline", None),
    ],
)
def test_permit_when_not_the_shape_of_one_then_invalid(path: str, value: object) -> None:
    permit = a_permit()
    changed(path, value)(permit)
    with pytest.raises(InvalidInputError):
        check(permit)
