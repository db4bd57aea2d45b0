"""The middleware where a whole application would hide it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from common.errors import TransientError
from infra.web import guard
from infra.web.guard import ProblemBoundary, StrictBody, TimeLimit
from infra.web.problems import Problem


def a_scope(method: str = "POST", **headers: str) -> Scope:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "path": "/x", "headers": raw}


def receiving(*messages: Message) -> Receive:
    left = list(messages)

    async def receive() -> Message:
        return left.pop(0)

    return receive


class Sent(list[Message]):
    async def __call__(self, message: Message) -> None:
        self.append(message)

    @property
    def statuses(self) -> Sequence[int]:
        return [message["status"] for message in self if "status" in message]


async def test_boundary_when_it_fails_before_an_answer_then_a_problem() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise TransientError("store")

    sent = Sent()
    await ProblemBoundary(app)(a_scope(), receiving(), sent)
    assert sent.statuses == [503]


@pytest.mark.parametrize("error", [TransientError("store"), RuntimeError("bug")])
async def test_boundary_when_the_answer_has_begun_then_the_error_goes_on(error: Exception) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    sent = Sent()
    with pytest.raises(type(error)):
        await ProblemBoundary(app)(a_scope(), receiving(), sent)
    assert sent.statuses == [200]


@pytest.mark.parametrize(
    "middleware", [ProblemBoundary, StrictBody, TimeLimit, guard.Authentication]
)
async def test_middleware_when_it_is_no_request_then_untouched(middleware: Any) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope: Scope = {"type": "lifespan"}
    await middleware(app)(scope, receiving(), Sent())
    assert seen == [scope]


async def test_body_when_it_is_taken_then_the_application_can_still_read_it() -> None:
    parts: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope[guard.JSON_KEY] == {"a": 1}
        parts.extend([await receive(), await receive()])

    receive = receiving(
        {"type": "http.request", "body": b'{"a"', "more_body": True},
        {"type": "http.request", "body": b": 1}"},
        {"type": "http.disconnect"},
    )
    await StrictBody(app)(a_scope(content_type="application/json"), receive, Sent())
    assert parts[0]["body"] == b'{"a": 1}'
    assert parts[1]["type"] == "http.disconnect"


async def no_app(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("must not be reached")


async def test_body_when_the_client_leaves_then_refused() -> None:
    with pytest.raises(Problem, match="DISCONNECTED"):
        await StrictBody(no_app)(a_scope(), receiving({"type": "http.disconnect"}), Sent())


async def test_body_when_its_declared_length_is_too_large_then_it_is_not_read() -> None:
    with pytest.raises(Problem, match="BODY_TOO_LARGE"):
        await StrictBody(no_app)(a_scope(content_length="65537"), receiving(), Sent())


async def test_body_when_it_never_ends_then_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_TIMEOUT_S", 0)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(Problem) as caught:
        await StrictBody(no_app)(a_scope(), receive, Sent())
    assert (caught.value.status, caught.value.code) == (408, "BODY_TIMEOUT")


async def test_time_limit_when_a_request_takes_too_long_then_504_and_it_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "REQUEST_TIMEOUT_S", 0)
    ended: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(Problem) as caught:
        await TimeLimit(app)(a_scope(), receiving(), Sent())
    assert (caught.value.status, caught.value.code) == (504, "REQUEST_TIMEOUT")
    assert ended == [True]


async def test_time_limit_when_the_application_has_its_own_timeout_then_that_one_goes_on() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError("a venue")

    with pytest.raises(TimeoutError, match="a venue"):
        await TimeLimit(app)(a_scope(), receiving(), Sent())


@pytest.mark.parametrize("in_cloud", [True, False])
async def test_boundary_when_on_cloud_run_then_https_is_kept_to(
    monkeypatch: pytest.MonkeyPatch, in_cloud: bool
) -> None:
    monkeypatch.delenv("K_SERVICE", raising=False)
    if in_cloud:
        monkeypatch.setenv("K_SERVICE", "api")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    sent = Sent()
    await ProblemBoundary(app)(a_scope(), receiving(), sent)
    names = {name for message in sent for name, _ in message.get("headers", ())}
    assert (b"strict-transport-security" in names) is in_cloud
    assert b"x-content-type-options" in names
