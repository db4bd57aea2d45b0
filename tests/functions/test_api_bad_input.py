"""Every POST and PUT that the API has, against bad input; a new one must bring a valid example."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from functions.api.application import application
from tests.builders import INTENT_ID
from tests.functions.api_client import (
    KEYED_V2,
    KEYED_V3,
    V2_AGENT,
    V3_AGENT,
    WALLET,
    Api,
    agent_body,
    assert_problem,
    in_chunks,
    key_of,
    rotation_body,
    seed_keyed_deployments,
    seed_unresolved_order,
    signal_body,
)

JsonPath = tuple[str, ...]

VALID: dict[str, dict[str, Any]] = {
    "/api/v3/agents/create": agent_body(),
    "/api/agents/create": agent_body(venue="GMX"),
    "/api/v3/agents/deploy": {
        "agent_id": V3_AGENT,
        "user_wallet": WALLET,
        "capital": "2500.50",
        **key_of("hyperliquid"),
        **key_of("ostium"),
    },
    "/api/agents/deploy": {
        "agent_id": V2_AGENT,
        "user_wallet": WALLET,
        "enabled_venues": ["GMX", "SPOT"],
        **key_of("gmx"),
        **key_of("spot"),
    },
    "/api/v3/agents/keys/rotate": rotation_body(KEYED_V3),
    "/api/agents/keys/rotate": rotation_body(KEYED_V2),
    "/api/v3/agents/keys/revoke": {"deployment_id": KEYED_V3, "venue": "HYPERLIQUID"},
    "/api/agents/keys/revoke": {"deployment_id": KEYED_V2, "venue": "HYPERLIQUID"},
    "/api/v3/signals/generate": signal_body(),
    "/api/signals/generate": signal_body(V2_AGENT),
    "/api/v3/routing/config": {"agent_id": V3_AGENT, "venues": ["OSTIUM", "HYPERLIQUID"]},
    "/api/trading/execute": {
        "symbol": "ETH",
        "side": "BUY",
        "quantity": "0.5",
        "order_type": "MARKET",
    },
    "/api/ops/halt": {"reason": "a test"},
    "/api/ops/reduce": {"reason": "a test"},
    "/api/ops/resume": {"reason": "a test"},
    "/api/ops/orders/{intent_id}/settle": {
        "filled_qty": "0.5",
        "avg_px": "3000",
        "commission": "0.9",
        "reason": "a test",
    },
}


class _SeededApi(Api):
    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await super().call(method, path.replace("{intent_id}", INTENT_ID), **options)


@pytest.fixture
async def api(api: Api, request: pytest.FixtureRequest) -> Api:
    """With the deployments whose keys the examples rotate and revoke, and the order that one of
    them settles.
    """
    await seed_keyed_deployments(api.store)
    if "{intent_id}" in request.node.name:
        await seed_unresolved_order(api)
    return _SeededApi(api.data_dir, api.store, api.clock, api.publisher)


def _operations() -> list[tuple[str, str]]:
    paths = application().openapi()["paths"]
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if method in {"post", "put", "patch", "delete"}
    ]


WRITES = _operations()
each_write = pytest.mark.parametrize(("method", "path"), WRITES)

NUMBERS = {"x", "research", "value", "stop", "confidence", "quantity"}
NUMBERS |= {"filled_qty", "avg_px", "commission"}
IDS = {"agent_id", "deployment_id"}
FREE_TEXT = {"name", "reason"}
BAD_NUMBERS: tuple[Any, ...] = (
    -1,
    "1e30",
    "1E3",
    "1e3",
    "٣",
    "\u0661",
    " 1",
    "1 ",
    "0x10",
    "",
    "+1",
    ".5",
)
BAD_NUMBER_TEXTS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1e-30",
    "1e30",
    "9" * 65,
    "0." + "1" * 40,
)
BAD_IDS = ("../x", "%2e", "a/b", "__x__", ".", "..", "x" * 129, "", "a b", "ä")
BAD_TEXTS = ("", " ", " a", "a\u0000b", "a\nb", "\u202eevil", "a\u200bb", "\ud800", "x" * 10_000)
MARK = "Zq9Marker"


def _leaves(value: Any, path: JsonPath = ()) -> Iterator[tuple[JsonPath, Any]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _leaves(member, (*path, name))
    else:
        yield path, value


def _objects(value: Any, path: JsonPath = ()) -> Iterator[JsonPath]:
    if isinstance(value, dict):
        yield path
        for name, member in value.items():
            yield from _objects(member, (*path, name))


def _with(body: dict[str, Any], path: JsonPath, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    holder = changed
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = value
    return changed


def _wrong_values(path: JsonPath, valid: Any) -> Iterator[Any]:
    """Values of another type or out of bounds for one field."""
    name = path[-1]
    yield from ({MARK: 1}, [[1]], True)
    if isinstance(valid, list):
        yield from ([1], [None], "text", [valid[0], valid[0]], [{"a": 1}], ["\u202e"])
        return
    if name in NUMBERS:
        yield from BAD_NUMBERS
        if name in {"value", "stop", "quantity"}:
            yield from (0, "0")
        if name not in {"quantity", "commission"}:
            yield from (101, "100.00000001")
    else:
        yield 12345
    if name in IDS:
        yield from BAD_IDS
    if name in FREE_TEXT:
        yield from BAD_TEXTS
    if name.endswith(("_wallet", "_address", "_iv", "_tag", "_encrypted")):
        yield from ("", "0x", valid[:-1], valid + "0", "zz" + valid[2:], f"{valid} ", "é" * 42)
    if name in {"side", "order_type", "type", "venue", "token_symbol", "symbol"}:
        yield from ("", "nope-nope", "MULTI/", "ETH USD", "\u0395TH")
    if name == "capital":
        yield from (2500.5, 2500, "0", "-1", "1e9", "10000000000")


async def _refused(api: Api, method: str, path: str, **options: Any) -> None:
    before = api.store.contents()
    response = await api.call(method, path, **options)
    shown = options.get("content") or options.get("body")
    assert 400 <= response.status_code < 500, (shown, response.status_code, response.text)
    assert_problem(response, response.status_code)
    assert response.json()["code"].replace("_", "").isalnum()
    assert MARK not in response.text
    assert "Traceback" not in response.text
    assert api.store.contents() == before, shown


def test_every_write_has_a_valid_example() -> None:
    assert {path for _, path in WRITES} == set(VALID)


@pytest.mark.parametrize(
    ("method", "path"),
    # tests/functions/test_api_trading.py has this one: it waits for the chain.
    [(method, path) for method, path in WRITES if path != "/api/trading/execute"],
)
async def test_a_write_when_valid_then_it_is_taken(api: Api, method: str, path: str) -> None:
    """The tests below mean something only while the untouched example passes."""
    response = await api.call(method, path, body=VALID[path])
    assert response.status_code in {200, 201}, response.text


@each_write
async def test_a_write_when_no_token_then_401(api: Api, method: str, path: str) -> None:
    before = api.store.contents()
    response = await api.call(method, path, body=VALID[path], token=None)
    assert_problem(response, 401, "UNAUTHENTICATED")
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert api.store.contents() == before


@each_write
async def test_a_write_when_the_body_is_no_json_object_then_refused(
    api: Api, method: str, path: str
) -> None:
    bodies = [
        b"{",
        b"nonsense",
        b"[]",
        b'"text"',
        b"12",
        b"\xff\xfe",
        b'{"a": "\xc3"}',
        b"\xef\xbb\xbf{}",
    ]
    bodies += [b'{"a":1}{"b":2}', b"{'a':1}", b'{"a":1,}', b"\x00", b'{"\\ud800":1}']
    for content in bodies:
        await _refused(api, method, path, content=content)


@each_write
async def test_a_write_when_the_body_is_ambiguous_or_deep_then_400(
    api: Api, method: str, path: str
) -> None:
    twice = json.dumps(VALID[path])[:-1] + ', "dup": 1, "dup": 1}'
    response = await api.call(method, path, content=twice.encode())
    assert_problem(response, 400, "DUPLICATE_KEY")
    deep = b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"
    response = await api.call(method, path, content=deep)
    assert_problem(response, 400, "TOO_DEEP")


@each_write
async def test_a_write_when_the_body_is_too_large_then_413(
    api: Api, method: str, path: str
) -> None:
    before = api.store.contents()
    large = json.dumps({**VALID[path], "pad": "x" * 65_536}).encode()
    assert_problem(await api.call(method, path, content=large), 413, "BODY_TOO_LARGE")
    chunked = await api.call(method, path, content=in_chunks(large))
    assert_problem(chunked, 413, "BODY_TOO_LARGE")
    assert api.store.contents() == before


@each_write
async def test_a_write_when_the_media_type_is_another_then_415(
    api: Api, method: str, path: str
) -> None:
    content = json.dumps(VALID[path]).encode()
    for headers in (
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Encoding": "gzip"},
    ):
        before = api.store.contents()
        response = await api.call(method, path, content=content, headers=headers)
        assert_problem(response, 415)
        assert api.store.contents() == before


@each_write
async def test_a_write_when_a_field_is_unknown_then_422(api: Api, method: str, path: str) -> None:
    for place in _objects(VALID[path]):
        body = _with(VALID[path], (*place, MARK), MARK)
        before = api.store.contents()
        response = await api.call(method, path, body=body)
        assert_problem(response, 422, "UNKNOWN_FIELD")
        assert MARK not in response.text
        assert api.store.contents() == before


@each_write
async def test_a_write_when_a_required_field_is_missing_or_null_then_422(
    api: Api, method: str, path: str
) -> None:
    schema = application().openapi()
    body = schema["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]
    reference = body["schema"].get("$ref")
    if reference is None:
        return  # the body may be left out, and with it every field
    required = schema["components"]["schemas"][reference.split("/")[-1]]["required"]
    assert required
    await _refused(api, method, path)
    for name in required:
        body = {key: value for key, value in VALID[path].items() if key != name}
        response = await api.call(method, path, body=body)
        assert_problem(response, 422, "MISSING_FIELD")
        assert response.json()["where"] == f"body.{name}"
        await _refused(api, method, path, body={**VALID[path], name: None})


@each_write
async def test_a_write_when_a_field_is_of_another_type_or_out_of_bounds_then_refused(
    api: Api, method: str, path: str
) -> None:
    for place, valid in _leaves(VALID[path]):
        for value in _wrong_values(place, valid):
            await _refused(api, method, path, body=_with(VALID[path], place, value))


@each_write
async def test_a_write_when_a_number_is_not_finite_or_absurd_then_422(
    api: Api, method: str, path: str
) -> None:
    for place, _ in _leaves(VALID[path]):
        for text in BAD_NUMBER_TEXTS:
            content = json.dumps(_with(VALID[path], place, MARK)).replace(f'"{MARK}"', text)
            before = api.store.contents()
            response = await api.call(method, path, content=content.encode())
            assert_problem(response, 422)
            assert api.store.contents() == before


@each_write
async def test_a_write_when_the_idempotency_key_is_bad_then_400(
    api: Api, method: str, path: str
) -> None:
    for key in ("", "x" * 256, "a\tb", "a\x7fb", "ü"):
        before = api.store.contents()
        response = await api.call(method, path, body=VALID[path], headers={"Idempotency-Key": key})
        assert_problem(response, 400, "INVALID_IDEMPOTENCY_KEY")
        assert api.store.contents() == before


@pytest.mark.parametrize(
    ("name", "changes", "code"),
    [
        ("weights over one", {"weights": {"x": "0.6", "research": "0.5"}}, "INVALID_FIELD"),
        ("weights just under", {"weights": {"x": 0.6, "research": 0.399999999}}, "INVALID_FIELD"),
        ("a venue in V3", {"venue": "HYPERLIQUID"}, "UNKNOWN_FIELD"),
    ],
)
async def test_create_v3_when_a_rule_is_broken_then_422(
    api: Api, name: str, changes: dict[str, Any], code: str
) -> None:
    before = api.store.contents()
    response = await api.post("/api/v3/agents/create", agent_body(**changes))
    assert_problem(response, 422, code)
    assert api.store.contents() == before


@pytest.mark.parametrize("venues", [[], ["HYPERLIQUID"] * 2, ["MULTI"], ["BINANCE"], "HYPERLIQUID"])
async def test_deploy_v2_when_venues_are_not_distinct_known_venues_then_422(
    api: Api, venues: Any
) -> None:
    body = {"agent_id": V2_AGENT, "user_wallet": WALLET, "enabled_venues": venues}
    await _refused(api, "POST", "/api/agents/deploy", body=body)


@pytest.mark.parametrize("left_out", ["address", "key_encrypted", "key_iv", "key_tag"])
async def test_deploy_when_a_key_is_not_whole_then_422(api: Api, left_out: str) -> None:
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET, **key_of("ostium")}
    del body[f"ostium_agent_{left_out}"]
    await _refused(api, "POST", "/api/v3/agents/deploy", body=body)
    assert not list(api.data_dir.rglob("*secret*"))


READS = [
    path
    for path, methods in application().openapi()["paths"].items()
    if "get" in methods and path != "/health"
]


@pytest.mark.parametrize("path", [path for path in READS if "{id}" in path])
async def test_a_read_when_the_id_is_bad_then_400_or_404(api: Api, path: str) -> None:
    for bad in (
        "../x",
        "%2e",
        "%2e%2e",
        "..%2Fx",
        "a%2Fb",
        "__x__",
        "x" * 129,
        "%00",
        "a%20b",
        "é",
    ):
        response = await api.get(path.replace("{id}", bad))
        assert response.status_code in {400, 404}, (bad, response.text)
        assert_problem(response, response.status_code)
    missing = await api.get(path.replace("{id}", "not-there"))
    assert_problem(missing, 404)


@pytest.mark.parametrize("path", READS)
async def test_a_read_when_no_token_or_another_then_401(api: Api, path: str) -> None:
    for token in (None, "", "another", TOKEN_PREFIX):
        assert_problem(await api.get(path.replace("{id}", "x"), token=token), 401)


TOKEN_PREFIX = "a-token-of-the-test"


@pytest.mark.parametrize(
    "path",
    [
        path
        for path, methods in application().openapi()["paths"].items()
        if any(one["name"] == "limit" for one in methods.get("get", {}).get("parameters", ()))
    ],
)
async def test_a_list_when_its_limit_or_cursor_is_bad_then_422_or_400(api: Api, path: str) -> None:
    for limit in ("0", "-1", "1001", "ten", "1e2", "", "999999999999999999999999"):
        assert_problem(await api.get(f"{path}?limit={limit}"), 422)
    for cursor in ("nonsense", "AAAA", "é"):
        assert_problem(await api.get(f"{path}?cursor={cursor}"), 400, "INVALID_CURSOR")


async def test_a_path_when_unknown_then_404_and_a_method_then_405(api: Api) -> None:
    assert_problem(await api.get("/api/nothing"), 404, "NO_SUCH_PATH")
    assert_problem(await api.get("/api/agents/"), 404, "NO_SUCH_PATH")
    response = await api.call("DELETE", "/api/agents")
    assert_problem(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET"
    assert_problem(await api.call("POST", "/health", body={}), 405)
