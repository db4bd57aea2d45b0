"""Answers at the entrance: for public paths alone, and to GET alone."""

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from common.errors import TransientError
from infra.web.entrance import Entrance


async def behind(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


async def health() -> bytes:
    return b'{"status":"healthy"}'


async def broken() -> bytes:
    raise TransientError("the store is away")


def ask(method: str, path: str) -> httpx.Request:
    return httpx.Request(method, f"http://api{path}")


async def sent(request: httpx.Request) -> httpx.Response:
    app = Entrance(behind, {"/health": health})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        return await client.send(request)


@pytest.mark.parametrize("path", ["/health", "/health?x=1"])
async def test_get_when_its_answer_is_given_here_then_answered_with_its_json(path: str) -> None:
    answer = await sent(ask("GET", path))

    assert (answer.status_code, answer.content) == (200, b'{"status":"healthy"}')
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == "20"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/health"), ("HEAD", "/health"), ("GET", "/"), ("GET", "/health/"), ("GET", "/x")],
)
async def test_request_when_it_is_anything_else_then_it_goes_on(method: str, path: str) -> None:
    assert (await sent(ask(method, path))).status_code == 299


async def test_get_when_the_answer_fails_then_a_problem() -> None:
    app = Entrance(behind, {"/health": broken})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        answer = await client.send(ask("GET", "/health"))

    assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_entrance_when_a_path_needs_a_token_then_it_cannot_be_given() -> None:
    with pytest.raises(ValueError, match="/api/agents"):
        Entrance(behind, {"/health": health, "/api/agents": health})
