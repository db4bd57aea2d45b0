"""Pages of other origins: those of the settings may read the API, and no other."""

from dataclasses import replace

import pytest

from tests.functions.api_client import Api, agent_body, assert_problem

OURS, CREATE = "https://app.example.com", "/api/v3/agents/create"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
FOREIGN = (
    "https://evil.example",
    "https://app.example.com.evil.example",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://APP.example.com/",
    "null",
    "*",
)


@pytest.fixture
def api(api: Api) -> Api:
    api.settings = replace(api.settings, cors_origins=(OURS, "http://127.0.0.1:5173"))
    return api


async def test_preflight_when_the_origin_is_ours_then_answered_without_a_token(api: Api) -> None:
    answer = await api.call("OPTIONS", CREATE, token=None, headers={"Origin": OURS, **ASKS})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == OURS
    assert answer.headers["vary"] == "Origin"
    assert {"GET", "POST", "PUT"} == set(answer.headers["access-control-allow-methods"].split(", "))
    allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "idempotency-key"} <= set(allowed)
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", FOREIGN)
async def test_preflight_when_the_origin_is_foreign_then_403_and_nothing_is_allowed(
    api: Api, origin: str
) -> None:
    answer = await api.call("OPTIONS", CREATE, token=None, headers={"Origin": origin, **ASKS})
    assert_problem(answer, 403, "ORIGIN_NOT_ALLOWED")
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_preflight_when_no_origin_is_set_then_all_are_foreign(api: Api) -> None:
    api.settings = replace(api.settings, cors_origins=())
    answer = await api.call("OPTIONS", CREATE, token=None, headers={"Origin": OURS, **ASKS})
    assert_problem(answer, 403, "ORIGIN_NOT_ALLOWED")


async def test_options_when_it_is_no_preflight_then_the_token_is_asked_for(api: Api) -> None:
    answer = await api.call("OPTIONS", CREATE, token=None, headers={"Origin": OURS})
    assert_problem(answer, 401, "UNAUTHENTICATED")


async def test_a_request_when_the_origin_is_ours_then_its_page_may_read_answer_and_problem(
    api: Api,
) -> None:
    headers = {"Origin": OURS}
    answers = [
        await api.post(CREATE, agent_body(), headers=headers),
        await api.post(CREATE, {}, headers=headers),
        await api.get("/api/agents", token=None, headers=headers),
        await api.get("/health", token=None, headers=headers),
    ]
    assert [each.status_code for each in answers] == [201, 422, 401, 200]
    for each in answers:
        assert each.headers["access-control-allow-origin"] == OURS
        assert each.headers["x-content-type-options"] == "nosniff"


async def test_a_request_when_the_origin_is_foreign_then_its_page_may_not_read_it(api: Api) -> None:
    for origin in FOREIGN:
        answer = await api.get("/api/agents", headers={"Origin": origin})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
