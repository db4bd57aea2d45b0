"""A wire to an exchange in process, with an ear at it."""

from dataclasses import dataclass

import httpx

from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.transport import ExchangeTransport


@dataclass(frozen=True, slots=True)
class Heard:
    host: str
    body: str


class OverheardTransport(ExchangeTransport):
    """Notes what each host is sent, also what it never answers."""

    def __init__(self, server: ExchangeServer) -> None:
        super().__init__(server)
        self.heard: list[Heard] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = (await request.aread()).decode()
        self.heard.append(Heard(request.url.host, body))
        return await super().handle_async_request(request)
