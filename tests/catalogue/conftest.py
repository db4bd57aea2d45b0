"""The system on paper that the cases of people and orders are driven through."""

from pathlib import Path

import pytest

from common.config import Settings, SwarmSettings
from tests.functions.api_client import Api
from tests.functions.town import Town


@pytest.fixture
async def town() -> Town:
    """As a fresh store begins: trading ACTIVE, the default limits, one deployment of the swarm. Two
    symbols, as a market takes its time to be made.
    """
    swarm = SwarmSettings(symbols=("BTC", "ETH"))
    return await Town(settings=Settings(swarm=swarm)).open()


@pytest.fixture
def api(town: Town, tmp_path: Path) -> Api:
    """What people send is delivered at once."""
    return town.prompt_api(tmp_path)
