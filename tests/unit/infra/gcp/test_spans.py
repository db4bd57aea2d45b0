"""Spans to Cloud Trace: what is sent, and that nothing about it ever fails or holds a request."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra.gcp import spans as under_test
from infra.gcp.spans import OtlpSink, begin_signals, sampling_ratio, send_spans, sending_to
from infra.gcp.tracing import Span, SpanContext, signal_root
from tests.builders import SIGNAL_ID, a_message
from tests.fakes.spans import RecordingSink
from tests.fakes.verifier import ClosedVerifier
from tests.functions.harness import Bench, push_of
from tests.functions.probes import Seen, fan_out_app

TRACE = "105445aa7843bc8bf206b12000100000"
PROJECT = "a-project"


def a_span(*, sampled: bool = True, **changes: Any) -> Span:
    fields: dict[str, Any] = {
        "name": "route",
        "context": SpanContext(trace_id=TRACE, span_id="00f067aa0ba902b7", sampled=sampled),
        "parent_id": "00f067aa0ba902b8",
        "links": (SpanContext(trace_id="1" * 32, span_id="2" * 16, sampled=True),),
        "attributes": {"function": "route", "delivery_attempt": 2},
        "started_ns": 1_700_000_000_000_000_000,
        "ended_ns": 1_700_000_001_000_000_000,
    }
    return Span(**(fields | changes))


class Collector:
    """An OTLP endpoint, which answers while `go_on` is set."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.go_on = threading.Event()
        self.go_on.set()
        self.requests: list[ExportTraceServiceRequest] = []

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def serving(collector: Collector) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.requests.append(ExportTraceServiceRequest.FromString(body))
            collector.go_on.wait(10)
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces"
    finally:
        collector.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def a_sink(url: str) -> OtlpSink:
    environ = {"K_SERVICE": "route", "K_REVISION": "route-00001-abc"}
    return OtlpSink(project=PROJECT, endpoint=url, environ=environ)


async def test_sink_when_a_span_is_sent_then_the_collector_has_all_of_it() -> None:
    collector = Collector()
    with serving(collector) as url:
        await a_sink(url).send([a_span(failed=True), a_span(parent_id="", links=())])

    first, root = collector.spans
    assert first.name == "route"
    assert first.trace_id.hex() == TRACE
    assert (first.span_id.hex(), first.parent_span_id.hex()) == (
        "00f067aa0ba902b7",
        "00f067aa0ba902b8",
    )
    assert [link.trace_id.hex() for link in first.links] == ["1" * 32]
    assert first.end_time_unix_nano - first.start_time_unix_nano == 1_000_000_000
    assert {each.key: each.value for each in first.attributes}["delivery_attempt"].int_value == 2
    assert (first.status.code, root.status.code) == (2, 1)
    assert root.parent_span_id == b""
    resource = collector.requests[0].resource_spans[0].resource
    told = {each.key: each.value.string_value for each in resource.attributes}
    assert told == {
        "gcp.project_id": PROJECT,
        "service.name": "route",
        "service.version": "route-00001-abc",
    }


async def test_sink_when_the_collector_refuses_then_told_once_and_never_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    collector = Collector(status=403)
    with serving(collector) as url:
        sink = a_sink(url)
        for _ in range(3):
            await sink.send([a_span()])
        collector.status = 200
        await sink.send([a_span()])
        collector.status = 403
        await sink.send([a_span()])

    assert [r.message for r in caplog.records] == ["spans are not exported: FAILURE"] * 2


async def test_sink_when_something_breaks_inside_then_it_is_not_the_requests_matter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = a_span(context=SpanContext(trace_id="no hex", span_id="", sampled=True))
    await a_sink("http://127.0.0.1:9/").send([broken])

    assert "spans are not exported: ValueError" in caplog.text


async def test_sink_when_the_collector_hangs_then_the_answer_is_bounded_and_spans_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collector = Collector()
    with serving(collector) as url:
        sink = a_sink(url)
        await sink.send([a_span()])
        monkeypatch.setattr(under_test, "EXPORT_S", 0.05)
        collector.go_on.clear()
        await sink.send([a_span(name="hangs")])
        await sink.send([a_span(name="dropped")])
        collector.go_on.set()
        assert sink._under_way is not None
        await sink._under_way
        await sink.send([a_span(name="after")])

    assert [span.name for span in collector.spans] == ["route", "hangs", "after"]


async def test_send_when_a_span_is_not_sampled_then_it_stays_here() -> None:
    sink = RecordingSink()
    with sending_to(sink):
        await send_spans([a_span(sampled=False)], project=PROJECT)
        await send_spans([a_span(), a_span(sampled=False)], project=PROJECT)
    assert sink.spans == [a_span()]


@pytest.fixture
def _fresh() -> Iterator[None]:
    for cached in (sampling_ratio, under_test._cloud_sink):
        cached.cache_clear()
    yield
    for cached in (sampling_ratio, under_test._cloud_sink):
        cached.cache_clear()


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize(
    ("service", "ratio", "there"),
    [("decide", None, True), ("decide", "0.1", True), ("decide", "0", False), (None, None, False)],
)
def test_cloud_when_on_cloud_run_and_sampled_then_alone_there_is_a_sink(
    service: str | None, ratio: str | None, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("K_SERVICE", service), (under_test.RATIO_VARIABLE, ratio)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert (under_test._cloud_sink(PROJECT) is not None) is there


@pytest.mark.usefixtures("_fresh")
@pytest.mark.parametrize("text", ["2", "-0.1", "nan", "inf", "all"])
def test_ratio_when_it_is_none_then_nothing_is_sent_and_it_is_told(
    text: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(under_test.RATIO_VARIABLE, text)
    assert [sampling_ratio(), sampling_ratio()] == [0.0, 0.0]
    assert caplog.text.count("must be from 0 to 1") == 1


def test_signals_when_they_begin_then_each_has_a_first_span_and_a_first_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "sapphire")

    [span] = begin_signals("api", [a_message()], cause=None, project=PROJECT)

    assert span.context == signal_root(SIGNAL_ID, 1.0)
    assert (span.name, span.links, span.parent_id) == ("api: signal", (), "")
    assert 0 < span.started_ns <= span.ended_ns
    assert caplog.messages == [f"api: signal {SIGNAL_ID} begins"]


# ------------------------------------------------------------------------------- the entry point
async def test_function_when_it_has_handled_an_event_then_its_span_tells_how() -> None:
    sink, bench = RecordingSink(), Bench()
    with sending_to(sink):
        await bench.post(fan_out_app(Seen()), push_of(a_message(), delivery_attempt=3))
        await bench.post(fan_out_app(Seen(error=RuntimeError("a bug"))), push_of(a_message()))

    good, bad = sink.spans
    assert good.attributes == {
        "function": "fan_out",
        "event_type": "SignalCreated",
        "message_id": "msg_1",
        "subscription": "projects/sapphire-local/subscriptions/a-function",
        "delivery_attempt": 3,
        "signal_id": SIGNAL_ID,
        "result": "OK",
    }
    assert not good.failed
    assert 0 < good.started_ns <= good.ended_ns
    assert (bad.attributes["result"], bad.failed) == ("INTERNAL", True)


async def test_function_when_the_caller_or_the_message_is_not_known_then_there_is_no_span() -> None:
    sink = RecordingSink()
    with sending_to(sink):
        await Bench(verifier=ClosedVerifier()).post(fan_out_app(Seen()), push_of(a_message()))
        await Bench().post(fan_out_app(Seen()), b"{")
    assert sink.spans == []
