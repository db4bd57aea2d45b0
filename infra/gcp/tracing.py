"""One signal is one trace: what each message and tick is part of, in W3C's trace context.

A message's attributes carry the span that caused it (`traceparent`) and the signal that it is about
(`baggage`). Whoever names its signal in the event itself is in the trace of that signal, whose id
follows from the signal's: the orders of a TWAP, planned by many ticks, are in one trace with what
decided them, and are linked with the tick. Every id is a pure function of its causes.

Light: what goes to Cloud Trace is made in infra/gcp/spans.py.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from common.domain.events import Event, OrderPlanned, OutboxMessage, SignalCreated
from common.domain.identifiers import ID_PATTERN, digest
from common.domain.order import OrderPurpose

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]([0-9a-f])",
    re.ASCII,
)
_CLOUD_TRACE = re.compile(r"(?!0{32})([0-9a-f]{32})(?:/([0-9]{1,20}))?(?:;o=([0-9])?.*)?", re.ASCII)
_BAGGAGE = re.compile(r"signal_id=([^,;\s]{1,128})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanContext:
    trace_id: str  # 32 hex digits
    span_id: str  # 16 hex digits; empty where only the trace is known
    sampled: bool  # whether it goes to Cloud Trace

    @property
    def traceparent(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


@dataclass(slots=True, kw_only=True)
class Span:
    """One message or tick as it was handled. Times are nanoseconds since 1970."""

    name: str
    context: SpanContext
    parent_id: str = ""  # of a span in the same trace; empty for a root
    links: tuple[SpanContext, ...] = ()
    signal_id: str = ""
    attributes: dict[str, str | int] = field(default_factory=dict)
    started_ns: int = 0
    ended_ns: int = 0
    failed: bool = False

    @property
    def carried(self) -> dict[str, str]:
        """For the attributes of the messages that it causes."""
        trace = {"traceparent": self.context.traceparent}
        return trace | {"baggage": f"signal_id={self.signal_id}"} if self.signal_id else trace


def read_traceparent(text: str) -> SpanContext | None:
    """None where it is garbage: a trace is never a reason to refuse anything."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id, flags = found.groups()
    return SpanContext(trace_id=trace_id, span_id=span_id, sampled=bool(int(flags, 16) & 1))


def request_context(headers: Mapping[str, str]) -> SpanContext | None:
    """Of an HTTP request, which Cloud Run gives to each; in either of its two headers."""
    context = read_traceparent(headers.get("traceparent", ""))
    found = _CLOUD_TRACE.fullmatch(headers.get("x-cloud-trace-context", ""))
    if context is not None or found is None:
        return context
    trace_id, span, option = found.groups()
    number = int(span or 0)
    span_id = f"{number:016x}" if 0 < number < 1 << 64 else ""
    return SpanContext(trace_id=trace_id, span_id=span_id, sampled=option == "1")


def is_sampled(trace_id: str, ratio: float) -> bool:
    """The same for one trace in every function; as OpenTelemetry's TraceIdRatioBased decides."""
    return int(trace_id[16:], 16) < round(ratio * (1 << 64))


def signal_of(event: Event) -> str:
    """The signal that the event itself names; empty where it names none, as an exit's plan."""
    if isinstance(event, SignalCreated):
        return event.signal_id
    if isinstance(event, OrderPlanned) and event.plan.purpose is OrderPurpose.ENTRY:
        return event.plan.signal_id
    return ""


def signal_root(signal_id: str, ratio: float) -> SpanContext:
    """The first span of a signal's trace: whoever made the signal tells of it."""
    trace_id = digest("trace-of-signal", signal_id)[:32]
    span_id = digest("first-span", trace_id)[:16]
    return SpanContext(trace_id=trace_id, span_id=span_id, sampled=is_sampled(trace_id, ratio))


def message_span(
    function: str,
    message: OutboxMessage,
    *,
    delivery: Iterable[str | int],
    request: SpanContext | None,
    ratio: float,
) -> Span:
    """The span in which `function` handles `message`. `delivery` tells this one from others."""
    trace = message.trace or {}
    cause = read_traceparent(trace.get("traceparent", ""))
    signal_id = signal_of(message.event)
    links: tuple[SpanContext, ...] = ()
    parent = cause
    if signal_id:
        root = signal_root(signal_id, ratio)
        if cause is None or cause.trace_id != root.trace_id:
            parent, links = root, () if cause is None else (cause,)
    elif (found := _BAGGAGE.search(trace.get("baggage", ""))) and ID_PATTERN.match(found[1]):
        signal_id = found[1]
    return _span(
        function,
        (message.message_id, *delivery),
        parent=parent or request,
        ratio=ratio,
        links=links,
        signal_id=signal_id,
    )


def tick_span(function: str, tick_id: str, *, request: SpanContext | None, ratio: float) -> Span:
    """A tick is in the trace of its request, as nothing of ours has caused it."""
    return _span(function, (tick_id,), parent=request, ratio=ratio)


def first_span(function: str, signal_id: str, *, cause: SpanContext | None, ratio: float) -> Span:
    """The root of a signal's trace, linked with what the signal was made in."""
    return Span(
        name=f"{function}: signal",
        context=signal_root(signal_id, ratio),
        links=() if cause is None else (cause,),
        signal_id=signal_id,
    )


def begun_signals(messages: Iterable[OutboxMessage]) -> list[str]:
    """The signals that `messages` bring into the world: a later page of one brings no other."""
    events = [message.event for message in messages]
    return [
        event.signal_id
        for event in events
        if isinstance(event, SignalCreated) and event.cursor is None
    ]


def _span(
    function: str,
    causes: Iterable[str | int],
    *,
    parent: SpanContext | None,
    ratio: float,
    links: tuple[SpanContext, ...] = (),
    signal_id: str = "",
) -> Span:
    own = digest("span", function, *causes, "" if parent is None else parent.traceparent)
    if parent is None:
        trace_id = own[32:]
        sampled = is_sampled(trace_id, ratio)
    else:
        trace_id, sampled = parent.trace_id, parent.sampled
    return Span(
        name=function,
        context=SpanContext(trace_id=trace_id, span_id=own[:16], sampled=sampled),
        parent_id="" if parent is None else parent.span_id,
        links=links,
        signal_id=signal_id,
    )
