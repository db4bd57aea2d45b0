"""One signal is one trace: over the bus, the outbox and every function, from decide to fill."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from common.books import FILLS, ORDERS, OUTBOX, V3
from common.config import Settings, SwarmSettings
from common.domain.order import Order
from common.domain.parent_order import ExecAlgorithm, ExecutionWish
from common.errors import TransientError
from common.wire import from_document
from infra.gcp.logging import JsonFormatter
from infra.gcp.spans import sending_to
from infra.gcp.tracing import Span, signal_root
from tests.builders import SIGNAL_ID
from tests.fakes.publisher import RecordingPublisher
from tests.fakes.spans import RecordingSink
from tests.functions.town import Town
from tests.integration.harness import Replay, recording, running

PREFIX = "projects/sapphire-local/traces/"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What Cloud Logging would read of our own logger."""
    logger, stream = logging.getLogger("sapphire"), io.StringIO()
    handler, level = logging.StreamHandler(stream), logger.level
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def trace_of(line: dict[str, Any]) -> str:
    return str(line["logging.googleapis.com/trace"]).removeprefix(PREFIX)


async def traded() -> tuple[set[str], list[Span]]:
    """Bars of the recording, decided on at a low threshold: signals that were filled; all spans."""
    tape, sink = recording(symbols=("BTC", "ETH", "SOL")), RecordingSink()
    swarm = SwarmSettings(
        symbols=tape.feed.symbols,
        interval="5m",
        threshold_act=Decimal("0.05"),
        threshold_hold=Decimal("0.02"),
    )
    replay = Replay(tape, ticks=3, settings=Settings(feed="replay", swarm=swarm))
    with sending_to(sink):
        async with running(replay):
            await replay.run()
            filled = {
                each.data["fill"]["client_order_id"] for each in await replay.documents(FILLS)
            }
            orders = [from_document(Order, d.data) for d in await replay.documents(ORDERS)]
            intents = {o.intent_id for o in orders if o.client_order_id in filled}
            deliveries = await replay.documents(V3.deliveries)
    signals = {d.data["signal_id"] for d in deliveries if d.data["intent_id"] in intents}
    return signals, sink.spans


async def test_signals_when_traded_by_the_embedded_stack_then_each_is_one_trace_of_its_own(
    lines: io.StringIO,
) -> None:
    signals, spans = await traded()
    assert len(signals) >= 2

    traces = {signal_root(signal, 1.0).trace_id: signal for signal in signals}
    assert len(traces) == len(signals)
    for trace_id, signal in traces.items():
        own = [span for span in spans if span.context.trace_id == trace_id]
        assert own == [span for span in spans if span.signal_id == signal]
        assert {"decide: signal", "fan_out", "route", "execute", "monitor"} <= {
            span.name for span in own
        }
        ids = {span.context.span_id for span in own}
        [first] = [span for span in own if not span.parent_id]
        assert first.name == "decide: signal"
        assert {span.parent_id for span in own} - {""} <= ids
        [link] = first.links
        assert link in [span.context for span in spans if span.name == "decide"]

    told = [line for line in read(lines) if line.get("signal_id") in signals]
    assert {line["function"] for line in told} >= {"decide", "fan_out", "route", "execute"}
    for line in told:
        assert traces[trace_of(line)] == line["signal_id"]
    others = [line for line in read(lines) if line.get("signal_id") not in signals]
    assert not {trace_of(line) for line in others} & traces.keys()


async def test_signals_when_the_bus_refused_them_then_relay_goes_on_with_the_same_trace(
    lines: io.StringIO,
) -> None:
    """The row of the outbox keeps the trace; `relay`'s own is another."""

    class Down(RecordingPublisher):
        down = True

        async def publish(self, messages: Any) -> None:
            if self.down:
                raise TransientError("the bus is down")
            await super().publish(messages)

    town, bus, sink = await Town().open(), Down(), RecordingSink()
    await town.send_signal()
    town.runtime = replace(town.runtime, publisher=bus)
    root = signal_root(SIGNAL_ID, 1.0)

    with sending_to(sink):
        await town.settle_down()
        assert len(await town.bench.documents(OUTBOX)) == 1
        bus.down = False
        town.bench.clock.advance(60)
        await town.tick("relay")
        [message] = bus.messages
        assert message.trace is not None
        await town.push("route", message)

    fan_out, relay, route = sink.spans
    assert (fan_out.name, relay.name, route.name) == ("fan_out", "relay", "route")
    assert fan_out.context.trace_id == route.context.trace_id == root.trace_id
    assert route.parent_id == fan_out.context.span_id
    assert route.signal_id == SIGNAL_ID
    assert relay.context.trace_id != root.trace_id


async def test_slices_when_planned_by_ticks_then_their_orders_are_in_the_signals_trace(
    lines: io.StringIO,
) -> None:
    town, sink = await Town().open(), RecordingSink()
    wish = ExecutionWish(algorithm=ExecAlgorithm.TWAP, duration_s=180, slices=3)
    await town.send_signal(execution=wish)
    with sending_to(sink):
        await town.settle_down()
        await town.pass_time(4)

    orders = [span for span in sink.spans if span.name == "execute"]
    assert len(orders) >= 3
    assert {span.context.trace_id for span in orders} == {signal_root(SIGNAL_ID, 1.0).trace_id}
    ticks = {span.context for span in sink.spans if span.name == "advance" and not span.signal_id}
    linked = {link for span in orders for link in span.links}
    assert linked
    assert linked <= ticks
