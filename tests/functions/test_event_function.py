"""The decorator of the event functions, through the framework's own app."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from common.books import OUTBOX, REJECTED_EVENTS
from common.config import VERSION
from common.domain.events import (
    OrderUnknown,
    OutboxMessage,
    SignalCreated,
    Tick,
)
from common.errors import (
    ConfigurationError,
    ConflictError,
    DeniedError,
    InvalidInputError,
    LockedError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    StaleError,
    TransientError,
    UnauthenticatedError,
)
from common.outbox import outbox_write
from infra.bootstrap import Runtime
from infra.gcp.actions import ACTIONS, action_for
from infra.gcp.entrypoint import event_function
from tests.builders import INTENT_ID, NOON, a_message, a_tick
from tests.fakes.publisher import RecordingPublisher, refusing_publisher
from tests.fakes.verifier import ClosedVerifier, OpenVerifier
from tests.functions.harness import Bench, app_of, body_of, push_of
from tests.functions.probes import Seen, a_delivery_message, fan_out_app, settle_app


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ------------------------------------------------------------------------------- the good way
async def test_push_when_the_handler_succeeds_then_its_event_is_acknowledged(bench: Bench) -> None:
    seen = Seen()

    response = await bench.post(fan_out_app(seen), push_of(a_message()))

    assert (response.status_code, response.content) == (204, b"")
    assert seen.events == [a_message().event]
    assert await bench.documents(REJECTED_EVENTS) == []


async def test_push_when_messages_are_returned_then_they_are_published_and_the_outbox_cleared(
    bench: Bench,
) -> None:
    seen = Seen(a_delivery_message(1), a_delivery_message(2), commits=True)

    response = await bench.post(fan_out_app(seen), push_of(a_message()))

    assert response.status_code == 204
    assert bench.publisher.messages == [a_delivery_message(1), a_delivery_message(2)]
    assert await bench.documents(OUTBOX) == []


async def test_push_when_a_message_is_returned_twice_then_it_is_published_once(
    bench: Bench,
) -> None:
    seen = Seen(a_delivery_message(), a_delivery_message())

    assert (await bench.post(fan_out_app(seen), push_of(a_message()))).status_code == 204
    assert bench.publisher.messages == [a_delivery_message()]


async def test_push_when_more_messages_return_than_a_commit_takes_then_all_rows_are_cleared(
    bench: Bench,
) -> None:
    messages = [a_delivery_message(number) for number in range(401)]
    await bench.store.commit([outbox_write(message) for message in messages[:400]])
    await bench.store.commit([outbox_write(message) for message in messages[400:]])

    assert (await bench.post(fan_out_app(Seen(*messages)), push_of(a_message()))).is_success
    assert await bench.documents(OUTBOX) == []


@pytest.mark.parametrize("spelling", ["messageId", "message_id"])
async def test_push_when_the_id_has_either_spelling_then_it_is_read(
    bench: Bench, spelling: str
) -> None:
    body = push_of(a_message(), delivery_attempt=None)
    other = ({"messageId", "message_id"} - {spelling}).pop()
    del body["message"][other]

    assert (await bench.post(fan_out_app(Seen()), body)).status_code == 204
    assert await bench.documents(REJECTED_EVENTS) == []


async def test_tick_when_the_function_takes_both_then_tick_and_event_reach_the_handler(
    bench: Bench,
) -> None:
    seen = Seen()
    app = settle_app(seen)
    unknown = OrderUnknown(intent_id="int_1")

    first = await bench.post(app, body_of(a_tick("settle")))
    second = await bench.post(app, push_of(a_message(unknown)))

    assert (first.status_code, second.status_code) == (204, 204)
    assert seen.events == [a_tick("settle"), unknown]


async def test_tick_when_the_cloud_names_the_time_in_its_header_then_that_is_the_tick(
    bench: Bench,
) -> None:
    seen = Seen()
    headers = {"X-CloudScheduler-ScheduleTime": "2026-01-15T12:00:00Z"}

    response = await bench.post(settle_app(seen), {"job": "settle"}, headers=headers)

    assert response.status_code == 204
    assert seen.events == [Tick(job="settle", scheduled_at=NOON)]


# ------------------------------------------------------------------------------ who may call
async def test_push_when_the_caller_is_not_verified_then_401_and_nothing_happens() -> None:  # 76
    bench = Bench(verifier=ClosedVerifier())
    seen = Seen()

    response = await bench.post(fan_out_app(seen), b"\xff not even json")

    assert response.status_code == 401
    assert response.json() == {"code": "UNAUTHENTICATED"}
    assert seen.events == []
    assert await bench.documents(REJECTED_EVENTS) == []


async def test_push_when_verified_then_the_verifier_saw_the_bearer_header() -> None:
    verifier = OpenVerifier()
    bench = Bench(verifier=verifier)

    await bench.post(
        fan_out_app(Seen()), push_of(a_message()), headers={"Authorization": "Bearer t0ken"}
    )

    assert verifier.seen[0][0]["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_function_when_called_by_another_method_then_405(bench: Bench, method: str) -> None:
    seen = Seen()

    response = await bench.request(fan_out_app(seen), method)

    assert response.status_code == 405
    assert response.headers["allow"] == "GET, HEAD, POST"
    assert seen.events == []


async def test_function_when_asked_by_get_then_it_says_that_it_is_ready() -> None:
    bench = Bench(verifier=ClosedVerifier())

    response = await bench.request(fan_out_app(Seen()), "GET")

    assert response.json() == {"function": "fan_out", "version": VERSION}


# ------------------------------------------------------------------------------ class -> answer
ANSWERS: dict[str, tuple[SapphireError, int, bool]] = {
    "transient": (TransientError("no answer"), 503, False),
    "conflict": (ConflictError("lost", collection="c", document_id="d"), 503, False),
    "rate limited": (RateLimitedError("slow down", retry_after_s=2.2), 429, False),
    "configuration": (ConfigurationError("no project"), 500, False),
    "unauthenticated": (UnauthenticatedError("who"), 401, False),
    "bare": (SapphireError("neither"), 500, False),
    "rejected": (RejectedError("MIN_SIZE", "too small"), 204, True),
    "denied": (DeniedError("NOTIONAL_EXCEEDS_MAX_PER_ORDER", "too large"), 204, True),
    "stale": (StaleError("too old"), 204, True),
    "not found": (NotFoundError("no agent"), 204, True),
    "unknown": (OutcomeUnknownError("timeout"), 204, True),
    "invalid": (InvalidInputError("bad", where="book"), 204, True),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_error_when_a_handler_raises_it_then_its_class_decides_the_answer(
    bench: Bench, name: str
) -> None:
    error, status, recorded = ANSWERS[name]

    response = await bench.post(fan_out_app(Seen(error=error)), push_of(a_message()))

    assert response.status_code == status
    assert len(await bench.documents(REJECTED_EVENTS)) == recorded
    assert str(error) not in response.text


def test_actions_when_listed_then_every_class_of_the_tree_has_one() -> None:
    def tree(kind: type[SapphireError]) -> set[type[SapphireError]]:
        return {kind}.union(*(tree(child) for child in kind.__subclasses__()))

    homes = {"common.errors", "infra.gcp.oidc"}
    ours = {kind for kind in tree(SapphireError) if kind.__module__ in homes}
    assert set(ACTIONS) == ours - {SapphireError, LockedError}
    assert action_for(LockedError("TRADING_HALTED", "a drill")) is ACTIONS[DeniedError]


@pytest.mark.parametrize(("wait", "header"), [(2.2, "3"), (0.1, "1"), (None, "1")])
async def test_rate_limit_when_it_has_a_wait_then_retry_after_is_whole_seconds_up(
    bench: Bench, wait: float | None, header: str
) -> None:
    error = RateLimitedError("slow down", retry_after_s=wait)

    response = await bench.post(fan_out_app(Seen(error=error)), push_of(a_message()))

    assert response.headers["retry-after"] == header


async def test_crash_when_nobody_expected_it_then_500_and_the_traceback_is_in_the_log_alone(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    error = KeyError("surprise")

    with caplog.at_level(logging.INFO, logger="sapphire"):
        response = await bench.post(fan_out_app(Seen(error=error)), push_of(a_message()))

    assert (response.status_code, response.json()) == (500, {"code": "INTERNAL"})
    record = caplog.records[-1]
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert await bench.documents(REJECTED_EVENTS) == []


# --------------------------------------------------------------------------- publish and outbox
async def test_publish_when_it_fails_after_the_commit_then_acknowledged_and_the_rows_stay() -> None:
    bench = Bench(publisher=refusing_publisher())
    seen = Seen(a_delivery_message(), commits=True)

    response = await bench.post(fan_out_app(seen), push_of(a_message()))

    assert response.status_code == 204
    assert await bench.exists(OUTBOX, "msg_delivery_1")


async def test_publish_when_a_topic_is_missing_then_acknowledged_and_a_person_is_called(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    class Misconfigured:
        async def publish(self, messages: Sequence[OutboxMessage]) -> None:
            raise ConfigurationError("no topic deployment-signal")

    app = fan_out_app(Seen(a_delivery_message(), commits=True))
    runtime = replace(bench.runtime(), publisher=Misconfigured())

    response = await bench.post(app, push_of(a_message()), runtime=runtime)

    assert response.status_code == 204
    assert await bench.exists(OUTBOX, "msg_delivery_1")
    assert (caplog.records[-1].levelname, "no topic" in caplog.text) == ("CRITICAL", True)


async def test_publish_when_it_crashes_then_500_and_the_rows_stay(bench: Bench) -> None:
    class Broken:
        async def publish(self, messages: Sequence[OutboxMessage]) -> None:
            raise RuntimeError("a bug")

    app = fan_out_app(Seen(a_delivery_message(), commits=True))
    runtime = replace(bench.runtime(), publisher=Broken())

    response = await bench.post(app, push_of(a_message()), runtime=runtime)

    assert response.status_code == 500
    assert await bench.exists(OUTBOX, "msg_delivery_1")


async def test_publish_when_half_of_it_fails_then_every_row_stays_for_relay() -> None:
    second = a_delivery_message(2)
    bench = Bench(publisher=RecordingPublisher(refuse=lambda message: message == second))
    seen = Seen(a_delivery_message(1), second, commits=True)

    assert (await bench.post(fan_out_app(seen), push_of(a_message()))).status_code == 204
    assert len(await bench.documents(OUTBOX)) == 2


async def test_publish_when_the_rows_cannot_be_cleared_then_acknowledged() -> None:
    bench = Bench()

    async def before(operation: str, argument: object) -> None:
        if operation == "commit" and bench.publisher.messages:
            raise TransientError("the store is away")

    bench.store.before = before
    seen = Seen(a_delivery_message(), commits=True)

    assert (await bench.post(fan_out_app(seen), push_of(a_message()))).status_code == 204
    assert bench.publisher.messages == [a_delivery_message()]
    assert await bench.exists(OUTBOX, "msg_delivery_1")


async def test_publish_when_the_pipeline_does_not_allow_the_topic_then_500_and_nothing_leaves(
    bench: Bench,
) -> None:
    message = a_message(OrderUnknown(intent_id=INTENT_ID))

    response = await bench.post(fan_out_app(Seen(message)), push_of(a_message()))

    assert (response.status_code, response.json()) == (500, {"code": "CONFIGURATION"})
    assert bench.publisher.messages == []


# ------------------------------------------------------------------------------------- annotations
def test_decorator_when_annotations_are_texts_then_they_are_resolved() -> None:
    async def fan_out(event: "SignalCreated", runtime: "Runtime") -> "Sequence[OutboxMessage]":
        return ()

    assert app_of(event_function(fan_out))


def test_decorator_when_the_event_is_not_an_event_then_refused_at_import() -> None:
    async def fan_out(event: str, runtime: Runtime) -> Sequence[OutboxMessage]:
        return ()

    with pytest.raises(ConfigurationError, match="fan_out"):
        event_function(fan_out)


def test_decorator_when_the_event_is_not_annotated_then_refused_at_import() -> None:
    async def fan_out(event, runtime: Runtime) -> Sequence[OutboxMessage]:  # type: ignore[no-untyped-def]  # the case under test
        return ()

    with pytest.raises(ConfigurationError, match="fan_out"):
        event_function(fan_out)
