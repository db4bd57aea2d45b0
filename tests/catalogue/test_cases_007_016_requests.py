"""Cases 7 to 16: bodies, fields, paths, and how often; driven through the real application."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.domain.principal import Role
from infra.web import rates
from infra.web.access import FAILURES_PER_MINUTE
from tests.functions.api_client import Api, agent_body, assert_problem, in_chunks
from tests.functions.api_examples import VALID, WRITES, path_of, seed_examples
from tests.functions.callers import a_token_of

CREATE, LIMITS = "/api/v3/agents/create", "/api/ops/limits"
each_write = pytest.mark.parametrize(("method", "path"), WRITES)


@pytest.fixture
async def api(tmp_path: Path) -> Api:
    api = Api(tmp_path)
    await seed_examples(api, "")
    return api


async def refused(api: Api, method: str, path: str, status: int, code: str, **sent: Any) -> None:
    """A problem with its code; the store is as it was."""
    before = api.store.contents()
    assert_problem(await api.call(method, path_of(path), **sent), status, code)
    assert api.store.contents() == before


# --------------------------------------------------------------------------------------------- 7
@each_write
async def test_case_007_when_the_body_is_above_64_kib_then_413_before_it_is_parsed(
    api: Api, method: str, path: str
) -> None:
    """It is no JSON at all, which nobody gets as far as to say."""
    large = b"[" * 65_537
    await refused(api, method, path, 413, "BODY_TOO_LARGE", content=large)
    await refused(api, method, path, 413, "BODY_TOO_LARGE", content=in_chunks(large))


async def test_case_007_when_the_body_is_64_kib_then_it_is_read(api: Api) -> None:
    full = b"[" * 65_536
    await refused(api, "POST", CREATE, 400, "TOO_DEEP", content=full)


# --------------------------------------------------------------------------------------------- 8
@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/jsonp",
        "",
    ],
)
async def test_case_008_when_the_content_type_is_another_then_415(api: Api, kind: str) -> None:
    content = json.dumps(agent_body()).encode()
    headers = {"Content-Type": kind}
    sent = {"content": content, "headers": headers}
    await refused(api, "POST", CREATE, 415, "UNSUPPORTED_MEDIA_TYPE", **sent)


# ------------------------------------------------------------------------------------ 9, 10, 11
@each_write
async def test_case_009_when_the_body_is_not_utf_8_then_400(
    api: Api, method: str, path: str
) -> None:
    for content in (b"\xff\xfe", b'{"reason":"\xc3"}', '{"a":1}'.encode("utf-16")):
        await refused(api, method, path, 400, "INVALID_UTF8", content=content)


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"a","name":"b"}',
        '{"weights":{"x":1,"x":0}}',
        '[{"a":1,"a":1}]',
        '{"na\\u006de":1,"name":1}',
    ],
)
async def test_case_010_when_a_key_is_there_twice_then_400(api: Api, text: str) -> None:
    await refused(api, "POST", CREATE, 400, "DUPLICATE_KEY", content=text.encode())


async def test_case_011_when_json_nests_deeper_than_20_then_400(api: Api) -> None:
    for one, other in ((b"[", b"]"), (b'{"a":', b"}")):
        deep = one * 21 + (b"1" if one != b"[" else b"") + other * 21
        await refused(api, "POST", CREATE, 400, "TOO_DEEP", content=deep)
    twenty = b"[" * 20 + b"]" * 20
    await refused(api, "POST", CREATE, 422, "INVALID_FIELD", content=twenty)


# -------------------------------------------------------------------------------------------- 12
@each_write
async def test_case_012_when_a_field_is_unknown_then_422(api: Api, method: str, path: str) -> None:
    body = {**VALID[path], "is_admin": True}
    await refused(api, method, path, 422, "UNKNOWN_FIELD", body=body)


# ---------------------------------------------------------------------------------------- 13, 14
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "1" + "0" * 70])
async def test_case_013_when_a_number_is_not_finite_then_422(api: Api, number: str) -> None:
    for body in ({"weights": {"x": number}}, {"days": number}, number):
        text = json.dumps({**agent_body(), **body} if isinstance(body, dict) else body)
        content = text.replace(f'"{number}"', number).encode()
        before = api.store.contents()
        assert_problem(await api.call("POST", CREATE, content=content), 422)
        assert api.store.contents() == before


@pytest.mark.parametrize("capital", [0.1, 2500.5, 2500, 1e9])
async def test_case_014_when_money_is_a_json_number_then_422(api: Api, capital: float) -> None:
    """It may have been a float on its way: cash is text."""
    deploy = "/api/v3/agents/deploy"
    body = {**VALID[deploy], "capital": capital}
    await refused(api, "POST", deploy, 422, "INVALID_FIELD", body=body)
    limit = {**VALID[LIMITS], "order": {"max_notional": capital}}
    await refused(api, "POST", LIMITS, 422, "INVALID_FIELD", body=limit)


# -------------------------------------------------------------------------------------------- 15
@pytest.mark.parametrize("path", ["/api/nothing", "/api", "/api/agents/", "/API/agents", "/x"])
async def test_case_015_when_the_path_is_unknown_then_404(api: Api, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert_problem(await api.call(method, path), 404, "NO_SUCH_PATH")


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "PUT", "OPTIONS"])
async def test_case_015_when_the_method_is_another_then_405(api: Api, method: str) -> None:
    before = api.store.contents()
    for path in ("/api/agents", CREATE, "/api/ops/halt"):
        answer = await api.call(method, path)
        assert_problem(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] in {"GET", "POST"}
    assert api.store.contents() == before


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW"])
async def test_case_015_when_the_method_is_nobodys_then_405_from_the_server_itself(
    api: Api, method: str
) -> None:
    assert (await api.call(method, "/api/agents")).status_code == 405


# -------------------------------------------------------------------------------------------- 16
class Time:
    """The machine's own, in seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(rates, "monotonic", time)
    return time


async def test_case_016_when_a_principal_asks_too_often_then_429_until_retry_after(
    api: Api, time: Time
) -> None:
    api.settings = replace(api.settings, rate_per_minute=3)
    ada, grace = await a_token_of(api), await a_token_of(api)
    for _ in range(3):
        assert (await api.get("/api/agents", token=ada)).status_code == 200
    answer = await api.get("/api/agents", token=ada)
    assert_problem(answer, 429, "RATE_LIMITED")
    assert answer.headers["retry-after"] == "20"
    assert (await api.get("/api/agents", token=grace)).status_code == 200
    time.now += 19
    assert_problem(await api.get("/api/agents", token=ada), 429, "RATE_LIMITED")
    time.now += 1
    assert (await api.get("/api/agents", token=ada)).status_code == 200


async def test_case_016_when_the_limit_is_reached_then_trading_can_be_stopped_all_the_same(
    api: Api, time: Time
) -> None:
    api.settings = replace(api.settings, rate_per_minute=1)
    trader = await a_token_of(api, Role.TRADER)
    await api.get("/api/agents", token=trader)
    assert_problem(await api.post("/api/ops/resume", token=trader), 429, "RATE_LIMITED")
    for path in ("/api/ops/flatten", "/api/ops/reduce", "/api/ops/halt"):
        assert (await api.post(path, token=trader)).is_success


async def test_case_016_when_an_address_fails_too_often_then_429_and_nothing_is_looked_up(
    api: Api, time: Time
) -> None:
    """Whom the built-in token proves, or who stops trading, is let in from there still."""
    trader = await a_token_of(api, Role.TRADER)
    for _ in range(FAILURES_PER_MINUTE):
        assert_problem(await api.get("/api/agents", token="guess"), 401, "UNAUTHENTICATED")
    reads: list[str] = []

    async def note(operation: str, _: Any) -> None:
        reads.append(operation)

    api.store.before = note
    for token in ("guess", None, trader):
        answer = await api.get("/api/agents", token=token)
        assert_problem(answer, 429, "TOO_MANY_FAILURES")
        assert answer.headers["retry-after"] == "2"
    assert reads == []
    api.store.before = None
    assert (await api.get("/api/agents")).status_code == 200
    assert (await api.post("/api/ops/halt", token=trader)).status_code == 200
    time.now += 60
    assert (await api.get("/api/agents", token=trader)).status_code == 200


async def test_case_016_when_it_is_public_then_it_is_not_counted(api: Api, time: Time) -> None:
    api.settings = replace(api.settings, rate_per_minute=1)
    for _ in range(5):
        assert (await api.get("/health", token=None)).status_code == 200


# -------------------------------------------------------------------------------------------- 25
async def test_case_025_when_the_body_is_a_gzip_bomb_then_415_and_it_is_not_unpacked(
    api: Api,
) -> None:
    """The catalogue says 413; compressed bodies are refused unread, whatever is in them."""
    bomb = gzip.compress(b"0" * 10_000_000)
    assert len(bomb) < 65_536
    headers = {"Content-Encoding": "gzip"}
    for method, path in WRITES:
        sent = {"content": bomb, "headers": headers}
        await refused(api, method, path, 415, "UNSUPPORTED_ENCODING", **sent)
