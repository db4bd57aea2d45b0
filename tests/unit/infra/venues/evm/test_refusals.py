"""What a node's errors prove, by their text; and answers that are none."""

import json

import httpx
import pytest

from common.errors import (
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    TransientError,
)
from infra.venues.evm.abi import Call, encode_call
from infra.venues.evm.refusals import RevertedError, refused_call, refused_transaction
from infra.venues.evm.rpc import JsonRpc

HASH = "0x" + "ab" * 32
CALL = Call("0x" + "cc" * 20, b"")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("insufficient funds for gas * price + value: have 1 want 2", "INSUFFICIENT_GAS_FUNDS"),
        ("intrinsic gas too low: gas 1, minimum needed 21000", "GAS_LIMIT"),
        ("exceeds block gas limit", "GAS_LIMIT"),
        ("max fee per gas less than block base fee: address 0x1", "GAS_PRICE_SPIKE"),
        ("invalid chain id for signer: have 1 want 42161", "WRONG_CHAIN"),
    ],
)
def test_refused_transaction_when_never_taken_then_rejected(message: str, code: str) -> None:
    error = refused_transaction({"code": -32000, "message": message}, "node")
    assert isinstance(error, RejectedError)
    assert error.code == code


@pytest.mark.parametrize(
    "message",
    [
        "already known",
        "nonce too low: next nonce 5, tx nonce 4",
        "nonce too high",
        "replacement transaction underpriced",
        "transaction underpriced",
        "txpool is full",
        "execution reverted",
        "Order rejected by the stand-in.",
        "",
        None,
        7,
    ],
)
def test_refused_transaction_when_it_proves_nothing_then_unknown(message: object) -> None:
    error: SapphireError = refused_transaction({"code": -32000, "message": message}, "node")
    assert isinstance(error, OutcomeUnknownError)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"code": 3, "message": "execution reverted: no", "data": "0x"}, "without a reason"),
        ({"code": -32000, "message": "execution reverted: no room"}, "no room"),
        ({"code": -32000, "message": "execution reverted"}, "without a reason"),
        (
            {
                "code": 3,
                "message": "execution reverted",
                "data": "0x" + encode_call("Error(string)", "late").hex(),
            },
            "late",
        ),
        (
            {
                "code": -32603,
                "message": "execution reverted",
                "data": {"data": "0x" + encode_call("IsDone()").hex()},
            },
            "IsDone()",
        ),
        ({"code": 3, "message": "execution reverted: bad", "data": "zz"}, "bad"),
    ],
)
def test_refused_call_when_reverted_then_its_reason(error: dict[str, object], text: str) -> None:
    refusal = refused_call(error, ["IsDone()"])
    assert isinstance(refusal, RevertedError)
    assert refusal.message == text


def test_refused_call_when_not_a_revert_then_by_its_text_or_nothing() -> None:
    gas = refused_call({"code": -32000, "message": "gas required exceeds allowance (0)"}, [])
    funds = refused_call({"code": -32000, "message": "insufficient funds for transfer"}, [])
    assert gas is not None
    assert funds is not None
    assert (gas.code, funds.code) == ("GAS_LIMIT", "INSUFFICIENT_GAS_FUNDS")
    assert refused_call({"code": -32000, "message": "header not found"}, []) is None


def a_rpc(*answers: object) -> JsonRpc:
    """A node that says these things one after the other, its chain id first."""
    told = iter([{"id": 0, "result": "0x1"}, *answers])

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=json.dumps(next(told)))

    return JsonRpc(
        "https://node.invalid", chain_id=1, label="node", transport=httpx.MockTransport(respond)
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"id": 0},
        {"id": 0, "result": None},
        {"id": 0, "result": "latest"},
        {"id": 0, "error": "no"},
        {"id": 0, "error": {"code": -32000, "message": "header not found"}},
        [],
        "0x1",
        7,
    ],
)
async def test_reading_when_the_answer_is_none_then_transient(answer: object) -> None:
    with pytest.raises(TransientError):
        await a_rpc(answer).balance("0x" + "aa" * 20)


async def test_reading_when_the_node_asks_to_wait_then_rate_limited() -> None:
    rpc = a_rpc({"id": 0, "error": {"code": -32005, "message": "limit exceeded"}})
    with pytest.raises(RateLimitedError):
        await rpc.estimate_gas(CALL, sender="0x" + "aa" * 20)


def a_receipt(**changes: object) -> dict[str, object]:
    return {
        "transactionHash": HASH,
        "blockNumber": "0x5",
        "status": "0x1",
        "gasUsed": "0x1",
        "effectiveGasPrice": "0x1",
        "logs": [],
        **changes,
    }


BLOCK = {"id": 1, "result": {"number": "0x9", "timestamp": "0x1"}}


async def test_receipt_when_answers_come_in_another_order_then_matched_by_their_ids() -> None:
    receipt, head = await a_rpc([BLOCK, {"id": 0, "result": a_receipt()}]).receipt_and_head(HASH)
    assert receipt is not None
    assert (receipt.block, receipt.succeeded, head) == (5, True, 9)


@pytest.mark.parametrize(
    "answer",
    [
        [BLOCK],
        [{"id": 0, "result": a_receipt()}],
        {"id": 0, "result": a_receipt()},
        [{"id": 0, "result": a_receipt(transactionHash="0x" + "cd" * 32)}, BLOCK],
        [{"id": 0, "result": a_receipt(status="0x2")}, BLOCK],
        [{"id": 0, "result": a_receipt(status=None)}, BLOCK],
        [{"id": 0, "result": a_receipt(blockNumber=None)}, BLOCK],
        [{"id": 0, "result": a_receipt(logs=[{"topics": ["0x"] * 5}])}, BLOCK],
        [{"id": 0, "result": a_receipt(logs=[{"topics": ["0x01"]}])}, BLOCK],
    ],
)
async def test_receipt_when_any_part_cannot_be_used_then_transient_never_none(
    answer: object,
) -> None:
    with pytest.raises(TransientError):
        await a_rpc(answer).receipt_and_head(HASH)


@pytest.mark.parametrize(
    "answer", [{"id": 0, "result": "0x" + "cd" * 32}, {"id": 0, "result": None}, [], {"id": 0}]
)
async def test_send_when_the_answer_does_not_name_it_then_unknown(answer: object) -> None:
    rpc = a_rpc(answer)
    await rpc.check_chain()
    with pytest.raises(OutcomeUnknownError):
        await rpc.send("0x02", HASH)
