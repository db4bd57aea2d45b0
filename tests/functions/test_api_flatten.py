"""POST /api/ops/flatten, and what becomes of it."""

from dataclasses import replace
from typing import Any

import pytest

from common.books import AUDIT, FLATTENS, NOTIFICATIONS, OUTBOX, TRADING_STATE, V3
from common.documents import load
from common.domain.events import FlattenRequested, NotificationRaised, TradingStateChanged
from common.domain.flatten import Flatten, FlattenStatus
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.errors import ConflictError
from common.how.trading_state import (
    PLATFORM,
    TradingState,
    TradingStateRecord,
    read_standing,
    state_ref,
)
from common.ports import Create, Delete, Ref
from functions.api.ops import StateWish, change_state
from tests.builders import a_deployment
from tests.fakes.publisher import RecordingPublisher, refusing_publisher
from tests.functions.api_client import V3_AGENT, Api, assert_problem

PATH = "/api/ops/flatten"
SCOPES = ["platform", "venue:GMX", f"agent:v3:{V3_AGENT}", "deployment:dep_1", "symbol:BTC"]


@pytest.fixture
async def api(api: Api) -> Api:
    """Trading is ACTIVE, and there is a deployment."""
    await api.set_state(TradingState.ACTIVE)
    await api.change(Ref(V3.deployments, "dep_1"), a_deployment("dep_1"))
    return api


def published(api: Api) -> list[object]:
    assert isinstance(api.publisher, RecordingPublisher)
    return list(api.publisher.events)


async def standing_of(api: Api, key: str) -> TradingState:
    scopes = [PLATFORM_SCOPE, Scope.parse(key)]
    return (await read_standing(api.store, scopes, now=api.clock.now())).state


async def end(api: Api, flatten_id: str, status: FlattenStatus) -> None:
    """As `settle` leaves it."""
    stored = await load(api.store, Flatten, Ref(FLATTENS, flatten_id))
    assert stored is not None
    await api.store.commit([stored.update(replace(stored.value, status=status))])


@pytest.mark.parametrize("scope", SCOPES)
async def test_flatten_when_asked_then_begun_trading_reduces_and_settle_is_told(
    api: Api, scope: str
) -> None:
    response = await api.post(PATH, {"scope": scope, "reason": "news", "by": "Ada"})

    assert response.status_code == 202, response.text
    shown = response.json()
    wanted: dict[str, Any] = {
        "scope": scope,
        "reason": "news",
        "requested_by": "Ada",
        "requested_at": "2026-01-15T12:00:00.000000Z",
        "epoch": 2 if scope == "platform" else 1,
        "status": "CLOSING",
        "rounds": 0,
        "remaining": [],
        "dust": [],
        "finished_at": None,
    }
    assert wanted.items() <= shown.items()
    assert await standing_of(api, scope) is TradingState.REDUCING
    contents = api.store.contents()
    assert {**contents[FLATTENS][shown["flatten_id"]], "halted": []} == shown
    assert contents[TRADING_STATE][scope]["reason"] == "flatten: news"
    (row,) = contents[AUDIT].values()
    asked = {"by": "Ada", "principal": "operator"}
    assert row["facts"] == {"state": "REDUCING", "reason": "flatten: news", **asked}
    changed, told, begun = published(api)
    assert changed == TradingStateChanged(scope=scope, epoch=shown["epoch"])
    assert isinstance(told, NotificationRaised)
    assert begun == FlattenRequested(flatten_id=shown["flatten_id"])
    assert OUTBOX not in contents
    assert (await api.get(f"/api/ops/flattens/{shown['flatten_id']}")).json() == shown


async def test_flatten_when_it_has_no_body_then_the_platform(api: Api) -> None:
    shown = (await api.post(PATH)).json()
    assert (shown["scope"], shown["requested_by"]) == ("platform", "operator over the API")
    assert shown["reason"] == "requested by the operator"


@pytest.mark.parametrize("status", [FlattenStatus.CLOSING, FlattenStatus.STUCK])
async def test_flatten_when_one_is_open_there_then_it_is_answered_and_nothing_is_written(
    api: Api, status: FlattenStatus
) -> None:
    first = (await api.post(PATH, {"scope": "venue:GMX"})).json()
    await end(api, first["flatten_id"], status)
    before, told = api.store.contents(), len(published(api))
    again = await api.post(PATH, {"scope": "venue:GMX", "reason": "again", "by": "Grace"})
    assert again.status_code == 202
    assert again.json() == {**first, "status": status}
    assert api.store.contents() == before
    assert len(published(api)) == told


async def test_flatten_when_one_is_open_elsewhere_then_another_begins(api: Api) -> None:
    ids = {(await api.post(PATH, {"scope": scope})).json()["flatten_id"] for scope in SCOPES}
    assert len(ids) == len(SCOPES)
    assert set(api.store.contents()[FLATTENS]) == ids


async def test_flatten_when_the_last_one_is_over_then_another_begins(api: Api) -> None:
    first = (await api.post(PATH)).json()["flatten_id"]
    await end(api, first, FlattenStatus.FLAT)
    second = (await api.post(PATH)).json()
    assert second["flatten_id"] != first
    assert second["epoch"] == 3
    assert set(api.store.contents()[FLATTENS]) == {first, second["flatten_id"]}


async def test_flatten_when_trading_is_reducing_already_then_a_new_epoch(api: Api) -> None:
    """The epoch names the flatten: whoever changes the state meanwhile is not overruled."""
    await api.post("/api/ops/reduce")
    shown = (await api.post(PATH)).json()
    assert shown["epoch"] == 3
    assert (await api.get("/api/ops/state")).json()["epoch"] == 3


async def test_flatten_when_the_platform_is_halted_then_it_reduces_so_that_it_can_close(
    api: Api,
) -> None:
    await api.post("/api/ops/halt", {"by": "Ada"})
    assert (await api.post(PATH, {"by": "Ada"})).status_code == 202
    assert await standing_of(api, "symbol:BTC") is TradingState.REDUCING


@pytest.mark.parametrize("scope", SCOPES[1:])
@pytest.mark.parametrize("state", ["halted", "never set", "unreadable"])
async def test_flatten_when_the_platform_is_halted_then_409_for_what_is_within_it(
    api: Api, scope: str, state: str
) -> None:
    """Nothing could be closed; half a stop would look like a whole one."""
    if state == "halted":
        await api.post("/api/ops/halt")
    else:
        await _remove_state(api)
        if state == "unreadable":
            await api.store.commit([Create(PLATFORM, {"state": "ODD"})])
    before = api.store.contents()
    response = await api.post(PATH, {"scope": scope})
    assert_problem(response, 409, "TRADING_HALTED")
    assert api.store.contents() == before


async def test_flatten_when_its_agent_is_halted_then_409_and_it_is_named(api: Api) -> None:
    """Every order of the deployment would be refused: it could only look as if it closed."""
    agent = f"agent:v3:{V3_AGENT}"
    await api.change(Ref(V3.deployments, "dep_1"), a_deployment("dep_1", agent_id=V3_AGENT))
    await api.post("/api/ops/halt", {"scope": agent})
    before = api.store.contents()

    response = await api.post(PATH, {"scope": "deployment:dep_1"})

    assert_problem(response, 409, "TRADING_HALTED")
    assert f"agent v3:{V3_AGENT} is halted" in response.text
    assert api.store.contents() == before
    assert (await api.post(PATH, {"scope": agent})).status_code == 202


async def test_flatten_when_its_agents_halt_is_over_then_begun(api: Api) -> None:
    agent = Scope.parse(f"agent:v3:{V3_AGENT}")
    await api.change(Ref(V3.deployments, "dep_1"), a_deployment("dep_1", agent_id=V3_AGENT))
    await api.post("/api/ops/halt", {"scope": agent.key})
    stored = await load(api.store, TradingStateRecord, state_ref(agent))
    assert stored is not None
    over = replace(stored.value, until=api.clock.now())
    await api.store.commit([stored.update(over)])
    shown = (await api.post(PATH, {"scope": "deployment:dep_1"})).json()
    assert (shown["status"], shown["halted"]) == ("CLOSING", [])


@pytest.mark.parametrize(
    ("scope", "halted"),
    [
        ("platform", ["agent:v3:agt_v3", "deployment:dep_2", "symbol:ETH", "venue:GMX"]),
        ("venue:ASTER", ["agent:v3:agt_v3", "deployment:dep_2", "symbol:ETH"]),
        ("venue:GMX", ["agent:v3:agt_v3", "deployment:dep_2", "symbol:ETH"]),
        ("agent:v3:agt_v3", ["deployment:dep_2", "symbol:ETH", "venue:GMX"]),
        ("agent:v2:agt_v2", ["symbol:ETH", "venue:GMX"]),
        ("deployment:dep_1", ["symbol:ETH", "venue:GMX"]),
        ("symbol:BTC", ["agent:v3:agt_v3", "deployment:dep_2", "venue:GMX"]),
    ],
)
async def test_flatten_when_something_beside_it_is_halted_then_that_is_named(
    api: Api, scope: str, halted: list[str]
) -> None:
    """What is in both keeps its positions: nobody may wait for that without knowing it."""
    await api.change(Ref(V3.deployments, "dep_1"), a_deployment("dep_1", agent_id="agt_other"))
    await api.change(Ref(V3.deployments, "dep_2"), a_deployment("dep_2", agent_id=V3_AGENT))
    for key in ("venue:GMX", "symbol:ETH", "agent:v3:agt_v3", "deployment:dep_2"):
        await api.post("/api/ops/halt", {"scope": key})
    await api.post("/api/ops/reduce", {"scope": "symbol:SOL"})

    shown = (await api.post(PATH, {"scope": scope})).json()

    assert shown["halted"] == halted
    path = f"/api/ops/flattens/{shown['flatten_id']}"
    assert (await api.get(path)).json() == shown
    await end(api, shown["flatten_id"], FlattenStatus.FLAT)
    assert (await api.get(path)).json()["halted"] == []


async def _remove_state(api: Api) -> None:
    found = await api.store.get(PLATFORM)
    assert found is not None
    await api.store.commit([Delete(PLATFORM, found.version)])


async def test_flatten_when_no_state_was_ever_set_then_the_platform_can_be(api: Api) -> None:
    await _remove_state(api)
    shown = (await api.post(PATH)).json()
    assert (shown["status"], shown["epoch"]) == ("CLOSING", 1)


async def test_flatten_when_somebody_changes_the_state_meanwhile_then_it_builds_on_that(
    api: Api,
) -> None:
    async def quicker(operation: str, argument: Any) -> None:
        if operation == "commit":
            api.store.before = None
            wish = StateWish(
                state=TradingState.HALTED, scope=PLATFORM_SCOPE, reason="quicker", by="Grace"
            )
            await change_state(wish, store=api.store, clock=api.clock, settings=api.settings)

    api.store.before = quicker
    shown = (await api.post(PATH)).json()
    assert shown["epoch"] == 3
    assert set(api.store.contents()[FLATTENS]) == {shown["flatten_id"]}
    assert await standing_of(api, "platform") is TradingState.REDUCING


async def test_flatten_when_it_never_wins_then_409_and_nothing_is_half_written(api: Api) -> None:
    before = api.store.contents()

    async def lose(operation: str, argument: object) -> None:
        if operation == "commit":
            raise ConflictError("lost", collection=PLATFORM.collection, document_id=PLATFORM.id)

    api.store.before = lose
    assert_problem(await api.post(PATH), 409, "CONFLICT")
    assert api.store.contents() == before


async def test_flatten_when_the_bus_is_down_then_it_is_begun_and_the_outbox_tells(
    api: Api,
) -> None:
    api.publisher = refusing_publisher()
    response = await api.post(PATH)
    assert response.status_code == 202
    kinds = sorted(row["type"] for row in api.store.contents()[OUTBOX].values())
    assert kinds == ["FlattenRequested", "NotificationRaised", "TradingStateChanged"]


@pytest.mark.parametrize("verb", ["resume", "halt"])
async def test_flatten_when_the_state_was_changed_under_an_open_one_then_it_reduces_again(
    api: Api, verb: str
) -> None:
    """Under ACTIVE new entries would go on; under HALTED nothing could be closed."""
    await api.post(PATH, {"scope": "symbol:BTC", "by": "Ada"})
    response = await api.post(f"/api/ops/{verb}", {"scope": "symbol:BTC", "by": "Grace"})
    assert response.status_code == 200
    assert (await api.post(PATH, {"scope": "symbol:BTC", "by": "Ada"})).status_code == 202
    assert await standing_of(api, "symbol:BTC") is TradingState.REDUCING


async def test_a_flatten_when_there_is_no_such_then_404(api: Api) -> None:
    assert_problem(await api.get("/api/ops/flattens/flt_none"), 404, "FLATTEN_NOT_FOUND")


async def test_a_flatten_when_settle_has_moved_it_on_then_what_remains_is_shown(api: Api) -> None:
    shown = (await api.post(PATH)).json()
    stored = await load(api.store, Flatten, Ref(FLATTENS, shown["flatten_id"]))
    assert stored is not None
    after = replace(
        stored.value,
        status=FlattenStatus.STUCK,
        rounds=12,
        remaining=("dep_1 HYPERLIQUID BTC 0.5",),
        dust=("dep_2 GMX ETH 0.00001",),
    )
    await api.store.commit([stored.update(after)])
    told = (await api.get(f"/api/ops/flattens/{shown['flatten_id']}")).json()
    assert (told["status"], told["rounds"]) == ("STUCK", 12)
    assert told["remaining"] == ["dep_1 HYPERLIQUID BTC 0.5"]
    assert told["dust"] == ["dep_2 GMX ETH 0.00001"]


async def test_notification_when_a_flatten_begins_then_it_names_the_scope_and_the_reason(
    api: Api,
) -> None:
    await api.post(PATH, {"scope": "symbol:BTC", "reason": "news"})
    (note,) = api.store.contents()[NOTIFICATIONS].values()
    text = note["notification"]["text"]
    assert text == ("Trading reduces only for symbol BTC by operator over the API: flatten: news")


async def test_state_record_when_a_flatten_began_then_it_has_no_end(api: Api) -> None:
    await api.post(PATH, {"scope": "deployment:dep_1"})
    stored = await load(api.store, TradingStateRecord, state_ref(Scope.parse("deployment:dep_1")))
    assert stored is not None
    assert stored.value.until is None
