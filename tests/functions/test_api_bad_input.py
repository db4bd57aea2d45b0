"""Every POST and PUT that the API has, against bad input; a new one must bring a valid example, in
api_examples.py.
"""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from functions.api.application import application
from tests.functions.api_client import (
    V2_AGENT,
    V3_AGENT,
    WALLET,
    Api,
    agent_body,
    assert_problem,
    in_chunks,
    key_of,
)
from tests.functions.api_examples import READS, VALID, WRITES, path_of, seed_examples

JsonPath = tuple[str, ...]


class _SeededApi(Api):
    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        return await super().call(method, path_of(path), **options)


@pytest.fixture
async def api(api: Api, request: pytest.FixtureRequest) -> Api:
    """With the records that the examples speak of."""
    await seed_examples(api, request.node.name)
    return _SeededApi(api.data_dir, api.store, api.clock, api.publisher)


each_write = pytest.mark.parametrize(("method", "path"), WRITES)

NUMBERS = {"x", "research", "value", "stop", "confidence", "quantity"}
NUMBERS |= {"filled_qty", "avg_px", "commission"}
NUMBERS |= {"min_confidence", "risk_modifier", "stop_loss", "take_profit"}
NUMBERS |= {"price", "limit_price"}
POSITIVE = {"value", "stop", "take_profit", "quantity", "price", "limit_price"}
UNBOUNDED = {"quantity", "commission", "price", "limit_price"}
TOP = {"max_order_notional", "max_exposure"}
TEXTS_OF_NUMBERS = {"max_notional", "price_collar", "max_leverage"}
COUNTS = {"duration_s", "slices", "time_limit_s"}
COUNTS |= {"days", "repeats_max", "repeats_window_s", "max_open_orders"}
IDS = {"agent_id", "deployment_id"}
FREE_TEXT = {"name", "reason", "by"}
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
CHOICES = {"side", "direction", "order_type", "algorithm", "type", "venue"}
CHOICES |= {"token_symbol", "symbol", "role", "kind"}
BAD_SCOPES = (
    "",
    "everything",
    "Platform",
    "PLATFORM",
    "platform:",
    "platform:all",
    " platform",
    "venue",
    "venue:",
    "venue:BINANCE",
    "venue:gmx",
    "symbol:",
    "symbol:B/C",
    "symbol:BTC:USD",
    "symbol:" + "B" * 21,
    "symbol:\u0412TC",
    "deployment:",
    "deployment:../x",
    "deployment:" + "x" * 129,
    "agent:",
    "agent:v3/x",
)
BAD_IDS = ("../x", "%2e", "a/b", "__x__", ".", "..", "x" * 129, "", "a b", "ä")
BAD_TEXTS = ("", " ", " a", "a\u0000b", "a\nb", "\u202eevil", "a\u200bb", "\ud800", "x" * 10_000)
MARK = "Zq9Marker"


def described(path: str, method: str) -> dict[str, Any]:
    """The operation as the schema has it."""
    operation: dict[str, Any] = application().openapi()["paths"][path][method]
    return operation


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
    elif name in {*TOP, *TEXTS_OF_NUMBERS, *COUNTS, *NUMBERS}:
        yield from BAD_NUMBERS
        yield from _wrong_numbers(path, valid)
    else:
        yield 12345
        yield from _wrong_texts(name, valid)


def _wrong_numbers(path: JsonPath, valid: Any) -> Iterator[Any]:
    name = path[-1]
    if name in TOP:
        yield from (0, "0", "1000000000000.01" if path[0] == "total" else "25000.01")
    elif name in TEXTS_OF_NUMBERS:  # never JSON numbers, which may have been floats already
        yield from (1, 0.02, "0", "-1", "25000.01")
    elif name in COUNTS:
        yield from (str(valid), 1.5, float(valid), 0, -5, 2_000_000_000)
    else:
        if name in POSITIVE:
            yield from (0, "0")
        if name not in UNBOUNDED:
            yield from (101, "100.00000001")


def _wrong_texts(name: str, valid: str) -> Iterator[Any]:
    if name in IDS:
        yield from BAD_IDS
    if name in FREE_TEXT:
        yield from BAD_TEXTS
    if name.endswith(("_wallet", "_address", "_iv", "_tag", "_encrypted")):
        yield from ("", "0x", valid[:-1], valid + "0", "zz" + valid[2:], f"{valid} ", "é" * 42)
    if name in CHOICES:
        yield from ("", "nope-nope", "MULTI/", "ETH USD", "\u0395TH")
    if name == "scope":
        yield from BAD_SCOPES
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
    assert response.status_code in {200, 201, 202}, response.text


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
    body = described(path, method.lower())["requestBody"]["content"]["application/json"]
    reference = body["schema"].get("$ref")
    if reference is None:
        return  # the body may be left out, and with it every field
    schemas = application().openapi()["components"]["schemas"]
    required = schemas[reference.split("/")[-1]]["required"]
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


BAD_PATH_IDS = (
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
)


def named(path: str, record_id: str) -> str:
    """The path with this id for each of its placeholders."""
    return re.sub(r"\{\w+\}", record_id, path)


@pytest.mark.parametrize("path", [path for path in READS if "{" in path])
async def test_a_read_when_the_id_is_bad_then_400_or_404(api: Api, path: str) -> None:
    for bad in BAD_PATH_IDS:
        response = await api.get(named(path, bad))
        another = {405} if "%2F" in bad else set()  # with a slash it may be another's path
        assert response.status_code in {400, 404} | another, (bad, response.text)
        assert_problem(response, response.status_code)
    missing = await api.get(named(path, "not-there"))
    assert_problem(missing, 404)


@pytest.mark.parametrize(("method", "path"), [each for each in WRITES if "{" in each[1]])
async def test_a_write_when_its_id_is_bad_then_400_or_404(api: Api, method: str, path: str) -> None:
    before = api.store.contents()
    for bad in (*BAD_PATH_IDS, "not-there"):
        place = path.replace("{move}", "pause")
        response = await api.call(method, named(place, bad), body=VALID[path])
        assert response.status_code in {400, 404}, (bad, response.text)
        assert_problem(response, response.status_code)
    assert api.store.contents() == before


async def test_a_move_when_there_is_no_such_then_400_and_nothing_is_moved(api: Api) -> None:
    path = "/api/orders/parents/{parent_order_id}/"
    before = api.store.contents()
    for move in ("explode", "PAUSE", "pause ", "%00", "resume%2Fcancel"):
        response = await api.post(f"{path}{move}", {"reason": "a test"})
        assert response.status_code in {400, 404}, (move, response.text)
        assert_problem(response, response.status_code)
    assert api.store.contents() == before


@pytest.mark.parametrize("path", READS)
async def test_a_read_when_no_token_or_another_then_401(api: Api, path: str) -> None:
    for token in (None, "", "another", TOKEN_PREFIX):
        assert_problem(await api.get(named(path, "x"), token=token), 401)


TOKEN_PREFIX = "a-token-of-the-test"


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in READS
        if any(one["name"] == "limit" for one in described(path, "get").get("parameters", ()))
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
