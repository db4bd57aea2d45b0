"""Trace context: what is read, what follows from what. Numbers: the bad-input catalogue."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.domain.events import DeploymentSignal, OrderPlanned, OutboxMessage, SignalCreated
from common.domain.order import OrderPurpose
from infra.gcp.tracing import (
    Span,
    SpanContext,
    begun_signals,
    is_sampled,
    message_span,
    read_traceparent,
    request_context,
    signal_root,
    tick_span,
)
from tests.builders import SIGNAL_ID, a_message, a_plan

TRACE, SPAN = "105445aa7843bc8bf206b12000100000", "00f067aa0ba902b7"
CAUSE = SpanContext(trace_id=TRACE, span_id=SPAN, sampled=True)
PARENT = CAUSE.traceparent
GARBAGE = [
    "",
    "garbage",
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE}-{SPAN}-01-more",
    f"00-{TRACE}-{SPAN}-1",
    f"ff-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f" {PARENT}",
    f"{PARENT}\n",
    "0" * 5000,
]


def a_span(message: OutboxMessage, function: str = "route", **changes: Any) -> Span:
    options: dict[str, Any] = {"delivery": ("1", 1), "request": None, "ratio": 1.0}
    return message_span(function, message, **(options | changes))


def a_delivery(**trace: str) -> OutboxMessage:
    event = DeploymentSignal(book="v3", delivery_id="dlv_1")
    return replace(a_message(event), trace=trace or None)


@pytest.mark.parametrize("sampled", [True, False])
def test_traceparent_when_written_then_it_is_read_as_the_same(sampled: bool) -> None:
    context = replace(CAUSE, sampled=sampled)
    assert read_traceparent(context.traceparent) == context


@pytest.mark.parametrize("text", GARBAGE)
def test_traceparent_when_it_is_garbage_then_none(text: str) -> None:  # 24
    assert read_traceparent(text) is None
    assert request_context({"traceparent": text}) is None


@given(st.text())
def test_traceparent_when_anything_at_all_comes_then_none_or_what_it_says(text: str) -> None:
    context = read_traceparent(text)
    assert context is None or text.startswith(f"{text[:2]}-{context.trace_id}-{context.span_id}-")


@pytest.mark.parametrize(
    ("text", "span_id", "sampled"),
    [
        (f"{TRACE}/1;o=1", f"{1:016x}", True),
        (f"{TRACE}/18446744073709551615", "f" * 16, False),
        (f"{TRACE}/18446744073709551616;o=1", "", True),
        (f"{TRACE}/0;o=0", "", False),
        (TRACE, "", False),
    ],
)
def test_request_when_it_has_googles_header_alone_then_that_is_read(
    text: str, span_id: str, sampled: bool
) -> None:
    expected = SpanContext(trace_id=TRACE, span_id=span_id, sampled=sampled)
    assert request_context({"x-cloud-trace-context": text}) == expected


def test_request_when_it_has_both_headers_then_w3cs_counts() -> None:
    headers = {"traceparent": PARENT, "x-cloud-trace-context": "1" * 32}
    assert request_context(headers) == CAUSE


def test_message_when_it_was_caused_in_a_trace_then_its_span_is_a_child_there() -> None:
    span = a_span(a_delivery(traceparent=PARENT, baggage="a=b,signal_id=sig_7"))

    assert (span.context.trace_id, span.parent_id) == (TRACE, SPAN)
    assert span.context.sampled
    assert (span.signal_id, span.links) == ("sig_7", ())
    assert span.carried == {
        "traceparent": span.context.traceparent,
        "baggage": "signal_id=sig_7",
    }


@pytest.mark.parametrize("text", GARBAGE)
def test_message_when_its_trace_is_garbage_then_it_begins_one(text: str) -> None:  # 24
    span = a_span(a_delivery(traceparent=text, baggage="signal_id=../x"))

    assert span.parent_id == ""
    assert span.signal_id == ""
    assert span == a_span(a_delivery())


def test_message_when_it_is_delivered_again_then_its_span_is_another_of_the_same_trace() -> None:
    first, again, other = (
        a_span(a_delivery(traceparent=PARENT), function, delivery=("1", attempt))
        for function, attempt in (("route", 1), ("route", 2), ("settle", 1))
    )
    assert len({span.context.span_id for span in (first, again, other)}) == 3
    assert {span.context.trace_id for span in (first, again, other)} == {TRACE}


def test_message_when_it_names_its_signal_then_it_is_in_that_trace_and_linked_with_its_cause() -> (
    None
):
    root = signal_root(SIGNAL_ID, 1.0)
    begun = a_span(replace(a_message(), trace={"traceparent": PARENT}), "fan_out")
    assert (begun.context.trace_id, begun.parent_id) == (root.trace_id, root.span_id)
    assert (begun.links, begun.signal_id) == ((CAUSE,), SIGNAL_ID)

    page = SignalCreated(book="v3", signal_id=SIGNAL_ID, cursor="c")
    next_page = a_span(replace(a_message(page), trace=begun.carried), "fan_out")
    assert (next_page.context.trace_id, next_page.links) == (root.trace_id, ())
    assert next_page.parent_id == begun.context.span_id
    assert a_span(a_message(), "fan_out").links == ()


@pytest.mark.parametrize("purpose", OrderPurpose)
def test_order_when_it_is_no_entry_then_it_stays_in_the_trace_of_its_cause(
    purpose: OrderPurpose,
) -> None:
    plan = replace(a_plan(), purpose=purpose)
    message = replace(a_message(OrderPlanned(plan=plan, attempt=1)), trace={"traceparent": PARENT})
    trace_id = a_span(message).context.trace_id

    entry = purpose is OrderPurpose.ENTRY
    assert trace_id == (signal_root(plan.signal_id, 1.0).trace_id if entry else TRACE)


def test_tick_when_its_request_has_a_trace_then_it_goes_on_there() -> None:
    span = tick_span("settle", "settle:1", request=CAUSE, ratio=0.0)
    assert (span.context.trace_id, span.parent_id, span.context.sampled) == (TRACE, SPAN, True)

    alone = tick_span("settle", "settle:1", request=None, ratio=1.0)
    assert alone == tick_span("settle", "settle:1", request=None, ratio=1.0)
    other = tick_span("settle", "settle:2", request=None, ratio=1.0)
    assert alone.context.trace_id != other.context.trace_id
    assert read_traceparent(alone.context.traceparent) == alone.context


def test_signals_when_they_differ_then_so_do_their_traces() -> None:
    roots = {signal_root(f"sig_{number}", 1.0).trace_id for number in range(1000)}
    assert len(roots) == 1000


def test_signals_when_a_page_is_not_the_first_then_none_begins() -> None:
    page = SignalCreated(book="v3", signal_id="sig_2", cursor="c")
    assert begun_signals([a_message(), a_message(page), a_delivery()]) == [SIGNAL_ID]


def test_sampling_when_of_a_ratio_then_about_so_many_and_always_the_same_ones() -> None:
    traces = [signal_root(f"sig_{number}", 1.0).trace_id for number in range(4000)]
    assert not any(is_sampled(trace, 0.0) for trace in traces)
    assert all(is_sampled(trace, 1.0) for trace in traces)
    tenth = {trace for trace in traces if is_sampled(trace, 0.1)}
    assert 300 < len(tenth) < 500
    assert tenth < {trace for trace in traces if is_sampled(trace, 0.5)}
