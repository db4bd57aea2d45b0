"""The first start of a database in the cloud: halted, and never over what is there."""

import pytest

from common.books import V3
from common.config import Settings, load_settings
from common.errors import ConfigurationError
from common.how.trading_state import PLATFORM, TradingState
from common.ports import Ref, Update
from infra.local.stack.seed_agents import DEPLOYMENT_ID
from infra.local.store.memory import MemoryStore
from tests.builders import NOON
from tools.first_start import first_start, seeded

LIVE = {"SAPPHIRE_MODE": "live", "SAPPHIRE_NETWORK": "testnet", "SAPPHIRE_FEED": "live"}


async def test_seeded_when_the_store_is_empty_then_halted_with_the_swarm_and_its_deployment() -> (
    None
):
    store = MemoryStore()
    state = await seeded(store, Settings(), NOON)
    assert state.state is TradingState.HALTED
    assert await store.get(Ref(V3.agents, Settings().swarm.agent_id)) is not None
    assert await store.get(Ref(V3.deployments, DEPLOYMENT_ID)) is not None


async def test_seeded_when_live_then_no_deployment_and_no_limits() -> None:
    store = MemoryStore()
    await seeded(store, load_settings(LIVE), NOON)
    assert store.documents(V3.deployments) == {}
    assert store.documents("risk_limits") == {}
    assert list(store.documents("trading_state")) == [PLATFORM.id]


async def test_seeded_when_repeated_then_what_people_changed_stays() -> None:
    store = MemoryStore()
    await seeded(store, Settings(), NOON)
    stored = await store.get(PLATFORM)
    assert stored is not None
    resumed = {"state": TradingState.ACTIVE.value, "changed_by": "Ada"}
    await store.commit([Update(PLATFORM, resumed, stored.version)])
    before = store.contents()
    state = await seeded(store, Settings(), NOON)
    assert (state.state, state.changed_by) == (TradingState.ACTIVE, "Ada")
    assert store.contents() == before


@pytest.mark.parametrize("environ", [{}, {"GOOGLE_CLOUD_PROJECT": "p", "SAPPHIRE_STORE": "sqlite"}])
async def test_first_start_when_no_project_is_meant_then_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"SAPPHIRE_STORE|GOOGLE_CLOUD_PROJECT"):
        await first_start(environ)
