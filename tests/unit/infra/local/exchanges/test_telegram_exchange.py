"""Telegram's stand-in by itself: what it takes, and what it refuses as the Bot API does."""

import json
from typing import Any

import pytest

from infra.local.exchanges.exchange import ApiRequest, Operation
from infra.local.exchanges.telegram.exchange import CHAT_ID, TOKEN, Sent, TelegramExchange
from tests.builders import NOON


def asked(
    exchange: TelegramExchange, method: str, *, token: str = TOKEN, **given: Any
) -> tuple[int, Any]:
    request = ApiRequest(
        method="POST",
        path=f"/bot{token}/{method}",
        headers={"content-type": "application/json"},
        body=json.dumps(given).encode(),
    )
    answer = exchange.process(request, NOON, None)
    assert answer.headers["date"] == "Thu, 15 Jan 2026 12:00:00 GMT"
    return answer.status, answer.body


def test_message_when_sent_then_kept_and_shown() -> None:
    shown: list[Sent] = []
    exchange = TelegramExchange(on_message=shown.append)

    status, body = asked(exchange, "sendMessage", chat_id=CHAT_ID, text="Bought 1 ETH")

    assert (status, body["ok"], body["result"]["message_id"]) == (200, True, 1)
    assert body["result"]["text"] == "Bought 1 ETH"
    assert shown == exchange.sent == [Sent("Bought 1 ETH", NOON)]


@pytest.mark.parametrize(
    ("http", "content_type", "body", "query"),
    [
        ("GET", "", b"", f"chat_id={CHAT_ID}&text=hello+you"),
        (
            "POST",
            "application/x-www-form-urlencoded",
            f"chat_id={CHAT_ID}&text=hello%20you".encode(),
            "",
        ),
        ("POST", "application/json; charset=utf-8", b'{"chat_id": 42, "text": "hello you"}', ""),
    ],
)
def test_message_when_its_parameters_come_in_another_way_then_taken_too(
    http: str, content_type: str, body: bytes, query: str
) -> None:
    exchange = TelegramExchange()
    headers = {"content-type": content_type} if content_type else {}
    path = f"/bot{TOKEN}/sendmessage"
    request = ApiRequest(method=http, path=path, headers=headers, body=body, query=query)

    answer = exchange.process(request, NOON, None)

    assert answer.status == 200, answer.body
    assert [sent.text for sent in exchange.sent] == ["hello you"]


def test_bot_and_chat_when_asked_for_then_named_and_nothing_is_sent() -> None:
    exchange = TelegramExchange()
    _, bot = asked(exchange, "getMe")
    _, chat = asked(exchange, "getChat", chat_id=CHAT_ID)
    assert bot["result"]["is_bot"] is True
    assert chat["result"]["id"] == 42
    assert exchange.sent == []


@pytest.mark.parametrize(
    ("method", "token", "given", "status", "description"),
    [
        ("getMe", "1:other", {}, 401, "Unauthorized"),
        ("getUpdates", TOKEN, {}, 404, "Not Found: method not found"),
        ("getChat", TOKEN, {}, 400, "Bad Request: chat_id is empty"),
        ("getChat", TOKEN, {"chat_id": "43"}, 400, "Bad Request: chat not found"),
        ("sendMessage", TOKEN, {"chat_id": "43", "text": "x"}, 400, "Bad Request: chat not found"),
        ("sendMessage", TOKEN, {"chat_id": 42}, 400, "Bad Request: message text is empty"),
        ("sendMessage", TOKEN, {"chat_id": 42, "text": " "}, 400, "message text is empty"),
        ("sendMessage", TOKEN, {"chat_id": 42, "text": "😀" * 2049}, 400, "message is too long"),
    ],
)
def test_request_when_it_is_wrong_then_refused_in_the_bot_api_s_words(
    method: str, token: str, given: dict[str, Any], status: int, description: str
) -> None:
    exchange = TelegramExchange()
    answered, body = asked(exchange, method, token=token, **given)
    assert (answered, body["ok"], body["error_code"]) == (status, False, status)
    assert description in body["description"]
    assert exchange.sent == []


@pytest.mark.parametrize("body", [b"", b"[1]", b"{"])
def test_request_when_its_json_is_no_object_then_refused(body: bytes) -> None:
    request = ApiRequest(
        method="POST",
        path=f"/bot{TOKEN}/getChat",
        headers={"content-type": "application/json"},
        body=body,
    )
    answer = TelegramExchange().process(request, NOON, None)
    assert (answer.status, answer.body["error_code"]) == (400, 400)  # type: ignore[index]


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        (f"/bot{TOKEN}/sendMessage", Operation("sendMessage", writes=True)),
        (f"/bot{TOKEN}/GETME", Operation("getMe")),
        (f"/bot{TOKEN}/getUpdates", Operation("unknown")),
        ("/", Operation("unknown")),
    ],
)
def test_operation_when_asked_then_the_method(path: str, operation: Operation) -> None:
    exchange = TelegramExchange()
    request = ApiRequest(method="POST", path=path)
    assert exchange.operation(request) == operation
    assert (exchange.process(request, NOON, None).status == 404) == (operation.name == "unknown")
