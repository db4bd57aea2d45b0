"""What we rely on in functions-framework, pinned: an upgrade that changes it fails here."""

from types import FunctionType
from typing import Any

import httpx
import pytest
from functions_framework import aio
from starlette.requests import Request
from starlette.responses import Response

import main
from infra.bootstrap import current, use
from tests.functions.harness import Bench, app_of, framework_app

EVENT_FUNCTIONS = tuple(name for name in main.ENTRY_POINTS if name != "api")


@pytest.mark.parametrize("name", EVENT_FUNCTIONS)
async def test_main_when_each_target_is_served_in_one_process_then_each_answers_as_itself(
    name: str,
) -> None:
    response = await Bench().request(framework_app(name), "GET")

    assert response.status_code == 200
    assert response.json()["function"] == name


@pytest.mark.parametrize("name", EVENT_FUNCTIONS)
def test_main_when_a_target_is_looked_up_then_it_is_a_plain_function(name: str) -> None:
    assert isinstance(getattr(main, name), FunctionType)


def test_main_when_a_name_is_no_entry_point_then_it_has_no_such_attribute() -> None:
    assert not hasattr(main, "os_system")


@pytest.mark.parametrize("status", [204, 401, 429, 503])
async def test_framework_when_a_function_answers_a_status_then_it_comes_through(
    status: int,
) -> None:
    @aio.http
    async def teapot(request: Request) -> Response:
        return Response(status_code=status, headers={"retry-after": "7"})

    response = await Bench().request(app_of(teapot), "POST")

    assert response.status_code == status
    assert response.headers["retry-after"] == "7"


async def test_framework_when_called_in_process_then_the_callers_context_is_inherited() -> None:
    bench = Bench()
    runtime = bench.runtime()
    seen: list[Any] = []

    @aio.http
    async def look(request: Request) -> Response:
        seen.append(current())
        return Response()

    with use(runtime):
        transport = httpx.ASGITransport(app_of(look))
        async with httpx.AsyncClient(transport=transport, base_url="http://function") as http:
            await http.post("/")

    assert seen == [runtime]
    assert seen[0] is runtime


async def test_framework_when_a_function_crashes_then_the_body_has_no_traceback() -> None:
    @aio.http
    async def crash(request: Request) -> Response:
        raise RuntimeError("secret detail")

    response = await Bench().request(app_of(crash), "POST")

    assert response.status_code == 500
    assert "secret detail" not in response.text


async def test_framework_when_the_emulator_pushes_with_a_query_then_the_function_sees_it() -> None:
    seen: list[str] = []

    @aio.http
    async def look(request: Request) -> Response:
        seen.append(request.query_params["token"])
        return Response(status_code=204)

    transport = httpx.ASGITransport(app_of(look))
    async with httpx.AsyncClient(transport=transport, base_url="http://function") as http:
        await http.post("/projects/p/topics/t?token=s3cret")

    assert seen == ["s3cret"]
