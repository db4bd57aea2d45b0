"""Sending notifications: in batches, once, and never lost."""

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest

from common.books import NOTIFICATIONS, OUTBOX
from common.domain.events import NotificationRaised
from common.domain.moment import iso
from common.domain.notification import Notification
from common.errors import (
    ConfigurationError,
    InvalidInputError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    TransientError,
)
from common.notifications import notification_of, notification_writes
from common.ports import Create, Messenger, Ref, Update
from common.wire import decode_message
from functions.notify import handler
from infra.local.store.memory import MemoryStore
from tests.builders import NOON, a_notification
from tests.fakes.clock import FakeClock
from tests.fakes.messenger import RecordingMessenger


class Bench:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore()

    async def raised(self, count: int) -> list[Notification]:
        """Notifications in the store, not sent, a second apart."""
        notifications = [
            a_notification(
                f"not_{n}", text=f"text {n}", created_at=NOON - timedelta(seconds=count - n)
            )
            for n in range(count)
        ]
        for notification in notifications:
            writes, _ = notification_writes(notification)
            await self.store.commit(writes)
        return notifications

    async def notify(self, notification: Notification, messenger: Messenger | None) -> None:
        result = await handler.notify(
            NotificationRaised(notification=notification),
            store=self.store,
            clock=self.clock,
            messenger=messenger,
        )
        assert result == []

    async def document(self, notification: Notification) -> dict[str, Any]:
        document = await self.store.get(Ref(NOTIFICATIONS, notification.notification_id))
        assert document is not None
        return document.data

    async def states(self, notifications: list[Notification]) -> list[str]:
        return [(await self.document(item))["delivery"] for item in notifications]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_writes_when_made_then_document_and_outbox_row_are_there() -> None:
    notification = a_notification()

    writes, message = notification_writes(notification)

    document, row = writes
    assert isinstance(document, Create)
    assert isinstance(row, Create)
    assert document.ref == Ref(NOTIFICATIONS, "not_1")
    assert document.data["delivery"] == "PENDING"
    assert set(document.data) == {"notification", "delivery", "reason", "updated_at"}
    assert notification_of(document.data) == notification
    assert row.ref == Ref(OUTBOX, message.message_id)
    assert decode_message(row.data) == message
    assert message.topic == "notifications"
    with pytest.raises(InvalidInputError):
        notification_of({})


async def test_notify_when_sent_then_is_marked_and_not_sent_again(bench: Bench) -> None:
    (notification,) = await bench.raised(1)
    messenger = RecordingMessenger()
    bench.clock.advance(5)

    await bench.notify(notification, messenger)
    await bench.notify(notification, messenger)

    assert messenger.sent == [notification]
    data = await bench.document(notification)
    assert (data["delivery"], data["reason"]) == ("SENT", "")
    assert data["updated_at"] == iso(bench.clock.now())


async def test_notify_when_there_is_a_burst_then_one_call_takes_twenty_in_order(
    bench: Bench,
) -> None:
    notifications = await bench.raised(25)
    messenger = RecordingMessenger()

    for notification in notifications:
        await bench.notify(notification, messenger)

    assert messenger.calls == 2
    assert messenger.sent == notifications
    assert set(await bench.states(notifications)) == {"SENT"}


async def test_notify_when_older_ones_wait_then_still_sends_its_own(bench: Bench) -> None:
    notifications = await bench.raised(30)
    messenger = RecordingMessenger()

    await bench.notify(notifications[-1], messenger)

    assert messenger.sent == [*notifications[:19], notifications[-1]]


async def test_notify_when_many_calls_run_at_once_then_nothing_is_sent_twice(
    bench: Bench,
) -> None:
    notifications = await bench.raised(12)
    messenger = RecordingMessenger()

    results = await asyncio.gather(
        *(bench.notify(notification, messenger) for notification in notifications),
        return_exceptions=True,
    )
    for notification in notifications:
        await bench.notify(notification, messenger)

    assert all(result is None or isinstance(result, TransientError) for result in results)
    assert sorted(item.notification_id for item in messenger.sent) == sorted(
        item.notification_id for item in notifications
    )


async def test_notify_when_there_is_no_messenger_then_stays_readable_in_the_store(
    bench: Bench,
) -> None:
    notifications = await bench.raised(2)

    await bench.notify(notifications[0], None)

    assert await bench.states(notifications) == ["NO_CHANNEL", "PENDING"]
    await bench.notify(notifications[0], RecordingMessenger())
    assert await bench.states(notifications) == ["NO_CHANNEL", "PENDING"]


@pytest.mark.parametrize(
    "error",
    [
        TransientError("Telegram: ReadTimeout"),
        RateLimitedError("wait", retry_after_s=60),
        ConfigurationError("TELEGRAM_API_URL"),
    ],
)
async def test_notify_when_the_messenger_fails_for_now_then_comes_again(
    bench: Bench, error: SapphireError
) -> None:
    notifications = await bench.raised(3)
    messenger = RecordingMessenger(errors=[error])

    with pytest.raises(type(error)):
        await bench.notify(notifications[0], messenger)
    assert await bench.states(notifications) == ["PENDING"] * 3
    await bench.notify(notifications[0], messenger)

    assert messenger.sent == notifications
    assert await bench.states(notifications) == ["SENT"] * 3


async def test_notify_when_refused_then_is_marked_with_the_reason(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (notification,) = await bench.raised(1)
    refused = RejectedError("TELEGRAM_403", "bot was blocked by the user")

    with caplog.at_level(logging.ERROR):
        await bench.notify(notification, RecordingMessenger(errors=[refused]))

    data = await bench.document(notification)
    assert data["delivery"] == "FAILED"
    assert data["reason"] == "TELEGRAM_403: bot was blocked by the user"
    assert "is refused" in caplog.text


async def test_notify_when_a_batch_is_refused_then_others_do_not_suffer(bench: Bench) -> None:
    notifications = await bench.raised(3)
    refused = RejectedError("TELEGRAM_400", "message text is wrong")
    messenger = RecordingMessenger(errors=[refused, refused])

    await bench.notify(notifications[1], messenger)
    assert await bench.states(notifications) == ["PENDING", "FAILED", "PENDING"]
    await bench.notify(notifications[0], messenger)

    assert await bench.states(notifications) == ["SENT", "FAILED", "SENT"]
    assert messenger.sent == [notifications[0], notifications[2]]


async def test_notify_when_a_call_died_while_sending_then_another_takes_over_in_time(
    bench: Bench,
) -> None:
    (notification,) = await bench.raised(1)
    messenger = RecordingMessenger()
    document = await bench.store.get(Ref(NOTIFICATIONS, "not_0"))
    assert document is not None
    taken = {"delivery": "SENDING", "updated_at": iso(bench.clock.now())}
    await bench.store.commit([Update(document.ref, taken, document.version)])

    bench.clock.advance(119)
    with pytest.raises(TransientError, match="being sent by another call"):
        await bench.notify(notification, messenger)
    bench.clock.advance(2)
    await bench.notify(notification, messenger)

    assert messenger.sent == [notification]


async def test_notify_when_there_is_no_document_then_makes_it(bench: Bench) -> None:
    messenger = RecordingMessenger()

    await bench.notify(a_notification(), messenger)

    assert messenger.sent == [a_notification()]
    assert await bench.states([a_notification()]) == ["SENT"]


async def test_notify_when_a_waiting_document_cannot_be_read_then_is_set_aside(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    (notification,) = await bench.raised(1)
    broken = {"notification": {"created_at": "0"}, "delivery": "PENDING"}
    await bench.store.commit([Create(Ref(NOTIFICATIONS, "broken"), broken)])
    messenger = RecordingMessenger()

    with caplog.at_level(logging.ERROR):
        await bench.notify(notification, messenger)

    assert messenger.sent == [notification]
    document = await bench.store.get(Ref(NOTIFICATIONS, "broken"))
    assert document is not None
    assert document.data["delivery"] == "FAILED"
    assert "cannot be read" in caplog.text


async def test_notify_when_taken_by_another_at_the_last_moment_then_leaves_it(
    bench: Bench,
) -> None:
    (notification,) = await bench.raised(1)
    first, second = RecordingMessenger(), RecordingMessenger()

    async def race(operation: str, argument: object) -> None:
        if operation == "commit":
            bench.store.before = None
            await bench.notify(notification, first)

    bench.store.before = race

    with pytest.raises(TransientError, match="was taken by another call"):
        await bench.notify(notification, second)

    assert first.sent == [notification]
    assert second.sent == []


@pytest.mark.parametrize("applied", [True, False])
async def test_notify_when_the_answer_to_taking_it_is_lost_then_it_looks_whether_it_has_it(
    bench: Bench, applied: bool
) -> None:
    """Else it would be nobody's until it counts as abandoned, and its event might give up."""

    class Lossy(MemoryStore):
        loses = False

        async def commit(self, writes: Any) -> None:
            lost, self.loses = self.loses, False
            if applied or not lost:
                await super().commit(writes)
            if lost:
                raise TransientError("the answer is lost")

    bench.store = store = Lossy()
    [notification] = await bench.raised(1)
    messenger, store.loses = RecordingMessenger(), True

    if not applied:
        with pytest.raises(TransientError, match="the answer is lost"):
            await bench.notify(notification, messenger)
    await bench.notify(notification, messenger)

    assert messenger.sent == [notification]
    assert await bench.states([notification]) == ["SENT"]
