"""Google Cloud Tasks: the way of a message that is to be delivered later.

Pub/Sub pushes at once: a refusal until the hour has come would back the whole subscription off. A
task has an hour of its own. It posts the envelope that Pub/Sub would post, with a token of the same
account, so a function cannot tell the two apart, and need not.

Each function has a queue of its own, and the queue says where its tasks go and as whom: its HTTP
target overrides what a task says ("all tasks with HttpRequest are overridden according to the
target", HttpTarget in google.cloud.tasks.v2; token and audience too). So a task names no account:
its maker would need iam.serviceAccounts.actAs on it (OidcToken, same place), and could then sign as
the bus anywhere. As it is, whoever may use a queue reaches that one function.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from common.domain.events import OutboxMessage
from common.domain.identifiers import digest
from common.domain.moment import iso
from common.errors import ConfigurationError
from common.ports import Publisher
from infra.gcp.api_errors import told_as_ours
from infra.gcp.envelope import message_attributes, message_data, wrap_push
from infra.gcp.try_all import try_all

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import CloudTasksAsyncClient
    from google.cloud.tasks_v2.types import Task

FUNCTION_URL = "SAPPHIRE_FUNCTION_URL"
TASKS_QUEUE = "SAPPHIRE_TASKS_QUEUE"
_FUNCTION = "{function}"
_URL = re.compile(r"https?://[^{}\s]*\{function\}[^{}\s]*")
_QUEUE = re.compile(
    r"projects/[A-Za-z0-9.:-]+/locations/[a-z0-9-]+/queues/[A-Za-z0-9-]*\{function\}[A-Za-z0-9-]*"
)
_ATTEMPT_TIMEOUT_S = 10.0
_TIMEOUT_S = 20.0  # with our retries; functions have 60 s

Subscribers = Callable[[str], Sequence[str]]
"""The functions that a topic is pushed to."""


class CloudTasksPublisher:
    """One task for each message and subscriber. The client is built at the first publish.

    A task's name follows from the message's id, and the queue takes a name once in 24 hours or
    more: to publish a message again changes nothing, even when it was delivered already.
    """

    def __init__(
        self,
        *,
        queue: str,
        function_url: str,
        subscribers: Subscribers,
        deadline_s: float = 60.0,
        client: "CloudTasksAsyncClient | None" = None,
    ) -> None:
        """`queue` is `projects/P/locations/L/queues/{function}-later`; there and in `function_url`,
        `{function}` stands for a function's name with hyphens. After `deadline_s` (15 to 1,800)
        without an answer a task is posted again.

        Raises:
            ConfigurationError: the queue or the URL is not of that form.
        """
        if not _QUEUE.fullmatch(queue):
            raise ConfigurationError(
                f"{TASKS_QUEUE} must be a queue with {_FUNCTION} once, such as "
                "projects/P/locations/L/queues/{function}-later"
            )
        if not _URL.fullmatch(function_url):
            raise ConfigurationError(
                f"{FUNCTION_URL} must be a URL with {_FUNCTION} once, such as "
                "https://{function}-123.europe-west1.run.app"
            )
        self._queue = queue
        self._function_url = function_url
        self._subscribers = subscribers
        self._deadline = timedelta(seconds=deadline_s)
        self._client = client

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        """As the port says; a message without `deliver_at`, or with one that is past, goes at once.

        Raises:
            ConfigurationError: a queue is missing, our account may not use it, nobody subscribes
                to a topic, or a message is for more than 30 days ahead.
        """
        pairs = [(message, name) for message in messages for name in self._functions(message)]
        await try_all(self._create(message, function) for message, function in pairs)

    async def close(self) -> None:
        """Let go of the client's connection. What `publish` returned for is held already."""
        client, self._client = self._client, None
        if client is not None:
            await client.transport.close()  # type: ignore[no-untyped-call] # Google's, unannotated

    def _functions(self, message: OutboxMessage) -> Sequence[str]:
        functions = self._subscribers(message.topic)
        if not functions:
            raise ConfigurationError(f"nobody subscribes to {message.topic}")
        return functions

    async def _create(self, message: OutboxMessage, function: str) -> None:
        with told_as_ours(f"hold {message.message_id} for {function}"):
            from google.api_core.exceptions import AlreadyExists, DeadlineExceeded
            from google.api_core.exceptions import ServiceUnavailable as Unavailable
            from google.api_core.retry import AsyncRetry, if_exception_type

            again = AsyncRetry(
                predicate=if_exception_type(DeadlineExceeded, Unavailable),
                initial=0.1,
                maximum=5.0,
                timeout=_TIMEOUT_S,
            )
            try:
                await self._ready_client().create_task(
                    parent=_of(self._queue, function),
                    task=self._task(message, function),
                    retry=again,
                    timeout=_ATTEMPT_TIMEOUT_S,
                )
            except AlreadyExists:
                return  # published before, perhaps by an attempt whose answer was lost

    def _ready_client(self) -> "CloudTasksAsyncClient":
        if self._client is None:
            from google.cloud.tasks_v2 import CloudTasksAsyncClient

            self._client = CloudTasksAsyncClient()
        return self._client

    def _task(self, message: OutboxMessage, function: str) -> "Task":
        from google.cloud.tasks_v2.types import HttpMethod, HttpRequest, Task

        task_id = digest(function, message.message_id)  # hashed: Google asks for an even spread
        return Task(
            name=f"{_of(self._queue, function)}/tasks/{task_id}",
            schedule_time=message.deliver_at,
            dispatch_deadline=self._deadline,
            http_request=HttpRequest(
                url=_of(self._function_url, function),
                http_method=HttpMethod.POST,
                headers={"Content-Type": "application/json"},
                body=self._envelope(message, function, task_id),
            ),
        )

    def _envelope(self, message: OutboxMessage, function: str, task_id: str) -> bytes:
        project = self._queue.split("/")[1]
        envelope = wrap_push(
            message_data(message),
            message_attributes(message),
            bus_message_id=task_id,
            subscription=_of(
                f"projects/{project}/subscriptions/{_FUNCTION}-{message.topic}", function
            ),
            publish_time=iso(message.deliver_at or message.occurred_at),
        )
        return json.dumps(envelope, separators=(",", ":")).encode()


def _of(pattern: str, function: str) -> str:
    return pattern.replace(_FUNCTION, function.replace("_", "-"))


class TimedPublisher:
    """What may be delivered at once goes over one bus, what has a `deliver_at` over another."""

    def __init__(self, at_once: Publisher, make_later: Callable[[], Publisher]) -> None:
        """`make_later` is called when there is something for it, each time."""
        self._at_once = at_once
        self._make_later = make_later

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        """As the port says; where one bus fails, the other has still been given its own.

        Raises:
            ConfigurationError: also where `make_later` raises it.
        """
        await try_all(
            [
                self._at_once.publish([m for m in messages if m.deliver_at is None]),
                self._publish_later([m for m in messages if m.deliver_at is not None]),
            ]
        )

    async def _publish_later(self, messages: Sequence[OutboxMessage]) -> None:
        if messages:
            await self._make_later().publish(messages)


def tasks_publisher(
    environ: Mapping[str, str], *, subscribers: Subscribers, deadline_s: float
) -> CloudTasksPublisher:
    """What the environment describes.

    Raises:
        ConfigurationError: names every variable that is missing, or one that is wrong.
    """
    missing = [name for name in (FUNCTION_URL, TASKS_QUEUE) if not environ.get(name)]
    if missing:
        raise ConfigurationError(
            f"a message that is to be delivered later has no way to go: set {', '.join(missing)}"
        )
    return CloudTasksPublisher(
        queue=environ[TASKS_QUEUE],
        function_url=environ[FUNCTION_URL],
        subscribers=subscribers,
        deadline_s=deadline_s,
    )
