"""Which rows go once their messages are published, and which must stay."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from common.books import OUTBOX
from common.domain.events import OutboxMessage
from common.errors import TransientError
from common.outbox import CLEAR_AT_ONCE, OnlyInMemoryError, outbox_write, publish_and_clear
from common.ports import Query
from infra.local.store.memory import MemoryStore
from tests.builders import NOON, a_message
from tests.fakes.publisher import RecordingPublisher, refusing_publisher


class Forgetful(RecordingPublisher):
    """A bus that cannot wait: what is for later is remembered, and no more."""

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        await super().publish([each for each in messages if each.deliver_at is None])
        later = [each for each in messages if each.deliver_at is not None]
        if later:
            raise OnlyInMemoryError(later)


def messages() -> list[OutboxMessage]:
    later = replace(a_message(message_id="later"), deliver_at=NOON + timedelta(seconds=1))
    return [a_message(message_id="one"), later, a_message(message_id="two")]


async def rows(store: MemoryStore) -> list[str]:
    return [document.ref.id for document in (await store.query(Query(OUTBOX))).documents]


async def a_store(written: Sequence[OutboxMessage]) -> MemoryStore:
    store = MemoryStore()
    for start in range(0, len(written), CLEAR_AT_ONCE):
        batch = written[start : start + CLEAR_AT_ONCE]
        await store.commit([outbox_write(message) for message in batch])
    return store


async def test_publish_and_clear_when_the_bus_holds_all_then_all_rows_go_early_ones_too() -> None:
    store, publisher = await a_store(messages()), RecordingPublisher()

    await publish_and_clear(messages(), publisher=publisher, store=store)

    assert publisher.messages == messages()
    assert await rows(store) == []


async def test_publish_and_clear_when_some_wait_in_memory_then_their_rows_alone_stay() -> None:
    store, publisher = await a_store(messages()), Forgetful()

    await publish_and_clear(messages(), publisher=publisher, store=store)

    assert [message.message_id for message in publisher.messages] == ["one", "two"]
    assert await rows(store) == ["later"]


async def test_publish_and_clear_when_the_bus_fails_then_every_row_stays() -> None:
    store = await a_store(messages())

    with pytest.raises(TransientError):
        await publish_and_clear(messages(), publisher=refusing_publisher(), store=store)

    assert await rows(store) == ["later", "one", "two"]


async def test_publish_and_clear_when_there_are_more_than_a_commit_takes_then_all_go() -> None:
    many = [a_message(message_id=f"msg_{number}") for number in range(CLEAR_AT_ONCE + 1)]
    store = await a_store(many)

    await publish_and_clear(many, publisher=RecordingPublisher(), store=store)

    assert await rows(store) == []


def test_only_in_memory_when_told_then_says_how_many_and_asks_to_keep_the_rows() -> None:
    error = OnlyInMemoryError(messages())

    assert isinstance(error, TransientError)
    assert error.messages == tuple(messages())
    assert "3 messages" in str(error)
