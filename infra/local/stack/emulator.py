"""The emulator backend: Google's Firestore and Pub/Sub emulators, functions on ports of their own.

Each function is the Functions Framework's own ASGI app on a real HTTP port, and Pub/Sub pushes to
it. The servers share this process, so that a replay's clock is theirs too.
"""

import asyncio
import os
from typing import Self

import httpx

from common.wire import JsonObject
from infra.gcp.firestore import FirestoreStore
from infra.gcp.pubsub import PubSubPublisher, PubSubTopology, PushSubscription
from infra.local.emulators import Emulators
from infra.local.stack.functions import Functions
from infra.local.stack.push_answers import AnswersWatched
from infra.local.stack.server import LoopServer, bind
from infra.local.stack.tracked_publisher import TrackedPublisher
from infra.pipeline import Pipeline, load_pipeline

_DEAD_LETTERS_WAIT_S = 1.0


class EmulatorBackend:
    """What the emulators hold ends with them; what waits for its time, with this process."""

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
        self._pubsub = PubSubPublisher(project=project)
        self.publisher = TrackedPublisher(self._pubsub, self._pipeline, self.store)

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
        self.publisher.start(functions.runtime.clock)

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
            await self._pubsub.close()
            await self._topology.close()
            await self.store.close()
        finally:  # also when patience with the rest has run out: nothing may outlive us
            if self._emulators is not None:
                await self._emulators.stop()
