"""Publishing what a use case committed: at once where the bus answers, by `relay` where not."""

import logging
from collections.abc import Sequence

from common.domain.events import OutboxMessage
from common.errors import SapphireError
from common.outbox import publish_and_clear
from infra.bootstrap import Runtime

_log = logging.getLogger("sapphire.api")


async def publish(runtime: Runtime, messages: Sequence[OutboxMessage]) -> None:
    """Never fails the request: its outcome is committed, and the outbox holds the messages."""
    if not messages:
        return
    try:
        await publish_and_clear(messages, publisher=runtime.publisher, store=runtime.store)
    except SapphireError as error:
        _log.warning("left in the outbox: %s: %s", [m.message_id for m in messages], error)
