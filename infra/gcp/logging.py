"""One JSON line per event on stderr, in the shape that Cloud Logging reads; no secret passes.

https://cloud.google.com/logging/docs/structured-logging. Only listed fields are written, and every
text is redacted, tracebacks included.
"""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import TextIO

from common.redaction import redact
from infra.gcp.tracing import SpanContext, request_context

LOGGER = logging.getLogger("sapphire")
OURS = ("sapphire", "common", "functions", "infra")

FIELDS = frozenset(
    {
        "agent_id",
        "attempt",
        "book",
        "client_order_id",
        "code",
        "count",
        "delivery_attempt",
        "deployment_id",
        "event_type",
        "function",
        "intent_id",
        "latency_ms",
        "message_id",
        "reason",
        "request_trace",
        "signal_id",
        "state_from",
        "state_to",
        "status",
        "step",
        "subscription",
        "symbol",
        "tick_id",
        "topic",
        "venue",
        "version",
    }
)
"""What a line may carry beside its message. The rest is dropped: lists of secrets have gaps."""

_TEXT_MAX = 2048
_TRACE_MAX = 16_384
_NO_TRACE: Mapping[str, object] = MappingProxyType({})
_trace: ContextVar[Mapping[str, object]] = ContextVar("sapphire_trace", default=_NO_TRACE)


def log_event(
    level: int, message: str, *, error: BaseException | None = None, **fields: object
) -> None:
    """Write one line. `fields` outside `FIELDS` are dropped; `error` adds its traceback."""
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, redact(message), extra={"fields": fields}, exc_info=error)


def configure_logging(stream: TextIO | None = None) -> None:
    """Send every logger's lines as JSON to stderr on Cloud Run, our own from INFO up.

    Elsewhere only to a `stream` that is given: on a laptop the terminal belongs to people. It is
    the root's handler, so that what libraries log is redacted too. A second call changes nothing,
    unless somebody undid the first: functions-framework replaces the root's handler and disables
    every logger where LOG_EXECUTION_ID is on, after it has imported the function.
    """
    if stream is None and "K_SERVICE" not in os.environ:  # which Cloud Run sets, and nobody else
        return
    _enable_ours()
    root = logging.getLogger()
    if any(isinstance(handler.formatter, JsonFormatter) for handler in root.handlers):
        return
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    root.addHandler(handler)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.INFO)


def _enable_ours() -> None:
    if not LOGGER.disabled:
        return
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and name.split(".")[0] in OURS:
            logger.disabled = False


@contextmanager
def tracing(headers: Mapping[str, str], *, project: str) -> Iterator[None]:
    """Lines written inside carry the request's trace. A malformed header gives none."""
    with spanning(request_context(headers), project=project):
        yield


@contextmanager
def spanning(context: SpanContext | None, *, project: str) -> Iterator[None]:
    """Lines written inside carry this trace and span, as Cloud Logging wants to be told.

    https://cloud.google.com/logging/docs/agent/logging/configuration#special-fields
    """
    token = _trace.set(_NO_TRACE if context is None else _trace_fields(context, project))
    try:
        yield
    finally:
        _trace.reset(token)


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "severity": record.levelname,
            "message": _clean(record.getMessage()),
        }
        fields = getattr(record, "fields", {})
        line |= {
            name: _clean(value)
            for name, value in fields.items()
            if name in FIELDS and value is not None and value != ""
        }
        line |= _trace.get()
        if record.exc_info:
            line["stack_trace"] = redact(self.formatException(record.exc_info))[-_TRACE_MAX:]
        return json.dumps(line, separators=(",", ":"))


def _clean(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value)[: 4 * _TEXT_MAX])[:_TEXT_MAX]


def _trace_fields(context: SpanContext, project: str) -> Mapping[str, object]:
    fields: dict[str, object] = {
        "logging.googleapis.com/trace": f"projects/{project}/traces/{context.trace_id}",
        "logging.googleapis.com/trace_sampled": context.sampled,
    }
    if context.span_id:
        fields["logging.googleapis.com/spanId"] = context.span_id
    return fields
