"""The parts of the local stack: lock, token, seeds, origin, servers, calls in process."""

import json
import os
import socket
import stat
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.books import V3
from common.config import Settings, SwarmSettings
from common.domain.agent import Agent, Deployment
from common.domain.instrument import ALL_VENUES
from common.errors import ConfigurationError, TransientError
from common.how.trading_state import PLATFORM, TradingState, read_state
from common.ports import Create, Ref, Update
from common.wire import canonical_json, from_document
from infra.feeds.simulated import SimulatedFeed
from infra.local.replay import warm_up_before
from infra.local.stack.asgi_call import post
from infra.local.stack.assembly import LocalStack
from infra.local.stack.embedded import EmbeddedBackend
from infra.local.stack.lock import DataDirLock
from infra.local.stack.options import StackOptions, claim_data_dir
from infra.local.stack.push_answers import AnswersWatched
from infra.local.stack.seed_agents import DEPLOYMENT_ID, seed_agents
from infra.local.stack.server import LoopServer, bind
from infra.local.stack.server_files import (
    api_token,
    kept_token,
    read_server_note,
    remove_server_note,
    write_server_note,
)
from infra.local.store.memory import MemoryStore
from infra.local.store.sqlite import SqliteStore
from tests.builders import NOON
from tests.fakes.clock import FakeClock


def some_options(data_dir: Path, **changes: Any) -> StackOptions:
    options = StackOptions(
        settings=Settings(swarm=SwarmSettings(interval="1m")),
        data_dir=data_dir,
        data_dir_given=True,
        port=0,
        backend="embedded",
        recording=None,
        speed=60.0,
        ticks=None,
        seed=7,
    )
    return replace(options, **changes)


@pytest.mark.parametrize(
    ("ticks", "recorded", "expected"),
    [(None, 1000, 0), (50, 1000, 200), (900, 1000, 100), (1000, 1000, 0), (2000, 1000, 0)],
)
def test_warm_up_when_ticks_are_asked_for_then_spare_candles_come_before_them(
    ticks: int | None, recorded: int, expected: int
) -> None:
    assert warm_up_before(ticks, recorded, history=200) == expected


def test_lock_when_held_then_a_second_start_is_told_who_holds_it(tmp_path: Path) -> None:
    first, second = DataDirLock(tmp_path), DataDirLock(tmp_path)
    first.acquire()
    with pytest.raises(ConfigurationError, match=rf"process {os.getpid()}\) already uses"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
    second.release()


def test_lock_when_the_folder_is_no_use_then_says_which_and_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full" / "lock").mkdir(parents=True)
    for folder, why in (("file", "File exists"), ("file/x", "Not a directory"), ("full", "lock")):
        with pytest.raises(ConfigurationError, match=rf"{folder} cannot hold state \(.*{why}"):
            DataDirLock(tmp_path / folder).acquire()


def test_api_token_when_none_is_given_then_one_is_made_once_for_the_owner_alone(
    tmp_path: Path,
) -> None:
    made = api_token(tmp_path, None)

    assert len(made) >= 32
    assert api_token(tmp_path, None) == made == kept_token(tmp_path)
    assert stat.S_IMODE((tmp_path / "api-token").stat().st_mode) == 0o600


def test_api_token_when_given_then_replaces_the_kept_one(tmp_path: Path) -> None:
    api_token(tmp_path, None)
    (tmp_path / "api-token").chmod(0o644)

    assert api_token(tmp_path, "chosen") == "chosen" == kept_token(tmp_path)
    assert stat.S_IMODE((tmp_path / "api-token").stat().st_mode) == 0o600


def test_server_note_when_its_process_is_gone_then_names_no_server(tmp_path: Path) -> None:
    assert read_server_note(tmp_path) is None
    write_server_note(tmp_path, "http://127.0.0.1:1")
    assert read_server_note(tmp_path) == "http://127.0.0.1:1"
    (tmp_path / "server.json").write_text(json.dumps({"url": "http://x", "pid": 2**22 + 1}))
    assert read_server_note(tmp_path) is None
    remove_server_note(tmp_path)
    assert not (tmp_path / "server.json").exists()


async def test_seeds_when_the_store_is_new_then_the_swarm_can_trade() -> None:
    store = MemoryStore()
    await seed_agents(store, Settings(), now=NOON)

    agent = await store.get(Ref(V3.agents, "swarm"))
    deployment = await store.get(Ref(V3.deployments, DEPLOYMENT_ID))
    assert agent is not None
    assert deployment is not None
    assert from_document(Agent, agent.data).name == "Sapphire Swarm"
    deployed = from_document(Deployment, deployment.data)
    assert deployed.enabled_venues == ALL_VENUES
    assert (deployed.capital, deployed.paper) == (Decimal(10000), True)
    assert await read_state(store) is TradingState.ACTIVE


async def test_seeds_when_orders_are_real_then_no_deployment_is_made_for_anybody() -> None:
    store = MemoryStore()
    await seed_agents(store, Settings(mode="live"), now=NOON)

    assert await store.get(Ref(V3.agents, "swarm")) is not None
    assert await store.get(Ref(V3.deployments, DEPLOYMENT_ID)) is None


async def test_seeds_when_planted_again_then_a_halt_stays_a_halt() -> None:
    store = MemoryStore()
    await seed_agents(store, Settings(), now=NOON)
    document = await store.get(PLATFORM)
    assert document is not None
    await store.commit([Update(PLATFORM, {"state": "HALTED"}, document.version)])
    before = canonical_json(store.contents())

    await seed_agents(store, Settings(default_capital=Decimal(1)), now=NOON)

    assert canonical_json(store.contents()) == before
    assert await read_state(store) is TradingState.HALTED


def test_data_dir_when_it_holds_other_prices_then_is_refused(tmp_path: Path) -> None:
    claim_data_dir(some_options(tmp_path))
    claim_data_dir(some_options(tmp_path))

    live = some_options(tmp_path, settings=Settings(feed="live", swarm=SwarmSettings()))
    for other in (live, some_options(tmp_path, seed=8)):
        with pytest.raises(ConfigurationError, match="choose another --data-dir"):
            claim_data_dir(other)


@pytest.mark.parametrize("mark", ["", "{x", "[]"])
def test_data_dir_when_its_mark_is_broken_then_names_it(tmp_path: Path, mark: str) -> None:
    claim_data_dir(some_options(tmp_path))
    (tmp_path / "origin.json").write_text(mark)

    with pytest.raises(ConfigurationError, match=r"origin\.json cannot be read"):
        claim_data_dir(some_options(tmp_path))


def test_bind_when_the_port_is_taken_then_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} is already in use"):
            bind(port)


def test_bind_when_the_port_is_no_port_then_says_so() -> None:
    with pytest.raises(ConfigurationError, match="port 70000 cannot be opened"):
        bind(70000)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers a POST with its own body; 503 when it says so."""
    message = await receive()
    body = message["body"]
    status = 503 if body == b'"busy"' else 200
    headers = [(b"Retry-After", b"7"), (b"x-query", scope["query_string"])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
    assert (await receive())["type"] == "http.disconnect"


async def test_post_when_answered_then_status_headers_and_body_are_there() -> None:
    answer = await post(echo, b'"busy"', query="token=t", host="route.local")

    assert (answer.status, answer.body) == (503, b'"busy"')
    assert answer.headers == {"retry-after": "7", "x-query": "token=t"}


async def test_post_when_the_app_is_silent_then_is_transient() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    with pytest.raises(TransientError, match=r"route\.local did not answer"):
        await post(silent, b"{}", query="", host="route.local")


async def test_answers_when_a_push_is_acknowledged_then_its_id_is_told() -> None:
    answered: list[tuple[str, str]] = []
    watched = AnswersWatched(echo, "route", lambda name, id_: answered.append((name, id_)))
    push = json.dumps({"message": {"attributes": {"id": "msg_1"}}}).encode()

    for body in (push, b'"busy"', b'{"job": "settle"}', b"no json"):
        await post(watched, body, query="", host="route.local")

    assert answered == [("route", "msg_1")]


async def test_server_when_started_then_answers_until_it_is_stopped() -> None:
    async def hello(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    server = LoopServer(hello, bind(0))
    await server.start()
    url = server.url
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(url)).text == "hello"
        await server.stop()
        with pytest.raises(httpx.ConnectError):
            await client.get(url)


async def test_start_when_documents_have_expired_then_they_are_dropped(tmp_path: Path) -> None:
    past, future = Ref("processed_ticks", "past"), Ref("processed_ticks", "future")
    before = SqliteStore(tmp_path / "sapphire.sqlite")
    await before.commit(
        [Create(past, {}, expires_at=NOON), Create(future, {}, expires_at=NOON + timedelta(days=1))]
    )
    before.close()

    clock = FakeClock()
    stack = LocalStack(
        settings=Settings(),
        clock=clock,
        backend=EmbeddedBackend(tmp_path, clock=clock, in_order=True),
        make_feed=lambda: SimulatedFeed(7, clock, "1m"),
        push_token="push-token-of-a-test",
    )
    await stack.start()
    kept = await stack.runtime.store.get_many([past, future])
    await stack.stop()

    assert [document is not None for document in kept] == [False, True]
