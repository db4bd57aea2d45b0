"""Limits over the API: reading, changing, and catalogue cases 44 and 45."""

from typing import Any

import pytest

from common.books import AUDIT, NOTIFICATIONS, OUTBOX, RISK_LIMIT_VERSIONS, RISK_LIMITS, V3
from common.config import LimitSettings
from common.domain.scope import PLATFORM_SCOPE, Scope, venue_scope
from common.errors import ConflictError
from common.how.limit_documents import default_limits, limits_ref, limits_writes, version_ref
from common.ports import Create, Delete, Ref
from common.wire import to_document
from tests.builders import NOON, a_deployment
from tests.functions.api_client import V3_AGENT, Api, assert_problem

DEFAULTS = default_limits(LimitSettings(), NOON)
AGENT = f"agent:v3:{V3_AGENT}"


@pytest.fixture
async def bare(api: Api) -> Api:
    """Without any limits."""
    await api.store.commit([Delete(limits_ref(PLATFORM_SCOPE))])
    return api


@pytest.fixture
async def desk(bare: Api) -> Api:
    """With the limits that a fresh store begins with, and one deployment."""
    await bare.store.commit(limits_writes(None, DEFAULTS))
    await bare.put_records((Ref(V3.deployments, "dep_1"), a_deployment()))
    return bare


def body(scope: str = "platform", /, **changes: Any) -> dict[str, Any]:
    return {"scope": scope, "reason": "drill", **changes}


# ------------------------------------------------------------------------------------------- read
async def test_limits_when_read_then_every_scope_what_comes_of_it_and_the_caps(desk: Api) -> None:
    await desk.post("/api/ops/limits", body("venue:GMX", order={"max_notional": "500"}))
    await desk.post("/api/ops/limits", body(AGENT, total={"max_open_orders": 9}))
    shown = (await desk.get("/api/ops/limits")).json()
    assert [each["scope"] for each in shown["limits"]] == ["platform", AGENT, "venue:GMX"]
    assert {each["problem"] for each in shown["limits"]} == {""}
    assert shown["limits"][0]["deployment"]["max_leverage"] == "3"
    assert shown["effective"]["max_notional"] == "25000"
    assert shown["effective"]["repeats"] == [[20, 600]]
    assert shown["effective"]["period_collars"] == [["0.15", 300]]
    assert shown["effective"]["max_quantity"] == {}
    assert shown["effective"]["totals"][0][0] == "platform"
    assert shown["defaults"] == to_document(DEFAULTS)
    assert shown["caps"]["order.max_notional"]["at_most"] == "25000"
    assert shown["caps"]["deployment.margin_fraction"]["at_least"] == "0.05"


async def test_limits_when_there_are_none_then_it_says_that_nothing_trades(bare: Api) -> None:
    shown = (await bare.get("/api/ops/limits")).json()
    assert shown["limits"] == []
    assert shown["effective"]["code"] == "LIMITS_MISSING"


async def test_limits_when_one_cannot_be_obeyed_then_it_says_why_and_the_rest_is_shown(
    desk: Api,
) -> None:
    await desk.store.commit([Create(Ref(RISK_LIMITS, "venue:GMX"), {"version": 1})])
    await desk.store.commit([Create(Ref(RISK_LIMITS, "nothing"), {"version": 1})])
    shown = (await desk.get("/api/ops/limits")).json()["limits"]
    assert [each["scope"] for each in shown] == ["platform", "venue:GMX"]
    assert "RiskLimits" in shown[1]["problem"]


# ----------------------------------------------------------------------------------------- change
async def test_a_change_when_made_then_a_version_audited_told_and_in_force(desk: Api) -> None:
    change = body(deployment={"max_leverage": "2", "max_concentration": None}, by="Ada")
    response = await desk.post("/api/ops/limits", change)
    assert response.status_code == 200, response.text
    shown = response.json()
    assert (shown["version"], shown["changed_by"], shown["reason"]) == (2, "Ada", "drill")
    assert shown["deployment"]["max_leverage"] == "2"
    assert shown["deployment"]["max_concentration"] is None
    assert shown["deployment"]["max_drawdown"] == "0.25"  # what is not named stays
    contents = desk.store.contents()
    assert contents[RISK_LIMITS]["platform"] == shown
    assert contents[RISK_LIMIT_VERSIONS]["platform:2"] == shown
    assert contents[RISK_LIMIT_VERSIONS]["platform:1"] == to_document(DEFAULTS)
    (row,) = contents[AUDIT].values()
    assert row["facts"] == {
        "reason": "drill",
        "by": "Ada",
        "principal": "operator",
        "deployment.max_leverage": "3 -> 2",
        "deployment.max_concentration": "2 -> None",
    }
    (note,) = contents[NOTIFICATIONS].values()
    assert note["notification"]["text"] == (
        "Ada changed the limits of the platform: deployment.max_leverage 3 -> 2,"
        " deployment.max_concentration 2 -> none (why: drill)"
    )
    assert OUTBOX not in contents
    assert (await desk.get("/api/ops/limits")).json()["effective"]["max_leverage"] == "2"


async def test_a_change_when_it_begins_the_limits_then_what_is_not_usual_is_told_first(
    desk: Api,
) -> None:
    """Of two dozen figures people hear of six: of those that somebody has thought of."""
    await desk.store.commit([Delete(limits_ref(PLATFORM_SCOPE))])
    every = {
        block: {name: value for name, value in to_document(part).items() if value}
        for block, part in (
            ("order", DEFAULTS.order),
            ("deployment", DEFAULTS.deployment),
            ("total", DEFAULTS.total),
        )
    }
    every["order"]["max_notional"] = "5000"
    every["order"]["max_quantity"] = {"BTC": "2", "ETH": "10"}
    every["total"]["max_daily_loss"] = "1500.50"
    response = await desk.post("/api/ops/limits", body(**every, by="Ada", reason="first week"))
    assert response.status_code == 200, response.text
    (note,) = desk.store.contents()[NOTIFICATIONS].values()
    text = note["notification"]["text"]
    assert text.startswith(
        "Ada changed the limits of the platform: order.max_notional none -> 5,000,"
        " order.max_quantity none -> BTC 2 and ETH 10, total.max_daily_loss none -> 1,500.5, "
    )
    assert text.endswith(" more (why: first week)")
    assert "None" not in text


async def test_a_change_when_it_is_in_force_already_then_nothing_is_written(desk: Api) -> None:
    same = body(deployment={"max_leverage": "3.0"})
    adopted = await desk.post("/api/ops/limits", same)  # Sapphire's own become a person's
    assert (adopted.status_code, adopted.json()["version"]) == (200, 2)
    before = desk.store.contents()
    assert (await desk.post("/api/ops/limits", same)).json() == adopted.json()
    assert desk.store.contents() == before


async def test_a_change_when_of_symbols_then_symbol_by_symbol(desk: Api) -> None:
    async def change(quantities: Any) -> Any:
        response = await desk.post("/api/ops/limits", body(order={"max_quantity": quantities}))
        assert response.status_code == 200, response.text
        return response.json()["order"]["max_quantity"]

    assert await change({"btc": "1.50", "ETH": "10"}) == {"BTC": "1.5", "ETH": "10"}
    assert await change({"ETH": None, "SOL": "7"}) == {"BTC": "1.5", "SOL": "7"}
    assert await change(None) == {}


@pytest.mark.parametrize("scope", ["venue:GMX", AGENT, "deployment:dep_1"])
async def test_a_change_when_of_a_narrower_scope_then_it_says_only_what_is_named(
    desk: Api, scope: str
) -> None:
    response = await desk.post("/api/ops/limits", body(scope, deployment={"max_leverage": "2"}))
    assert response.status_code == 200, response.text
    shown = response.json()
    assert (shown["scope"], shown["version"]) == (scope, 1)
    assert {name for name, value in shown["deployment"].items() if value is not None} == {
        "max_leverage"
    }
    assert shown["changed_by"] == "operator over the API"


async def test_a_change_when_another_is_quicker_then_it_builds_on_that_one(desk: Api) -> None:
    raced = False

    async def race(operation: str, argument: Any) -> None:
        nonlocal raced
        if operation == "commit" and not raced:
            raced = True
            desk.store.before = None
            await desk.post("/api/ops/limits", body(order={"price_collar": "0.01"}))

    desk.store.before = race
    shown = (await desk.post("/api/ops/limits", body(deployment={"max_leverage": "2"}))).json()
    assert shown["version"] == 3
    assert (shown["order"]["price_collar"], shown["deployment"]["max_leverage"]) == ("0.01", "2")


async def test_a_change_when_it_never_wins_then_503_and_nothing_is_lost(desk: Api) -> None:
    async def lose(operation: str, argument: Any) -> None:
        if operation == "commit":
            raise ConflictError("lost", collection=RISK_LIMITS, document_id="platform")

    before = desk.store.contents()
    desk.store.before = lose
    response = await desk.post("/api/ops/limits", body(deployment={"max_leverage": "2"}))
    assert_problem(response, 503, "STORE_UNAVAILABLE")
    desk.store.before = None
    assert desk.store.contents() == before


# ------------------------------------------------------------------------- catalogue cases 44, 45
BAD: tuple[tuple[dict[str, Any], str], ...] = (
    ({"order": {"max_notional": "25000.01"}}, "LIMIT_ABOVE_CAP"),
    ({"deployment": {"max_exposure": "20001"}}, "LIMIT_ABOVE_CAP"),
    ({"deployment": {"max_leverage": "21"}}, "LIMIT_ABOVE_CAP"),
    ({"deployment": {"max_open_orders": 10**30}}, "LIMIT_ABOVE_CAP"),
    ({"deployment": {"margin_fraction": "0.01"}}, "LIMIT_BELOW_MINIMUM"),
    ({"order": {"max_notional": "-1"}}, "LIMIT_NOT_POSITIVE"),
    ({"order": {"max_notional": "0"}}, "LIMIT_NOT_POSITIVE"),
    ({"order": {"max_quantity": {"BTC": "0"}}}, "LIMIT_NOT_POSITIVE"),
    ({"total": {"max_open_orders": 0}}, "LIMIT_NOT_POSITIVE"),
    ({"order": {"max_notional": None}}, "LIMIT_MISSING"),
    ({"order": {"price_collar": None}}, "LIMIT_MISSING"),
    ({"deployment": {"max_exposure": None}}, "LIMIT_MISSING"),
    ({"order": {"period_s": None}}, "LIMIT_INCOMPLETE"),
    ({}, "NOTHING_TO_CHANGE"),
    ({"order": {}}, "NOTHING_TO_CHANGE"),
    ({"order": {"max_notional": 5000}}, "INVALID_FIELD"),
    ({"order": {"max_notional": 0.1}}, "INVALID_FIELD"),
    ({"order": {"max_notional": "1e3"}}, "INVALID_FIELD"),
    ({"order": {"max_notional": "NaN"}}, "INVALID_FIELD"),
    ({"order": {"max_notional": " 1"}}, "INVALID_FIELD"),
    ({"order": {"max_notional": "\u0661"}}, "INVALID_FIELD"),
    ({"order": {"period_s": "300"}}, "INVALID_FIELD"),
    ({"order": {"period_s": 1.5}}, "INVALID_FIELD"),
    ({"deployment": {"max_open_orders": True}}, "INVALID_FIELD"),
    ({"order": {"max_quantity": {"B/C": "1"}}}, "INVALID_FIELD"),
    ({"order": {"max_quantity": {f"S{n}": "1" for n in range(201)}}}, "INVALID_FIELD"),
    ({"order": {"max_value": "1"}}, "UNKNOWN_FIELD"),
    ({"order": "none"}, "INVALID_FIELD"),
    ({"reason": ""}, "INVALID_FIELD"),
    ({"reason": "x" * 501}, "INVALID_FIELD"),
    ({"by": "\u202eadA"}, "INVALID_FIELD"),
    ({"scope": "everything"}, "INVALID_FIELD"),
    ({"scope": "venue:BINANCE", "order": {"max_notional": "1"}}, "INVALID_FIELD"),
    ({"scope": "venue:MULTI", "order": {"max_notional": "1"}}, "UNKNOWN_VENUE"),
    ({"scope": "symbol:BTC", "order": {"max_notional": "1"}}, "INVALID_SCOPE"),
    ({"scope": "agent:swarm", "order": {"max_notional": "1"}}, "INVALID_SCOPE"),
    ({"scope": "agent:v9:swarm", "order": {"max_notional": "1"}}, "INVALID_SCOPE"),
    ({"scope": "deployment:dep_1", "total": {"max_exposure": "1"}}, "LIMIT_NOT_OF_SCOPE"),
    ({"scope": "venue:GMX", "total": {"max_daily_loss": "1"}}, "LIMIT_NOT_OF_SCOPE"),
)


@pytest.mark.parametrize(("changes", "code"), BAD)
async def test_a_change_when_it_is_bad_then_422_with_its_code_and_nothing_changes(
    desk: Api, changes: dict[str, Any], code: str
) -> None:
    before = desk.store.contents()
    assert_problem(await desk.post("/api/ops/limits", {**body(), **changes}), 422, code)
    assert desk.store.contents() == before


@pytest.mark.parametrize(
    ("scope", "code"),
    [("agent:v3:nobody", "AGENT_NOT_FOUND"), ("deployment:nothing", "DEPLOYMENT_NOT_FOUND")],
)
async def test_a_change_when_of_what_does_not_exist_then_404(
    desk: Api, scope: str, code: str
) -> None:
    response = await desk.post("/api/ops/limits", body(scope, order={"max_notional": "1"}))
    assert_problem(response, 404, code)


async def test_a_change_when_the_reason_is_missing_then_422(desk: Api) -> None:
    given = {"scope": "platform", "order": {"max_notional": "1"}}
    assert_problem(await desk.post("/api/ops/limits", given), 422, "MISSING_FIELD")


# ----------------------------------------------------------------------------- broken documents
async def test_the_platforms_first_limits_when_set_by_hand_then_all_core_limits_are_needed(
    bare: Api,
) -> None:
    core = {"order": {"max_notional": "100", "price_collar": "0.02"}}
    assert_problem(await bare.post("/api/ops/limits", body(**core)), 422, "LIMIT_MISSING")
    whole = body(**core, deployment={"max_exposure": "1000"})
    assert (await bare.post("/api/ops/limits", whole)).json()["version"] == 1
    shown = (await bare.get("/api/ops/limits")).json()["effective"]
    assert (shown["max_exposure"], shown["max_leverage"]) == ("1000", None)


async def test_a_broken_document_when_a_change_names_all_it_needs_then_it_is_mended(
    desk: Api,
) -> None:
    scope = venue_scope("GMX")
    broken = {**to_document(DEFAULTS), "scope": scope.key, "order": {"max_notional": "a lot"}}
    await desk.store.commit([Create(limits_ref(scope), broken), *_versions(scope, 1, 2)])
    change = body(scope.key, order={"max_notional": "70"})
    response = await desk.post("/api/ops/limits", change)
    assert response.status_code == 200, response.text
    assert response.json()["version"] == 3
    assert response.json()["deployment"]["max_leverage"] is None  # nothing of it was to be read
    assert (await desk.get("/api/ops/limits")).json()["limits"][1]["problem"] == ""


def _versions(scope: Scope, *numbers: int) -> list[Create]:
    return [Create(version_ref(scope, number), {"kept": True}) for number in numbers]


async def test_a_broken_document_when_no_change_can_mend_it_then_409_and_it_still_denies(
    desk: Api,
) -> None:
    newer = {**to_document(DEFAULTS), "scope": "venue:GMX", "of_a_later_version": True}
    await desk.store.commit([Create(limits_ref(venue_scope("GMX")), newer)])
    before = desk.store.contents()
    response = await desk.post("/api/ops/limits", body("venue:GMX", order={"max_notional": "7"}))
    assert_problem(response, 409, "LIMITS_UNREADABLE")
    assert desk.store.contents() == before
    assert PLATFORM_SCOPE.key in before[RISK_LIMITS]
