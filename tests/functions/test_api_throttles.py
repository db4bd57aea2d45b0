"""Throttles over the API: what is stopped, and the named person who lets it go on."""

from datetime import timedelta
from typing import Any

import pytest

from common.books import AUDIT, ORDER_THROTTLES
from common.domain.scope import Scope, agent_scope, deployment_scope
from common.how.throttles import OrderThrottle, after_execution, throttle_ref, throttle_writes
from common.ports import Create, Ref, Update
from tests.builders import NOON
from tests.functions.api_client import Api, assert_problem

DEPLOYMENT, AGENT = deployment_scope("dep_1"), agent_scope("v3", "swarm")
PLACE = "/api/ops/throttles/deployment:dep_1:ETH/enable"
BODY = {"by": "Ada", "reason": "the feed repeated itself"}


async def disable(api: Api, scope: Scope = DEPLOYMENT, symbol: str = "ETH") -> OrderThrottle:
    throttle = None
    for second in range(2):
        now = NOON + timedelta(seconds=second)
        throttle = after_execution(throttle, scope, symbol, ((1, 60),), now=now)
    assert throttle is not None
    writes, _ = throttle_writes(None, throttle)
    await api.store.commit([write for write in writes if write.ref.collection == ORDER_THROTTLES])
    return throttle


async def test_throttles_when_none_is_disabled_then_none_is_shown(api: Api) -> None:
    await api.put_records(
        (throttle_ref(AGENT, "BTC"), OrderThrottle(scope=AGENT.key, symbol="BTC", moments=(NOON,)))
    )
    shown = (await api.get("/api/ops/throttles")).json()
    assert shown == {"throttles": [], "next_cursor": None}


async def test_throttles_when_disabled_then_shown_page_by_page(api: Api) -> None:
    for scope, symbol in ((DEPLOYMENT, "ETH"), (AGENT, "BTC"), (AGENT, "SOL")):
        await disable(api, scope, symbol)
    first = (await api.get("/api/ops/throttles?limit=2")).json()
    ids = [each["throttle_id"] for each in first["throttles"]]
    assert ids == ["agent:v3:swarm:BTC", "agent:v3:swarm:SOL"]
    assert first["throttles"][0]["reason"] == "2 orders within 60 s; the limit is 1"
    rest = (await api.get(f"/api/ops/throttles?cursor={first['next_cursor']}")).json()
    assert [each["throttle_id"] for each in rest["throttles"]] == ["deployment:dep_1:ETH"]


async def test_enable_when_a_person_is_named_then_open_audited_and_gone_from_the_list(
    api: Api,
) -> None:
    await disable(api)
    api.clock.advance(600)
    response = await api.post(PLACE, BODY)
    assert response.status_code == 200, response.text
    shown = response.json()
    assert (shown["disabled"], shown["changed_by"], shown["moments"]) == (False, "Ada", [])
    assert shown["throttle_id"] == "deployment:dep_1:ETH"
    (row,) = api.store.contents()[AUDIT].values()
    assert row["action"] == "throttle-enabled"
    assert row["subject_id"] == "deployment:dep_1:ETH"
    was = "2 orders within 60 s; the limit is 1"
    assert row["facts"] == {**BODY, "principal": "operator", "was": was}
    assert (await api.get("/api/ops/throttles")).json()["throttles"] == []
    before = api.store.contents()
    again = await api.post(PLACE, {**BODY, "by": "Grace"})
    assert again.json() == shown  # it is open, and it was Ada
    assert api.store.contents() == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"reason": "no name"}, "MISSING_FIELD"),
        ({"by": "Ada"}, "MISSING_FIELD"),
        ({**BODY, "by": ""}, "INVALID_FIELD"),
        ({**BODY, "by": None}, "INVALID_FIELD"),
        ({**BODY, "by": " Ada"}, "INVALID_FIELD"),
        ({**BODY, "by": "x" * 81}, "INVALID_FIELD"),
        ({**BODY, "more": 1}, "UNKNOWN_FIELD"),
    ],
)
async def test_enable_when_no_person_is_named_then_422_and_it_stays_disabled(
    api: Api, body: dict[str, Any], code: str
) -> None:
    await disable(api)
    before = api.store.contents()
    assert_problem(await api.post(PLACE, body), 422, code)
    assert api.store.contents() == before


async def test_enable_when_there_is_no_such_throttle_then_404_and_a_bad_id_400(api: Api) -> None:
    assert_problem(await api.post(PLACE, BODY), 404, "THROTTLE_NOT_FOUND")
    response = await api.post("/api/ops/throttles/..%2Fx/enable", BODY)
    assert response.status_code in {400, 404}


async def test_enable_when_it_cannot_be_read_then_it_is_taken_away(api: Api) -> None:
    await api.store.commit([Create(throttle_ref(DEPLOYMENT, "ETH"), {"disabled": True})])
    shown = await api.post(PLACE, BODY)
    assert shown.status_code == 200, shown.text
    assert shown.json()["disabled"] is False
    contents = api.store.contents()
    assert ORDER_THROTTLES not in contents
    (row,) = contents[AUDIT].values()
    assert row["facts"]["was"] == "it cannot be read"


async def test_enable_when_another_order_comes_meanwhile_then_it_looks_again(api: Api) -> None:
    throttle = await disable(api)
    raced = False

    async def race(operation: str, argument: Any) -> None:
        nonlocal raced
        if operation == "commit" and not raced:
            raced = True
            ref = Ref(ORDER_THROTTLES, throttle.throttle_id)
            found = api.store.peek(ref)
            assert found is not None
            await api.store.commit([Update(ref, {"reason": "touched"}, found.version)])

    api.store.before = race
    assert (await api.post(PLACE, BODY)).status_code == 200
    (row,) = api.store.contents()[AUDIT].values()
    assert row["facts"]["was"] == "touched"
