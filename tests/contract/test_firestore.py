"""What only Firestore does: event loops, the client's own fields, an unreachable server."""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.cloud.firestore import AsyncClient

from common.errors import TransientError
from common.ports import Create, Increment, Query, Ref, Update
from infra.gcp import firestore
from infra.gcp.firestore import FirestoreStore
from infra.local.emulators import Emulators, free_port

REF = Ref("orders", "o-1")


@pytest.fixture
def project(emulators: Emulators, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", emulators.firestore_host)
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.mark.emulator
def test_store_when_used_from_several_event_loops_then_each_has_its_connection(
    project: str,
) -> None:
    store = FirestoreStore(project=project)

    async def write(key: str) -> None:
        await store.commit([Create(Ref("orders", key), {"n": 1})])
        await store.close()

    async def write_without_closing(key: str) -> None:
        await store.commit([Create(Ref("orders", key), {"n": 1})])

    async def both() -> int:
        found = await store.get_many([Ref("orders", "a"), Ref("orders", "b")])
        await store.close()
        return sum(document is not None for document in found)

    asyncio.run(write_without_closing("a"))
    asyncio.run(write("b"))
    assert asyncio.run(both()) == 2


@pytest.mark.emulator
async def test_expiry_when_stored_then_a_timestamp_for_the_ttl_policy(project: str) -> None:
    client = AsyncClient(project=project)
    store = FirestoreStore(project=project, client=client)
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    await store.commit([Create(REF, {"n": 1}, expires_at=moment)])
    document = await store.get(REF)
    assert document is not None
    await store.commit([Update(REF, {"n": 2}, document.version)])
    raw = (await client.document("orders", "o-1").get()).to_dict()
    assert raw is not None
    assert raw["expire_at"] == moment
    assert raw["n"] == 2
    assert set(raw) == {"expire_at", "n", "write_nonce"}
    await client._firestore_api.transport.close()


async def test_read_when_the_server_stays_away_then_transient_within_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(firestore, "_TIMEOUT_S", 0.3)
    store = FirestoreStore(project="test-away")
    async with asyncio.timeout(20):  # the client's own retries would take five minutes
        for reading in (store.get(REF), store.query(Query("orders")), store.count(Query("orders"))):
            with pytest.raises(TransientError, match=r"^Firestore "):
                await reading
    await store.close()


async def test_commit_when_its_answer_is_lost_then_transient_and_sent_only_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []

    async def lose_the_answer(request: bytes, context: Any) -> bytes:
        calls.append("commit")
        await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        return b""

    server = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(lose_the_answer)
    service = "google.firestore.v1.Firestore"
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {"Commit": method})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{port}")
    store = FirestoreStore(project="test-lost")
    async with asyncio.timeout(20):
        with pytest.raises(TransientError, match="the connection broke"):
            await store.commit([Increment(REF, "n")])
    assert calls == ["commit"]
    await store.close()
    await server.stop(None)
