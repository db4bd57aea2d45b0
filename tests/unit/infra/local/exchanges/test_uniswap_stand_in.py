"""The stand-in itself: pool maths, contracts that refuse, an API that answers."""

import json
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from infra.local.exchanges.chain.world import Context, ReversionError
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.uniswap.calls import THIEF, CallTerms, Style, write_call
from infra.local.exchanges.uniswap.exchange import API_KEY, UniswapExchange
from infra.local.exchanges.uniswap.permit2 import PERMIT2
from infra.local.exchanges.uniswap.pools import amount_in, amount_out
from infra.venues.evm.abi import Call, revert_of
from infra.venues.spot.refusals import ERRORS
from infra.venues.spot.tokens import token_book
from tests.builders import NOON

KEY = "0x" + "00" * 31 + "02"
WALLET = "0x2b5ad5c4795c026514f8317c7a215e218dccd6cf"
BOOK = token_book("mainnet")
USDC = BOOK.quote.address.lower()
WETH = "0x82af49447d8a07e3bd95bd0d56f35241523fbab1"
DEADLINE = int((NOON + timedelta(seconds=30)).timestamp())


def test_pool_when_an_input_is_exact_then_the_output_is_the_published_formula() -> None:
    # 1 of a pool of 100 : 100, all in 1e18: 997 * 100e18 / (100e18 * 1000 + 997 * 1e18) * 1e18
    assert amount_out(10**18, 100 * 10**18, 100 * 10**18) == 987_158_034_397_061_298
    random = Random(5)
    for _ in range(1_000):
        first, second = random.randrange(10**6, 10**30), random.randrange(10**6, 10**30)
        paid = random.randrange(1, first)
        got = amount_out(paid, first, second)
        assert got == paid * 997 * second // (first * 1000 + paid * 997)
        assert (first + paid) * (second - got) >= first * second
        if got:
            cost = amount_in(got, first, second)
            assert cost is not None
            assert cost <= paid + 1
            assert amount_out(cost, first, second) >= got
    assert amount_in(100, 50, 100) is None


def an_exchange(**options: Any) -> UniswapExchange:
    exchange = UniswapExchange(BOOK, start=NOON, prices={"ETH": "3000"}, **options)
    exchange.open_account(WALLET, {"USDC": "10000", "ETH": "2"})
    return exchange


def post(exchange: UniswapExchange, path: str, body: object, *, key: str = API_KEY) -> ApiAnswer:
    request = ApiRequest(
        method="POST",
        path=f"/v1/{path}",
        headers={"x-api-key": key},
        body=json.dumps(body).encode(),
    )
    return exchange.process(request, NOON, None)


def a_quote_body(**changes: Any) -> dict[str, Any]:
    return {
        "type": "EXACT_INPUT",
        "amount": str(10**18),
        "tokenIn": WETH,
        "tokenOut": USDC,
        "tokenInChainId": 42161,
        "tokenOutChainId": 42161,
        "swapper": WALLET,
        "slippageTolerance": 0.5,
    } | changes


def signed(answer: dict[str, Any]) -> str:
    permit = answer["permitData"]
    values = permit["values"]
    details = {
        name: int(value) if name != "token" else value for name, value in values["details"].items()
    }
    message = encode_typed_data(
        full_message={
            "types": permit["types"]
            | {
                "EIP712Domain": [
                    {"name": "name", "type": "string"},
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ]
            },
            "primaryType": "PermitSingle",
            "domain": permit["domain"],
            "message": {
                "details": details,
                "spender": values["spender"],
                "sigDeadline": int(values["sigDeadline"]),
            },
        }
    )
    return "0x" + bytes(Account.sign_message(message, KEY).signature).hex()


def test_quote_and_swap_when_asked_then_a_call_that_the_router_runs_to_the_unit() -> None:
    exchange = an_exchange()
    quoted: Any = post(exchange, "quote", a_quote_body()).body
    assert quoted["routing"] == "CLASSIC"
    body = {
        "quote": quoted["quote"],
        "permitData": quoted["permitData"],
        "signature": signed(quoted),
        "deadline": DEADLINE,
    }
    answer: Any = post(exchange, "swap", body).body
    call = Call(answer["swap"]["to"], bytes.fromhex(answer["swap"]["data"][2:]))
    before = exchange.balance(WALLET, "USDC")
    exchange.chain.world.run(call, Context(exchange.chain.world, WALLET, NOON, 1))
    got = exchange.balance(WALLET, "USDC") - before
    assert got == Decimal(quoted["quote"]["output"]["amount"]).scaleb(-6)
    assert exchange.balance(WALLET, "ETH") == 1


def run(exchange: UniswapExchange, terms: CallTerms, at_s: int = 0) -> str:
    """The name or text of the refusal; "" when it ran."""
    world, router = exchange.chain.world, exchange._router
    now = NOON + timedelta(seconds=at_s)
    try:
        world.run(Call(router, write_call(terms, None, b"")), Context(world, WALLET, now, 1))
    except ReversionError as error:
        revert = revert_of(error.data, ERRORS)
        return revert.name or revert.text
    return ""


def terms(**changes: Any) -> CallTerms:
    sale = CallTerms(
        wallet=WALLET,
        path=(WETH, USDC),
        exact_output=False,
        exact=10**18,
        limit=1,
        deadline=DEADLINE,
    )
    return sale.changed(**changes)


@pytest.mark.parametrize(
    ("changes", "at_s", "refusal"),
    [
        ({}, 31, "TransactionDeadlinePassed"),
        ({"limit": 3_000_000_000}, 0, "V3TooLittleReceived"),
        ({"limit": 3_000_000_000, "style": Style.V2}, 0, "V2TooLittleReceived"),
        ({"limit": 3_000_000_000, "style": Style.SPLIT}, 0, "InsufficientToken"),
        ({"path": (USDC, WETH), "exact_output": True, "limit": 1}, 0, "V3TooMuchRequested"),
        ({"exact": 3 * 10**18}, 0, "ERC20: transfer amount exceeds balance"),
        ({}, 0, ""),
    ],
)
def test_router_when_the_terms_do_not_hold_then_it_reverts_with_the_real_ones_error(
    changes: dict[str, Any], at_s: int, refusal: str
) -> None:
    exchange = an_exchange()
    exchange.permit_for_good(WALLET, "ETH")
    exchange.permit_for_good(WALLET, "USDC")
    assert run(exchange, terms(**changes), at_s) == refusal


def test_router_when_nothing_is_permitted_then_it_reverts() -> None:
    assert run(an_exchange(), terms()) == "AllowanceExpired"


def test_permit_when_signed_by_another_or_late_or_again_then_refused() -> None:
    exchange = an_exchange()
    quoted: Any = post(exchange, "quote", a_quote_body()).body
    permit2 = exchange.permit2()
    values = quoted["permitData"]["values"]
    details = values["details"]
    single = (
        (WETH, int(details["amount"]), int(details["expiration"]), 0),
        values["spender"],
        int(values["sigDeadline"]),
    )
    signature = bytes.fromhex(signed(quoted)[2:])
    late = NOON + timedelta(hours=1)
    for owner, given, now, refusal in (
        (THIEF, signature, NOON, "InvalidSigner"),
        (WALLET, b"\0" * 65, NOON, "InvalidSigner"),
        (WALLET, signature, late, "SignatureExpired"),
        (WALLET, signature, NOON, ""),
        (WALLET, signature, NOON, "InvalidNonce"),
    ):
        try:
            permit2.permit(owner, single, given, now)
            told = ""
        except ReversionError as error:
            told = revert_of(error.data, ERRORS).name
        assert told == refusal


def test_api_when_the_request_is_wrong_then_its_own_kind_of_error() -> None:
    exchange = an_exchange(per_second=100)
    for path, body, status, code in (
        ("quote", a_quote_body(amount="0"), 400, "VALIDATION_ERROR"),
        ("quote", a_quote_body(slippageTolerance=0.123), 400, "VALIDATION_ERROR"),
        ("quote", a_quote_body(tokenInChainId=1), 400, "VALIDATION_ERROR"),
        ("quote", a_quote_body(tokenIn="0x" + "77" * 20), 404, "ResourceNotFound"),
        ("quote", {}, 400, "VALIDATION_ERROR"),
        ("quote", [], 400, "VALIDATION_ERROR"),
        ("swap", {"quote": {"quoteId": "q-9"}}, 400, "QUOTE_EXPIRED"),
        ("check_approval", {}, 400, "VALIDATION_ERROR"),
    ):
        answer = post(exchange, path, body)
        told: Any = answer.body
        assert (answer.status, told["errorCode"]) == (status, code)
    assert post(exchange, "quote", a_quote_body(), key="wrong").status == 401


def test_api_when_over_its_limit_then_429_until_the_next_second() -> None:
    exchange = an_exchange(per_second=3)
    answers = [post(exchange, "quote", a_quote_body()).status for _ in range(4)]
    assert answers == [200, 200, 200, 429]


def test_api_when_told_to_refuse_an_order_then_it_does_in_its_own_form() -> None:
    exchange = an_exchange()
    request = ApiRequest(
        method="POST",
        path="/v1/quote",
        headers={"x-api-key": API_KEY},
        body=json.dumps(a_quote_body()).encode(),
    )
    answer = exchange.process(request, NOON, Fault(FaultKind.ORDER_ERROR, message="no"))
    assert answer.status == 400
    assert answer.body == {"errorCode": "VALIDATION_ERROR", "detail": "no", "id": "r"}


def test_approval_when_missing_then_the_transaction_that_gives_it() -> None:
    exchange = UniswapExchange(BOOK, start=NOON, prices={"ETH": "3000"})
    exchange.open_account(WALLET, {"ETH": "1"}, approve=False)
    body = {"walletAddress": WALLET, "token": WETH, "amount": "5", "chainId": 42161}
    told: Any = post(exchange, "check_approval", body).body
    assert told["approval"]["to"] == WETH
    data = bytes.fromhex(told["approval"]["data"][2:])
    exchange.chain.world.run(Call(WETH, data), Context(exchange.chain.world, WALLET, NOON, 1))
    again: Any = post(exchange, "check_approval", body).body
    assert again["approval"] is None
    assert exchange.erc20(BOOK.tokens[1]).allowances[WALLET, PERMIT2] == 2**256 - 1


def test_seed_when_another_then_other_depths_and_the_same_seed_the_same() -> None:
    def offered(seed: int) -> object:
        answer: Any = post(an_exchange(seed=seed), "quote", a_quote_body()).body
        return answer["quote"]["output"]["amount"]

    assert offered(1) == offered(1)
    assert offered(1) != offered(2)
