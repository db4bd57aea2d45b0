"""The stand-in of GMX by itself: it checks what it is given, and trades by the clock."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount

from infra.local.exchanges.exchange import ApiRequest
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.gmx.exchange import GmxExchange
from tests.builders import NOON

OWNER: LocalAccount = Account.from_key("0x" + "31" * 32)
STRANGER: LocalAccount = Account.from_key("0x" + "32" * 32)
WALLET = OWNER.address.lower()
DOMAIN = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
ORDER = {
    "kind": "increase",
    "symbol": "ETH/USD [WETH-USDC]",
    "direction": "long",
    "orderType": "market",
    "size": str(1500 * 10**30),
    "collateralToken": "USDC",
    "collateralToPay": {"token": "USDC", "amount": str(1500 * 10**6)},
    "slippage": 50,
    "mode": "express",
    "from": OWNER.address,
}


def post(
    exchange: GmxExchange, path: str, body: object, at: datetime = NOON, fault: Fault | None = None
) -> tuple[int, Any]:
    request = ApiRequest(
        method="POST", path=f"/v1/orders/txns/{path}", body=json.dumps(body).encode()
    )
    answer = exchange.process(request, at, fault)
    return answer.status, json.loads(answer.encoded())


def numbers(value: object) -> Any:
    """As a wallet reads them: decimal text as numbers."""
    if isinstance(value, dict):
        return {name: numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [numbers(each) for each in value]
    return int(value) if isinstance(value, str) and value.isdigit() else value


def submission(prepared: dict[str, Any], key: LocalAccount = OWNER) -> dict[str, Any]:
    """Signed with the server's own types, by nothing of ours but the key."""
    typed = prepared["payload"]["typedData"]
    full = {
        "types": {"EIP712Domain": DOMAIN, **typed["types"]},
        "primaryType": "Batch",
        "domain": typed["domain"],
        "message": numbers(typed["message"]),
    }
    signed = key.sign_message(encode_typed_data(full_message=full))
    return {
        "mode": "express",
        "requestId": prepared["requestId"],
        "signature": "0x" + signed.signature.hex(),
        "from": OWNER.address,
        "eip712Data": {
            "batchParams": prepared["payload"]["batchParams"],
            "relayParams": prepared["payload"]["relayParams"],
        },
    }


def exchange_with(amount: int = 10_000) -> GmxExchange:
    exchange = GmxExchange()
    exchange.deposit(WALLET, amount)
    return exchange


def prepared_by(exchange: GmxExchange, **changes: object) -> dict[str, Any]:
    status, answer = post(exchange, "prepare", ORDER | changes)
    assert status == 200
    prepared: dict[str, Any] = answer
    return prepared


def state(exchange: GmxExchange, request_id: str, seconds: float) -> str:
    at = NOON + timedelta(seconds=seconds)
    return str(post(exchange, "status", {"requestId": request_id}, at)[1]["status"])


def test_order_when_time_passes_then_from_the_relay_to_the_keeper() -> None:
    exchange = exchange_with()
    prepared = prepared_by(exchange)
    request_id = prepared["requestId"]
    assert state(exchange, request_id, 0) == "prepared"

    post(exchange, "submit", submission(prepared))

    seen = [state(exchange, request_id, after) for after in (0, 0.6, 1.5, 2.9, 3.1)]
    assert seen == ["relay_accepted", "relay_submitted", "created", "created", "executed"]
    (fill,) = exchange.fills()
    assert (fill.symbol, fill.side, fill.qty, fill.price) == (
        "ETH",
        "BUY",
        Decimal("0.5"),
        Decimal(3000),
    )
    assert exchange.position(WALLET, "ETH") == fill.qty


def test_submit_when_repeated_then_what_became_of_the_first() -> None:
    exchange = exchange_with()
    body = submission(prepared_by(exchange))
    post(exchange, "submit", body)

    status, again = post(exchange, "submit", body, NOON + timedelta(seconds=30))

    assert (status, again["status"]) == (200, "executed")
    assert len(exchange.fills()) == 1


@pytest.mark.parametrize("seconds", [60, 61])
def test_submit_when_expired_then_refused(seconds: int) -> None:
    exchange = exchange_with()
    body = submission(prepared_by(exchange))

    status, answer = post(exchange, "submit", body, NOON + timedelta(seconds=seconds))

    assert (status, answer["code"]) == (400, "REQUEST_EXPIRED")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"signature": "0x" + "11" * 65}, "INVALID_SIGNATURE"),
        ({"signature": "0x"}, "INVALID_SIGNATURE"),
        ({"from": STRANGER.address}, "INVALID_PARAMS"),
        ({"eip712Data": {}}, "INVALID_PARAMS"),
        ({"requestId": "req-none"}, "REQUEST_NOT_FOUND"),
    ],
)
def test_submit_when_not_what_was_prepared_then_refused(change: dict[str, Any], code: str) -> None:
    exchange = exchange_with()

    status, answer = post(exchange, "submit", submission(prepared_by(exchange)) | change)

    assert (status, answer["code"]) == (400, code)
    exchange.advance(NOON + timedelta(seconds=30))
    assert exchange.fills() == []


def test_submit_when_a_stranger_signed_then_refused() -> None:
    exchange = exchange_with()

    _, answer = post(exchange, "submit", submission(prepared_by(exchange), STRANGER))

    assert answer["code"] == "INVALID_SIGNATURE"


def test_submit_when_an_approved_subaccount_signed_then_taken() -> None:
    exchange = exchange_with()
    exchange.approve_subaccount(WALLET, STRANGER.address)
    prepared = prepared_by(exchange, subaccountAddress=STRANGER.address)

    status, answer = post(exchange, "submit", submission(prepared, STRANGER))

    assert (status, answer["status"]) == (200, "relay_accepted")


def test_keeper_when_the_price_is_beyond_then_cancelled_and_paid_back() -> None:
    exchange = exchange_with()
    post(exchange, "submit", submission(prepared_by(exchange)))
    exchange.set_mark("ETH", "3016", NOON)

    exchange.advance(NOON + timedelta(seconds=5))

    assert exchange.fills() == []
    assert exchange.chain.usdc[WALLET] == 10_000 * 10**6 - 200_000  # the relay keeps its fee


def test_relay_when_the_wallet_cannot_pay_then_reverted() -> None:
    exchange = exchange_with(1)
    prepared = prepared_by(exchange)
    post(exchange, "submit", submission(prepared))

    assert state(exchange, prepared["requestId"], 5) == "relay_reverted"
    assert exchange.chain.usdc[WALLET] == 10**6


@pytest.mark.parametrize(
    ("kind", "fills"), [(FaultKind.ORDER_ERROR, 0), (FaultKind.PARTIAL_FILL, 1)]
)
def test_submit_when_the_fault_is_its_own_then_in_its_own_form(kind: FaultKind, fills: int) -> None:
    exchange = exchange_with()
    body = submission(prepared_by(exchange))

    post(exchange, "submit", body, NOON, Fault(kind))

    exchange.advance(NOON + timedelta(seconds=5))
    assert len(exchange.fills()) == fills
    assert all(fill.qty == Decimal("0.25") for fill in exchange.fills())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"symbol": "ETH/USD"}, "MARKET_NOT_FOUND"),
        ({"collateralToken": "GOLD"}, "TOKEN_NOT_FOUND"),
        ({"kind": "decrease"}, "POSITION_NOT_FOUND"),
        ({"orderType": "twap"}, "INVALID_PARAMS"),
        ({"size": "many"}, "INVALID_PARAMS"),
    ],
)
def test_prepare_when_it_makes_no_sense_then_its_code(change: dict[str, Any], code: str) -> None:
    status, answer = post(exchange_with(), "prepare", ORDER | change)
    assert (status, answer["code"]) == (400, code)


def test_request_when_unknown_then_not_found() -> None:
    exchange = exchange_with()
    assert post(exchange, "nothing", {})[0] == 404
    assert post(exchange, "status", {"requestId": "req-none"})[0] == 404
    assert exchange.operation(ApiRequest(method="POST", path="/", body=b"[")).name == "unknown"


def test_exchange_when_seeded_alike_then_the_same_request_ids() -> None:
    first, second, other = GmxExchange(seed=1), GmxExchange(seed=1), GmxExchange(seed=2)
    ids = [post(one, "prepare", ORDER)[1]["requestId"] for one in (first, second, other)]
    assert ids[0] == ids[1] != ids[2]
