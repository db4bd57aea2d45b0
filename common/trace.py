"""What a message carries of the trace that caused it: W3C trace context and baggage.

https://www.w3.org/TR/trace-context and https://www.w3.org/TR/baggage; opaque texts here. They are
no part of what a message means: two messages that differ in them alone are equal, and a text that
is none of them is dropped, never refused.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

TRACE_FIELDS = ("traceparent", "baggage")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_TEXT = re.compile(r"[!-~]{1,512}", re.ASCII)
_current: ContextVar[Mapping[str, str]] = ContextVar("sapphire_message_trace", default=_NOTHING)


def current_trace() -> Mapping[str, str]:
    """Of what is being handled now; empty where that is not part of a trace."""
    return _current.get()


@contextmanager
def within_trace(trace: Mapping[str, str]) -> Iterator[None]:
    """What is written to the outbox and published inside goes on with `trace`."""
    token = _current.set(trace)
    try:
        yield
    finally:
        _current.reset(token)


def trace_of(fields: object) -> dict[str, str] | None:
    """The fields of a trace among attributes, or in a stored row; None where there are none."""
    if not isinstance(fields, Mapping):
        return None
    found = {name: fields.get(name) for name in TRACE_FIELDS}
    kept = {
        name: text
        for name, text in found.items()
        if isinstance(text, str) and _TEXT.fullmatch(text)
    }
    return kept or None
