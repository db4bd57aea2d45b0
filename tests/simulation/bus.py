"""A bus that is at least once in every way: it repeats, delays and reorders, and never loses."""

import itertools
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from common.domain.events import OrderPlanned, OutboxMessage
from common.domain.moment import iso
from common.errors import TransientError
from infra.bootstrap import Runtime, use
from infra.gcp.envelope import message_attributes, message_data, wrap_push
from tests.simulation.world import Crash, World

EntryPoint = Callable[[Request], Awaitable[Response]]
ATTEMPTS_MAX = 12


class SimBus:
    """Fits `Publisher`, and pushes to the functions' real entry points."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ids = itertools.count(1)
        self._entry_points: dict[str, tuple[str, EntryPoint]] = {}
        self.runtime: Runtime | None = None
        self.pending = 0
        self.dead: list[str] = []
        self.messages: dict[str, OutboxMessage] = {}  # by id: all that ever were published

    def subscribe(self, topic: str, name: str, entry_point: EntryPoint) -> None:
        self._entry_points[topic] = (name, entry_point)

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        await self._world.step("publish")
        lost_answer = self._world.chance("publish_fails")
        if lost_answer and self._world.random.random() < 0.5:
            raise TransientError("the bus is not reachable")
        for message in messages:
            copies = 1 + (
                self._world.random.randrange(1, 3) if self._world.chance("duplicate") else 0
            )
            for _ in range(copies):
                self._deliver(message)
            if isinstance(message.event, OrderPlanned) and self._world.chance("tampered"):
                self._deliver(replace(message, event=_doubled(message.event)))
        if lost_answer:
            raise TransientError("the bus holds the messages, and its answer was lost")

    def deliver_all_again(self) -> None:
        """Every message that ever was, at once and in any order: none may change a thing."""
        for message in list(self.messages.values()):
            self._deliver(replace(message, deliver_at=None))

    def _deliver(self, message: OutboxMessage) -> None:
        self.messages.setdefault(message.message_id, message)
        self.pending += 1
        self._world.start(self._push(message))

    async def _push(self, message: OutboxMessage) -> None:
        name, entry_point = self._entry_points[message.topic]
        wait = timedelta(seconds=self._world.random.uniform(0, 0.2))
        if message.deliver_at is not None:
            wait += max(timedelta(0), message.deliver_at - self._world.now())
        if self._world.chance("delay"):
            wait += timedelta(seconds=self._world.random.uniform(1, 120))
        bus_id = str(next(self._ids))
        for attempt in range(1, ATTEMPTS_MAX + 1):
            await self._world.step("deliver", after=wait)
            envelope = wrap_push(
                message_data(message),
                message_attributes(message),
                bus_message_id=bus_id,
                subscription=name,
                publish_time=iso(self._world.now()),
                delivery_attempt=attempt,
            )
            if await self.call(entry_point, json.dumps(envelope).encode()) == 204:
                break
            wait = timedelta(seconds=min(60.0, 2.0**attempt) * self._world.random.uniform(0.5, 1))
        else:
            self.dead.append(message.message_id)
        self.pending -= 1

    async def call(self, entry_point: EntryPoint, body: bytes) -> int:
        """POST `body`; 0 when the instance died on it, which the bus sees as no answer."""
        assert self.runtime is not None

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }
        try:
            with use(self.runtime):
                response = await entry_point(Request(scope, receive))
        except Crash:
            return 0
        return response.status_code


def _doubled(event: OrderPlanned) -> OrderPlanned:
    """The plan with twice the quantity, which route never approved."""
    candidates = tuple(
        replace(candidate, quantity=candidate.quantity * 2) for candidate in event.plan.candidates
    )
    return replace(event, plan=replace(event.plan, candidates=candidates))
