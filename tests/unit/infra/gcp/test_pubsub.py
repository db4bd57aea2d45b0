"""The Pub/Sub publisher's errors; all else runs on the emulator in tests/contract/test_bus.py."""

from concurrent.futures import Future
from importlib import import_module
from typing import Any

import pytest

from common.domain.events import OutboxMessage
from common.errors import ConfigurationError, TransientError
from infra.gcp.pubsub import PubSubPublisher, PubSubTopology
from tests.builders.messages import a_message

# Their constructors carry no annotations.
api: Any = import_module("google.api_core.exceptions")
auth: Any = import_module("google.auth.exceptions")


class FakeClient:
    """Answers each publish from `errors` by message id."""

    def __init__(self, **errors: Exception) -> None:
        self.errors = errors
        self.published: list[tuple[str, dict[str, str]]] = []
        self.stopped = False
        self.transport = self

    def publish(self, topic: str, data: bytes, **attributes: str) -> "Future[str]":
        assert data
        self.published.append((topic, attributes))
        future: Future[str] = Future()
        if error := self.errors.get(attributes["id"]):
            future.set_exception(error)
        else:
            future.set_result("1")
        return future

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        assert self.stopped


def messages(*names: str) -> list[OutboxMessage]:
    return [a_message(message_id=name) for name in names]


def publisher(client: FakeClient) -> PubSubPublisher:
    made: Any = client
    return PubSubPublisher(project="a-project", client=made)


async def test_publisher_when_it_publishes_then_topic_and_attributes_are_named() -> None:
    client = FakeClient()
    await publisher(client).publish(messages("one"))
    assert client.published == [
        ("projects/a-project/topics/signal-created", {"type": "SignalCreated", "id": "one"})
    ]


@pytest.mark.parametrize(
    "error",
    [
        api.NotFound("no topic"),
        api.PermissionDenied("no"),
        api.Unauthenticated("who"),
        api.InvalidArgument("what"),
        auth.DefaultCredentialsError("none"),
    ],
)
async def test_publisher_when_a_person_must_act_then_configuration_says_what(
    error: Exception,
) -> None:
    with pytest.raises(ConfigurationError, match="cannot publish one to signal-created: "):
        await publisher(FakeClient(one=error)).publish(messages("one"))


@pytest.mark.parametrize(
    "error",
    [
        api.ServiceUnavailable("later"),
        api.DeadlineExceeded("slow"),
        api.RetryError("gave up", cause=None),
        auth.TransportError("offline"),
    ],
)
async def test_publisher_when_it_may_pass_then_the_error_is_transient(error: Exception) -> None:
    with pytest.raises(TransientError, match="cannot publish one to signal-created: "):
        await publisher(FakeClient(one=error)).publish(messages("one"))


async def test_publisher_when_some_fail_then_all_were_tried_and_the_missing_topic_counts() -> None:
    client = FakeClient(one=api.ServiceUnavailable("later"), two=api.NotFound("no topic"))
    with pytest.raises(ConfigurationError, match="publish two"):
        await publisher(client).publish(messages("one", "two", "three"))
    assert [attributes["id"] for _, attributes in client.published] == ["one", "two", "three"]


async def test_publisher_when_closed_then_the_client_is_too_and_twice_is_no_error() -> None:
    client = FakeClient()
    made = publisher(client)
    await made.close()
    await made.close()
    assert client.stopped


async def test_publisher_when_there_are_no_credentials_then_a_person_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_credentials(*_: object, **__: object) -> None:
        raise auth.DefaultCredentialsError("none were found")

    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    monkeypatch.setattr("google.auth.default", no_credentials)
    with pytest.raises(ConfigurationError, match="cannot build the Pub/Sub client"):
        await PubSubPublisher(project="a-project").publish(messages("one"))


class RefusingClient(FakeClient):
    def create_topic(self, *, name: str) -> None:
        raise api.PermissionDenied(name)


async def test_topology_when_refused_then_a_person_is_told() -> None:
    client: Any = RefusingClient()
    topology = PubSubTopology(project="a-project", publisher=client, subscriber=client)
    with pytest.raises(ConfigurationError, match="projects/a-project/topics/signal-created"):
        await topology.create(["signal-created"], [])


class EmptyClient(FakeClient):
    def pull(self, **_: object) -> None:
        raise api.DeadlineExceeded("nothing")


async def test_topology_when_no_dead_letter_comes_in_time_then_there_is_none() -> None:
    client: Any = EmptyClient()
    topology = PubSubTopology(project="a-project", publisher=client, subscriber=client)
    assert await topology.pull_dead_letters(timeout_s=0.01) == []
    await topology.close()
    assert client.stopped
