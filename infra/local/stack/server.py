"""uvicorn servers inside the stack's own event loop, on sockets bound before they start."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from uvicorn import Config, Server

from common.errors import ConfigurationError

AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]

HOST = "127.0.0.1"
KEEP_ALIVE_S = 2.0
"""How long a client may keep an idle connection to one of these servers, which close it after
uvicorn's 5 s: a request that meets the closing is lost.
"""
_GRACE_S = 2  # for requests in flight and open event streams


def bind(port: int) -> socket.socket:
    """A listening address on this machine alone; port 0 takes any free one.

    Raises:
        ConfigurationError: the port is in use or may not be bound.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((HOST, port))
    except (OSError, OverflowError) as error:
        sock.close()
        code = error.errno if isinstance(error, OSError) else None
        why = "is already in use" if code == errno.EADDRINUSE else "cannot be opened"
        raise ConfigurationError(
            f"port {port} {why}: stop the other program or choose another with --port"
        ) from None
    return sock


def url_of(listening: socket.socket) -> str:
    """Of a socket from `bind`."""
    return f"http://{HOST}:{int(listening.getsockname()[1])}"


class _QuietServer(Server):
    """uvicorn takes SIGINT and SIGTERM for itself; here the stack decides what they mean."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class LoopServer:
    """Serves one ASGI app on one bound socket until `stop`."""

    def __init__(self, app: AsgiApp, sock: socket.socket) -> None:
        self._socket = sock
        self._server = _QuietServer(
            Config(
                app,
                log_config=None,
                log_level="critical",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        return url_of(self._socket)

    async def start(self) -> None:
        """Return once connections are accepted."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise ConfigurationError(f"the server on port {self.port} ended as it started")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """Stop accepting, let requests end (2 s at most), close."""
        if self._task is None:
            self._socket.close()
            return
        self._server.should_exit = True
        await self._task
        self._task = None
