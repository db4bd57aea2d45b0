"""V3-07 over HTTP: how an agent chooses among its venues."""

import pytest

from common.books import V3
from common.ports import Create, Ref
from tests.functions.api_client import V3_AGENT, Api, assert_problem

PATH = "/api/v3/routing/config"
BODY = {"agent_id": V3_AGENT, "venues": ["OSTIUM", "HYPERLIQUID"]}


@pytest.mark.parametrize("mode", ["PRIORITY", "COST", "SPLIT"])
async def test_routing_config_when_a_mode_is_set_then_kept(api: Api, mode: str) -> None:
    assert (await api.post(PATH, {**BODY, "mode": mode})).json()["mode"] == mode
    assert (await api.get(f"{PATH}/{V3_AGENT}")).json()["mode"] == mode


async def test_routing_config_when_no_mode_is_named_then_by_priority(api: Api) -> None:
    await api.post(PATH, {**BODY, "mode": "COST"})

    assert (await api.post(PATH, BODY)).json()["mode"] == "PRIORITY"


async def test_routing_config_when_only_the_mode_changes_then_audited(api: Api) -> None:
    await api.post(PATH, BODY)
    await api.post(PATH, {**BODY, "mode": "SPLIT"})

    audits = api.store.contents()["audit"].values()
    modes = sorted(audit["facts"]["mode"] for audit in audits if "mode" in audit["facts"])
    assert modes == ["PRIORITY", "SPLIT"]


@pytest.mark.parametrize("mode", ["CHEAPEST", "cost", "", None, 1])
async def test_routing_config_when_there_is_no_such_mode_then_refused(
    api: Api, mode: object
) -> None:
    assert_problem(await api.post(PATH, {**BODY, "mode": mode}), 422)
    assert V3.routing_config not in api.store.contents()


async def test_routing_config_when_older_than_modes_then_shown_as_by_priority(api: Api) -> None:
    old = {"subject_id": V3_AGENT, "venues": ["GMX"], "updated_at": "2026-01-02T03:04:05.000Z"}
    await api.store.commit([Create(Ref(V3.routing_config or "", V3_AGENT), old)])

    shown = (await api.get(f"{PATH}/{V3_AGENT}")).json()

    assert (shown["venues"], shown["mode"]) == (["GMX"], "PRIORITY")
