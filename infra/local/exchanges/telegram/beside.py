"""Telegram at the same address as a venue: the Bot API's paths begin with /bot, no venue's do."""

from collections.abc import MutableMapping
from typing import Any

from infra.local.exchanges.server import ExchangeServer, Receive, Send


class BesideVenue:
    """An ASGI app over both."""

    def __init__(self, venue: ExchangeServer, telegram: ExchangeServer) -> None:
        self._venue = venue
        self._telegram = telegram

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        for_telegram = str(scope.get("path", "")).startswith("/bot")
        await (self._telegram if for_telegram else self._venue)(scope, receive, send)
