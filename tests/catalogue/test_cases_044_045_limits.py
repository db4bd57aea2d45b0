"""Cases 44 and 45: limits that no platform may have, and orders beyond those that it has."""

from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    DEPLOYMENT_POLICIES,
    FILLS,
    ORDER_INTENTS,
    PARENT_ORDERS,
    POLICY_VERSIONS,
    RISK_LIMITS,
    V3,
)
from common.config import LimitSettings
from common.domain.order import OrderIntent
from common.domain.signal import Delivery
from common.how.limit_bounds import CORE, bounds
from tests.functions.api_client import Api, assert_problem, signal_body
from tests.functions.town import DEPLOYED, Town

LIMITS = "/api/ops/limits"
POLICY = f"/api/v3/deployments/{DEPLOYED}/policy"
GENERATE = "/api/v3/signals/generate"
BOUNDS = bounds(LimitSettings())
TOGETHER = {
    "order.period_collar": ("period_s", 300),
    "order.period_s": ("period_collar", "0.1"),
    "deployment.repeats_max": ("repeats_window_s", 600),
    "deployment.repeats_window_s": ("repeats_max", 20),
    "deployment.losses_in_row_max": ("cool_down_s", 600),
    "deployment.cool_down_s": ("losses_in_row_max", 10),
}
COUNTED = ("_s", "_max", "orders", "minute", "second")


def is_count(path: str) -> bool:
    return path.endswith(COUNTED)


def a_change(path: str, value: object) -> dict[str, Any]:
    """One limit of the platform; with it the other half of its pair, as the defaults have it."""
    block, name = path.split(".")
    fields = {name: {"ETH": value} if name == "max_quantity" else value}
    if path in TOGETHER:
        other, present = TOGETHER[path]
        fields[other] = present
    return {"scope": "platform", block: fields, "reason": "a drill"}


async def assert_refused(
    api: Api, path: str, body: Any, code: str | None, where: str = "", *, status: int = 422
) -> None:
    """Nothing written, and what was in force stays so."""
    before = api.store.contents()
    response = await api.post(path, body)
    assert_problem(response, status, code)
    if where:
        assert response.json()["where"] == where
    assert api.store.contents() == before


# -------------------------------------------------------------------------------------------- 44
@pytest.mark.parametrize("path", BOUNDS)
async def test_case_044_when_a_limit_is_above_its_cap_zero_or_negative_then_422(
    api: Api, path: str
) -> None:
    most = BOUNDS[path].at_most
    where = f"{path}.ETH" if path == "order.max_quantity" else path
    above: object = int(most) + 1 if is_count(path) else str(most * Decimal("1.000001"))
    nothing: list[object] = [0, -1] if is_count(path) else ["0", "-1"]
    await assert_refused(api, LIMITS, a_change(path, above), "LIMIT_ABOVE_CAP", where)
    for value in nothing:
        await assert_refused(api, LIMITS, a_change(path, value), "LIMIT_NOT_POSITIVE", where)


@pytest.mark.parametrize("path", BOUNDS)
async def test_case_044_when_a_limit_is_no_exact_number_then_422(api: Api, path: str) -> None:
    """Never through a float, never rounded into something that is allowed."""
    bad: list[object] = ["NaN", "Infinity", "1e2", "", " 1", "٣", True, [1], {"ETH": "1"}]
    bad += ["1", 1.5, 1.0] if is_count(path) else [1, 0.02]
    for value in bad:
        body = a_change(path, value)
        if path == "order.max_quantity" and isinstance(value, dict):
            continue
        await assert_refused(api, LIMITS, body, "INVALID_FIELD")


@pytest.mark.parametrize("path", CORE)
async def test_case_044_when_a_core_limit_of_the_platform_would_be_missing_then_422(
    api: Api, path: str
) -> None:
    await assert_refused(api, LIMITS, a_change(path, None), "LIMIT_MISSING", path)


@pytest.mark.parametrize("path", CORE)
async def test_case_044_when_the_first_limits_leave_a_core_one_out_then_422_and_there_are_none(
    api: Api, town: Town, path: str
) -> None:
    await town.remove(RISK_LIMITS, "platform")
    given: dict[str, dict[str, str]] = {"order": {}, "deployment": {}}
    for name in set(CORE) - {path}:
        block, field = name.split(".")
        given[block][field] = "0.05" if "collar" in field else "100"
    body = {"scope": "platform", **given, "reason": "the first"}
    await assert_refused(api, LIMITS, body, "LIMIT_MISSING", path)
    assert RISK_LIMITS not in api.store.contents()


@pytest.mark.parametrize("path", TOGETHER)
async def test_case_044_when_half_of_a_pair_is_missing_then_422(api: Api, path: str) -> None:
    await assert_refused(api, LIMITS, a_change(path, None), "LIMIT_INCOMPLETE", path)


async def test_case_044_when_nothing_is_named_then_422(api: Api) -> None:
    nothing: list[dict[str, Any]] = [{}, {"order": {}}, {"order": None, "total": None}]
    for empty in nothing:
        body = {"scope": "platform", "reason": "a drill", **empty}
        await assert_refused(api, LIMITS, body, "NOTHING_TO_CHANGE")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("max_order_notional", bad) for bad in ("25000.01", "0", "-1", 0, "1e4", "NaN")),
        *(("max_exposure", bad) for bad in ("20000.01", "0", "-1", True)),
        *(("max_leverage", bad) for bad in ("3.01", "0", "-0.5", "Infinity")),
        *(("risk_modifier", bad) for bad in ("1.01", "0", "-1", None)),
    ],
)
async def test_case_044_when_a_policy_would_raise_a_limit_of_the_platforms_then_422(
    api: Api, field: str, value: object
) -> None:
    body = {"rules": {field: value}, "by": "Ada"}
    await assert_refused(api, POLICY, body, None, f"body.rules.{field}")
    assert DEPLOYMENT_POLICIES not in api.store.contents()
    assert POLICY_VERSIONS not in api.store.contents()


async def test_case_044_when_a_policy_is_within_the_limits_then_it_lowers_and_names_itself(
    api: Api, town: Town
) -> None:
    """10 % of 10,000 are 1,000; the user's rule cuts it down to 100."""
    rules = {"max_order_notional": "100"}
    assert (await api.post(POLICY, {"rules": rules, "by": "Ada"})).status_code == 200
    await api.post(GENERATE, signal_body("swarm", risk_model=None))
    intent = await town.only(OrderIntent, ORDER_INTENTS)
    worst = intent.plan.candidates[0]
    assert Decimal(90) < worst.quantity * intent.plan.reference_price <= Decimal(100)
    assert intent.plan.policy_version == "policy-1"


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"order": {"max_notional": "999"}}, "NOTIONAL_EXCEEDS_MAX_PER_ORDER"),
        ({"order": {"max_quantity": {"ETH": "0.1"}}}, "QUANTITY_EXCEEDS_MAX_PER_ORDER"),
        ({"deployment": {"max_exposure": "999"}}, "EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT"),
        ({"deployment": {"max_leverage": "0.09"}}, "LEVERAGE_EXCEEDS_MAX"),
        ({"deployment": {"max_concentration": "0.09"}}, "CONCENTRATION_EXCEEDS_MAX"),
        ({"total": {"max_exposure": "999"}}, "EXPOSURE_EXCEEDS_MAX_OF_SCOPE"),
    ],
)
@pytest.mark.parametrize("scope", ["platform", "venue:HYPERLIQUID", "agent:v3:swarm"])
async def test_case_044_when_an_order_is_beyond_a_limit_then_denied_with_its_code_and_unsent(
    api: Api, town: Town, scope: str, limits: dict[str, Any], code: str
) -> None:
    change = {"scope": scope, **limits, "reason": "a drill"}
    assert (await api.post(LIMITS, change)).status_code == 200
    await api.post(GENERATE, signal_body("swarm", risk_model=None))
    delivery = await town.only(Delivery, V3.deliveries)
    assert (delivery.status, delivery.reason_code) == ("DENIED", code)
    assert "999" in delivery.reason or "0.1" in delivery.reason or "0.09" in delivery.reason
    await assert_untouched(town)


async def assert_untouched(town: Town) -> None:
    contents = town.bench.store.contents()
    assert not {ORDER_INTENTS, PARENT_ORDERS, FILLS} & contents.keys()
    assert contents.get("exposures", {}) == {}


# -------------------------------------------------------------------------------------------- 45
@pytest.mark.parametrize("leverage", ["20.01", "21", "1000000"])
async def test_case_045_when_the_leverage_is_above_the_highest_there_is_then_422(
    api: Api, leverage: str
) -> None:
    for scope in ("platform", "agent:v3:swarm", f"deployment:{DEPLOYED}", "venue:GMX"):
        body = {"scope": scope, "deployment": {"max_leverage": leverage}, "reason": "a drill"}
        await assert_refused(api, LIMITS, body, "LIMIT_ABOVE_CAP", "deployment.max_leverage")


@pytest.mark.parametrize(
    ("scope", "code", "status"),
    [
        ("venue:BINANCE", "INVALID_FIELD", 422),
        ("venue:MULTI", "UNKNOWN_VENUE", 422),
        ("venue:", "INVALID_FIELD", 422),
        ("symbol:ETH", "INVALID_SCOPE", 422),
        ("agent:swarm", "INVALID_SCOPE", 422),
        ("agent:v9:swarm", "INVALID_SCOPE", 422),
        ("agent:v3:agt_nobody", "AGENT_NOT_FOUND", 404),
        ("agent:v2:swarm", "AGENT_NOT_FOUND", 404),
        ("deployment:dep_nobody", "DEPLOYMENT_NOT_FOUND", 404),
    ],
)
async def test_case_045_when_the_limits_are_of_what_does_not_exist_then_refused(
    api: Api, scope: str, code: str, status: int
) -> None:
    body = {"scope": scope, "order": {"max_notional": "5"}, "reason": "a drill"}
    await assert_refused(api, LIMITS, body, code, status=status)


@pytest.mark.parametrize(
    ("rules", "where", "code"),
    [
        ({"allowed_venues": ["BINANCE"]}, "allowed_venues.0", "INVALID_FIELD"),
        ({"allowed_venues": ["MULTI"]}, "allowed_venues", "INVALID_FIELD"),
        ({"allowed_symbols": ["ETH", "NOSUCHCOIN"]}, "allowed_symbols.1", "SYMBOL_NOT_LISTED"),
        ({"denied_symbols": ["NOSUCHCOIN"]}, "denied_symbols.0", "SYMBOL_NOT_LISTED"),
        (
            {"allowed_symbols": ["ETH"], "denied_symbols": ["ETH"]},
            "denied_symbols.0",
            "POLICY_CONTRADICTORY",
        ),
    ],
)
async def test_case_045_when_a_policy_names_what_no_venue_lists_then_422(
    api: Api, rules: dict[str, Any], where: str, code: str
) -> None:
    await assert_refused(api, POLICY, {"rules": rules}, code, f"body.rules.{where}")


@pytest.mark.parametrize(
    ("rules", "changes", "code"),
    [
        ({"allowed_symbols": ["BTC"]}, {}, "POLICY_SYMBOL_NOT_ALLOWED"),
        ({"denied_symbols": ["ETH"]}, {}, "POLICY_SYMBOL_NOT_ALLOWED"),
        ({"direction": "SHORT_ONLY"}, {}, "POLICY_DIRECTION_NOT_ALLOWED"),
        ({"direction": "LONG_ONLY"}, {"side": "SHORT"}, "POLICY_DIRECTION_NOT_ALLOWED"),
        ({"min_confidence": "0.81"}, {}, "POLICY_CONFIDENCE_BELOW_MINIMUM"),
    ],
)
async def test_case_045_when_a_signal_is_not_what_the_policy_allows_then_denied_and_unsent(
    api: Api, town: Town, rules: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    assert (await api.post(POLICY, {"rules": rules})).status_code == 200
    await api.post(GENERATE, signal_body("swarm", **changes))
    delivery = await town.only(Delivery, V3.deliveries)
    assert (delivery.status, delivery.reason_code) == ("DENIED", code)
    await assert_untouched(town)


async def test_case_045_when_the_policy_allows_one_venue_then_no_other_gets_the_order(
    api: Api, town: Town
) -> None:
    assert (await api.post(POLICY, {"rules": {"allowed_venues": ["GMX"]}})).status_code == 200
    await api.post(GENERATE, signal_body("swarm", risk_model=None))
    intent = await town.only(OrderIntent, ORDER_INTENTS)
    assert [each.venue for each in intent.plan.candidates] == ["GMX"]
