"""Trading states of venues, agents, deployments and symbols; four eyes; what is open."""

from dataclasses import replace
from datetime import timedelta

import pytest

from common.books import AUDIT, ORDER_INTENTS, OUTBOX, PARENT_ORDERS, TRADING_STATE, V3
from common.config import Settings
from common.domain.events import NotificationRaised, TradingStateChanged
from common.domain.instrument import OrderType
from common.domain.order import IntentStatus
from common.domain.parent_order import ParentStatus
from common.domain.scope import PLATFORM_SCOPE, Scope, symbol_scope, venue_scope
from common.how.trading_state import TradingState, TradingStateRecord, read_standing, state_ref
from common.ports import Create, Delete, Ref
from tests.builders import NOON, a_deployment, a_parent, a_plan, an_intent
from tests.fakes.publisher import RecordingPublisher
from tests.functions.api_client import V3_AGENT, Api, assert_problem

SCOPES = [
    "platform",
    "venue:GMX",
    f"agent:v3:{V3_AGENT}",
    "deployment:dep_1",
    "symbol:BTC",
]


@pytest.fixture
async def api(api: Api) -> Api:
    """Trading is ACTIVE; there is a deployment."""
    await api.set_state(TradingState.ACTIVE)
    await api.put_records((Ref(V3.deployments, "dep_1"), a_deployment()))
    return api


async def standing_of(api: Api, *keys: str) -> TradingState:
    scopes = [PLATFORM_SCOPE, *(Scope.parse(key) for key in keys)]
    return (await read_standing(api.store, scopes, now=api.clock.now())).state


# ----------------------------------------------------------------------------------------- scopes
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("verb", "state"), [("halt", "HALTED"), ("reduce", "REDUCING")])
async def test_a_scope_when_stopped_then_that_one_is_and_no_other(
    api: Api, scope: str, verb: str, state: str
) -> None:
    response = await api.post(f"/api/ops/{verb}", {"scope": scope, "reason": "news", "by": "Ada"})

    assert response.status_code == 200, response.text
    shown = response.json()
    assert (shown["scope"], shown["state"], shown["changed_by"]) == (scope, state, "Ada")
    for other in SCOPES[1:]:
        stopped = scope in {"platform", other}
        assert await standing_of(api, other) == (state if stopped else "ACTIVE"), other
    (row,) = api.store.contents()[AUDIT].values()
    assert (row["action"], row["subject_id"]) == ("trading-state-changed", scope)
    asked = {"by": "Ada", "principal": "operator"}
    assert row["facts"] == {"state": state, "reason": "news", **asked}
    assert isinstance(api.publisher, RecordingPublisher)
    changed, told = api.publisher.events
    assert changed == TradingStateChanged(scope=scope, epoch=shown["epoch"])
    assert isinstance(told, NotificationRaised)
    assert ("for " in told.notification.text) is (scope != "platform")
    assert OUTBOX not in api.store.contents()


async def test_a_scope_when_written_otherwise_then_the_same_one(api: Api) -> None:
    first = await api.post("/api/ops/halt", {"scope": "symbol:btc"})
    assert first.json()["scope"] == "symbol:BTC"
    again = await api.post("/api/ops/halt", {"scope": "symbol:BTC", "reason": "again"})
    assert again.json() == first.json()
    assert set(api.store.contents()[TRADING_STATE]) == {"platform", "symbol:BTC"}


async def test_a_scope_when_resumed_then_the_platforms_halt_still_holds(api: Api) -> None:
    await api.post("/api/ops/halt")
    await api.post("/api/ops/halt", {"scope": "symbol:BTC"})
    response = await api.post("/api/ops/resume", {"scope": "symbol:BTC"})
    assert response.json()["state"] == "ACTIVE"
    assert await standing_of(api, "symbol:BTC") is TradingState.HALTED


async def test_the_platform_when_resumed_then_a_scopes_halt_still_holds(api: Api) -> None:
    await api.post("/api/ops/halt", {"scope": "venue:GMX"})
    await api.post("/api/ops/halt")
    assert (await api.post("/api/ops/resume")).json()["state"] == "ACTIVE"
    assert await standing_of(api, "venue:GMX") is TradingState.HALTED
    assert await standing_of(api, "venue:OSTIUM") is TradingState.ACTIVE


async def test_a_scope_when_it_was_never_stopped_then_resuming_it_is_harmless(api: Api) -> None:
    response = await api.post("/api/ops/resume", {"scope": "symbol:BTC"})
    assert (response.status_code, response.json()["state"]) == (200, "ACTIVE")
    assert await standing_of(api, "symbol:BTC") is TradingState.ACTIVE


async def test_a_scope_when_its_time_is_over_then_it_can_be_stopped_anew(api: Api) -> None:
    """`monitor` reduces a deployment until the next day; a halt after that is a new one."""
    record = TradingStateRecord(
        state=TradingState.HALTED,
        epoch=4,
        reason="a day's loss",
        changed_by="monitor",
        changed_at=NOON,
        until=NOON + timedelta(hours=12),
    )
    await api.put_records((state_ref(Scope.parse("deployment:dep_1")), record))
    api.clock.advance(13 * 3600)
    assert await standing_of(api, "deployment:dep_1") is TradingState.ACTIVE
    shown = (await api.post("/api/ops/halt", {"scope": "deployment:dep_1"})).json()
    assert (shown["state"], shown["epoch"], shown["until"]) == ("HALTED", 5, None)
    assert await standing_of(api, "deployment:dep_1") is TradingState.HALTED


async def test_a_scope_when_it_would_end_by_itself_then_a_halt_of_a_persons_does_not(
    api: Api,
) -> None:
    record = TradingStateRecord(
        state=TradingState.HALTED,
        epoch=1,
        reason="a day's loss",
        changed_by="monitor",
        changed_at=NOON,
        until=NOON + timedelta(hours=12),
    )
    await api.put_records((state_ref(Scope.parse("deployment:dep_1")), record))
    shown = (await api.post("/api/ops/halt", {"scope": "deployment:dep_1", "by": "Ada"})).json()
    assert (shown["changed_by"], shown["until"]) == ("Ada", None)


@pytest.mark.parametrize("verb", ["halt", "reduce", "resume", "flatten"])
@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("venue:MULTI", id="no venue"),
        pytest.param(f"agent:{V3_AGENT}", id="an agent without its book"),
        pytest.param(f"agent:v9:{V3_AGENT}", id="no book"),
        pytest.param("agent:v3:agt_nobody", id="no agent"),
        pytest.param("deployment:dep_nobody", id="no deployment"),
    ],
)
async def test_a_scope_when_nothing_can_be_within_it_then_refused_and_nothing_written(
    api: Api, verb: str, scope: str
) -> None:
    """What is stopped must be what was meant: limits refuse such scopes already."""
    before = api.store.contents()
    response = await api.post(f"/api/ops/{verb}", {"scope": scope})
    assert response.status_code in {404, 422}, response.text
    assert api.store.contents() == before


# ------------------------------------------------------------------------------------------ state
async def test_state_when_scopes_are_stopped_then_the_gravest_first_then_by_name(api: Api) -> None:
    for verb, scope in (
        ("reduce", "symbol:SOL"),
        ("halt", "symbol:ETH"),
        ("halt", "deployment:dep_1"),
        ("reduce", "venue:GMX"),
        ("resume", "symbol:BTC"),
    ):
        assert (await api.post(f"/api/ops/{verb}", {"scope": scope})).status_code == 200
    shown = (await api.get("/api/ops/state")).json()
    assert (shown["state"], shown["changed_by"]) == ("ACTIVE", "Grace")
    assert [(each["scope"], each["state"]) for each in shown["scopes"]] == [
        ("deployment:dep_1", "HALTED"),
        ("symbol:ETH", "HALTED"),
        ("symbol:SOL", "REDUCING"),
        ("venue:GMX", "REDUCING"),
        ("symbol:BTC", "ACTIVE"),
    ]
    assert {"reason", "epoch", "changed_at", "until"} <= set(shown["scopes"][0])


async def test_state_when_the_platforms_was_never_set_then_scopes_and_counts_all_the_same(
    api: Api,
) -> None:
    await api.post("/api/ops/halt", {"scope": "symbol:ETH"})
    platform = await api.store.get(state_ref(PLATFORM_SCOPE))
    assert platform is not None
    await api.store.commit([Delete(platform.ref, platform.version)])
    shown = (await api.get("/api/ops/state")).json()
    assert (shown["state"], shown["epoch"]) == ("HALTED", 0)
    assert [each["scope"] for each in shown["scopes"]] == ["symbol:ETH"]
    assert shown["open_parent_orders"] == 0


async def test_state_when_orders_are_open_then_each_kind_is_counted(api: Api) -> None:
    parents = [a_parent(parent_order_id=f"par_{status}", status=status) for status in ParentStatus]
    resting = {
        "int_stop": (OrderType.STOP_MARKET, IntentStatus.WORKING),
        "int_take": (OrderType.MARKET_IF_TOUCHED, IntentStatus.WORKING),
        "int_entry": (OrderType.LIMIT, IntentStatus.WORKING),
        "int_over": (OrderType.STOP_MARKET, IntentStatus.FILLED),
        "int_lost": (OrderType.MARKET, IntentStatus.UNRESOLVED),
        "int_lost_stop": (OrderType.STOP_MARKET, IntentStatus.UNRESOLVED),
    }
    intents = [
        an_intent(a_plan(intent_id=name, order_type=kind), status=status)
        for name, (kind, status) in resting.items()
    ]
    await api.put_records(
        *((Ref(PARENT_ORDERS, each.parent_order_id), each) for each in parents),
        *((Ref(ORDER_INTENTS, each.plan.intent_id), each) for each in intents),
    )
    shown = (await api.get("/api/ops/state")).json()
    assert shown["open_parent_orders"] == 3  # ACTIVE, PAUSED, CANCELING
    assert shown["protective_orders"] == 2
    assert shown["unresolved_orders"] == 2


async def test_state_when_a_scopes_record_cannot_be_read_then_orders_there_are_stopped(
    api: Api,
) -> None:
    await api.store.commit([Create(state_ref(symbol_scope("ETH")), {"state": "ODD"})])
    assert await standing_of(api, "symbol:ETH") is TradingState.HALTED
    (shown,) = (await api.get("/api/ops/state")).json()["scopes"]
    assert (shown["scope"], shown["state"]) == ("symbol:ETH", "HALTED")


# -------------------------------------------------------------------------------------- four eyes
@pytest.fixture
def strict(api: Api) -> Api:
    """Who stopped it does not resume it."""
    api.settings = replace(Settings(), four_eyes=True)
    return api


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("verb", ["halt", "reduce"])
async def test_four_eyes_when_the_same_person_resumes_then_403_and_it_stays(
    strict: Api, scope: str, verb: str
) -> None:
    await strict.post(f"/api/ops/{verb}", {"scope": scope, "by": "Ada"})
    before = strict.store.contents()
    response = await strict.post("/api/ops/resume", {"scope": scope, "by": "Ada"})
    assert_problem(response, 403, "FOUR_EYES")
    assert strict.store.contents() == before
    resumed = await strict.post("/api/ops/resume", {"scope": scope, "by": "Grace"})
    assert (resumed.status_code, resumed.json()["state"]) == (200, "ACTIVE")


async def test_four_eyes_when_two_halt_then_the_first_is_the_one_who_did(strict: Api) -> None:
    await strict.post("/api/ops/halt", {"by": "Ada"})
    await strict.post("/api/ops/halt", {"by": "Grace"})
    assert_problem(await strict.post("/api/ops/resume", {"by": "Ada"}), 403, "FOUR_EYES")


async def test_four_eyes_when_nobody_is_named_at_the_halt_then_a_name_is_needed_to_resume(
    strict: Api,
) -> None:
    await strict.post("/api/ops/halt")
    assert_problem(await strict.post("/api/ops/resume"), 403, "FOUR_EYES")
    assert (await strict.post("/api/ops/resume", {"by": "Ada"})).status_code == 200


async def test_four_eyes_when_nobody_is_named_at_the_resume_then_403(strict: Api) -> None:
    await strict.post("/api/ops/halt", {"by": "Ada"})
    before = strict.store.contents()
    assert_problem(await strict.post("/api/ops/resume"), 403, "FOUR_EYES")
    assert strict.store.contents() == before


async def test_four_eyes_when_not_set_then_one_person_does_both(api: Api) -> None:
    await api.post("/api/ops/halt", {"by": "Ada"})
    assert (await api.post("/api/ops/resume", {"by": "Ada"})).status_code == 200


async def test_resume_when_an_order_is_unresolved_then_409_for_every_scope(api: Api) -> None:
    for scope in SCOPES:
        await api.post("/api/ops/halt", {"scope": scope})
    intent = an_intent(status=IntentStatus.UNRESOLVED)
    await api.put_records((Ref(ORDER_INTENTS, intent.plan.intent_id), intent))
    before = api.store.contents()
    for scope in SCOPES:
        response = await api.post("/api/ops/resume", {"scope": scope})
        assert_problem(response, 409, "UNRESOLVED_ORDERS")
    assert api.store.contents() == before
    for verb in ("halt", "reduce"):  # what is graver, or as grave, is never refused
        assert (await api.post(f"/api/ops/{verb}", {"scope": "venue:OSTIUM"})).status_code == 200
    assert await standing_of(api, venue_scope("OSTIUM").key) is TradingState.HALTED
