"""The adapters that the contract suites run on."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common.ports import DocumentStore
from infra.local.emulators import Emulators
from infra.local.store.memory import MemoryStore
from infra.local.store.sqlite import SqliteStore


@pytest.fixture(params=["memory", "sqlite", pytest.param("firestore", marks=pytest.mark.emulator)])
def store_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Apart from `store`: the emulators start outside a running event loop."""
    kind: str = request.param
    if kind == "firestore":
        running: Emulators = request.getfixturevalue("emulators")
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", running.firestore_host)
    return kind


@pytest.fixture
async def store(store_kind: str, tmp_path: Path) -> AsyncIterator[DocumentStore]:
    """An empty store of each kind."""
    if store_kind == "memory":
        yield MemoryStore()
    elif store_kind == "sqlite":
        embedded = SqliteStore(tmp_path / "store" / "documents.sqlite")
        yield embedded
        embedded.close()
    else:
        from infra.gcp.firestore import FirestoreStore

        cloud = FirestoreStore(project=f"test-{uuid.uuid4().hex[:12]}")
        yield cloud
        await cloud.close()
