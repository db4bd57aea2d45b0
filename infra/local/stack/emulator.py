"""The emulator backend: Google's Firestore and Pub/Sub emulators, functions on ports of their own.

Each function is the Functions Framework's own ASGI app on a real HTTP port, and Pub/Sub pushes to
it. The servers share this process, so that a replay's clock is theirs too.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Self

import httpx

from common.domain.events import OutboxMessage
from common.errors import TransientError
from common.wire import JsonObject
from infra.gcp.firestore import FirestoreStore
from infra.gcp.pubsub import PubSubPublisher, PubSubTopology, PushSubscription
from infra.local.emulators import Emulators
from infra.local.stack.functions import Functions
from infra.local.stack.push_answers import AnswersWatched
from infra.local.stack.server import LoopServer, bind
from infra.pipeline import Pipeline, load_pipeline

_DEAD_LETTERS_WAIT_S = 1.0
_IDLE_MAX_S = 180.0  # beyond every backoff of one message's first attempts


class EmulatorBackend:
    """What the emulators hold ends with them."""

    def __init__(self, emulators: Emulators | None, project: str) -> None:
        """`emulators` are stopped by `stop`; None leaves alone those that the environment names."""
        self._emulators = emulators
        self._project = project
        self._pipeline: Pipeline = load_pipeline()
        self._servers: dict[str, LoopServer] = {}
        self._client = httpx.AsyncClient(timeout=120, trust_env=False)
        self._token = ""
        self._topology = PubSubTopology(project=project)
        self.store = FirestoreStore(project=project)
        self.publisher = TrackedPublisher(PubSubPublisher(project=project), self._pipeline)

    @classmethod
    async def launch(cls, *, project: str) -> Self:
        """Raises ConfigurationError, naming what to install when gcloud or Java is missing."""
        emulators = Emulators(project=project)
        await emulators.start()
        os.environ.update(emulators.env)  # Google's clients look nowhere else
        return cls(emulators, project)

    async def start(self, functions: Functions) -> None:
        self._token = functions.token
        for name, spec in self._pipeline.functions.items():
            if spec.topics or spec.schedules:
                app = AnswersWatched(functions.app(name), name, self.publisher.answered)
                self._servers[name] = LoopServer(app, bind(0))
                await self._servers[name].start()
        await self._topology.create(self._pipeline.topics, self._subscriptions())

    def _subscriptions(self) -> list[PushSubscription]:
        delivery = self._pipeline.delivery
        return [
            PushSubscription(
                name=f"{name}-{topic}",
                topic=topic,
                endpoint=f"{self._servers[name].url}/?token={self._token}",
                ack_deadline_s=delivery.ack_deadline_s,
                max_attempts=delivery.max_attempts,
                backoff_min_s=delivery.backoff_min_s,
                backoff_max_s=delivery.backoff_max_s,
            )
            for name, spec in self._pipeline.functions.items()
            for topic in spec.topics
        ]

    async def call(self, function: str, body: JsonObject) -> int:
        url = f"{self._servers[function].url}/"
        answer = await self._client.post(url, params={"token": self._token}, json=body)
        return answer.status_code

    async def idle(self) -> None:
        await self.publisher.idle()

    async def dead_letters(self) -> int:
        """Takes them: a second call counts only what came since."""
        return len(await self._topology.pull_dead_letters(timeout_s=_DEAD_LETTERS_WAIT_S))

    async def stop(self) -> None:
        try:
            await self._client.aclose()
            await asyncio.gather(*(server.stop() for server in self._servers.values()))
            await self.publisher.close()
            await self._topology.close()
            await self.store.close()
        finally:  # also when patience with the rest has run out: nothing may outlive us
            if self._emulators is not None:
                await self._emulators.stop()


class TrackedPublisher:
    """Publishes to Pub/Sub and knows which pushes are still to be answered."""

    def __init__(self, publisher: PubSubPublisher, pipeline: Pipeline) -> None:
        self._publisher = publisher
        self._pipeline = pipeline
        self._waiting: set[tuple[str, str]] = set()  # (function, message id)
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        """A message counts from before it is sent: its answer may come before this returns."""
        expected = {
            (function, message.message_id)
            for message in messages
            for function in self._pipeline.subscribers(message.topic)
        } - self._waiting
        self._waiting |= expected
        self._quiet.clear()
        try:
            await self._publisher.publish(messages)
        except TransientError:
            for each in expected:  # the outbox keeps it, and the relay publishes it again
                self.answered(*each)
            raise

    def answered(self, function: str, message_id: str) -> None:
        self._waiting.discard((function, message_id))
        if not self._waiting:
            self._quiet.set()

    async def idle(self) -> None:
        """Raises TransientError when a push stays without a good answer for 3 minutes."""
        try:
            async with asyncio.timeout(_IDLE_MAX_S):
                await self._quiet.wait()
        except TimeoutError:
            stuck = ", ".join(f"{name} {message}" for name, message in sorted(self._waiting)[:5])
            raise TransientError(f"still not handled after {_IDLE_MAX_S:g} s: {stuck}") from None

    async def close(self) -> None:
        await self._publisher.close()
