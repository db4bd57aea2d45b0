"""Requests to venues: what each failure proves, and how much of an answer is taken."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from common.errors import (
    ConfigurationError,
    OutcomeUnknownError,
    RateLimitedError,
    SapphireError,
    TransientError,
)
from infra.venues.http import ANSWER_BYTES_MAX, CONNECT_S, VenueAnswer, VenueHttp

URL = "https://venue.example/v1"
Handler = Callable[[httpx.Request], Awaitable[httpx.Response]]


def answering(status: int = 200, *, headers: dict[str, str] | None = None, body: bytes = b"{}"):  # type: ignore[no-untyped-def]  # a transport of httpx
    return httpx.MockTransport(lambda _: httpx.Response(status, headers=headers, content=body))


def failing(error: Exception) -> httpx.MockTransport:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    return httpx.MockTransport(fail)


def client(transport: httpx.AsyncBaseTransport, *, timeout_s: float = 5) -> VenueHttp:
    return VenueHttp(
        URL, label="Aster", timeout_s=timeout_s, headers={"x-key": "k"}, transport=transport
    )


async def test_read_when_answered_then_the_whole_answer() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, headers={"X-Weight": "7"}, json={"price": "1.50"})

    http = client(httpx.MockTransport(answer))
    found = await http.read("GET", "/ticker", params={"symbol": "ETH"})
    await http.read("GET", "/ticker")
    await http.close()
    await http.close()

    assert (found.status, found.headers["x-weight"]) == (200, "7")
    assert found.json() == {"price": "1.50"}
    assert str(seen[0].url) == f"{URL}/ticker?symbol=ETH"
    assert seen[0].headers["x-key"] == "k"


@pytest.mark.parametrize("status", [200, 201, 400, 401, 404])
async def test_read_when_it_is_an_answer_then_it_is_returned_whatever_it_says(status: int) -> None:
    assert (await client(answering(status)).read("GET", "/x")).status == status


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
async def test_read_when_the_venue_is_in_trouble_then_transient(status: int) -> None:
    with pytest.raises(TransientError, match=f"Aster: HTTP {status}"):
        await client(answering(status, body=b"<html>secret</html>")).read("GET", "/x")


@pytest.mark.parametrize("status", [429, 418])
@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("7", 7.0),
        ("999999", 3600.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
async def test_read_when_it_asks_to_wait_then_rate_limited_with_its_wait(
    status: int, header: str, wait_s: float | None
) -> None:
    answer = VenueAnswer(status, {"retry-after": header}, b"")
    assert answer.retry_after_s == wait_s
    if not header.isascii():
        return
    with pytest.raises(RateLimitedError) as caught:
        await client(answering(status, headers={"Retry-After": header})).read("GET", "/x")
    assert caught.value.retry_after_s == wait_s


@pytest.mark.parametrize("status", [200, 400, 429, 500, 503])
async def test_order_when_answered_then_the_venues_own_reading_decides(status: int) -> None:
    answer = await client(answering(status, headers={"Retry-After": "2"})).order("POST", "/order")
    assert (answer.status, answer.retry_after_s) == (status, 2.0)


@pytest.mark.parametrize(
    ("error", "of_order"),
    [
        (httpx.ConnectError("no route to venue.example"), TransientError),
        (httpx.ConnectTimeout(""), TransientError),
        (httpx.PoolTimeout(""), TransientError),
        (httpx.ReadTimeout(""), OutcomeUnknownError),
        (httpx.WriteTimeout(""), OutcomeUnknownError),
        (httpx.ReadError(""), OutcomeUnknownError),
        (httpx.WriteError(""), OutcomeUnknownError),
        (httpx.RemoteProtocolError("server disconnected"), OutcomeUnknownError),
        (httpx.DecodingError("gzip"), OutcomeUnknownError),
        (httpx.StreamClosed(), OutcomeUnknownError),
    ],
)
async def test_order_when_it_fails_then_unknown_unless_no_connection_was_made(
    error: Exception, of_order: type[SapphireError]
) -> None:
    """A reading that fails has changed nothing either way."""
    with pytest.raises(SapphireError) as caught:
        await client(failing(error)).order("POST", "/order", content="{}")
    assert type(caught.value) is of_order
    assert str(caught.value) == f"Aster: {type(error).__name__}"
    with pytest.raises(TransientError) as read:
        await client(failing(error)).read("GET", "/x")
    assert str(read.value) == f"Aster: {type(error).__name__}"
    assert "venue.example" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_when_it_comes_then_never_followed(status: int) -> None:
    asked: list[str] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(status, headers={"Location": "https://thief.example/"})

    http = client(httpx.MockTransport(redirect))
    with pytest.raises(OutcomeUnknownError, match="it redirects, which is never followed"):
        await http.order("POST", "/order", content="signed")
    with pytest.raises(TransientError, match="it redirects, which is never followed"):
        await http.read("GET", "/x")
    assert asked == [f"{URL}/order", f"{URL}/x"]


class Body(httpx.AsyncByteStream):
    """`chunks` of 100 kB, and how many of them were taken; None never ends."""

    def __init__(self, chunks: int | None) -> None:
        self.chunks = chunks
        self.taken = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.chunks is None or self.taken < self.chunks:
            self.taken += 1
            yield b" " * 100_000

    async def aclose(self) -> None:
        self.closed = True


def streaming(body: Body) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(200, stream=body))


async def test_answer_when_it_is_as_large_as_may_be_then_taken() -> None:
    answer = await client(streaming(Body(50))).read("GET", "/x")
    assert len(answer.body) == ANSWER_BYTES_MAX


@pytest.mark.parametrize("chunks", [51, 100, None])
async def test_answer_when_it_is_larger_or_never_ends_then_cut_off(chunks: int | None) -> None:
    body = Body(chunks)
    with pytest.raises(TransientError, match=f"Aster: over {ANSWER_BYTES_MAX} bytes"):
        await client(streaming(body)).read("GET", "/x")
    assert (body.taken, body.closed) == (51, True)
    with pytest.raises(OutcomeUnknownError, match="over"):
        await client(streaming(Body(chunks))).order("POST", "/order")


class Dripping(httpx.AsyncByteStream):
    """A byte now and then, each soon enough for the read timeout, and no end."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0)
            yield b" "


async def test_answer_when_it_drips_for_ever_then_the_callers_own_patience_ends_it() -> None:
    """`submit_once` and `answer_of` bound every call by the venue's request_timeout."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Dripping()))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client(transport).read("GET", "/x")


@pytest.mark.parametrize(
    "body",
    [
        b'{"price": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"<html>502</html>",
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_json_when_it_is_none_then_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whichever: its text is never shown
        VenueAnswer(200, {}, body).json()


@pytest.mark.parametrize("url", ["ftp://venue.example", "venue.example", "", "file:///etc/passwd"])
def test_venue_http_when_the_address_is_none_then_a_person_acts(url: str) -> None:
    with pytest.raises(ConfigurationError, match="Aster: its address must start with http"):
        VenueHttp(url, label="Aster", timeout_s=1)


async def test_venue_http_when_the_address_cannot_be_read_then_a_person_acts() -> None:
    http = VenueHttp("http://[::1", label="Aster", timeout_s=1)
    with pytest.raises(ConfigurationError, match="Aster"):
        await http.read("GET", "/x")


async def test_venue_http_when_nobody_listens_then_transient_also_for_an_order() -> None:
    """A real socket: port 9 of this computer."""
    http = VenueHttp("http://127.0.0.1:9", label="Aster", timeout_s=CONNECT_S)
    with pytest.raises(TransientError, match="Aster: ConnectError"):
        await http.order("POST", "/order", content="signed")
    await http.close()
