"""Fixtures of the functions' tests."""

from pathlib import Path

import pytest

from tests.functions.api_client import Api, seed_agents


@pytest.fixture
async def api(tmp_path: Path) -> Api:
    """The API over a fresh store with one agent in each book."""
    api = Api(tmp_path)
    await seed_agents(api.store)
    return api
