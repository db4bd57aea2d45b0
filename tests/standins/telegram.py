"""The Telegram stand-in of `sapphire exchange`, with the faults that tests play."""

import json
from typing import Any

from infra.local.exchanges.exchange import ApiRequest
from infra.local.exchanges.telegram.exchange import TelegramExchange
from tests.builders import NOON
from tests.standins.serving import Fault, JsonStandIn


class Telegram(JsonStandIn):
    """One bot, one chat. `texts` are the messages that reached the chat."""

    def __init__(self, token: str, chat_id: str = "42") -> None:
        super().__init__()
        self.exchange = TelegramExchange(token=token, chat_id=chat_id)

    @property
    def texts(self) -> list[str]:
        return [sent.text for sent in self.exchange.sent]

    def answer(self, path: str, body: Any) -> Fault | object:
        request = ApiRequest(
            method="POST",
            path=path,
            headers={"content-type": "application/json"},
            body=json.dumps(body).encode(),
        )
        answer = self.exchange.process(request, NOON, None)
        return Fault(answer.status, answer.encoded())


def refusal(code: int, description: str, **parameters: int) -> Fault:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    return Fault(code, json.dumps(body).encode())
