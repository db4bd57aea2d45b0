"""The emulator backend: Google's Firestore and Pub/Sub emulators, functions on ports of their own.

Each function is the Functions Framework's own ASGI app on a real HTTP port. Pub/Sub pushes to a
relay that signs as the cloud does, and each function checks the token as in the cloud. The servers
share this process, so that a replay's clock is theirs too.
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
from infra.local.stack.push_relay import PushTarget
from infra.local.stack.server import KEEP_ALIVE_S, LoopServer, bind, url_of
from infra.local.stack.signed_pushes import SignedPushes
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
        self._client = httpx.AsyncClient(
            timeout=120, trust_env=False, limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_S)
        )
        self._pushes: SignedPushes | None = None
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
        clock = functions.runtime.clock
        self._pushes = SignedPushes(clock, project=self._project)
        for name, spec in self._pipeline.functions.items():
            if spec.topics or spec.schedules:
                listening = bind(0)
                app = functions.locked_app(name, self.pushes.verifier(url_of(listening)))
                watched = AnswersWatched(app, name, self.publisher.answered)
                self._servers[name] = LoopServer(watched, listening)
                await self._servers[name].start()
        await self.pushes.start(self._targets())
        await self._topology.create(self._pipeline.topics, self._subscriptions())
        self.publisher.start(clock)

    @property
    def pushes(self) -> SignedPushes:
        """Who signs for this backend's functions; call `start` first."""
        assert self._pushes is not None, "start comes first"  # noqa: S101 - a programming error
        return self._pushes

    def url(self, function: str) -> str:
        """Where a function that was started listens; the audience of its tokens."""
        return self._servers[function].url

    def _targets(self) -> dict[str, PushTarget]:
        return {
            f"{name}-{topic}": PushTarget(url=self.url(name), timeout_s=spec.timeout_s)
            for name, spec in self._pipeline.functions.items()
            for topic in spec.topics
        }

    def _subscriptions(self) -> list[PushSubscription]:
        delivery = self._pipeline.delivery
        return [
            PushSubscription(
                name=f"{name}-{topic}",
                topic=topic,
                endpoint=self.pushes.endpoint(f"{name}-{topic}"),
                ack_deadline_s=delivery.ack_deadline_s,
                max_attempts=delivery.max_attempts,
                backoff_min_s=delivery.backoff_min_s,
                backoff_max_s=delivery.backoff_max_s,
            )
            for name, spec in self._pipeline.functions.items()
            for topic in spec.topics
        ]

    async def call(self, function: str, body: JsonObject) -> int:
        url = self.url(function)
        answer = await self._client.post(f"{url}/", headers=self.pushes.headers(url), json=body)
        return answer.status_code

    async def idle(self) -> None:
        await self.publisher.idle()

    async def dead_letters(self) -> int:
        """Takes them: a second call counts only what came since."""
        return len(await self._topology.pull_dead_letters(timeout_s=_DEAD_LETTERS_WAIT_S))

    async def stop(self) -> None:
        try:
            await self._client.aclose()
            if self._pushes is not None:
                await self._pushes.stop()
            await asyncio.gather(*(server.stop() for server in self._servers.values()))
            await self.publisher.close()
            await self._pubsub.close()
            await self._topology.close()
            await self.store.close()
        finally:  # also when patience with the rest has run out: nothing may outlive us
            if self._emulators is not None:
                await self._emulators.stop()
