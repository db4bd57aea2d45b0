"""The outbox: an event is written in the commit that causes it, deleted once published."""

from common.books import OUTBOX
from common.domain.events import OutboxMessage
from common.ports import Create, Delete, Ref
from common.wire import encode_message


def outbox_write(message: OutboxMessage) -> Create:
    return Create(Ref(OUTBOX, message.message_id), encode_message(message))


def outbox_clear(message: OutboxMessage) -> Delete:
    return Delete(Ref(OUTBOX, message.message_id))
