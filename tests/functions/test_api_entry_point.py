"""The trick that serves FastAPI from one functions-framework entry point."""

import pytest

from functions.api.application import application
from tests.functions.api_client import TOKEN, Api, assert_problem
from tests.functions.api_examples import READS, WRITES


async def test_the_entry_point_when_asked_for_its_schema_then_fastapi_answers(api: Api) -> None:
    response = await api.get("/openapi.json")
    assert response.status_code == 200
    schema = response.json()
    assert schema["openapi"].startswith("3.")
    operation = schema["paths"]["/api/v3/agents/create"]["post"]
    assert operation["security"] == [{"token": []}]
    assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}
    assert "Idempotency-Key" in {one["name"] for one in operation["parameters"]}
    assert "HTTPValidationError" not in schema["components"]["schemas"]


@pytest.mark.parametrize(("method", "path"), [*WRITES, *(("GET", path) for path in READS)])
async def test_an_operation_when_described_then_it_needs_the_token_and_tells_its_problems(
    api: Api, method: str, path: str
) -> None:
    schema = (await api.get("/openapi.json")).json()
    operation = schema["paths"][path][method.lower()]
    assert operation["security"] == [{"token": []}]
    assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}
    assert operation["description"]
    asked = {one["name"] for one in operation.get("parameters", ())}
    assert ("Idempotency-Key" in asked) is (method != "GET")


async def test_the_entry_point_when_a_body_is_invalid_then_its_own_problem_answers(
    api: Api,
) -> None:
    assert_problem(await api.post("/api/v3/agents/create", {}), 422, "MISSING_FIELD")


@pytest.mark.parametrize("path", ["/", "/health"])
async def test_the_public_pages_when_there_is_no_token_then_200(api: Api, path: str) -> None:
    response = await api.get(path, token=None)
    assert response.status_code == 200
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in response.headers["content-security-policy"]


async def test_the_docs_page_when_served_then_it_needs_no_other_host(api: Api) -> None:
    page = (await api.get("/docs")).text
    assert "/openapi.json" in page
    assert "http://" not in page
    assert "https://" not in page


async def test_the_docs_page_when_a_browser_has_no_token_then_the_page_asks_for_it(
    api: Api,
) -> None:
    response = await api.get("/docs", token=None, headers={"Accept": "text/html,*/*"})
    assert response.status_code == 401
    assert response.text == (await api.get("/docs")).text
    assert_problem(await api.get("/docs", token=None), 401, "UNAUTHENTICATED")
    elsewhere = await api.get("/api/agents", token=None, headers={"Accept": "text/html"})
    assert_problem(elsewhere, 401, "UNAUTHENTICATED")


@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], TOKEN + "x", "ÿ"])
async def test_a_request_when_its_token_is_not_the_token_then_401(
    api: Api, token: str | None
) -> None:
    assert_problem(await api.get("/openapi.json", token=token), 401, "UNAUTHENTICATED")


async def test_a_request_when_the_scheme_is_another_then_401(api: Api) -> None:
    headers = {"Authorization": f"Basic {TOKEN}"}
    assert_problem(await api.get("/api/agents", headers=headers), 401)


async def test_a_request_when_no_token_is_configured_then_nobody_gets_in(api: Api) -> None:
    api.token = None
    assert_problem(await api.get("/api/agents", token=""), 503, "CONFIGURATION")
    assert_problem(await api.get("/api/agents", token="None"), 503, "CONFIGURATION")


def test_the_application_when_asked_for_twice_then_it_is_built_once() -> None:
    assert application() is application()
