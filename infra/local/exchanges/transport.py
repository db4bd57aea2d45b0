"""The way to an exchange without a socket: what is lost becomes httpx.ReadTimeout, at once."""

from collections.abc import AsyncIterator

import httpx

from infra.local.exchanges.exchange import ApiRequest
from infra.local.exchanges.server import BLANKS, ExchangeServer, NoAnswer, Reply

ENDLESS_BYTES = 64_000_000
"""Where a body that never ends gives up on a client that would read it all."""


class ExchangeTransport(httpx.AsyncBaseTransport):
    """Raises httpx.ConnectError when the exchange is DOWN and httpx.ReadTimeout when no answer
    comes. Requests to any host reach the same exchange, which sees the host.
    """

    def __init__(self, server: ExchangeServer) -> None:
        self._server = server

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        reply = self._server.respond(
            ApiRequest(
                method=request.method,
                path=request.url.path,
                host=request.url.host,
                query=request.url.query.decode("ascii"),
                headers={name.lower(): value for name, value in request.headers.items()},
                body=await request.aread(),
            )
        )
        if isinstance(reply, NoAnswer):
            if reply.why == "REFUSED":
                raise httpx.ConnectError("connection refused", request=request)
            raise httpx.ReadTimeout("no answer", request=request)
        answer = reply.answer
        return httpx.Response(
            answer.status,
            headers={"content-type": "application/json", **answer.headers},
            stream=_Body(reply),
            request=request,
        )


class _Body(httpx.AsyncByteStream):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    async def __aiter__(self) -> AsyncIterator[bytes]:
        whole = self._reply.answer.encoded()
        for start in range(0, len(whole), len(BLANKS)):
            yield whole[start : start + len(BLANKS)]
        sent = 0
        while self._reply.endless:
            sent += len(BLANKS)
            if sent > ENDLESS_BYTES:
                raise httpx.ReadError("the client would have read for ever")
            yield BLANKS
