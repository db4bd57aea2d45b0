"""Whose address a failure is counted for."""

import pytest
from starlette.types import Scope

from infra.web.platform import caller_address


def a_scope(client: tuple[str, int] | None, *forwarded: str) -> Scope:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "client": client, "headers": headers}


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (("192.0.2.7", 1234), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1234), "2001:db8:1:2::/64"),
        (("::ffff:192.0.2.7", 1234), "192.0.2.7"),
        (("testclient", 1), "unknown"),
        (None, "unknown"),
    ],
)
def test_address_when_it_is_no_cloud_then_the_socket_counts_and_no_header(
    client: tuple[str, int] | None, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("K_SERVICE", raising=False)
    assert caller_address(a_scope(client, "198.51.100.1")) == address


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (("203.0.113.7",), "203.0.113.7"),
        (("198.51.100.1, 203.0.113.7",), "203.0.113.7"),
        (("198.51.100.1", "127.0.0.1, 203.0.113.7"), "203.0.113.7"),
        (("nonsense",), "unknown"),
        ((), "169.254.1.1"),
    ],
)
def test_address_when_on_cloud_run_then_the_one_that_google_has_added(
    forwarded: tuple[str, ...], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K_SERVICE", "api")
    assert caller_address(a_scope(("169.254.1.1", 1), *forwarded)) == address
