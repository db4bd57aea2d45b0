"""Publishing what a use case committed: at once where the bus answers, by `relay` where not."""

import logging
from collections.abc import Sequence

from common.audit import asked_by
from common.domain.events import OutboxMessage
from common.errors import SapphireError
from common.outbox import publish_and_clear
from infra.bootstrap import Runtime
from infra.gcp.spans import begin_signals, send_spans

_log = logging.getLogger("sapphire.api")


async def publish(runtime: Runtime, messages: Sequence[OutboxMessage]) -> None:
    """Never fails the request: its outcome is committed, and the outbox holds the messages."""
    if not messages:
        return
    try:
        with asked_by("", ""):  # what a message has done is not this request's, wherever it is done
            await publish_and_clear(messages, publisher=runtime.publisher, store=runtime.store)
    except SapphireError as error:
        _log.warning("left in the outbox: %s: %s", [m.message_id for m in messages], error)
    project = runtime.settings.project
    await send_spans(begin_signals("api", messages, cause=None, project=project), project=project)
