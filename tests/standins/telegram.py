"""The Telegram Bot API's sendMessage, with its answers and refusals."""

import json
from typing import Any

from tests.standins.serving import Fault, JsonStandIn


class Telegram(JsonStandIn):
    """One bot, one chat. `texts` are the messages that reached the chat."""

    def __init__(self, token: str, chat_id: str = "42") -> None:
        super().__init__()
        self.token = token
        self.chat_id = chat_id
        self.texts: list[str] = []

    def answer(self, path: str, body: Any) -> Fault | object:
        if path != f"/bot{self.token}/sendMessage":
            return refusal(401, "Unauthorized")
        if body["chat_id"] != self.chat_id:
            return refusal(400, "Bad Request: chat not found")
        text = body["text"]
        if not text or len(text.encode("utf-16-le")) // 2 > 4096:
            return refusal(400, "Bad Request: message is too long")
        self.texts.append(text)
        result = {"message_id": len(self.texts), "chat": {"id": 42, "type": "private"}}
        return {"ok": True, "result": {**result, "date": 1768478400, "text": text}}


def refusal(code: int, description: str, **parameters: int) -> Fault:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    if parameters:
        body["parameters"] = parameters
    return Fault(code, json.dumps(body).encode())
