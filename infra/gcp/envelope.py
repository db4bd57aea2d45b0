"""The bodies that reach a function: Pub/Sub's wrapped push envelope and Cloud Scheduler's tick.

Shape of the envelope: https://cloud.google.com/pubsub/docs/push#receive_push. Pub/Sub and its
emulator write both `messageId` and `message_id`. Pure: bytes and headers in, objects out.
"""

import base64
import binascii
import json
from dataclasses import dataclass, replace
from typing import NoReturn

from common.domain.events import OutboxMessage, Tick
from common.domain.moment import from_iso
from common.errors import InvalidInputError
from common.trace import trace_of
from common.wire import JsonObject, canonical_json, decode_message, encode_message

SCHEDULE_TIME_HEADER = "x-cloudscheduler-scheduletime"
"""Cloud Scheduler's body is fixed; the time it stands for travels in this header, RFC 3339."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One push, opened but not yet read: `data` is whatever the publisher sent."""

    data: bytes
    attributes: dict[str, str]
    bus_message_id: str  # the bus's own; a second publish of one message has another
    subscription: str
    delivery_attempt: int | None  # None: the subscription has no dead letters


def message_data(message: OutboxMessage) -> bytes:
    """What a publisher puts on the bus."""
    return canonical_json(encode_message(message)).encode()


def message_attributes(message: OutboxMessage) -> dict[str, str]:
    """What a publisher says of the message beside it, and the trace that it is part of."""
    return _identity(message) | (message.trace or {})


def _identity(message: OutboxMessage) -> dict[str, str]:
    """A reader refuses a message that differs from these."""
    return {"type": type(message.event).__name__, "id": message.message_id}


def wrap_push(
    data: bytes,
    attributes: dict[str, str],
    *,
    bus_message_id: str,
    subscription: str,
    publish_time: str,
    delivery_attempt: int | None = None,
) -> JsonObject:
    """The envelope that Pub/Sub would POST for `data`. `publish_time` is RFC 3339."""
    body: JsonObject = {
        "subscription": subscription,
        "message": {
            "data": base64.b64encode(data).decode(),
            "attributes": dict(attributes),
            "messageId": bus_message_id,
            "message_id": bus_message_id,
            "publishTime": publish_time,
            "publish_time": publish_time,
        },
    }
    if delivery_attempt is not None:
        body["deliveryAttempt"] = delivery_attempt
    return body


def parse_body(body: bytes) -> JsonObject:
    """A request's body as a JSON object.

    Raises:
        InvalidInputError: not UTF-8, not JSON, nested too deep, NaN or infinite, or no object.
    """
    return _json_object(body, "body")


def is_push(body: JsonObject) -> bool:
    return "message" in body


def open_push(body: JsonObject) -> Push:
    """The push in a parsed envelope.

    Raises:
        InvalidInputError: no message, no id or two ids, no data, data that is not base64, or
            attributes that are not text.
    """
    message = body.get("message")
    if not isinstance(message, dict):
        raise _bad("the envelope has no message", "message")
    names = ("messageId", "message_id")
    ids = {message[name] for name in names if message.get(name) and _is_text(message[name])}
    if len(ids) != 1:
        raise _bad("needs one id", "message.messageId")
    attributes = message.get("attributes") or {}
    if not isinstance(attributes, dict) or not all(map(_is_text, attributes.values())):
        raise _bad("not a map of texts", "message.attributes")
    attempt = body.get("deliveryAttempt")
    if attempt is not None and type(attempt) is not int:
        raise _bad("not a whole number", "deliveryAttempt")
    return Push(
        data=_data(message.get("data")),
        attributes=attributes,
        bus_message_id=ids.pop(),
        subscription=str(body.get("subscription", ""))[:256],
        delivery_attempt=attempt,
    )


def read_message(push: Push) -> OutboxMessage:
    """The message in a push, with the trace that its attributes tell of.

    Raises:
        InvalidInputError: data that `common.wire` cannot read, or attributes that are missing or
            tell of another message.
    """
    message = decode_message(_json_object(push.data, "data"))
    for name, value in _identity(message).items():
        if push.attributes.get(name) != value:
            raise InvalidInputError(
                "the attribute does not agree with the body",
                code="ATTRIBUTES_DISAGREE",
                where=f"message.attributes.{name}",
            )
    return replace(message, trace=trace_of(push.attributes))


def read_tick(body: JsonObject, schedule_time: str | None) -> Tick:
    """The tick in Cloud Scheduler's body `{"job": ..., "scheduled_at"?: ...}`.

    `schedule_time` is the header's value; it counts where the body names no time, as the body of
    a job in the cloud cannot.

    Raises:
        InvalidInputError: no job, another field, or no time with a UTC offset.
    """
    unknown = body.keys() - {"job", "scheduled_at"}
    if unknown:
        raise InvalidInputError("a tick has no such field", code="INVALID_TICK", where=min(unknown))
    job = body.get("job")
    if not _is_text(job) or not job:
        raise InvalidInputError("missing or not a text", code="INVALID_TICK", where="job")
    moment = body.get("scheduled_at", schedule_time)
    if not isinstance(moment, str):
        raise InvalidInputError("missing", code="INVALID_TICK", where="scheduled_at")
    try:
        return Tick(job=job, scheduled_at=from_iso(moment))
    except ValueError:
        raise InvalidInputError(
            "not an RFC 3339 time with a UTC offset", code="INVALID_TICK", where="scheduled_at"
        ) from None


def _data(text: object) -> bytes:
    if not isinstance(text, str) or not text:
        raise _bad("empty or not a text", "message.data")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _bad("not base64", "message.data") from None


def _json_object(text: bytes, where: str) -> JsonObject:
    try:
        value = json.loads(text.decode(), parse_constant=_refuse_constant)
        if b"\\ud" in text or b"\\uD" in text:  # half a surrogate pair is text that no store takes
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise _bad("not JSON", where) from None
    if not isinstance(value, dict):
        raise _bad("not a JSON object", where)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 1024


def _bad(what: str, where: str) -> InvalidInputError:
    return InvalidInputError(what, code="INVALID_ENVELOPE", where=where)
