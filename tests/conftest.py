"""Rules every test runs under: no network but loopback, one worker for the emulators."""

import ipaddress
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.emulator.fixtures import emulators

__all__ = ["emulators"]


class NetworkBlockedError(RuntimeError):
    """A test reached for the outside; not an OSError, so no retry or fallback can swallow it."""


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode()
    if host is None or host in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _require_loopback(host: object) -> None:
    if not _is_loopback(host):
        raise NetworkBlockedError(f"tests may only reach loopback, not {host!r}")


def _guard_connect(connect: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(sock: socket.socket, address: Any) -> Any:
        if sock.family in {socket.AF_INET, socket.AF_INET6}:
            _require_loopback(address[0])
        return connect(sock, address)

    return guarded


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    """Python's sockets and name look-ups; gRPC's C core dials by itself and is not covered."""
    look_up = socket.getaddrinfo

    def guarded_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        _require_loopback(host)
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", _guard_connect(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", _guard_connect(socket.socket.connect_ex))
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Emulator tests share one xdist worker, so one set of emulators serves them all."""
    for item in items:
        if item.get_closest_marker("emulator"):
            item.add_marker(pytest.mark.xdist_group("emulator"))
