"""The whole of Sapphire in one process: store, bus, functions behind their entry points, API."""

import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from common.config import Settings
from common.domain.moment import iso
from common.errors import TransientError
from common.ports import Clock, DocumentStore, MarketFeed, Publisher
from infra.bootstrap import Runtime, build
from infra.local.replay import unfinished
from infra.local.stack.checks import BooksCheck, check_books
from infra.local.stack.functions import Functions
from infra.local.stack.observed_publisher import ObservedPublisher
from infra.local.stack.seed_agents import seed_agents
from infra.local.stack.server import LoopServer
from infra.local.tokens import SharedTokenVerifier

_JOB_TRIES = 5
_SETTLE_MAX = timedelta(minutes=3)
_SETTLE_EVERY_S = 10.0


class Backend(Protocol):
    """Where state and messages live, and how a message or a job reaches its function."""

    @property
    def store(self) -> DocumentStore: ...

    @property
    def publisher(self) -> Publisher: ...

    async def start(self, functions: Functions) -> None:
        """From now on, messages are pushed to the functions that pipeline.yaml subscribes."""

    async def call(self, function: str, body: dict[str, object]) -> int:
        """POST a scheduler's body to a function; the HTTP status."""

    async def idle(self) -> None:
        """Return once every message that was published has been answered for good."""

    async def dead_letters(self) -> int:
        """How many messages no function ever took."""

    async def stop(self) -> None:
        """Let what is being handled end, keep the rest, close the store."""


class LocalStack:
    """Builds the runtime over a backend and drives it.

    `push_token` is the secret that pushes and jobs prove themselves with.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Clock,
        backend: Backend,
        make_feed: Callable[[], MarketFeed],
        push_token: str,
    ) -> None:
        self.backend = backend
        self.events = ObservedPublisher(backend.publisher)
        self.runtime: Runtime = build(
            settings,
            clock=clock,
            store=backend.store,
            publisher=self.events,
            verifier=SharedTokenVerifier(push_token),
            make_feed=make_feed,
        )
        self.functions = Functions(self.runtime, push_token)
        self._server: LoopServer | None = None

    @property
    def url(self) -> str:
        return self._server.url if self._server else ""

    async def start(self) -> None:
        """Seed an empty store and begin to deliver."""
        await seed_agents(self.runtime.store, self.runtime.settings, now=self.runtime.clock.now())
        await self.backend.start(self.functions)

    async def serve(self, listening: socket.socket) -> None:
        """Serve the API on a socket from `bind`."""
        self._server = LoopServer(self.functions.app("api"), listening)
        await self._server.start()

    async def recover(self) -> None:
        """Take up what a former process left: unpublished messages and unproven orders."""
        now = self.runtime.clock.now()
        for job in ("relay", "settle"):
            await self.run_job(job, now)

    async def run_job(self, job: str, scheduled_at: datetime) -> None:
        """What the scheduler does at its time. Raises TransientError when it keeps failing."""
        status = 0
        for attempt in range(_JOB_TRIES):
            status = await self.backend.call(job, {"job": job, "scheduled_at": iso(scheduled_at)})
            if 200 <= status < 300:
                return
            await self.runtime.clock.sleep(0.1 * 2**attempt)
        raise TransientError(f"{job} answered {status} to its schedule of {iso(scheduled_at)}")

    async def idle(self) -> None:
        await self.backend.idle()

    async def check(self) -> BooksCheck:
        """Whether the books, the venues' ledgers and the bus agree; for a stack that is quiet."""
        check = await check_books(self.runtime.store, self.runtime.make_venues())
        dead = await self.backend.dead_letters()
        if dead:
            check.problems.append(f"{dead} messages are dead letters")
        return check

    async def settle_down(self) -> None:
        """Wait until everything has its end, asking venues as time passes; 3 min at most."""
        give_up = self.runtime.clock.now() + _SETTLE_MAX
        await self.idle()
        while await unfinished(self.runtime.store) and self.runtime.clock.now() < give_up:
            await self.runtime.clock.sleep(_SETTLE_EVERY_S)
            await self.recover()
            await self.idle()

    async def stop(self) -> None:
        """In the order that loses nothing: no new requests, no new deliveries, then the store."""
        if self._server is not None:
            await self._server.stop()
            self._server = None
        await self.backend.stop()
