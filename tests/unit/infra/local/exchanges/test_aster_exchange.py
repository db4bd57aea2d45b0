"""Aster's stand-in by itself: who is let in, what is refused, and what it keeps."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from eth_account import Account

from common.domain.moment import to_ms
from infra.local.exchanges.aster.exchange import AsterExchange
from infra.local.exchanges.aster.markets import Market
from infra.local.exchanges.exchange import ApiRequest, Operation
from infra.venues.aster.signing import signed
from tests.builders import NOON

WALLET = "0x" + "c1" * 20
AGENT = Account.from_key("0x" + "5a" * 32)
NOW_US = to_ms(NOON) * 1000
FORM = {"content-type": "application/x-www-form-urlencoded"}
BUY = {
    "symbol": "ETHUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "IOC",
    "quantity": "0.5",
    "price": "3010",
    "newClientOrderId": "a-1",
}


class Client:
    """Signs each request with the next microsecond."""

    def __init__(self, **options: Any) -> None:
        self.exchange = AsterExchange(**options)
        self.exchange.deposit(WALLET, Decimal(10_000))
        self.exchange.approve(WALLET, AGENT.address)
        self.now = NOON
        self.nonce = NOW_US

    def form(self, pairs: dict[str, str], nonce: int | None = None) -> str:
        self.nonce += 1
        return signed(list(pairs.items()), nonce=nonce or self.nonce, account=AGENT)

    def raw(self, method: str, path: str, form: str = "") -> tuple[int, Any]:
        in_query = method == "GET"
        request = ApiRequest(
            method=method,
            path=f"/fapi/v3/{path}",
            query=form if in_query else "",
            headers={} if in_query else FORM,
            body=b"" if in_query else form.encode(),
        )
        answer = self.exchange.process(request, self.now, None)
        return answer.status, answer.body

    def ask(self, method: str, path: str, **pairs: str) -> Any:
        return self.raw(method, path, self.form(pairs))[1]

    def order(self, **changes: str) -> Any:
        return self.ask("POST", "order", **{**BUY, **changes})


def code_of(answer: Any) -> int:
    assert isinstance(answer, dict), answer
    code = answer["code"]
    assert isinstance(code, int)
    return code


def test_public_when_asked_then_a_book_around_the_mark() -> None:
    client = Client()
    _, depth = client.raw("GET", "depth", "symbol=ETHUSDT")
    bids, asks = ([Decimal(price) for price, _ in depth[side]] for side in ("bids", "asks"))
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < 3000 < asks[0]
    _, top = client.raw("GET", "ticker/bookTicker", "symbol=ETHUSDT")
    assert (Decimal(top["bidPrice"]), Decimal(top["askPrice"])) == (bids[0], asks[0])
    _, premium = client.raw("GET", "premiumIndex", "symbol=ETHUSDT")
    assert (premium["markPrice"], premium["time"]) == ("3000", to_ms(NOON))
    assert client.raw("GET", "time")[1] == {"serverTime": to_ms(NOON)}
    assert code_of(client.raw("GET", "depth", "symbol=NOPE")[1]) == -1121
    assert client.raw("GET", "nothing")[0] == 404


def test_signature_when_wrong_or_of_a_stranger_then_refused() -> None:
    client = Client()
    form = client.form(BUY)
    assert code_of(client.raw("POST", "order", form.replace("0.5", "5"))[1]) == -1022
    assert code_of(client.raw("POST", "order", "symbol=ETHUSDT")[1]) == -1022
    stranger = signed(list(BUY.items()), nonce=NOW_US, account=Account.from_key("0x" + "11" * 32))
    assert client.raw("POST", "order", stranger) == (
        401,
        {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."},
    )
    assert client.raw("POST", "order", form)[1]["status"] == "FILLED"


@pytest.mark.parametrize("offset_s", [-61, 61])
def test_nonce_when_outside_the_window_then_expired(offset_s: int) -> None:
    client = Client()
    form = client.form(BUY, NOW_US + offset_s * 1_000_000)
    assert code_of(client.raw("POST", "order", form)[1]) == -4225
    narrow = Client(nonce_window=timedelta(seconds=10))
    assert code_of(narrow.raw("POST", "order", narrow.form(BUY, NOW_US - 11_000_000))[1]) == -4225
    assert narrow.raw("POST", "order", narrow.form(BUY, NOW_US - 9_000_000))[0] == 200


def test_nonce_when_used_or_older_than_the_hundred_newest_then_expired() -> None:
    client = Client()
    form = client.form(BUY, NOW_US)
    assert client.raw("POST", "order", form)[0] == 200
    assert code_of(client.raw("POST", "order", form)[1]) == -4225
    for number in range(1, 102):
        assert client.raw("POST", "noop", client.form({}, NOW_US + number))[0] == 200
    early = client.form({**BUY, "newClientOrderId": "a-2"}, NOW_US - 1)
    assert code_of(client.raw("POST", "order", early)[1]) == -4225


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0001"}, -4004),
        ({"quantity": "0.0015"}, -4023),
        ({"quantity": "200000000"}, -4005),
        ({"price": "0"}, -4013),
        ({"price": "3010.001"}, -4014),
        ({"price": "3451"}, -4016),
        ({"side": "SELL", "price": "2549"}, -4024),
        ({"quantity": "0.001", "price": "3000"}, -4164),
        ({"quantity": "100"}, -2019),
        ({"reduceOnly": "true"}, -2022),
        ({"symbol": "NOPEUSDT"}, -1121),
        ({"quantity": "NaN"}, -1102),
        ({"quantity": "x"}, -1102),
        ({"side": "UP"}, -1130),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"type": "STOP_MARKET", "stopPrice": "2900"}, -2021),
        ({"type": "MARKET", "quantity": "100001"}, -4005),
    ],
)
def test_order_when_it_breaks_a_rule_then_the_documents_code(
    change: dict[str, str], code: int
) -> None:
    client = Client()
    assert code_of(client.order(**change)) == code
    assert client.exchange.fills() == []


def test_order_when_the_market_is_closed_or_the_id_is_open_then_refused() -> None:
    market = Market("ETH", Decimal(3000), Decimal("0.01"), Decimal("0.001"), status="PRE_SETTLE")
    assert code_of(Client(markets=[market]).order()) == -4141
    client = Client()
    client.order(timeInForce="GTC", price="2900")
    assert code_of(client.order()) == -4116
    assert client.ask("DELETE", "order", symbol="ETHUSDT", origClientOrderId="a-1")["status"] == (
        "CANCELED"
    )
    again = client.order()
    assert (again["status"], again["clientOrderId"]) == ("FILLED", "a-1")


@pytest.mark.parametrize(
    ("time_in_force", "quantity", "status", "executed"),
    [
        ("IOC", "50", "EXPIRED", "33.332"),
        ("FOK", "50", "EXPIRED", "0"),
        ("FOK", "33", "FILLED", "33"),
        ("GTC", "50", "PARTIALLY_FILLED", "33.332"),
        ("GTX", "50", "EXPIRED", "0"),
    ],
)
def test_order_when_the_book_ends_at_its_price_then_as_its_time_in_force_says(
    time_in_force: str, quantity: str, status: str, executed: str
) -> None:
    """Two levels of 16.666 ETH lie within 3,001."""
    client = Client()
    client.exchange.deposit(WALLET, Decimal(1_000_000))
    answer = client.order(timeInForce=time_in_force, quantity=quantity, price="3001")
    assert (answer["status"], answer["executedQty"]) == (status, executed)


def test_position_when_turned_round_then_entry_realised_result_and_balance_add_up() -> None:
    client = Client()
    client.order(quantity="1")
    client.exchange.set_mark("ETH", Decimal(3300), client.now)
    client.order(side="SELL", quantity="3", price="3200", newClientOrderId="a-2")
    (held,) = client.ask("GET", "positionRisk", symbol="ETHUSDT")
    assert (held["positionAmt"], held["entryPrice"]) == ("-2", "3299.67")
    trades = client.ask("GET", "userTrades", symbol="ETHUSDT")
    result = sum(Decimal(row["realizedPnl"]) - Decimal(row["commission"]) for row in trades)
    (balance,) = client.ask("GET", "balance")
    assert Decimal(balance["balance"]) == 10_000 + result
    assert Decimal(trades[1]["realizedPnl"]) == Decimal("3299.67") - Decimal("3000.3")


def test_user_trades_when_limited_then_from_an_id_and_never_over_a_week() -> None:
    client = Client()
    for number in range(5):
        client.order(newClientOrderId=f"a-{number}")
    first = client.ask("GET", "userTrades", symbol="ETHUSDT", limit="2")
    rest = client.ask("GET", "userTrades", symbol="ETHUSDT", fromId=str(first[-1]["id"] + 1))
    assert [row["id"] for row in (*first, *rest)] == [1, 2, 3, 4, 5]
    start, end = to_ms(NOON - timedelta(days=8)), to_ms(NOON)
    too_long = client.ask(
        "GET", "userTrades", symbol="ETHUSDT", startTime=str(start), endTime=str(end)
    )
    assert code_of(too_long) == -1127


def test_weight_when_used_up_within_a_minute_then_429_until_the_next() -> None:
    client = Client()
    for _ in range(480):
        assert client.raw("GET", "depth", "symbol=ETHUSDT")[0] == 200
    assert client.raw("GET", "depth", "symbol=ETHUSDT")[0] == 429
    client.now += timedelta(minutes=1)
    assert client.raw("GET", "depth", "symbol=ETHUSDT")[0] == 200


def test_operation_when_named_then_the_word_and_key_that_faults_match() -> None:
    client = Client()
    requests = {
        ("POST", "order"): Operation("order", "a-1", writes=True),
        ("GET", "order"): Operation("queryOrder", "a-1", writes=False),
        ("DELETE", "order"): Operation("cancel", "a-1", writes=True),
        ("POST", "noop"): Operation("noop", "a-1", writes=True),
        ("PUT", "order"): Operation("unknown", "a-1", writes=False),
    }
    for (method, path), operation in requests.items():
        request = ApiRequest(method=method, path=f"/fapi/v3/{path}", query="origClientOrderId=a-1")
        assert client.exchange.operation(request) == operation
    elsewhere = ApiRequest(method="GET", path="/other")
    assert client.exchange.operation(elsewhere).name == "unknown"
