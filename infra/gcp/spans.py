"""Spans to Cloud Trace, over OpenTelemetry's own protocol.

https://cloud.google.com/trace/docs/migrate-to-otlp-endpoints: the exporter for Google's older API
is deprecated. Cloud Run takes the CPU away after the answer, so spans go before it, and bounded: an
answer never waits for longer than `EXPORT_S`, and no failure here is one of the request.
"""

import asyncio
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Protocol

from common.domain.events import OutboxMessage
from infra.gcp.logging import log_event, spanning
from infra.gcp.tracing import Span, SpanContext, begun_signals, first_span

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanContext as OtelContext

ENDPOINT = "https://telemetry.googleapis.com/v1/traces"
ENDPOINT_VARIABLE = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
RATIO_VARIABLE = "OTEL_TRACES_SAMPLER_ARG"
"""OpenTelemetry's own names. The ratio is of traces, 0 to 1; 0 sends nothing."""
EXPORT_S = 2.0
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"

_log = logging.getLogger(__name__)


class SpanSink(Protocol):
    async def send(self, spans: Sequence[Span]) -> None:
        """Returns within `EXPORT_S`, raises nothing, and may lose them."""


_sink: ContextVar[SpanSink | None] = ContextVar("sapphire_span_sink", default=None)


@contextmanager
def sending_to(sink: SpanSink) -> Iterator[None]:
    """In-process calls inside send their spans there."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


async def send_spans(spans: Sequence[Span], *, project: str) -> None:
    """Those that are sampled, where anybody takes them: on Cloud Run, and where a test does."""
    sampled = [span for span in spans if span.context.sampled]
    sink = _sink.get() or _cloud_sink(project)
    if sampled and sink is not None:
        await sink.send(sampled)


def begin_signals(
    function: str, messages: Sequence[OutboxMessage], *, cause: Span | None, project: str
) -> list[Span]:
    """Write the first line of each trace that `messages` begin; its first span, to be sent."""
    spans, now = [], time.time_ns()
    for signal_id in begun_signals(messages):
        context = None if cause is None else cause.context
        span = first_span(function, signal_id, cause=context, ratio=sampling_ratio())
        span.started_ns, span.ended_ns = now if cause is None else cause.started_ns, now
        span.attributes = {"function": function, "signal_id": signal_id}
        with spanning(span.context, project=project):
            text = f"{function}: signal {signal_id} begins"
            log_event(logging.INFO, text, function=function, signal_id=signal_id)
        spans.append(span)
    return spans


@cache
def sampling_ratio() -> float:
    """All, unless the environment says less. What is no ratio sends nothing, and is told once."""
    text = os.environ.get(RATIO_VARIABLE) or "1"
    try:
        ratio = float(text)
    except ValueError:
        ratio = math.nan
    if 0 <= ratio <= 1:
        return ratio
    _log.error("%s must be from 0 to 1: no trace is sent", RATIO_VARIABLE)
    return 0.0


@cache
def _cloud_sink(project: str) -> SpanSink | None:
    if "K_SERVICE" not in os.environ or not sampling_ratio():
        return None
    return OtlpSink(project=project, endpoint=os.environ.get(ENDPOINT_VARIABLE) or ENDPOINT)


class OtlpSink:
    """Builds the exporter at the first span, off the event loop. One export at a time: what comes
    while one hangs is dropped.
    """

    def __init__(
        self, *, project: str, endpoint: str = ENDPOINT, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._project = project
        self._endpoint = endpoint
        self._environ = environ
        self._exporter: SpanExporter | None = None
        self._under_way: asyncio.Task[None] | None = None
        self._fails = False

    async def send(self, spans: Sequence[Span]) -> None:
        if self._under_way is not None and not self._under_way.done():
            return
        self._under_way = asyncio.create_task(asyncio.to_thread(self._export, list(spans)))
        await asyncio.wait({self._under_way}, timeout=EXPORT_S)

    def _export(self, spans: Sequence[Span]) -> None:
        """Tells of the first failure in a row alone: each request would fail the same way."""
        reason = ""
        try:
            from opentelemetry.sdk.trace.export import SpanExportResult

            if self._exporter is None:
                self._exporter = self._make()
            resource = self._resource()
            result = self._exporter.export([_readable(span, resource) for span in spans])
            if result is not SpanExportResult.SUCCESS:
                reason = result.name
        except Exception as error:  # noqa: BLE001 - whatever it is, the request must not fail of it
            reason = f"{type(error).__name__}: {error}"
        if reason and not self._fails:
            _log.warning("spans are not exported: %s", reason)
        self._fails = bool(reason)

    def _make(self) -> "SpanExporter":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        # It tells of each failure with a traceback, and we of the first in a row.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        if not self._endpoint.startswith("https://telemetry.googleapis.com/"):
            return OTLPSpanExporter(endpoint=self._endpoint, timeout=EXPORT_S)
        import google.auth
        from google.auth.transport.requests import AuthorizedSession

        credentials, _ = google.auth.default(scopes=[_SCOPE])
        session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # Google's
        return OTLPSpanExporter(endpoint=self._endpoint, timeout=EXPORT_S, session=session)

    def _resource(self) -> "Resource":
        from opentelemetry.sdk.resources import Resource

        return Resource(
            {
                "gcp.project_id": self._project,
                "service.name": self._environ.get("K_SERVICE", ""),
                "service.version": self._environ.get("K_REVISION", ""),
            }
        )


def _readable(span: Span, resource: "Resource") -> "ReadableSpan":
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link, SpanKind
    from opentelemetry.trace.status import Status, StatusCode

    parent = None
    if span.parent_id:
        context = span.context
        parent = _otel(
            SpanContext(trace_id=context.trace_id, span_id=span.parent_id, sampled=context.sampled)
        )
    return ReadableSpan(
        name=span.name,
        context=_otel(span.context),
        parent=parent,
        resource=resource,
        attributes=span.attributes,
        links=[Link(_otel(link)) for link in span.links if link.span_id],
        kind=SpanKind.CONSUMER,
        status=Status(StatusCode.ERROR if span.failed else StatusCode.OK),
        start_time=span.started_ns,
        end_time=span.ended_ns,
    )


def _otel(context: SpanContext) -> "OtelContext":
    from opentelemetry.trace import SpanContext as OtelContext
    from opentelemetry.trace import TraceFlags

    return OtelContext(
        trace_id=int(context.trace_id, 16),
        span_id=int(context.span_id, 16),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if context.sampled else TraceFlags.DEFAULT),
    )
