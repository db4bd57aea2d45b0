"""`sapphire replay` on a store with one decision that cannot be made again."""

import argparse
from pathlib import Path

import pytest

from common.books import DECISIONS
from common.documents import create
from common.errors import InvalidInputError, NotFoundError
from common.ports import Ref
from infra.cli.decision_session import run_decision_replay
from infra.local.store.sqlite import SqliteStore
from tests.unit.infra.cli.test_views import a_decision


def asked(decision_id: str, data_dir: Path | None) -> argparse.Namespace:
    return argparse.Namespace(decision_id=decision_id, data_dir=data_dir)


async def store_one(data_dir: Path) -> str:
    """A decision whose votes no cycle would cast on its inputs."""
    decision = a_decision()
    store = SqliteStore(data_dir / "sapphire.sqlite")
    await store.commit([create(Ref(DECISIONS, decision.decision_id), decision)])
    store.close()
    return decision.decision_id


def test_replay_when_the_decision_differs_then_shows_the_first_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    below = tmp_path / "replay-1"
    below.mkdir()
    named = asyncio.run(store_one(below))
    monkeypatch.setenv("SAPPHIRE_DATA_DIR", str(tmp_path))

    assert run_decision_replay(asked(named, None)) == 1
    told = capsys.readouterr().out
    assert "ETH at 3,000.00" in told
    assert "NOT identical" in told
    assert "consensus." in told


def test_replay_when_the_id_is_no_id_then_refuses(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="DECISION_ID: not an id"):
        run_decision_replay(asked("../etc", tmp_path))


def test_replay_when_there_is_no_store_then_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no decision dec_1 in"):
        run_decision_replay(asked("dec_1", tmp_path))
