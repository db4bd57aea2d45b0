"""Domain objects to JSON and back: strict, versioned, Decimals and moments as strings."""

import json
from dataclasses import is_dataclass
from datetime import datetime
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from common.domain.events import EVENT_TYPES, EVENT_VERSION, Event, OutboxMessage
from common.domain.moment import from_iso, iso
from common.errors import InvalidInputError
from common.trace import trace_of

T = TypeVar("T")
JsonObject = dict[str, Any]
"""A JSON object whose numbers are ints or strings; floats do not cross a port."""


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(kind: type) -> TypeAdapter[Any]:
    adapter = _adapters.get(kind)
    if adapter is None:
        _forbid_extra_fields(kind)
        adapter = _adapters[kind] = TypeAdapter(kind)
    return adapter


def _forbid_extra_fields(kind: object) -> None:
    """Pydantic does not hand a dataclass's configuration down to the dataclasses inside it."""
    if isinstance(kind, type) and is_dataclass(kind):
        if "__pydantic_config__" not in vars(kind):
            with_config(ConfigDict(extra="forbid"))(kind)
            for hint in get_type_hints(kind).values():
                _forbid_extra_fields(hint)
        return
    for argument in get_args(kind):
        _forbid_extra_fields(argument)


def to_document(value: object) -> JsonObject:
    """A dataclass as a JSON-safe object; Decimals and moments become strings, tuples lists."""
    return cast("JsonObject", _adapter(type(value)).dump_python(value, mode="json"))


def from_document(kind: type[T], document: JsonObject) -> T:
    """The dataclass of `kind` that `to_document` wrote.

    Raises:
        InvalidInputError: a field is missing, unknown or of another type; names the first.
    """
    try:
        return cast("T", _adapter(kind).validate_python(document))
    except ValidationError as error:
        raise InvalidInputError(
            first_problem(error), code="INVALID_DOCUMENT", where=kind.__name__
        ) from None


def first_problem(error: ValidationError) -> str:
    """The first problem as `field.path: what is wrong`, without echoing the input."""
    problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(str(part) for part in problem["loc"])
    return f"{path}: {problem['msg']}" if path else problem["msg"]


def canonical_json(value: object) -> str:
    """One text for one value: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def encode_message(message: OutboxMessage) -> JsonObject:
    """JSON-safe; `deliver_at` is there only where the message has one, its trace travels beside."""
    body = {
        "type": type(message.event).__name__,
        "version": EVENT_VERSION,
        "id": message.message_id,
        "topic": message.topic,
        "occurred_at": iso(message.occurred_at),
        "data": to_document(message.event),
    }
    if message.deliver_at is not None:
        body["deliver_at"] = iso(message.deliver_at)
    return body


def decode_message(body: object) -> OutboxMessage:
    """Read what `encode_message` wrote, and a trace where one was stored with it.

    Raises:
        InvalidInputError: not an object, an unknown type or version, or data of another shape.
    """
    if not isinstance(body, dict):
        raise InvalidInputError("the message is not a JSON object", code="INVALID_MESSAGE")
    kind = EVENT_TYPES.get(str(body.get("type")))
    if kind is None:
        raise InvalidInputError(
            f"unknown event type {str(body.get('type'))[:40]!r}", code="UNSUPPORTED_TYPE"
        )
    version = body.get("version")
    if type(version) is not int or version != EVENT_VERSION:
        raise InvalidInputError("unsupported event version", code="UNSUPPORTED_VERSION")
    data = body.get("data")
    if not isinstance(data, dict):
        raise InvalidInputError("data is not an object", code="INVALID_MESSAGE", where="data")
    event = cast("Event", from_document(cast("type[Any]", kind), data))
    return OutboxMessage(
        message_id=_text(body, "id"),
        topic=_text(body, "topic"),
        event=event,
        occurred_at=_moment(body, "occurred_at"),
        deliver_at=_moment(body, "deliver_at") if body.get("deliver_at") is not None else None,
        trace=trace_of(body.get("trace")),
    )


def _moment(body: JsonObject, field: str) -> datetime:
    try:
        return from_iso(_text(body, field))
    except ValueError as error:
        raise InvalidInputError(str(error), code="INVALID_MESSAGE", where=field) from None


def _text(body: JsonObject, field: str) -> str:
    value = body.get(field)
    if not isinstance(value, str) or not value or len(value) > 256:
        raise InvalidInputError("missing or not a short text", code="INVALID_MESSAGE", where=field)
    return value
