"""Messages for later in the cloud: each becomes one task, that posts what Pub/Sub would push."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.cloud.tasks_v2.types import HttpTarget, OidcToken, UriOverride

from common.books import OUTBOX
from common.config import Settings
from common.domain.events import OutboxMessage, SignalCreated
from common.errors import ConfigurationError, TransientError
from common.outbox import outbox_write, publish_and_clear
from common.ports import Query
from infra.gcp.envelope import open_push, read_message
from infra.gcp.tasks import (
    FUNCTION_URL,
    TASKS_QUEUE,
    CloudTasksPublisher,
    TimedPublisher,
    tasks_publisher,
)
from infra.local.store.memory import MemoryStore
from tests.builders.messages import a_message
from tests.fakes.publisher import RecordingPublisher, refusing_publisher
from tests.functions.harness import Bench, app_of
from tests.standins.cloud_tasks import NOW, CloudTasksStandIn, serving_tasks

QUEUE = "projects/a-project/locations/europe-west1/queues/{function}-later"
URL = "https://{function}-123.europe-west1.run.app"
ACCOUNT = "push@a-project.iam.gserviceaccount.com"
SUBSCRIBERS = {"signal-created": ("fan_out",), "notifications": ("notify", "archive")}


@dataclass(frozen=True)
class Cloud:
    publisher: CloudTasksPublisher
    tasks: CloudTasksStandIn


def later(name: str = "msg_1", seconds: float = 0.75) -> OutboxMessage:
    return replace(a_message(message_id=name), deliver_at=NOW + timedelta(seconds=seconds))


async def _client(address: str) -> Any:
    from google.cloud.tasks_v2 import CloudTasksAsyncClient
    from google.cloud.tasks_v2.services.cloud_tasks.transports import (
        CloudTasksGrpcAsyncIOTransport,
    )

    transport = CloudTasksGrpcAsyncIOTransport(channel=grpc.aio.insecure_channel(address))
    return CloudTasksAsyncClient(transport=transport)


def a_publisher(client: Any = None, **changes: Any) -> CloudTasksPublisher:
    options: dict[str, Any] = {
        "queue": QUEUE,
        "function_url": URL,
        "subscribers": lambda topic: SUBSCRIBERS.get(topic, ()),
    }
    return CloudTasksPublisher(**(options | {"client": client} | changes))


def of(pattern: str, function: str) -> str:
    return pattern.replace("{function}", function)


def a_target(function: str) -> HttpTarget:
    """As terraform/tasks.tf gives it to the queue of `function`."""
    url = of(URL, function)
    return HttpTarget(
        uri_override=UriOverride(host=url.removeprefix("https://")),
        oidc_token=OidcToken(service_account_email=ACCOUNT, audience=url),
    )


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    functions = ("fan-out", "notify", "archive")
    stand_in = CloudTasksStandIn({of(QUEUE, name): a_target(name) for name in functions})
    with serving_tasks(stand_in) as address:
        publisher = a_publisher(await _client(address))
        yield Cloud(publisher, stand_in)
        await publisher.close()
        await publisher.close()


async def test_tasks_when_a_message_is_for_later_then_a_task_posts_its_push_at_that_time(
    cloud: Cloud,
) -> None:
    trace = {"traceparent": "00-105445aa7843bc8bf206b12000100000-00f067aa0ba902b7-01"}
    message = replace(later(seconds=0.750001), trace=trace)
    await cloud.publisher.publish([message])

    [task] = cloud.tasks.run_all()
    assert task.schedule_time == NOW + timedelta(microseconds=750_001)
    assert task.dispatch_deadline == timedelta(seconds=60)
    http = task.http_request
    assert task.name.startswith(of(QUEUE, "fan-out"))
    assert http.url == "https://fan-out-123.europe-west1.run.app/"
    assert http.http_method.name == "POST"
    assert dict(http.headers) == {"Content-Type": "application/json"}
    assert http.oidc_token.service_account_email == ACCOUNT
    assert http.oidc_token.audience == "https://fan-out-123.europe-west1.run.app"
    push = open_push(json.loads(http.body))
    assert (read_message(push), read_message(push).trace) == (message, trace)
    assert push.subscription == "projects/a-project/subscriptions/fan-out-signal-created"
    assert push.delivery_attempt is None


async def test_tasks_when_the_task_runs_then_the_entry_point_takes_it_as_any_push(
    cloud: Cloud,
) -> None:
    from infra.bootstrap import Runtime
    from infra.gcp.entrypoint import event_function

    seen: list[SignalCreated] = []

    async def fan_out(event: SignalCreated, runtime: Runtime) -> Sequence[OutboxMessage]:
        seen.append(event)
        return ()

    await cloud.publisher.publish([later()])
    [task] = cloud.tasks.run_all()
    response = await Bench().post(app_of(event_function(fan_out)), task.http_request.body)

    assert response.status_code == 204
    assert seen == [later().event]


async def test_tasks_when_two_functions_subscribe_then_each_has_its_own(cloud: Cloud) -> None:
    message = replace(later(), topic="notifications")
    await cloud.publisher.publish([message])
    tasks = cloud.tasks.run_all()
    assert {task.name.rpartition("/tasks/")[0] for task in tasks} == {
        of(QUEUE, name) for name in ("notify", "archive")
    }
    audiences = {task.http_request.oidc_token.audience for task in tasks}
    assert audiences == {of(URL, name) for name in ("notify", "archive")}


async def test_tasks_when_made_then_the_task_itself_says_the_same_address_and_names_no_account(
    cloud: Cloud,
) -> None:
    """Where a queue lacked its target, the function would be called and refuse the call."""
    await cloud.publisher.publish([later()])

    [task] = cloud.tasks.tasks.values()
    assert task.http_request.url == of(URL, "fan-out")
    assert "oidc_token" not in task.http_request
    assert "oauth_token" not in task.http_request


@pytest.mark.parametrize("done", [False, True])
async def test_tasks_when_a_message_is_published_again_then_it_stays_one_task(
    cloud: Cloud, done: bool
) -> None:
    await cloud.publisher.publish([later("a"), later("b")])
    ran = cloud.tasks.run_all() if done else []
    await cloud.publisher.publish([later("b"), later("c")])
    assert len(ran) + len(cloud.tasks.tasks) == 3


async def test_tasks_when_an_id_holds_signs_that_names_may_not_then_it_is_still_one_name(
    cloud: Cloud,
) -> None:
    names = ["relay:20261120T080000", "a.b-c_d", "x" * 128]
    await cloud.publisher.publish([later(name) for name in names])
    assert len(cloud.tasks.tasks) == 3


async def test_tasks_when_the_time_is_past_or_none_then_it_is_still_taken(cloud: Cloud) -> None:
    await cloud.publisher.publish([later("past", -60), a_message(message_id="none")])
    assert len(cloud.tasks.run_all()) == 2
    await cloud.publisher.publish([])


async def test_tasks_when_an_answer_is_lost_then_it_is_asked_again_and_stays_one_task(
    cloud: Cloud,
) -> None:
    cloud.tasks.lost_answers = 1
    await cloud.publisher.publish([later()])
    assert (cloud.tasks.calls, len(cloud.tasks.tasks)) == (2, 1)


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, ConfigurationError),
        (grpc.StatusCode.NOT_FOUND, ConfigurationError),
        (grpc.StatusCode.INTERNAL, TransientError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, TransientError),
    ],
)
async def test_tasks_when_refused_then_the_error_says_who_acts_and_the_others_were_tried(
    cloud: Cloud, refusal: grpc.StatusCode, expected: type[Exception]
) -> None:
    cloud.tasks.refusals.append(refusal)
    with pytest.raises(expected, match=r"cannot hold msg_\d for fan_out: "):
        await cloud.publisher.publish([later("msg_1"), later("msg_2")])
    assert len(cloud.tasks.tasks) == 1


async def test_tasks_when_a_message_is_too_far_ahead_then_a_person_is_told(cloud: Cloud) -> None:
    with pytest.raises(ConfigurationError, match="30 days"):
        await cloud.publisher.publish([later(seconds=31 * 86_400)])


async def test_tasks_when_nobody_subscribes_then_a_person_is_told_and_nothing_is_created(
    cloud: Cloud,
) -> None:
    with pytest.raises(ConfigurationError, match="nobody subscribes to order-unknown"):
        await cloud.publisher.publish([later("a"), replace(later("b"), topic="order-unknown")])
    assert cloud.tasks.calls == 0


async def test_tasks_when_there_are_no_credentials_then_a_person_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from importlib import import_module

    auth: Any = import_module("google.auth.exceptions")

    def no_credentials(*_: object, **__: object) -> None:
        raise auth.DefaultCredentialsError("none were found")

    monkeypatch.setattr("google.auth.default", no_credentials)
    with pytest.raises(ConfigurationError, match="cannot hold msg_1 for fan_out"):
        await a_publisher().publish([later()])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"queue": "{function}-later"}, TASKS_QUEUE),
        ({"queue": f"{QUEUE}/tasks/x"}, TASKS_QUEUE),
        ({"queue": QUEUE.replace("{function}", "one")}, TASKS_QUEUE),
        ({"queue": f"{QUEUE}-{{function}}"}, TASKS_QUEUE),
        ({"function_url": "https://one.run.app"}, FUNCTION_URL),
        ({"function_url": "{function}.run.app"}, FUNCTION_URL),
        ({"function_url": "https://{function}.run.app/{function}"}, FUNCTION_URL),
        ({"function_url": "https://{name}.run.app/{function}"}, FUNCTION_URL),
    ],
)
def test_tasks_when_a_setting_is_of_no_use_then_it_is_named(
    changes: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        a_publisher(**changes)


# ------------------------------------------------------------------------------ beside Pub/Sub
async def test_timed_publisher_when_both_kinds_come_then_each_goes_its_way_and_all_rows_go(
    cloud: Cloud,
) -> None:
    at_once, store = RecordingPublisher(), MemoryStore()
    messages = [a_message(message_id="one"), later("two"), a_message(message_id="three")]
    await store.commit([outbox_write(message) for message in messages])

    timed = TimedPublisher(at_once, lambda: cloud.publisher)
    await publish_and_clear(messages, publisher=timed, store=store)

    assert [message.message_id for message in at_once.messages] == ["one", "three"]
    [task] = cloud.tasks.run_all()
    assert read_message(open_push(json.loads(task.http_request.body))) == messages[1]
    assert await store.count(Query(OUTBOX)) == 0


async def test_timed_publisher_when_one_way_fails_then_the_other_is_still_gone(
    cloud: Cloud,
) -> None:
    with pytest.raises(TransientError):
        await TimedPublisher(refusing_publisher(), lambda: cloud.publisher).publish(
            [a_message(message_id="one"), later("two")]
        )
    assert len(cloud.tasks.tasks) == 1


CLOUD = Settings(
    bus="pubsub",
    project="a-project",
    push_audience="https://decide-123.europe-west1.run.app",
    push_service_account=ACCOUNT,
)


async def test_timed_publisher_when_later_has_no_way_then_only_what_needs_it_is_refused() -> None:
    at_once = RecordingPublisher()

    def make_later() -> CloudTasksPublisher:
        return tasks_publisher({}, subscribers=lambda _: ("fan_out",), deadline_s=60)

    timed = TimedPublisher(at_once, make_later)
    await timed.publish([a_message(message_id="one")])
    with pytest.raises(ConfigurationError, match=f"set {FUNCTION_URL}, {TASKS_QUEUE}$"):
        await timed.publish([a_message(message_id="two"), later("three")])
    assert [message.message_id for message in at_once.messages] == ["one", "two"]


def test_tasks_publisher_when_the_environment_is_whole_then_it_is_made() -> None:
    environ = {TASKS_QUEUE: QUEUE, FUNCTION_URL: URL}
    made = tasks_publisher(environ, subscribers=lambda _: ("fan_out",), deadline_s=60)
    assert isinstance(made, CloudTasksPublisher)


def test_bootstrap_when_the_bus_is_pubsub_then_both_ways_are_there_and_nothing_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from infra.bootstrap import build

    monkeypatch.delenv(FUNCTION_URL, raising=False)
    runtime = build(CLOUD, store=MemoryStore())
    assert isinstance(runtime.publisher, TimedPublisher)


async def test_bootstrap_when_no_way_for_later_is_set_then_the_variables_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from infra.bootstrap import build

    monkeypatch.delenv(FUNCTION_URL, raising=False)
    monkeypatch.setenv(TASKS_QUEUE, QUEUE)
    runtime = build(CLOUD, store=MemoryStore())
    with pytest.raises(ConfigurationError, match=f"set {FUNCTION_URL}$"):
        await runtime.publisher.publish([later()])
