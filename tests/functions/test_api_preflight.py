"""GET /api/ops/preflight, and the resume that it holds back."""

from dataclasses import replace

import pytest

from common.books import OUTBOX
from common.config import LimitSettings
from common.documents import load, put
from common.domain.instrument import Venue
from common.domain.risk_limits import RiskLimits
from common.domain.scope import PLATFORM_SCOPE
from common.errors import DeniedError, TransientError
from common.how.limit_documents import default_limits, limits_ref
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Delete
from functions.api.preflight import require_preflight
from infra.bootstrap import Runtime
from tests.builders import NOON
from tests.functions.api_client import Api, assert_problem

NOWHERE = "http://127.0.0.1:1"


async def in_order(api: Api) -> None:
    """Limits by a person, and a trading state."""
    state = TradingStateRecord(
        state=TradingState.HALTED, epoch=1, reason="news", changed_by="ann", changed_at=NOON
    )
    stored = await load(api.store, RiskLimits, limits_ref(PLATFORM_SCOPE))
    limits = replace(default_limits(LimitSettings(), NOON), changed_by="ann")
    await api.store.commit([put(stored, limits_ref(PLATFORM_SCOPE), limits)])
    await api.put_records((PLATFORM, state))


def live(api: Api) -> Runtime:
    runtime = api.runtime()
    settings = replace(
        runtime.settings,
        mode="live",
        network="testnet",
        feed="live",
        venue_urls={Venue.HYPERLIQUID: NOWHERE},
    )
    return replace(runtime, settings=settings)


async def test_preflight_when_something_is_missing_then_not_ok_and_says_what_to_do(
    api: Api,
) -> None:
    await api.store.commit([Delete(limits_ref(PLATFORM_SCOPE))])

    response = await api.get("/api/ops/preflight")

    assert response.status_code == 200, response.text
    shown = response.json()
    assert (shown["ok"], shown["mode"]) == (False, "paper")
    [limits] = [line for line in shown["lines"] if not line["ok"]]
    assert set(limits) == {"name", "ok", "detail", "todo"}
    assert limits["name"] == "limits"
    assert "sapphire limits set" in limits["todo"]


async def test_preflight_when_all_is_in_order_then_ok_and_writes_its_probe_alone(
    api: Api,
) -> None:
    await in_order(api)
    before = api.store.contents()

    shown = (await api.get("/api/ops/preflight")).json()

    assert shown["ok"] is True, shown
    assert all(line["ok"] and not line["todo"] for line in shown["lines"])
    assert len(shown["lines"]) == 13
    after = api.store.contents()
    assert set(after) - set(before) == {"preflight_probes"}
    assert OUTBOX not in after


async def test_preflight_when_the_store_is_down_then_it_still_answers(api: Api) -> None:
    async def fail(operation: str, argument: object) -> None:
        raise TransientError("no store")

    api.store.before = fail
    shown = (await api.get("/api/ops/preflight")).json()
    assert shown["ok"] is False
    assert {line["detail"] for line in shown["lines"] if line["name"] == "store"} == {"no store"}


async def test_preflight_when_nobody_signs_in_then_401(api: Api) -> None:
    assert_problem(await api.get("/api/ops/preflight", token=None), 401, "UNAUTHENTICATED")


async def test_requirement_when_on_paper_then_nothing_is_asked(api: Api) -> None:
    before = api.store.contents()
    await require_preflight(api.runtime())
    assert api.store.contents() == before


async def test_requirement_when_live_and_red_then_denied_naming_each(api: Api) -> None:
    await in_order(api)
    with pytest.raises(DeniedError) as denied:
        await require_preflight(live(api))
    assert denied.value.code == "PREFLIGHT_FAILED"
    assert denied.value.message == "telegram: not set: nobody would be told of a loss or a halt"


async def test_resume_when_live_and_red_then_409_and_still_halted(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await in_order(api)
    runtime = live(api)
    monkeypatch.setattr(api, "runtime", lambda: runtime)

    response = await api.post("/api/ops/resume", {"by": "ann", "reason": "again"})

    assert_problem(response, 409, "PREFLIGHT_FAILED")
    assert (await api.get("/api/ops/state")).json()["state"] == "HALTED"
