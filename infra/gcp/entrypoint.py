"""Event functions: from an authenticated push or tick to a handler, and on to an answer.

2xx acknowledges, 429 and 5xx ask for redelivery; after `max_attempts` of those the bus moves the
message to its dead letters. What can never succeed is acknowledged and kept in `rejected_events`.
"""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args, get_type_hints

from functions_framework import aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common.config import VERSION
from common.domain.events import EVENT_TYPES, Event, OutboxMessage, Tick
from common.domain.identifiers import digest
from common.errors import (
    ConfigurationError,
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    StaleError,
    TransientError,
    UnauthenticatedError,
)
from common.outbox import publish_and_clear
from common.rejection import rejection_write
from infra.bootstrap import Runtime, current
from infra.gcp.envelope import (
    SCHEDULE_TIME_HEADER,
    is_push,
    open_push,
    parse_body,
    read_message,
    read_tick,
)
from infra.gcp.logging import configure_logging, log_event, tracing

BODY_BYTES_MAX = 10 * 1024 * 1024

Handler = Callable[[Any, Runtime], Awaitable[Sequence[OutboxMessage]]]
EntryPoint = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Action:
    """What an error means for the bus."""

    status: int
    code: str
    level: int
    record: bool = False  # keep the event in `rejected_events`: it will not come again


ACTIONS: dict[type[SapphireError], Action] = {
    TransientError: Action(503, "TRANSIENT", logging.WARNING),
    RateLimitedError: Action(429, "RATE_LIMITED", logging.WARNING),
    ConflictError: Action(503, "CONFLICT", logging.WARNING),
    RejectedError: Action(204, "REJECTED", logging.WARNING, record=True),
    OutcomeUnknownError: Action(204, "OUTCOME_UNKNOWN", logging.ERROR, record=True),
    DeniedError: Action(204, "DENIED", logging.WARNING, record=True),
    StaleError: Action(204, "STALE", logging.WARNING, record=True),
    InvalidInputError: Action(204, "INVALID_INPUT", logging.ERROR, record=True),
    NotFoundError: Action(204, "NOT_FOUND", logging.ERROR, record=True),
    UnauthenticatedError: Action(401, "UNAUTHENTICATED", logging.WARNING),
    ConfigurationError: Action(500, "CONFIGURATION", logging.CRITICAL),
}
UNEXPECTED = Action(500, "INTERNAL", logging.ERROR)


def action_for(error: Exception) -> Action:
    """The nearest class of the error decides; what is not of our tree is unexpected."""
    found = (ACTIONS[kind] for kind in type(error).__mro__ if kind in ACTIONS)
    return next(found, UNEXPECTED)


def event_function(handler: Handler) -> EntryPoint:
    """Make `async def name(event, runtime)` the HTTP entry point `name` of functions-framework.

    The annotation of `event` says what it accepts: event types, `Tick`, or a union of them.
    """
    function = _EventFunction(handler.__name__, _accepted(handler), handler)
    configure_logging()

    async def entry_point(request: Request) -> Response:
        return await function.answer(request)

    # The framework finds functions by name, and main.py's callers read the docstring.
    entry_point.__name__ = entry_point.__qualname__ = handler.__name__
    entry_point.__module__, entry_point.__doc__ = handler.__module__, handler.__doc__
    return cast("EntryPoint", aio.http(entry_point))


def _accepted(handler: Handler) -> frozenset[type]:
    hints = get_type_hints(handler)
    hint = next(iter(hints.values()), None)
    kinds = frozenset(get_args(hint) or (hint,))
    if not kinds <= {Tick, *EVENT_TYPES.values()}:
        raise ConfigurationError(f"{handler.__name__}: annotate its event with event types")
    return cast("frozenset[type]", kinds)


@dataclass(slots=True)
class _Call:
    """What is known of one request so far; the log and the rejection are written from it."""

    text: str = ""
    subject: str = ""
    message_id: str = ""
    event_type: str = ""
    subscription: str = ""
    delivery_attempt: int | None = None

    @property
    def fields(self) -> dict[str, object]:
        return {
            "message_id": self.message_id,
            "event_type": self.event_type,
            "subscription": self.subscription,
            "delivery_attempt": self.delivery_attempt,
        }


@dataclass(frozen=True, slots=True)
class _EventFunction:
    name: str
    accepts: frozenset[type]
    handler: Handler

    async def answer(self, request: Request) -> Response:
        if request.method in {"GET", "HEAD"}:  # ready: imported and listening
            return JSONResponse({"function": self.name, "version": VERSION})
        if request.method != "POST":
            return _problem(405, "METHOD_NOT_ALLOWED", {"allow": "GET, HEAD, POST"})
        call = _Call()
        started = time.perf_counter()
        try:
            runtime = current()
            with tracing(request.headers, project=runtime.settings.project):
                return await self._serve(request, runtime, call, started)
        except Exception as error:  # noqa: BLE001 - the last frame of ours: log it whole, answer without detail
            action = action_for(error)
            return self._report(error, call, UNEXPECTED if action.record else action)

    async def _serve(
        self, request: Request, runtime: Runtime, call: _Call, started: float
    ) -> Response:
        await runtime.verifier.verify(headers=request.headers, query=request.query_params)
        try:
            event = await self._read(request, call)
            messages = await self.handler(event, runtime)
        except SapphireError as error:
            action = action_for(error)
            if action.record:
                await self._record(error, call, runtime)
            return self._report(error, call, action)
        await self._publish(_once_each(messages), runtime, call)
        self._log(
            logging.INFO,
            f"{self.name}: handled",
            call,
            count=len(messages),
            latency_ms=round((time.perf_counter() - started) * 1000),
        )
        return Response(status_code=204)

    async def _read(self, request: Request, call: _Call) -> Event | Tick:
        body, size = await _body(request)
        call.text = body.decode(errors="replace")
        call.subject = f"body:{digest(call.text)}"
        if size > BODY_BYTES_MAX:
            raise InvalidInputError(f"the body has {size} bytes", code="BODY_TOO_LARGE")
        content = parse_body(body)
        if Tick in self.accepts and not is_push(content):
            tick = read_tick(content, request.headers.get(SCHEDULE_TIME_HEADER))
            call.event_type, call.message_id = "Tick", tick.tick_id
            call.subject = f"tick:{tick.tick_id}"
            return self._expected_tick(tick)
        push = open_push(content)
        call.text = push.data.decode(errors="replace")
        call.subject = f"data:{digest(call.text)}"
        call.subscription, call.delivery_attempt = push.subscription, push.delivery_attempt
        message = read_message(push)
        call.event_type, call.message_id = type(message.event).__name__, message.message_id
        call.subject = f"message:{message.message_id}"
        return self._expected_event(message)

    def _expected_tick(self, tick: Tick) -> Tick:
        if tick.job != self.name:
            raise InvalidInputError(f"a tick of {tick.job[:40]!r}", code="UNEXPECTED_TICK")
        return tick

    def _expected_event(self, message: OutboxMessage) -> Event:
        from infra.pipeline import load_pipeline

        pipeline = load_pipeline()
        kind = type(message.event)
        ours = message.topic in pipeline.functions[self.name].topics
        if (
            kind not in self.accepts
            or not ours
            or pipeline.topic_of(kind.__name__) != message.topic
        ):
            raise InvalidInputError(
                f"{kind.__name__} on {message.topic[:40]!r} is not for this function",
                code="UNEXPECTED_EVENT",
            )
        return message.event

    async def _publish(
        self, messages: Sequence[OutboxMessage], runtime: Runtime, call: _Call
    ) -> None:
        """Best effort: the outbox holds every message until `relay` or this has published it.

        The handler has committed, so to ask for redelivery would only repeat what is done.
        """
        if not messages:
            return
        from infra.pipeline import load_pipeline

        allowed = load_pipeline().functions[self.name].publishes
        for message in messages:
            if message.topic not in allowed:
                raise ConfigurationError(f"{self.name} may not publish to {message.topic}")
        try:
            await publish_and_clear(messages, publisher=runtime.publisher, store=runtime.store)
        except SapphireError as error:
            self._log(
                action_for(error).level,
                f"{self.name}: the outbox keeps its rows for relay: {error}",
                call,
                code=_code(error),
                count=len(messages),
            )

    async def _record(self, error: SapphireError, call: _Call, runtime: Runtime) -> None:
        rejection = rejection_write(
            function=self.name,
            subject=call.subject,
            code=_code(error),
            reason=str(error),
            text=call.text,
            now=runtime.clock.now(),
        )
        try:
            await runtime.store.commit([rejection])
        except ConflictError:
            self._log(logging.INFO, f"{self.name}: rejected before", call, code=_code(error))

    def _report(self, error: Exception, call: _Call, action: Action) -> Response:
        """Log the error and answer as `action` says; the answer never carries the error's text."""
        reason = f"{type(error).__name__}: {error}"
        self._log(
            action.level,
            f"{self.name}: {'not handled' if action.status != 204 else 'recorded'}: {reason}",
            call,
            error=error if action is UNEXPECTED else None,
            code=_code(error),
            reason=reason,
            status=action.status,
        )
        if action.status == 204:
            return Response(status_code=204)
        headers = {}
        if isinstance(error, RateLimitedError):
            headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s or 1)))
        return _problem(action.status, action.code, headers)

    def _log(
        self,
        level: int,
        message: str,
        call: _Call,
        *,
        error: Exception | None = None,
        **fields: object,
    ) -> None:
        log_event(level, message, error=error, function=self.name, **call.fields, **fields)


def _code(error: Exception) -> str:
    """The error's own code where it has one: a denial says which limit, an input which rule."""
    return str(getattr(error, "code", action_for(error).code))


def _problem(status: int, code: str, headers: dict[str, str]) -> Response:
    return JSONResponse({"code": code}, status_code=status, headers=headers)


async def _body(request: Request) -> tuple[bytes, int]:
    """The body, cut at the limit, and its whole size: all is read, so that the sender hears us."""
    kept = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        kept += chunk[: max(0, BODY_BYTES_MAX - len(kept))]
    return bytes(kept), size


def _once_each(messages: Sequence[OutboxMessage]) -> list[OutboxMessage]:
    return list({message.message_id: message for message in messages}.values())
