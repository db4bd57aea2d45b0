import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from infra.gcp.logging import (
    OURS,
    JsonFormatter,
    configure_logging,
    log_event,
    spanning,
    tracing,
)
from infra.gcp.tracing import SpanContext

KEY = "0x" + "c0ffee" * 10 + "beef"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
BOT = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_x"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----"
TRACE = "105445aa7843bc8bf206b12000100000"


class Log:
    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def _restored() -> Iterator[None]:
    """Loggers are the process's own: give them back as they were."""
    levels = {name: logging.getLogger(name).level for name in OURS}
    client, filters = logging.getLogger("httpx"), logging.getLogger("httpx").filters[:]
    client.filters.clear()  # the messenger's, which hides a bot's token in its own way
    yield
    client.filters[:] = filters
    for handler in json_handlers():
        logging.getLogger().removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def json_handlers() -> list[logging.Handler]:
    return [h for h in logging.getLogger().handlers if isinstance(h.formatter, JsonFormatter)]


@pytest.fixture
def log(_restored: None) -> Log:
    stream = io.StringIO()
    configure_logging(stream)
    return Log(stream)


def test_event_when_logged_then_it_is_one_json_line_with_its_fields(log: Log) -> None:
    log_event(logging.WARNING, "two\nlines", function="decide", delivery_attempt=2, reason="é")

    assert log.text.count("\n") == 1
    assert log.lines == [
        {
            "severity": "WARNING",
            "message": "two\nlines",
            "function": "decide",
            "delivery_attempt": 2,
            "reason": "é",
        }
    ]


def test_event_when_a_field_is_not_listed_then_it_is_dropped(log: Log) -> None:
    log_event(logging.INFO, "hello", agent_key="plain-secret", headers={"authorization": "x"})

    assert log.lines == [{"severity": "INFO", "message": "hello"}]


@pytest.mark.parametrize("canary", [KEY, JWT, BOT, PEM])
def test_event_when_it_carries_a_canary_then_no_part_of_the_line_does(
    log: Log, canary: str
) -> None:
    try:
        raise RuntimeError(f"signing with {canary}")
    except RuntimeError as error:
        log_event(logging.ERROR, f"failed: {canary}", error=error, reason=canary)

    (line,) = log.lines
    body = canary.removeprefix("0x").splitlines()[len(canary.splitlines()) // 2]
    assert body not in json.dumps(line)
    assert "RuntimeError" in line["stack_trace"]
    assert line["reason"] == "[redacted]"


def test_event_when_a_value_is_long_then_it_is_cut(log: Log) -> None:
    log_event(logging.INFO, "x" * 10_000, reason=["y" * 10_000])

    assert len(log.lines[0]["message"]) == 2048
    assert len(log.lines[0]["reason"]) == 2048


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
        {"x-cloud-trace-context": f"{TRACE}/123;o=1"},
        {"x-cloud-trace-context": TRACE},
    ],
)
def test_trace_when_the_request_has_one_then_lines_inside_carry_it(
    log: Log, headers: dict[str, str]
) -> None:
    with tracing(headers, project="p1"):
        log_event(logging.INFO, "inside")
    log_event(logging.INFO, "outside")

    inside, outside = log.lines
    assert inside["logging.googleapis.com/trace"] == f"projects/p1/traces/{TRACE}"
    assert "logging.googleapis.com/trace" not in outside


@pytest.mark.parametrize(
    ("headers", "span_id", "sampled"),
    [
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, "00f067aa0ba902b7", True),
        ({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"}, "00f067aa0ba902b7", False),
        ({"x-cloud-trace-context": f"{TRACE}/123;o=1"}, f"{123:016x}", True),
        ({"x-cloud-trace-context": TRACE}, None, False),
    ],
)
def test_trace_when_the_request_has_one_then_lines_name_the_span_and_whether_it_is_sampled(
    log: Log, headers: dict[str, str], span_id: str | None, sampled: bool
) -> None:
    with tracing(headers, project="p1"):
        log_event(logging.INFO, "inside")

    assert log.lines[0].get("logging.googleapis.com/spanId") == span_id
    assert log.lines[0]["logging.googleapis.com/trace_sampled"] is sampled


def test_trace_when_a_message_is_of_another_then_lines_carry_that_and_then_the_requests_again(
    log: Log,
) -> None:
    context = SpanContext(trace_id="1" * 32, span_id="2" * 16, sampled=True)
    with tracing({"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}, project="p1"):
        with spanning(context, project="p1"):
            log_event(logging.INFO, "inside")
        log_event(logging.INFO, "outside")

    traces = [line["logging.googleapis.com/trace"] for line in log.lines]
    assert traces == [f"projects/p1/traces/{'1' * 32}", f"projects/p1/traces/{TRACE}"]
    assert log.lines[0]["logging.googleapis.com/spanId"] == "2" * 16


@pytest.mark.parametrize("value", ["garbage", TRACE + "\r\nx", "0" * 5000, f"00-{TRACE}"])
def test_trace_when_the_header_is_garbage_then_it_is_ignored(log: Log, value: str) -> None:  # 24
    with tracing({"traceparent": value, "x-cloud-trace-context": "!"}, project="p1"):
        log_event(logging.INFO, "inside")

    assert "logging.googleapis.com/trace" not in log.lines[0]


def test_configure_when_a_module_or_a_library_logs_then_it_is_json_without_secrets(
    log: Log,
) -> None:
    logging.getLogger("functions.notify.handler").info("sent to %s", BOT)
    logging.getLogger("httpx").warning("GET https://api.telegram.org/bot%s/getMe", BOT)
    logging.getLogger("httpx").info("noise")

    assert [line["message"] for line in log.lines] == [
        "sent to [redacted]",
        "GET https://api.telegram.org/bot[redacted]/getMe",
    ]


def test_configure_when_not_on_cloud_run_then_nothing_is_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("K_SERVICE", raising=False)

    configure_logging()

    assert json_handlers() == []


@pytest.mark.usefixtures("_restored")
def test_configure_when_on_cloud_run_then_lines_go_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("K_SERVICE", "decide")

    configure_logging()
    log_event(logging.ERROR, "hello")

    assert json.loads(capsys.readouterr().err)["message"] == "hello"


def test_configure_when_called_twice_then_lines_are_not_doubled(log: Log) -> None:
    configure_logging(io.StringIO())
    log_event(logging.INFO, "once")

    assert len(log.lines) == 1
