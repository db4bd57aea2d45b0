"""Connections: one look-up, every answer public, and the address that was looked at."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import httpcore
import httpx
import pytest

from infra.outside.transport import OutsideTransport, resolve_host

ANSWER = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}"]
REDIRECT = [
    b"HTTP/1.1 302 Found\r\nLocation: https://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"
]
PUBLIC, OTHER = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"
URL = "https://venue.example.com/info"


class _Stream(httpcore.AsyncMockStream):
    def __init__(self, network: "Network", buffer: list[bytes]) -> None:
        super().__init__(buffer)
        self._network = network

    async def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        self._network.names.append(server_hostname)
        self._network.contexts.append(ssl_context)
        return self


class Network(httpcore.AsyncNetworkBackend):
    """Remembers what was connected to; addresses in `down` refuse."""

    def __init__(self, answer: list[bytes] = ANSWER, down: Sequence[str] = ()) -> None:
        self.answer, self.down = answer, down
        self.connected: list[tuple[str, int]] = []
        self.names: list[str | None] = []
        self.contexts: list[Any] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self.down:
            raise httpcore.ConnectError("refused")
        return _Stream(self, list(self.answer))


class Names:
    """A resolver that gives its answers one after the other, the last one for ever."""

    def __init__(self, *answers: Sequence[str] | OSError) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, OSError):
            raise answer
        return answer


async def ask(names: Any, network: Network, url: str = URL) -> httpx.Response:
    transport = OutsideTransport(limits=httpx.Limits(), resolve=names, network=network)
    async with httpx.AsyncClient(transport=transport, timeout=1) as client:
        return await client.get(url)


async def test_request_when_every_answer_is_public_then_the_first_by_the_names_certificate() -> (
    None
):
    names, network = Names([PUBLIC, OTHER]), Network()
    response = await ask(names, network)
    assert response.json() == {}
    assert names.asked == [("venue.example.com", 443)]
    assert network.connected == [(PUBLIC, 443)]
    assert network.names == ["venue.example.com"]
    assert all(context.check_hostname for context in network.contexts)


async def test_request_when_the_first_address_is_down_then_the_next_of_the_same_answers() -> None:
    names, network = Names([PUBLIC, OTHER]), Network(down=[PUBLIC])
    assert (await ask(names, network)).status_code == 200
    assert network.connected == [(PUBLIC, 443), (OTHER, 443)]
    assert len(names.asked) == 1


async def test_request_when_all_addresses_are_down_then_two_are_tried() -> None:
    answers = [PUBLIC, OTHER, "1.1.1.1"]
    network = Network(down=answers)
    with pytest.raises(httpx.ConnectError):
        await ask(Names(answers), network)
    assert len(network.connected) == 2


@pytest.mark.parametrize(
    "answers",
    [
        ["169.254.169.254"],
        ["127.0.0.1"],
        ["10.1.2.3"],
        ["100.64.0.1"],
        ["::1"],
        ["::ffff:169.254.169.254"],
        ["fd20:ce::254"],
        ["fe80::1%eth0"],
        [PUBLIC, "10.1.2.3"],
        ["0.0.0.0"],
    ],
)
async def test_request_when_one_answer_is_inside_then_nothing_is_connected(
    answers: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    network = Network()
    with caplog.at_level(logging.ERROR), pytest.raises(httpx.ConnectError, match="inside"):
        await ask(Names(answers), network)
    assert network.connected == []
    assert "venue.example.com is not asked" in caplog.text


async def test_request_when_the_name_is_bound_anew_then_the_checked_address_was_used() -> None:
    """The second look-up of a rebinding name never happens for the same connection; for the next
    connection it is checked like the first.
    """
    names, network = Names([PUBLIC], ["169.254.169.254"]), Network()
    assert (await ask(names, network)).status_code == 200
    assert network.connected == [(PUBLIC, 443)]
    with pytest.raises(httpx.ConnectError, match="inside"):
        await ask(names, network)
    assert network.connected == [(PUBLIC, 443)]


async def test_request_when_the_name_has_no_address_then_a_connect_error() -> None:
    for names in (Names(OSError("no such name")), Names([])):
        network = Network()
        with pytest.raises(httpx.ConnectError):
            await ask(names, network)
        assert network.connected == []


async def test_request_when_the_look_up_hangs_then_a_connect_timeout() -> None:
    async def hangs(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    transport = OutsideTransport(limits=httpx.Limits(), resolve=hangs, network=Network())
    async with httpx.AsyncClient(transport=transport, timeout=0.01) as client:
        with pytest.raises(httpx.ConnectTimeout):
            await client.get(URL)


@pytest.mark.parametrize(
    "url",
    [
        "http://venue.example.com/",
        "https://169.254.169.254/",
        "https://metadata.google.internal/",
        "https://user@venue.example.com/",
        "https://venue.example.com:8443/",
        "https://[::1]/",
        "https://2852039166/",
        "https://localhost/",
    ],
)
async def test_request_when_the_url_is_not_of_the_outside_then_nothing_is_looked_up(
    url: str,
) -> None:
    names, network = Names([PUBLIC]), Network()
    with pytest.raises(httpx.ConnectError):
        await ask(names, network, url)
    assert (names.asked, network.connected) == ([], [])


async def test_request_when_it_is_redirected_inside_then_it_is_not_followed() -> None:
    names, network = Names([PUBLIC]), Network(REDIRECT)
    assert (await ask(names, network)).status_code == 302
    assert network.connected == [(PUBLIC, 443)]
    transport = OutsideTransport(limits=httpx.Limits(), resolve=names, network=network)
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(URL)


async def test_request_when_a_proxy_is_in_the_environment_then_it_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://10.0.0.1:3128")
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere.pem")
    network = Network()
    assert (await ask(Names([PUBLIC]), network)).status_code == 200
    assert network.connected == [(PUBLIC, 443)]


async def test_resolve_when_the_name_is_this_machine_then_its_addresses() -> None:
    found = await resolve_host("localhost", 443)
    assert set(found) <= {"127.0.0.1", "::1"}
    assert found
