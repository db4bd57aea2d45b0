"""Symphony's stand-in by itself: batches over all subscribers, and what it refuses."""

import json
from decimal import Decimal
from typing import Any

import pytest

from infra.local.exchanges.exchange import ApiRequest, Operation
from infra.local.exchanges.symphony.exchange import SymphonyExchange
from tests.builders import NOON

AGENT = "63946153-9f33-4b7e-9b32-b99a4a6037e2"
ONE, TWO = "0x" + "c1" * 20, "0x" + "d2" * 20
OPEN = {"agentId": AGENT, "symbol": "ETH", "action": "LONG", "weight": 10, "leverage": 2}


class Client:
    def __init__(self) -> None:
        self.exchange = SymphonyExchange(agent_id=AGENT, api_key="sk-1")
        self.key = "sk-1"

    def call(self, method: str, path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        request = ApiRequest(
            method=method,
            path=f"/agent/{path}",
            query=query,
            headers={"x-api-key": self.key},
            body=b"" if body is None else json.dumps(body).encode(),
        )
        answer = self.exchange.process(request, NOON, None)
        return answer.status, answer.body

    def post(self, path: str, **fields: object) -> Any:
        return self.call("POST", path, fields)[1]


def test_batch_open_when_two_subscribe_then_a_share_of_each_ones_balance() -> None:
    client = Client()
    client.exchange.subscribe(ONE, Decimal(1000))
    client.exchange.subscribe(TWO, Decimal(49))
    answer = client.post("batch-open", **OPEN)
    assert (answer["successful"], answer["failed"]) == (1, 1)
    shares = {row["smartAccount"]: row["result"]["success"] for row in answer["results"]}
    assert shares == {ONE: True, TWO: False}  # 4.90 USDC is under the minimum of 5
    _, told = client.call("GET", "positions", query=f"agentId={AGENT}&status=OPEN")
    (position,) = told["positions"]
    assert (position["collateralAmount"], position["positionSize"]) == (100, 200)
    assert position["entryPrice"] == pytest.approx(3000.6)
    (fill,) = client.exchange.fills()
    assert (fill.account, fill.side, fill.price) == (ONE, "BUY", Decimal("3000.6000"))
    assert fill.quantity == Decimal("0.066653")


def test_batch_close_when_repeated_then_skipped_and_the_money_is_back_once() -> None:
    client = Client()
    subscriber = client.exchange.subscribe(ONE, Decimal(1000))
    batch = client.post("batch-open", **OPEN)["batchId"]
    client.exchange.prices["ETH"] = Decimal(3300)
    first = client.post("batch-close", agentId=AGENT, batchId=batch)
    money = subscriber.available
    again = client.post("batch-close", agentId=AGENT, batchId=batch)
    assert (first["successful"], first["skipped"]) == (1, 0)
    assert (again["successful"], again["skipped"], again["failed"]) == (0, 1, 0)
    assert subscriber.available == money
    assert Decimal(1019) < money < Decimal(1020)
    assert [fill.side for fill in client.exchange.fills()] == ["BUY", "SELL"]
    assert client.call("GET", "batches", query=f"agentId={AGENT}")[1]["batches"][0]["status"] == (
        "CLOSED"
    )
    _, told = client.call("GET", "batch-positions", query=f"batchId={batch}")
    assert [row["status"] for row in told["positions"]] == ["Closed"]


def test_batch_open_when_repeated_then_twice_the_position() -> None:
    """What the docs imply: there is nothing to tell a repeated open by."""
    client = Client()
    client.exchange.subscribe(ONE, Decimal(1000))
    batches = {client.post("batch-open", **OPEN)["batchId"] for _ in range(2)}
    assert len(batches) == len(client.exchange.fills()) == 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"agentId": "other"}, 404),
        ({"symbol": "NOPE"}, 400),
        ({"symbol": 7}, 400),
        ({"action": "BUY"}, 400),
        ({"weight": 0}, 400),
        ({"weight": 100.5}, 400),
        ({"weight": "10"}, 400),
        ({"weight": True}, 400),
        ({"leverage": 1}, 400),
    ],
)
def test_batch_open_when_malformed_then_refused(change: dict[str, object], status: int) -> None:
    client = Client()
    client.exchange.subscribe(ONE, Decimal(1000))
    assert client.call("POST", "batch-open", {**OPEN, **change})[0] == status
    assert client.exchange.fills() == []


def test_requests_when_not_let_in_or_not_known_then_refused() -> None:
    client = Client()
    assert client.call("POST", "batch-close", {"agentId": AGENT, "batchId": "b"})[0] == 404
    assert client.call("GET", "batch-open")[0] == 404
    assert client.call("GET", "positions", query="agentId=other")[0] == 404
    assert client.call("GET", "all-positions", query=f"userAddress={ONE}")[0] == 404
    assert client.call("POST", "batch-open", [])[0] == 404
    client.key = "sk-2"
    assert client.call("POST", "batch-open", OPEN) == (401, {"message": "Invalid API key"})
    client.exchange.subscribe(ONE, Decimal(5))
    assert client.call("GET", "all-positions", query=f"userAddress={ONE}")[0] == 200


def test_token_price_when_unknown_then_zero() -> None:
    client = Client()
    assert client.call("GET", "token-price", query="input=ETH")[1]["price"] == 3000
    assert client.call("GET", "token-price", query="input=NOPE")[1]["price"] == 0


def test_operation_when_named_then_the_word_and_key_that_faults_match() -> None:
    exchange = Client().exchange
    opened = ApiRequest(method="POST", path="/agent/batch-open", body=json.dumps(OPEN).encode())
    assert exchange.operation(opened) == Operation("batch-open", "ETH", writes=True)
    asked = ApiRequest(method="GET", path="/agent/batch-positions", query="batchId=b-1")
    assert exchange.operation(asked) == Operation("batch-positions", "b-1", writes=False)
    broken = ApiRequest(method="POST", path="/agent/batch-open", body=b"{")
    assert exchange.operation(broken) == Operation("batch-open", "", writes=True)
