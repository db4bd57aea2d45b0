"""The outbox: an event is written in the commit that causes it, deleted once published."""

from collections.abc import Sequence

from common.books import OUTBOX
from common.domain.events import OutboxMessage
from common.ports import Create, Delete, DocumentStore, Publisher, Ref
from common.wire import encode_message

CLEAR_AT_ONCE = 400  # a commit's limit


def outbox_write(message: OutboxMessage) -> Create:
    return Create(Ref(OUTBOX, message.message_id), encode_message(message))


def outbox_clear(message: OutboxMessage) -> Delete:
    return Delete(Ref(OUTBOX, message.message_id))


async def publish_and_clear(
    messages: Sequence[OutboxMessage], *, publisher: Publisher, store: DocumentStore
) -> None:
    """What was committed with its rows. Where this fails the rows stay, and `relay` takes them.

    Raises:
        SapphireError: the bus or the store did not take it; some messages may be published.
    """
    await publisher.publish(messages)
    await clear(messages, store)


async def clear(messages: Sequence[OutboxMessage], store: DocumentStore) -> None:
    for start in range(0, len(messages), CLEAR_AT_ONCE):
        await store.commit([outbox_clear(m) for m in messages[start : start + CLEAR_AT_ONCE]])
