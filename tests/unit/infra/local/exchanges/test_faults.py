"""Each fault, seen from the client and from the exchange's own state."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from infra.local.exchanges.distortion import distorted
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Operation
from infra.local.exchanges.faults import (
    Fault,
    FaultFunction,
    FaultKind,
    FaultRule,
    Faults,
    FaultSchedule,
    SeededFaults,
)
from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.transport import ExchangeTransport
from infra.local.stack.server import LoopServer, bind
from tests.builders import NOON
from tests.fakes.clock import FakeClock

REACHES_AND_ANSWERS_BADLY = [
    FaultKind.TRUNCATED,
    FaultKind.EMPTY,
    FaultKind.HUGE,
    FaultKind.MISSING_FIELD,
    FaultKind.RENAMED_FIELD,
    FaultKind.NULL_FIELD,
    FaultKind.NAN_FIELD,
]


@dataclass
class Ledger:
    """POST /put {"id"} adds an entry; GET /list gives them all."""

    entries: list[tuple[str, datetime]] = field(default_factory=list)

    def operation(self, request: ApiRequest) -> Operation:
        if request.path == "/list":
            return Operation("list")
        return Operation("put", json.loads(request.body)["id"], writes=True)

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        if request.path == "/list":
            return ApiAnswer([{"id": entry, "n": n} for n, (entry, _) in enumerate(self.entries)])
        if fault is not None and fault.kind is FaultKind.ORDER_ERROR:
            return ApiAnswer({"error": fault.message})
        self.entries.append((json.loads(request.body)["id"], now))
        return ApiAnswer({"ok": True, "count": str(len(self.entries))})


class Desk:
    """A ledger behind faults, and a client of it."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger()
        self.server = ExchangeServer(self.ledger, clock=self.clock, faults=faults)
        self.client = httpx.AsyncClient(
            transport=ExchangeTransport(self.server), base_url="https://venue.test"
        )

    async def put(self, key: str = "a") -> httpx.Response:
        return await self.client.post("/put", json={"id": key})

    async def listed(self) -> list[str]:
        return [entry["id"] for entry in (await self.client.get("/list")).json()]

    @property
    def held(self) -> list[str]:
        return [entry for entry, _ in self.ledger.entries]


def desk_with(fault: Fault, operation: str = "put") -> Desk:
    return Desk(FaultSchedule([FaultRule(fault, operation=operation)]))


@asynccontextmanager
async def on_a_socket(server: ExchangeServer) -> AsyncIterator[httpx.AsyncClient]:
    loop_server = LoopServer(server, bind(0))
    await loop_server.start()
    async with httpx.AsyncClient(base_url=loop_server.url) as client:
        yield client
    await loop_server.stop()


async def test_request_when_nothing_is_wrong_then_it_is_processed_and_answered() -> None:
    desk = Desk()

    answer = await desk.put()

    assert answer.json() == {"ok": True, "count": "1"}
    assert desk.ledger.entries == [("a", NOON)]
    assert desk.server.requests == [(Operation("put", "a", writes=True), None)]


async def test_connection_when_the_exchange_is_down_then_it_is_refused() -> None:
    desk = desk_with(Fault(FaultKind.DOWN))

    with pytest.raises(httpx.ConnectError):
        await desk.put()

    assert desk.held == []


@pytest.mark.parametrize(
    ("kind", "held"), [(FaultKind.LOST_REQUEST, []), (FaultKind.LOST_ANSWER, ["a"])]
)
async def test_timeout_when_before_or_after_acceptance_then_only_the_state_tells(
    kind: FaultKind, held: list[str]
) -> None:
    desk = desk_with(Fault(kind))

    with pytest.raises(httpx.ReadTimeout):
        await desk.put()

    assert desk.held == held


async def test_late_requests_when_due_then_processed_in_time_order_at_their_moment() -> None:
    late = {"a": 20.0, "b": 10.0}
    desk = Desk(
        FaultFunction(
            lambda _, key: Fault(FaultKind.LATE, delay_s=late[key]) if key in late else None
        )
    )
    for key in late:
        with pytest.raises(httpx.ReadTimeout):
            await desk.put(key)
    desk.clock.advance(9.0)
    assert await desk.listed() == []

    desk.clock.advance(60.0)

    assert await desk.listed() == ["b", "a"]
    assert [(at - NOON).total_seconds() for _, at in desk.ledger.entries] == [10.0, 20.0]


async def test_request_when_delivered_twice_then_processed_twice() -> None:
    desk = desk_with(Fault(FaultKind.TWICE))

    answer = await desk.put()

    assert answer.json()["count"] == "2"
    assert desk.held == ["a", "a"]


@pytest.mark.parametrize("lands", [True, False])
async def test_server_error_when_it_lands_or_not_then_the_same_html_comes_back(lands: bool) -> None:
    desk = desk_with(Fault(FaultKind.SERVER_ERROR, status=503, lands=lands))

    answer = await desk.put()

    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html")
    assert answer.text.startswith("<html>")
    assert desk.held == (["a"] if lands else [])


@pytest.mark.parametrize("wait", [None, 7])
async def test_rate_limit_when_a_wait_is_named_or_not_then_nothing_is_processed(
    wait: int | None,
) -> None:
    desk = desk_with(Fault(FaultKind.RATE_LIMITED, retry_after_s=wait))

    answer = await desk.put()

    assert answer.status_code == 429
    assert answer.headers.get("retry-after") == (None if wait is None else "7")
    assert desk.held == []


async def test_redirect_when_answered_then_it_names_another_place() -> None:
    desk = desk_with(Fault(FaultKind.REDIRECT, lands=True))

    answer = await desk.put()

    assert (answer.status_code, answer.headers["location"]) == (307, "https://elsewhere.invalid/")
    assert desk.held == ["a"]


@pytest.mark.parametrize("kind", REACHES_AND_ANSWERS_BADLY)
async def test_bad_answer_when_the_request_was_processed_then_it_is_not_the_right_one(
    kind: FaultKind,
) -> None:
    desk = desk_with(Fault(kind))
    right = await Desk().put()

    answer = await desk.put()

    assert answer.status_code == 200
    assert answer.content != right.content
    assert desk.held == ["a"]


async def test_truncated_answer_when_read_then_it_is_no_json() -> None:
    answer = await desk_with(Fault(FaultKind.TRUNCATED)).put()

    with pytest.raises(ValueError, match="Expecting"):
        answer.json()


async def test_huge_answer_when_read_then_it_has_its_size_and_the_right_meaning() -> None:
    answer = await desk_with(Fault(FaultKind.HUGE)).put()

    assert len(answer.content) == 10_000_000
    assert answer.json()["ok"] is True


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FaultKind.MISSING_FIELD, {"ok": True}),
        (FaultKind.RENAMED_FIELD, {"ok": True, "count_v2": "1"}),
        (FaultKind.NULL_FIELD, {"ok": True, "count": None}),
        (FaultKind.NAN_FIELD, {"ok": True, "count": "NaN"}),
    ],
)
async def test_schema_drift_when_a_field_is_named_then_only_it_changes(
    kind: FaultKind, body: dict[str, object]
) -> None:
    answer = await desk_with(Fault(kind, field="count")).put()

    assert answer.json() == body


async def test_endless_answer_when_read_then_more_always_comes() -> None:
    desk = desk_with(Fault(FaultKind.ENDLESS))
    read = 0

    async with desk.client.stream("POST", "/put", json={"id": "a"}) as answer:
        async for piece in answer.aiter_bytes():
            read += len(piece)
            if read > 20_000_000:
                break

    assert read > 20_000_000
    assert desk.held == ["a"]


async def test_order_error_when_asked_for_then_the_exchange_words_it() -> None:
    answer = await desk_with(Fault(FaultKind.ORDER_ERROR, message="no")).put()

    assert answer.json() == {"error": "no"}


async def test_no_effect_when_answered_ok_then_nothing_happened() -> None:
    desk = desk_with(Fault(FaultKind.NO_EFFECT))

    answer = await desk.put()

    assert answer.json() == {"ok": True, "count": "1"}
    assert desk.held == []


async def test_read_lag_when_it_lasts_then_queries_see_what_was_before() -> None:
    desk = Desk(FaultSchedule([FaultRule(Fault(FaultKind.READ_LAG, delay_s=30), key="b")]))
    await desk.put("a")
    await desk.put("b")
    assert desk.held == ["a", "b"]

    desk.clock.advance(29.9)
    assert await desk.listed() == ["a"]

    desk.clock.advance(0.1)
    assert await desk.listed() == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "ids"),
    [
        (FaultKind.FILLS_SHUFFLED, None),
        (FaultKind.FILLS_REPEATED, ["a", "a", "b", "b", "c", "c"]),
    ],
)
async def test_records_when_shuffled_or_repeated_then_none_is_lost(
    kind: FaultKind, ids: list[str] | None
) -> None:
    desk = desk_with(Fault(kind), operation="list")
    for key in "abc":
        await desk.put(key)

    listed = await desk.listed()

    assert set(listed) == {"a", "b", "c"}
    assert listed != ["a", "b", "c"]
    assert ids is None or listed == ids
    assert await desk.listed() == ["a", "b", "c"]


@pytest.mark.parametrize("kind", [FaultKind.DOWN, FaultKind.LOST_ANSWER, FaultKind.LATE])
async def test_lost_answer_when_over_a_socket_then_the_connection_closes(kind: FaultKind) -> None:
    desk = desk_with(Fault(kind, delay_s=1))

    async with on_a_socket(desk.server) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post("/put", json={"id": "a"})
        answer = await client.post("/put", json={"id": "b"})

    assert answer.json()["ok"] is True
    assert desk.held == (["a", "b"] if kind is FaultKind.LOST_ANSWER else ["b"])


async def test_endless_answer_when_over_a_socket_then_it_ends_with_its_client() -> None:
    desk = desk_with(Fault(FaultKind.ENDLESS))

    async with on_a_socket(desk.server) as client:
        async with client.stream("POST", "/put", json={"id": "a"}) as answer:
            pieces = answer.aiter_bytes()
            for _ in range(20):
                assert await anext(pieces)
        assert (await client.get("/list")).json() == [{"id": "a", "n": 0}]


def test_schedule_when_rules_overlap_then_the_first_that_strikes_wins() -> None:
    down, lost = Fault(FaultKind.DOWN), Fault(FaultKind.LOST_REQUEST)
    schedule = FaultSchedule(
        [
            FaultRule(down, operation="put", skip=1),
            FaultRule(lost, key="a", times=None),
        ]
    )

    struck = [schedule.next(*asked) for asked in [("put", "b"), ("put", "a"), ("put", "a")]]

    assert struck == [None, down, lost]
    assert schedule.next("list", "") is None
    assert schedule.fired == {FaultKind.DOWN: 1, FaultKind.LOST_REQUEST: 1}


def test_seeded_faults_when_asked_in_another_order_then_each_request_meets_the_same() -> None:
    rates = {Fault(FaultKind.DOWN): 0.3, Fault(FaultKind.EMPTY): 0.3}
    keys = [str(n) for n in range(300)]
    forward = SeededFaults(7, rates, operations={"put"})
    backward = SeededFaults(7, rates)

    first = {key: forward.next("put", key) for key in keys}
    second = {key: backward.next("put", key) for key in reversed(keys)}

    assert first == second
    assert 60 < forward.fired[FaultKind.DOWN] < 120
    assert 60 < forward.fired[FaultKind.EMPTY] < 120
    assert forward.next("list", "") is None
    assert first != {key: SeededFaults(8, rates).next("put", key) for key in keys}


@pytest.mark.parametrize("rates", [{Fault(FaultKind.DOWN): 1.2}, {Fault(FaultKind.DOWN): -0.1}])
def test_seeded_faults_when_the_rates_are_no_chances_then_refused(
    rates: dict[Fault, float],
) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        SeededFaults(1, rates)


async def test_asgi_when_it_is_no_http_then_refused() -> None:
    async def nothing() -> dict[str, object]:
        await asyncio.sleep(0)
        return {}

    async def drop(message: object) -> None:
        del message

    with pytest.raises(RuntimeError, match="websocket"):
        await Desk().server({"type": "websocket"}, nothing, drop)


def test_drift_when_no_field_is_named_then_every_scalar_at_every_depth_changes() -> None:
    answer = ApiAnswer({"a": 1, "in": [{"b": "2", "deep": {"c": None}}], "list": [3]})

    drifted = distorted(answer, Fault(FaultKind.NULL_FIELD))

    assert drifted.body == {"a": None, "in": [{"b": None, "deep": {"c": None}}], "list": [3]}


def test_records_when_inside_an_object_then_its_lists_repeat() -> None:
    answer = ApiAnswer({"trades": [{"id": 1}, {"id": 2}], "next": None})

    repeated = distorted(answer, Fault(FaultKind.FILLS_REPEATED))

    assert repeated.body == {
        "trades": [{"id": 1}, {"id": 1}, {"id": 2}, {"id": 2}],
        "next": None,
    }


def test_request_when_it_has_a_query_and_a_form_then_its_parameters_keep_their_order() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    request = ApiRequest(method="POST", path="/", query="b=1&a=", headers=form, body=b"z=2&y=3")

    assert request.parameters() == [("b", "1"), ("a", ""), ("z", "2"), ("y", "3")]
    assert ApiRequest(method="POST", path="/", query="b=1", body=b"z=2").parameters() == [
        ("b", "1")
    ]


@pytest.mark.parametrize("wrong", [{"delay_s": -1.0}, {"fraction": Decimal(2)}])
def test_fault_when_its_figures_make_no_sense_then_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="LATE"):
        Fault(FaultKind.LATE, **wrong)


async def test_endless_answer_when_a_client_would_read_it_all_then_cut_off() -> None:
    desk = desk_with(Fault(FaultKind.ENDLESS))

    with pytest.raises(httpx.ReadError):
        await desk.put()
