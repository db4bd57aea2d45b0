"""Publishing what a use case committed: at once where the bus answers, by `relay` where not."""

import logging
from collections.abc import Sequence

from common.domain.events import OutboxMessage
from common.errors import TransientError
from common.outbox import outbox_clear
from infra.bootstrap import Runtime

_log = logging.getLogger("sapphire.api")


async def publish(runtime: Runtime, messages: Sequence[OutboxMessage]) -> None:
    """Never fails the request: its outcome is committed, and the outbox holds the messages."""
    if not messages:
        return
    try:
        await runtime.publisher.publish(messages)
        await runtime.store.commit([outbox_clear(message) for message in messages])
    except TransientError as error:
        _log.warning("left in the outbox: %s: %s", [m.message_id for m in messages], error)
