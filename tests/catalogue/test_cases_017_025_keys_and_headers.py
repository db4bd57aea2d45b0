"""Cases 17 to 25: Idempotency-Keys, ids, headers, slow bodies; through the real application."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from common.books import AUDIT, IDEMPOTENCY_KEYS, V3
from common.domain.principal import Role
from infra.web import guard
from infra.web.access import FAILURES_PER_MINUTE
from tests.functions.api_client import (
    TOKEN,
    V3_AGENT,
    Api,
    agent_body,
    assert_problem,
    seed_agents,
    signal_body,
)
from tests.functions.api_examples import READS, VALID, WRITES, seed_examples
from tests.functions.callers import a_token_of

CREATE, GENERATE = "/api/v3/agents/create", "/api/v3/signals/generate"
KEY = {"Idempotency-Key": "k-1"}


@pytest.fixture
async def api(tmp_path: Path) -> Api:
    api = Api(tmp_path)
    await seed_agents(api.store)
    await seed_examples(api, "")
    return api


# -------------------------------------------------------------------------------------------- 17
@pytest.mark.parametrize("path", [GENERATE, "/api/signals/generate", "/api/trading/execute"])
async def test_case_017_when_an_order_has_no_idempotency_key_in_the_cloud_then_400(
    api: Api, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("K_SERVICE", "api")
    before = api.store.contents()
    assert_problem(await api.post(path, VALID[path]), 400, "IDEMPOTENCY_KEY_MISSING")
    assert api.store.contents() == before
    monkeypatch.delenv("K_SERVICE")
    assert (await api.post(GENERATE, signal_body(V3_AGENT))).status_code == 201


async def test_case_017_when_another_post_has_no_key_then_it_is_taken(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalogue asks for a key on every POST. Design.md, which wins, has POSTs accept one: so
    what makes an order needs one in the cloud, and everything else may have one.
    """
    monkeypatch.setenv("K_SERVICE", "api")
    assert (await api.post(CREATE, agent_body())).status_code == 201
    assert (await api.post("/api/ops/halt")).status_code == 200


# ------------------------------------------------------------------------------------ 18, 19, 20
async def test_case_018_when_a_key_comes_with_another_body_then_422(api: Api) -> None:
    assert (await api.post(CREATE, agent_body(), headers=KEY)).status_code == 201
    before = api.store.contents()
    other = await api.post(CREATE, agent_body(name="Another"), headers=KEY)
    assert_problem(other, 422, "IDEMPOTENCY_KEY_REUSED")
    assert api.store.contents() == before


async def test_case_018_when_two_principals_use_one_key_then_each_has_its_own(api: Api) -> None:
    """Else the one would learn what the other was answered."""
    ada, grace = [await a_token_of(api, Role.TRADER) for _ in range(2)]
    first = await api.post(CREATE, agent_body(), headers=KEY, token=ada)
    second = await api.post(CREATE, agent_body(name="Another"), headers=KEY, token=grace)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["agent_id"] != second.json()["agent_id"]


async def test_case_019_when_the_first_request_still_runs_then_409(api: Api) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(operation: str, argument: Any) -> None:
        if operation == "commit" and V3.agents in str(argument):
            api.store.before = None
            begun.set()
            await go_on.wait()

    api.store.before = wait
    first = asyncio.create_task(api.post(CREATE, agent_body(), headers=KEY))
    await begun.wait()
    second = await api.post(CREATE, agent_body(), headers=KEY)
    assert_problem(second, 409, "IDEMPOTENCY_KEY_IN_USE")
    assert second.headers["retry-after"] == "1"
    go_on.set()
    assert (await first).status_code == 201


async def test_case_020_when_the_first_is_done_then_its_answer_and_no_second_effect(
    api: Api,
) -> None:
    first = await api.post(GENERATE, signal_body(V3_AGENT), headers=KEY)
    before = api.store.contents()
    again = await api.post(GENERATE, signal_body(V3_AGENT), headers=KEY)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert api.store.contents() == before
    assert len(before[V3.signals]) == 1


# -------------------------------------------------------------------------------------------- 21
@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb", "a\x00b", "a\x7fb", "ü", "a\u0085b"])
async def test_case_021_when_a_key_is_too_long_or_has_control_signs_then_400(
    api: Api, key: str
) -> None:
    before = api.store.contents()
    for path in (CREATE, GENERATE, "/api/ops/halt"):
        answer = await api.post(path, VALID[path], headers={"Idempotency-Key": key})
        assert_problem(answer, 400, "INVALID_IDEMPOTENCY_KEY")
    assert api.store.contents() == before


async def test_case_021_when_a_key_has_255_signs_then_it_is_taken(api: Api) -> None:
    answer = await api.post(CREATE, agent_body(), headers={"Idempotency-Key": "x" * 255})
    assert answer.status_code == 201


# -------------------------------------------------------------------------------------------- 22
BAD_IDS = ("%2e", "%2e%2e", "..%2Fx", "a%2Fb", "__x__", "x" * 1501, "%00", "a%20b", "é", "-", "_")
WITH_ID = [
    *(("GET", path) for path in READS if "{" in path),
    *(each for each in WRITES if "{" in each[1]),
]


@pytest.mark.parametrize(("method", "path"), WITH_ID)
async def test_case_022_when_an_id_is_none_that_the_store_can_have_then_400(
    api: Api, method: str, path: str
) -> None:
    """With a slash in it, it is another path: 404, or 405 where that one has other methods."""
    before = api.store.contents()
    for bad in BAD_IDS:
        place = path.replace("{move}", "pause")
        for name in ("{id}", "{flatten_id}", "{intent_id}", "{parent_order_id}"):
            place = place.replace(name, bad)
        answer = await api.call(method, place, body=VALID.get(path))
        allowed = {404, 405} if "%2F" in bad or bad == "%2e%2e" else {400}
        assert answer.status_code in allowed | {400}, (place[:200], answer.text)
        assert_problem(answer, answer.status_code)
    assert api.store.contents() == before


# ---------------------------------------------------------------------------------------- 23, 24
@pytest.mark.parametrize("value", ["k\r\nX-Evil: 1", "k\nX", "k\rX", "\r\n\r\n<html>"])
async def test_case_023_when_a_header_holds_a_line_break_then_refused_and_never_repeated(
    api: Api, value: str
) -> None:
    """A server refuses such a request itself; so does the application, where it reads the value."""
    before = api.store.contents()
    answer = await api.post(CREATE, agent_body(), headers={"Idempotency-Key": value})
    assert_problem(answer, 400, "INVALID_IDEMPOTENCY_KEY")
    answers = [
        answer,
        await api.get("/api/agents", headers={"Authorization": f"Bearer {TOKEN}{value}"}),
        await api.call("OPTIONS", CREATE, token=None, headers={"Origin": value, **PREFLIGHT}),
    ]
    assert [each.status_code for each in answers] == [400, 401, 403]
    for each in answers:
        assert "x-evil" not in each.headers
        assert "\n" not in "".join(each.headers.values())
    assert api.store.contents() == before


PREFLIGHT = {"Access-Control-Request-Method": "POST"}
FORGED = {
    "X-CloudScheduler": "true",
    "X-CloudScheduler-JobName": "settle",
    "X-CloudScheduler-ScheduleTime": "2026-11-20T12:00:00Z",
    "X-Forwarded-For": "127.0.0.1, 10.0.0.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example",
    "X-Original-URL": "/health",
    "X-HTTP-Method-Override": "DELETE",
    "X-Cloud-Trace-Context": "not a trace/;o=9",
    "traceparent": "00-zz-zz-zz",
    "X-Goog-Authenticated-User-Email": "accounts.google.com:ada@example.com",
    "X-Serverless-Authorization": f"Bearer {TOKEN}",
    "X-Principal": "operator",
}


async def test_case_024_when_headers_are_forged_then_they_open_nothing_and_change_nothing(
    api: Api,
) -> None:
    answer = await api.get("/api/agents", token=None, headers=FORGED)
    assert_problem(answer, 401, "UNAUTHENTICATED")
    plain = await api.get("/api/agents")
    dressed = await api.get("/api/agents", headers=FORGED)
    assert (dressed.status_code, dressed.json()) == (200, plain.json())
    viewer = await a_token_of(api)
    answer = await api.post("/api/ops/halt", token=viewer, headers=FORGED)
    assert_problem(answer, 403, "ROLE_TOO_LOW")


async def test_case_024_when_the_senders_address_is_forged_then_failures_count_all_the_same(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere the header is ignored; on Cloud Run what Google's front end has added counts."""
    for on_cloud_run in (False, True):
        if on_cloud_run:
            monkeypatch.setenv("K_SERVICE", "api")
        seen = ", 203.0.113.7" if on_cloud_run else ""
        answers = [
            await api.get(
                "/api/agents",
                token="guess",
                headers={"X-Forwarded-For": f"198.51.100.{number}{seen}"},
            )
            for number in range(FAILURES_PER_MINUTE + 1)
        ]
        assert_problem(answers[-2], 401, "UNAUTHENTICATED")
        assert_problem(answers[-1], 429, "TOO_MANY_FAILURES")


async def test_case_024_when_a_client_writes_anothers_name_then_its_own_is_kept(api: Api) -> None:
    ada = await a_token_of(api, Role.TRADER, name="Ada")
    await api.post("/api/ops/halt", {"by": "Grace", "reason": "a test"}, token=ada)
    assert (await api.get("/api/ops/state")).json()["changed_by"] == "Ada"
    facts = [row["facts"] for row in api.store.contents()[AUDIT].values()]
    assert [each["by"] for each in facts if each.get("state") == "HALTED"] == ["Ada"]


# -------------------------------------------------------------------------------------------- 25
async def test_case_025_when_a_body_never_ends_then_408_and_nothing_is_done(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BODY_TIMEOUT_S", 0.01)

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"name":'
        await asyncio.Event().wait()

    before = api.store.contents()
    answer = await api.call("POST", CREATE, content=slowly(), headers=KEY)
    assert_problem(answer, 408, "BODY_TIMEOUT")
    assert api.store.contents() == before
    assert IDEMPOTENCY_KEYS not in before


async def test_case_025_when_a_stream_never_ends_then_413_at_the_first_byte_too_many(
    api: Api,
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1024
            yield b" " * 1024
            await asyncio.sleep(0)

    answer = await api.call("POST", CREATE, content=endless())
    assert_problem(answer, 413, "BODY_TOO_LARGE")
    assert sent <= 66 * 1024
