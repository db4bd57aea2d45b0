"""The outbox: an event is written in the commit that causes it, deleted once published."""

from collections.abc import Sequence
from dataclasses import replace

from common.books import OUTBOX
from common.domain.events import OutboxMessage
from common.errors import TransientError
from common.ports import Create, Delete, DocumentStore, Publisher, Ref
from common.trace import current_trace
from common.wire import encode_message

CLEAR_AT_ONCE = 400  # a commit's limit


class OnlyInMemoryError(TransientError):
    """The bus holds all but these, which wait for their `deliver_at` in one process's memory.

    Raised by a publisher whose bus cannot wait. The rows of `messages` must stay until they are
    really published, which is that publisher's to do; a caller that does not know this error keeps
    the other rows as well, and they are only published twice.
    """

    def __init__(self, messages: Sequence[OutboxMessage]) -> None:
        super().__init__(f"{len(messages)} messages wait for their time in memory alone")
        self.messages = tuple(messages)


def outbox_write(message: OutboxMessage) -> Create:
    """The row keeps the trace beside the message, so that `relay` publishes it as part of that."""
    row = encode_message(message)
    trace = traced(message).trace
    return Create(Ref(OUTBOX, message.message_id), row if trace is None else row | {"trace": trace})


def traced(message: OutboxMessage) -> OutboxMessage:
    """As part of the trace it has, else of the current one."""
    trace = current_trace()
    if message.trace is not None or not trace:
        return message
    return replace(message, trace=dict(trace))


def outbox_clear(message: OutboxMessage) -> Delete:
    return Delete(Ref(OUTBOX, message.message_id))


async def publish_and_clear(
    messages: Sequence[OutboxMessage], *, publisher: Publisher, store: DocumentStore
) -> None:
    """What was committed with its rows. Where this fails the rows stay, and `relay` takes them.

    A row goes once the bus holds its message, due or not; what a process merely remembers keeps it.

    Raises:
        SapphireError: the bus or the store did not take it; some messages may be published.
    """
    kept: frozenset[str] = frozenset()
    try:
        await publisher.publish([traced(message) for message in messages])
    except OnlyInMemoryError as error:
        kept = frozenset(message.message_id for message in error.messages)
    await clear([message for message in messages if message.message_id not in kept], store)


async def clear(messages: Sequence[OutboxMessage], store: DocumentStore) -> None:
    for start in range(0, len(messages), CLEAR_AT_ONCE):
        await store.commit([outbox_clear(m) for m in messages[start : start + CLEAR_AT_ONCE]])
