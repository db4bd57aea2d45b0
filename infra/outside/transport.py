"""Requests to the outside: the address that was looked at is the one that is connected to.

A name that is public when it is checked and inside when it is asked (DNS rebinding) gets nowhere:
it is looked up once for a connection, every answer must be public, and the connection goes to one
of these very answers. Its certificate must be that of the name. No proxy is asked.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore
import httpx

from infra.outside.addresses import is_public
from infra.outside.urls import outside_host

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

ADDRESSES_TRIED = 2
_log = logging.getLogger("sapphire.outside")


async def resolve_host(host: str, port: int) -> list[str]:
    """Every address of the name, in the system's order. Raises OSError: it has none."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class OutsideTransport(httpx.AsyncHTTPTransport):
    """Fits `httpx.AsyncBaseTransport`. What it refuses was never sent: `httpx.ConnectError`."""

    def __init__(
        self,
        *,
        limits: httpx.Limits,
        resolve: Resolve = resolve_host,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        """`network`: what really connects (tests: a stand-in)."""
        ssl_context = httpx.create_ssl_context(trust_env=False)
        super().__init__(verify=ssl_context, limits=limits, trust_env=False)
        # httpx has no parameter for it; tests/unit/infra/outside/test_transport.py guards the name.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl_context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_CheckedNetwork(resolve, network or httpcore.AnyIOBackend()),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            outside_host(str(request.url))
        except ValueError as error:
            raise httpx.ConnectError(f"the address {error}", request=request) from None
        return await super().handle_async_request(request)


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    def __init__(self, resolve: Resolve, inner: httpcore.AsyncNetworkBackend) -> None:
        self._resolve = resolve
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._addresses(host, port, timeout)
        refused: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses[:ADDRESSES_TRIED]:
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refused = error
        raise refused or httpcore.ConnectError("the name has no address")

    async def _addresses(self, host: str, port: int, limit_s: float | None) -> Sequence[str]:
        """One answer that is not public makes all of them doubtful."""
        try:
            async with asyncio.timeout(limit_s):
                addresses = await self._resolve(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout("the name could not be looked up in time") from None
        except OSError:
            raise httpcore.ConnectError("the name could not be looked up") from None
        inside = [address for address in addresses if not is_public(address)]
        if inside:
            _log.error("%s is not asked: its name leads to %s, inside a network", host, inside[0])
            raise httpcore.ConnectError("the name leads inside a network")
        return addresses

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
