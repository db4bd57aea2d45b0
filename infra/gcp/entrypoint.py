"""Event functions: from an authenticated push or tick to a handler, and on to an answer.

2xx acknowledges, 429 and 5xx ask for redelivery; after `max_attempts` of those the bus moves the
message to its dead letters. What can never succeed is acknowledged and kept in `rejected_events`,
and so is what used its attempts up.
"""

import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast, get_args, get_type_hints

from functions_framework import aio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from common.config import VERSION
from common.domain.events import EVENT_TYPES, Event, OutboxMessage, Tick
from common.domain.identifiers import digest
from common.domain.moment import iso
from common.errors import (
    ConfigurationError,
    ConflictError,
    InvalidInputError,
    RateLimitedError,
    SapphireError,
    TransientError,
)
from common.outbox import publish_and_clear
from common.rejection import rejection_write
from common.trace import within_trace
from infra.bootstrap import Runtime, current
from infra.gcp.actions import UNEXPECTED, Action, action_for, error_code
from infra.gcp.envelope import (
    SCHEDULE_TIME_HEADER,
    is_push,
    open_push,
    parse_body,
    read_message,
    read_tick,
)
from infra.gcp.logging import configure_logging, log_event, spanning, tracing
from infra.gcp.spans import begin_signals, sampling_ratio, send_spans
from infra.gcp.ticks import Skip, TickClaims, check_age
from infra.gcp.tracing import Span, message_span, request_context, tick_span

BODY_BYTES_MAX = 10 * 1024 * 1024
DATA_BYTES_MAX = 1_048_576
"""A document's limit, which every message of ours was, in the outbox."""
AHEAD_MAX, AHEAD_NEVER = timedelta(seconds=60), timedelta(minutes=10)
"""A message from the future waits until clocks agree; beyond the second it is none of ours."""

Handler = Callable[[Any, Runtime], Awaitable[Sequence[OutboxMessage]]]
EntryPoint = Callable[[Request], Coroutine[Any, Any, Response]]


def event_function(handler: Handler) -> EntryPoint:
    """Make `async def name(event, runtime)` the HTTP entry point `name` of functions-framework.

    The annotation of `event` says what it accepts: event types, `Tick`, or a union of them.
    """
    function = _EventFunction(handler.__name__, _accepted(handler), handler)
    configure_logging()

    async def entry_point(request: Request) -> Response:
        configure_logging()  # again: the framework may have undone it since the import
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
    """What is known of one request so far; the log, the span and the rejection are made from it."""

    text: str = ""
    subject: str = ""
    message_id: str = ""
    event_type: str = ""
    subscription: str = ""
    delivery_attempt: int | None = None
    signal_id: str = ""
    request_trace: str = ""
    result: str = "OK"  # or the code of the error
    failed: bool = False  # the answer asks for redelivery, or an error was no one's intention
    spans: list[Span] = field(default_factory=list)  # its own first
    started: float = field(default_factory=time.perf_counter)

    @property
    def fields(self) -> dict[str, object]:
        return {
            "message_id": self.message_id,
            "event_type": self.event_type,
            "subscription": self.subscription,
            "delivery_attempt": self.delivery_attempt,
            "signal_id": self.signal_id,
            "request_trace": self.request_trace,
        }

    def attributes(self, function: str) -> dict[str, str | int]:
        """Of its span."""
        told = {"function": function, "result": self.result} | self.fields
        return {name: text for name, text in told.items() if isinstance(text, str | int) and text}


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
        try:
            runtime = current()
            with tracing(request.headers, project=runtime.settings.project):
                return await self._serve(request, runtime, call)
        except Exception as error:  # noqa: BLE001 - the last frame of ours: log it whole, answer without detail
            action = action_for(error)
            return self._report(error, call, UNEXPECTED if action.record else action)

    async def _serve(self, request: Request, runtime: Runtime, call: _Call) -> Response:
        await runtime.verifier.verify(headers=request.headers, query=request.query_params)
        try:
            event = await self._read(request, call, runtime.clock.now())
        except SapphireError as error:
            return await self._refused(error, call, runtime)
        project, span = runtime.settings.project, call.spans[0]
        span.started_ns = time.time_ns()
        with spanning(span.context, project=project), within_trace(span.carried):
            response = await self._handled(event, runtime, call)
            span.ended_ns, span.failed = time.time_ns(), call.failed
            span.attributes = call.attributes(self.name)
            await send_spans(call.spans, project=project)
        return response

    async def _handled(self, event: Event | Tick, runtime: Runtime, call: _Call) -> Response:
        try:
            if isinstance(event, Tick):
                messages = await self._tick(event, runtime, call)
            else:
                messages = await self.handler(event, runtime)
            await self._publish(_once_each(messages), runtime, call)
        except Exception as error:  # noqa: BLE001 - logged whole inside the trace of its message
            return await self._refused(error, call, runtime)
        self._log(
            logging.INFO,
            f"{self.name}: handled",
            call,
            count=len(messages),
            latency_ms=round((time.perf_counter() - call.started) * 1000),
        )
        return Response(status_code=204)

    async def _tick(self, tick: Tick, runtime: Runtime, call: _Call) -> Sequence[OutboxMessage]:
        """Once, and one at a time; what is skipped is done by the tick that runs, or was done."""
        from infra.pipeline import load_pipeline

        longest = timedelta(seconds=load_pipeline().functions[self.name].timeout_s)
        claims = TickClaims(runtime.store, runtime.clock, longest=longest)
        claim = await claims.take(tick)
        if isinstance(claim, Skip):
            call.result = claim.name
            self._log(logging.INFO, f"{self.name}: skipped: {claim.value}", call, code=claim.name)
            return ()
        done = False
        try:
            messages = await self.handler(tick, runtime)
            done = True
        finally:
            try:
                await claims.give_back(claim, done=done)
            except SapphireError as error:
                text = f"{self.name}: the tick's claim ends by itself: {error}"
                self._log(logging.WARNING, text, call, code=error_code(error))
        return messages

    async def _refused(self, error: Exception, call: _Call, runtime: Runtime) -> Response:
        """Recorded where the event will not come again, then reported."""
        action = action_for(error)
        if action.record:
            await self._record(error, call, runtime, error_code(error))
        elif self._is_last(call):
            try:
                await self._record(error, call, runtime, "ATTEMPTS_USED_UP")
            except SapphireError as failure:
                text = f"{self.name}: the last attempt is not recorded: {failure}"
                self._log(logging.ERROR, text, call, code=error_code(failure))
        return self._report(error, call, action)

    def _is_last(self, call: _Call) -> bool:
        """Whether the bus makes it a dead letter after this answer."""
        from infra.pipeline import load_pipeline

        return (call.delivery_attempt or 0) >= load_pipeline().delivery.max_attempts

    async def _read(self, request: Request, call: _Call, now: datetime) -> Event | Tick:
        """The event, with what the call and its first span tell of it."""
        context, ratio = request_context(request.headers), sampling_ratio()
        call.request_trace = "" if context is None else context.trace_id
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
            call.spans = [tick_span(self.name, tick.tick_id, request=context, ratio=ratio)]
            return self._expected_tick(tick, now)
        push = open_push(content)
        call.text = push.data.decode(errors="replace")
        call.subject = f"data:{digest(call.text)}"
        call.subscription, call.delivery_attempt = push.subscription, push.delivery_attempt
        if len(push.data) > DATA_BYTES_MAX:
            raise InvalidInputError(f"the data has {len(push.data)} bytes", code="DATA_TOO_LARGE")
        message = read_message(push)
        call.event_type, call.message_id = type(message.event).__name__, message.message_id
        call.subject = f"message:{message.message_id}"
        delivery = (push.bus_message_id, push.delivery_attempt or 0)
        span = message_span(self.name, message, delivery=delivery, request=context, ratio=ratio)
        call.spans, call.signal_id = [span], span.signal_id
        return self._expected_event(message, now)

    def _expected_tick(self, tick: Tick, now: datetime) -> Tick:
        if tick.job != self.name:
            raise InvalidInputError(f"a tick of {tick.job[:40]!r}", code="UNEXPECTED_TICK")
        check_age(tick, now)
        return tick

    def _expected_event(self, message: OutboxMessage, now: datetime) -> Event:
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
        if message.occurred_at - now > AHEAD_NEVER:
            raise InvalidInputError("the message is from the future", code="FUTURE_EVENT")
        if message.occurred_at - now > AHEAD_MAX:
            raise TransientError(
                f"the message is from {iso(message.occurred_at)}, which is to come"
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
        project = runtime.settings.project
        call.spans += begin_signals(self.name, messages, cause=call.spans[0], project=project)
        try:
            await publish_and_clear(messages, publisher=runtime.publisher, store=runtime.store)
        except SapphireError as error:
            self._log(
                action_for(error).level,
                f"{self.name}: the outbox keeps its rows for relay: {error}",
                call,
                code=error_code(error),
                count=len(messages),
            )

    async def _record(self, error: Exception, call: _Call, runtime: Runtime, code: str) -> None:
        reason = str(error) if isinstance(error, SapphireError) else type(error).__name__
        rejection = rejection_write(
            function=self.name,
            subject=call.subject,
            code=code,
            reason=reason,
            text=call.text,
            now=runtime.clock.now(),
        )
        try:
            await runtime.store.commit([rejection])
        except ConflictError:
            self._log(logging.INFO, f"{self.name}: rejected before", call, code=code)

    def _report(self, error: Exception, call: _Call, action: Action) -> Response:
        """Log the error and answer as `action` says; the answer never carries the error's text."""
        reason = f"{type(error).__name__}: {error}"
        call.result, call.failed = (
            error_code(error),
            action.status != 204 or action is UNEXPECTED,
        )
        self._log(
            action.level,
            f"{self.name}: {'not handled' if action.status != 204 else 'recorded'}: {reason}",
            call,
            error=error if action is UNEXPECTED else None,
            code=error_code(error),
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
