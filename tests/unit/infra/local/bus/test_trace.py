"""The trace beside a message, through the bus that is durable in a file."""

from dataclasses import replace
from pathlib import Path

from common.wire import JsonObject
from infra.gcp.envelope import message_attributes
from infra.local.bus.embedded import EmbeddedBus
from infra.local.clock import ManualClock
from tests.builders import NOON, a_message

TRACE = {"traceparent": "00-105445aa7843bc8bf206b12000100000-00f067aa0ba902b7-01"}


async def test_bus_when_a_message_has_a_trace_then_every_delivery_has_it_after_a_restart_too(
    tmp_path: Path,
) -> None:
    traced = replace(a_message(message_id="traced"), trace=TRACE)
    plain = a_message(message_id="plain")
    first = EmbeddedBus(tmp_path / "bus.sqlite", clock=ManualClock(NOON))
    await first.publish([traced, plain])
    await first.stop()

    seen: list[dict[str, str]] = []

    async def refuse_once(envelope: JsonObject, attempt: int) -> int:
        seen.append(envelope["message"]["attributes"])
        return 503 if attempt == 1 else 204

    bus = EmbeddedBus(tmp_path / "bus.sqlite", clock=ManualClock(NOON))
    bus.subscribe(plain.topic, "reader", refuse_once)
    await bus.start()
    await bus.idle()
    await bus.stop()

    assert seen == [message_attributes(traced), message_attributes(plain)] * 2
    assert seen[0]["traceparent"] == TRACE["traceparent"]
