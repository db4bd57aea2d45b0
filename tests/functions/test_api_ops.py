"""Halt, reduce, resume, breakers, health."""

from dataclasses import replace

import pytest

from common.books import (
    AUDIT,
    FLATTENS,
    MARKET_SNAPSHOTS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    OUTBOX,
    TRADING_STATE,
)
from common.config import BreakerSettings, Settings
from common.documents import load
from common.domain.instrument import ALL_VENUES, Venue
from common.domain.order import IntentStatus
from common.domain.scope import PLATFORM_SCOPE, symbol_scope
from common.errors import ConflictError, TransientError
from common.how.trading_state import (
    PLATFORM,
    TradingState,
    TradingStateRecord,
    read_state,
    state_ref,
)
from common.ports import Create, Delete, Ref
from common.where.breakers import Breakers
from functions.api.health import Health
from functions.api.ops import StateWish, change_state
from tests.builders import a_snapshot, an_intent
from tests.fakes.publisher import RecordingPublisher
from tests.functions.api_client import Api, assert_problem


async def test_state_when_never_set_then_halted(api: Api) -> None:
    assert (await api.get("/api/ops/state")).json()["state"] == "HALTED"


@pytest.mark.parametrize(
    ("verb", "state", "topics"),
    [
        ("halt", "HALTED", ["trading-state-changed", "notifications"]),
        ("reduce", "REDUCING", ["trading-state-changed", "notifications"]),
        ("resume", "ACTIVE", ["notifications"]),
    ],
)
async def test_a_change_when_asked_then_persisted_audited_and_told(
    api: Api, verb: str, state: str, topics: list[str]
) -> None:
    response = await api.post(f"/api/ops/{verb}", {"reason": "drill"})
    assert response.status_code == 200, response.text
    assert response.json()["state"] == state
    assert await read_state(api.store) is TradingState(state)
    contents = api.store.contents()
    (audit,) = contents[AUDIT].values()
    assert audit["facts"]["reason"] == "drill"
    (notification,) = contents[NOTIFICATIONS].values()
    assert "drill" in notification["notification"]["text"]
    assert isinstance(api.publisher, RecordingPublisher)
    assert [message.topic for message in api.publisher.messages] == topics
    assert OUTBOX not in contents
    shown = (await api.get("/api/ops/state")).json()
    nothing_open = {"open_parent_orders": 0, "protective_orders": 0, "unresolved_orders": 0}
    assert {"scope": "platform", **shown} == {**response.json(), "scopes": [], **nothing_open}


async def test_state_when_it_is_over_by_its_until_then_what_is_in_force_is_shown(api: Api) -> None:
    """The gate lets orders through from that moment on."""
    await api.post("/api/ops/resume")
    await api.post("/api/ops/halt", {"scope": "symbol:BTC"})
    await api.post("/api/ops/reduce", {"scope": "symbol:ETH"})
    for ref in (PLATFORM, state_ref(symbol_scope("BTC"))):
        stored = await load(api.store, TradingStateRecord, ref)
        assert stored is not None
        over = replace(stored.value, state=TradingState.HALTED, until=api.clock.now())
        await api.store.commit([stored.update(over)])

    shown = (await api.get("/api/ops/state")).json()

    assert shown["state"] == "ACTIVE"
    assert [(each["scope"], each["state"]) for each in shown["scopes"]] == [
        ("symbol:ETH", "REDUCING"),
        ("symbol:BTC", "ACTIVE"),
    ]


async def test_halt_when_it_has_no_body_or_comes_twice_then_the_same_epoch(api: Api) -> None:
    first = await api.post("/api/ops/halt")
    again = await api.post("/api/ops/halt", {"reason": "again"})
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["epoch"] == 1
    assert (await api.post("/api/ops/resume")).json()["epoch"] == 2


async def test_resume_when_an_order_is_unresolved_then_409_and_still_halted(api: Api) -> None:
    await api.post("/api/ops/halt")
    intent = an_intent(status=IntentStatus.UNRESOLVED)
    await api.put_records((Ref(ORDER_INTENTS, intent.plan.intent_id), intent))
    before = api.store.contents()
    assert_problem(await api.post("/api/ops/resume"), 409, "UNRESOLVED_ORDERS")
    assert api.store.contents() == before


async def test_a_change_when_another_wins_the_race_then_it_reads_again(api: Api) -> None:
    raced = False

    async def race(operation: str, argument: object) -> None:
        nonlocal raced
        if operation == "commit" and not raced:
            raced = True
            quicker = StateWish(
                state=TradingState.REDUCING, scope=PLATFORM_SCOPE, reason="quicker", by="x"
            )
            await change_state(quicker, store=api.store, clock=api.clock, settings=api.settings)

    await api.post("/api/ops/resume")
    api.store.before = race
    shown = (await api.post("/api/ops/halt")).json()
    assert (shown["state"], shown["epoch"]) == ("HALTED", 3)


async def test_a_change_when_it_never_wins_then_409(api: Api) -> None:
    async def lose(operation: str, argument: object) -> None:
        if operation == "commit":
            raise ConflictError("lost", collection=PLATFORM.collection, document_id=PLATFORM.id)

    api.store.before = lose
    assert_problem(await api.post("/api/ops/halt"), 409, "CONFLICT")


async def test_breakers_when_one_is_open_then_it_is_shown(api: Api) -> None:
    breakers = Breakers(api.store, api.clock, BreakerSettings(failures_to_open=1))
    ticket = await breakers.admit(Venue.GMX, "request-1")
    assert ticket is not None
    await breakers.failed(ticket, "timeout")
    shown = (await api.get("/api/ops/breakers")).json()["breakers"]
    states = {breaker["venue"]: breaker["status"] for breaker in shown}
    assert states == {venue: "OPEN" if venue is Venue.GMX else "CLOSED" for venue in ALL_VENUES}


async def test_health_when_market_data_is_fresh_then_running(api: Api) -> None:
    """SW-14."""
    await api.put_records((Ref(MARKET_SNAPSHOTS, "BTC"), a_snapshot("BTC")))
    shown = (await api.get("/health", token=None)).json()
    assert shown["status"] == "healthy"
    assert shown["version"]
    orchestrator = shown["orchestrator"]
    assert orchestrator["running"] is True
    assert orchestrator["uptime_seconds"] >= 0
    assert orchestrator["config"]["symbols"] == list(Settings().swarm.symbols)
    assert orchestrator["components"]["store"] == "ok"
    assert orchestrator["components"]["breakers_open"] == []


async def test_health_when_market_data_is_old_then_degraded(api: Api) -> None:
    await api.put_records((Ref(MARKET_SNAPSHOTS, "BTC"), a_snapshot("BTC")))
    api.clock.advance(3600)
    shown = (await api.get("/health")).json()
    assert shown["status"] == "degraded"
    assert shown["orchestrator"]["components"]["market_data"] == "stale"


async def test_health_when_the_store_is_down_then_it_still_answers(api: Api) -> None:
    async def fail(operation: str, argument: object) -> None:
        raise TransientError("no store")

    api.store.before = fail
    response = await api.get("/health")
    assert response.status_code == 200
    assert response.json()["orchestrator"]["components"]["store"] == "unreachable"
    assert_problem(await api.get("/api/agents"), 503, "STORE_UNAVAILABLE")


async def test_health_when_asked_often_then_the_store_is_read_once(api: Api) -> None:
    reads = 0

    async def count(operation: str, argument: object) -> None:
        nonlocal reads
        reads += 1

    api.store.before = count
    health = Health()
    for _ in range(5):
        await health.report(store=api.store, clock=api.clock, settings=Settings())
    assert reads == 3  # snapshots, trading state, breakers


async def test_an_unexpected_error_when_raised_then_500_without_its_words(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(operation: str, argument: object) -> None:
        raise RuntimeError("a secret detail")

    api.store.before = fail
    response = await api.get("/api/agents")
    assert_problem(response, 500, "INTERNAL")
    assert "secret" not in response.text


async def test_a_record_when_it_cannot_be_read_then_500_not_422(api: Api) -> None:
    await api.store.commit([Create(Ref(FLATTENS, "flt_1"), {"status": "ODD"})])
    assert_problem(await api.get("/api/ops/flattens/flt_1"), 500, "INTERNAL")


@pytest.mark.parametrize("scope", ["platform", "symbol:BTC"])
@pytest.mark.parametrize("verb", ["resume", "reduce", "flatten"])
async def test_state_when_it_cannot_be_read_then_halted_whatever_is_asked(
    api: Api, scope: str, verb: str
) -> None:
    """A field of a newer version is enough; nobody is kept from halting it by that."""
    place = Ref(TRADING_STATE, scope)
    await api.post("/api/ops/resume")
    found = await api.store.get(place)
    await api.store.commit([Delete(place)] if found else [])
    await api.store.commit([Create(place, {"state": "ACTIVE", "epoch": 7, "newer": 1})])

    told = (await api.get("/api/ops/state")).json()
    shown = told if scope == "platform" else told["scopes"][0]
    assert (shown["state"], shown["reason"]) == ("HALTED", "its state cannot be read")
    halted = await api.post("/api/ops/halt", {"scope": scope, "reason": "odd", "by": "ann"})
    assert (halted.json()["state"], halted.json()["epoch"]) == ("HALTED", 8)
    refused = await api.post(f"/api/ops/{verb}", {"scope": scope})
    assert_problem(refused, 409, "STATE_UNREADABLE")
