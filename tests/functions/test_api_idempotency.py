"""Idempotency-Key: one effect and one answer for a key and a body."""

import asyncio

import pytest

from common.books import IDEMPOTENCY_KEYS
from common.domain.events import OutboxMessage
from common.errors import ConflictError, TransientError
from tests.fakes.publisher import RecordingPublisher
from tests.functions.api_client import (
    V3_AGENT,
    WALLET,
    Api,
    agent_body,
    assert_problem,
    signal_body,
)
from tests.functions.api_examples import VALID, WRITES, path_of, seed_examples

KEY = {"Idempotency-Key": "order-7"}
CREATE = "/api/v3/agents/create"


async def test_a_post_when_repeated_with_its_key_then_same_answer_and_one_effect(api: Api) -> None:
    first = await api.post("/api/v3/signals/generate", signal_body(), headers=KEY)
    before = api.store.contents()
    again = await api.post("/api/v3/signals/generate", signal_body(), headers=KEY)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert api.store.contents() == before
    assert isinstance(api.publisher, RecordingPublisher)
    assert len(api.publisher.messages) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    # tests/functions/test_api_trading.py has this one: it waits for the chain.
    [(method, path) for method, path in WRITES if path != "/api/trading/execute"],
)
async def test_a_write_when_repeated_with_its_key_then_same_answer_and_one_effect(
    api: Api, method: str, path: str
) -> None:
    await seed_examples(api, path)
    untouched = api.store.contents()
    first = await api.call(method, path_of(path), body=VALID[path], headers=KEY)
    before, published = api.store.contents(), len(_published(api))
    again = await api.call(method, path_of(path), body=VALID[path], headers=KEY)
    assert first.status_code in {200, 201, 202}, first.text
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert api.store.contents() == before
    assert {name: before[name] for name in before.keys() - {IDEMPOTENCY_KEYS}} != untouched
    assert len(_published(api)) == published


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_a_write_when_refused_then_its_key_is_free_again(
    api: Api, method: str, path: str
) -> None:
    await seed_examples(api, path)
    before = api.store.contents()
    bad = {**VALID[path], "unknown": 1}
    refused = await api.call(method, path_of(path), body=bad, headers=KEY)
    assert_problem(refused, 422, "UNKNOWN_FIELD")
    assert api.store.contents() == before


def _published(api: Api) -> list[OutboxMessage]:
    assert isinstance(api.publisher, RecordingPublisher)
    return api.publisher.messages


async def test_a_post_when_repeated_with_other_spacing_then_it_is_the_same_body(api: Api) -> None:
    one = b'{"reason": "a", "x": 1}'.replace(b', "x": 1', b"")
    first = await api.call("POST", "/api/ops/halt", content=one, headers=KEY)
    again = await api.call("POST", "/api/ops/halt", content=b'{ "reason":"a" }', headers=KEY)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_a_post_when_the_key_comes_with_another_body_then_422(api: Api) -> None:
    await api.post(CREATE, agent_body(), headers=KEY)
    before = api.store.contents()
    response = await api.post(CREATE, agent_body(name="Another"), headers=KEY)
    assert_problem(response, 422, "IDEMPOTENCY_KEY_REUSED")
    assert api.store.contents() == before


async def test_a_post_when_the_key_was_used_at_another_path_then_it_is_another_key(
    api: Api,
) -> None:
    first = await api.post(CREATE, agent_body(), headers=KEY)
    other = await api.post("/api/agents/create", agent_body(), headers=KEY)
    assert first.status_code == other.status_code == 201
    assert first.json()["agent_id"] != other.json()["agent_id"]


async def test_a_post_when_refused_then_its_key_is_free_again(api: Api) -> None:
    before = api.store.contents()
    assert_problem(await api.post(CREATE, agent_body(name=""), headers=KEY), 422)
    assert api.store.contents() == before
    assert (await api.post(CREATE, agent_body(), headers=KEY)).status_code == 201


async def test_a_post_when_the_first_is_still_running_then_409(api: Api) -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def stall(operation: str, argument: object) -> None:
        if operation == "commit" and "agents_v3" in str(argument):
            entered.set()
            await leave.wait()

    api.store.before = stall
    running = asyncio.create_task(api.post(CREATE, agent_body(), headers=KEY))
    await entered.wait()
    response = await api.post(CREATE, agent_body(), headers=KEY)
    assert_problem(response, 409, "IDEMPOTENCY_KEY_IN_USE")
    assert response.headers["retry-after"] == "1"
    leave.set()
    assert (await running).status_code == 201


class Died(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("when", ["before the work", "after the work"])
async def test_a_post_when_the_process_died_then_the_lease_passes_and_the_redo_is_the_same(
    api: Api, when: str
) -> None:
    alive = True

    async def die(operation: str, argument: object) -> None:
        nonlocal alive
        if not alive or (operation == "commit" and "agents_v3" in str(argument)):
            alive = False
            raise Died

    if when == "before the work":
        api.store.before = die
    else:
        api.store.after = die
    with pytest.raises(Died):
        await api.post(CREATE, agent_body(), headers=KEY)
    api.store.before = api.store.after = None
    kept = api.store.contents()[IDEMPOTENCY_KEYS]
    assert [record["state"] for record in kept.values()] == ["INPROGRESS"]
    early = await api.post(CREATE, agent_body(), headers=KEY)
    assert_problem(early, 409, "IDEMPOTENCY_KEY_IN_USE")
    api.clock.advance(91)
    redo = await api.post(CREATE, agent_body(), headers=KEY)
    assert redo.status_code == 201
    created = set(api.store.contents()["agents_v3"]) - {V3_AGENT, "agt_paused"}
    assert created == {redo.json()["agent_id"]}


async def test_a_post_when_the_store_fails_then_503_and_the_retry_acts_once(api: Api) -> None:
    failed = False

    async def lose_the_answer(operation: str, argument: object) -> None:
        nonlocal failed
        if operation == "commit" and "agents_v3" in str(argument) and not failed:
            failed = True
            raise TransientError("the answer was lost")

    api.store.after = lose_the_answer
    assert_problem(await api.post(CREATE, agent_body(), headers=KEY), 503, "STORE_UNAVAILABLE")
    retry = await api.post(CREATE, agent_body(), headers=KEY)
    assert retry.status_code == 201
    created = set(api.store.contents()["agents_v3"]) - {V3_AGENT, "agt_paused"}
    assert created == {retry.json()["agent_id"]}


async def test_a_post_when_it_has_no_key_then_each_call_acts(api: Api) -> None:
    first = await api.post(CREATE, agent_body())
    second = await api.post(CREATE, agent_body())
    assert first.json()["agent_id"] != second.json()["agent_id"]
    assert IDEMPOTENCY_KEYS not in api.store.contents()


async def test_a_deployment_when_repeated_with_its_key_then_no_key_material_is_kept(
    api: Api,
) -> None:
    body = {"agent_id": V3_AGENT, "user_wallet": WALLET}
    await api.post("/api/v3/agents/deploy", body, headers=KEY)
    (record,) = api.store.contents()[IDEMPOTENCY_KEYS].values()
    assert record["state"] == "DONE"
    assert record["status"] == 201


async def test_a_post_when_another_takes_over_the_lease_first_then_409(api: Api) -> None:
    await _abandon(api)

    async def quicker(operation: str, argument: object) -> None:
        if operation == "commit" and "Update" in str(argument):
            raise ConflictError("lost", collection=IDEMPOTENCY_KEYS, document_id="k")

    api.store.before = quicker
    response = await api.post(CREATE, agent_body(), headers=KEY)
    assert_problem(response, 409, "IDEMPOTENCY_KEY_IN_USE")


async def test_a_post_when_the_key_vanishes_while_it_is_read_then_409(api: Api) -> None:
    async def vanish(operation: str, argument: object) -> None:
        if operation == "commit":
            raise ConflictError("exists", collection=IDEMPOTENCY_KEYS, document_id="k")

    api.store.before = vanish
    response = await api.post(CREATE, agent_body(), headers=KEY)
    assert_problem(response, 409, "IDEMPOTENCY_KEY_IN_USE")


async def test_a_post_when_its_answer_cannot_be_kept_then_it_is_given_all_the_same(
    api: Api,
) -> None:
    async def refuse_updates(operation: str, argument: object) -> None:
        if operation == "commit" and "Update" in str(argument):
            raise TransientError("no store")

    api.store.before = refuse_updates
    assert (await api.post(CREATE, agent_body(), headers=KEY)).status_code == 201
    (record,) = api.store.contents()[IDEMPOTENCY_KEYS].values()
    assert record["state"] == "INPROGRESS"


@pytest.mark.parametrize("broken", ["get", "commit"])
async def test_a_post_when_its_key_cannot_be_freed_then_the_first_error_is_told(
    api: Api, broken: str
) -> None:
    async def fail_later(operation: str, argument: object) -> None:
        if operation == broken and ("Delete" in str(argument) or broken == "get"):
            raise TransientError("no store")

    api.store.before = fail_later
    assert_problem(await api.post(CREATE, {}, headers=KEY), 422, "MISSING_FIELD")
    (record,) = api.store.contents()[IDEMPOTENCY_KEYS].values()
    assert record["state"] == "INPROGRESS"


async def test_a_post_when_its_lease_was_taken_over_then_the_newer_answer_is_kept(
    api: Api,
) -> None:
    """The slow first request finishes after the second: same ids, and one record."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def stall_once(operation: str, argument: object) -> None:
        if operation == "commit" and "agents_v3" in str(argument) and not entered.is_set():
            entered.set()
            await leave.wait()

    api.store.before = stall_once
    slow = asyncio.create_task(api.post(CREATE, agent_body(), headers=KEY))
    await entered.wait()
    api.clock.advance(91)
    quick = await api.post(CREATE, agent_body(), headers=KEY)
    leave.set()
    assert (await slow).json() == quick.json()
    (record,) = api.store.contents()[IDEMPOTENCY_KEYS].values()
    assert record["state"] == "DONE"


async def _abandon(api: Api) -> None:
    """Leave the key INPROGRESS, its lease over."""

    async def die(operation: str, argument: object) -> None:
        if operation != "commit" or "agents_v3" in str(argument):
            raise Died

    api.store.before = die
    with pytest.raises(Died):
        await api.post(CREATE, agent_body(), headers=KEY)
    api.store.before = None
    api.clock.advance(91)
