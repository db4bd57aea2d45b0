"""The relay: straight, and through its entry point."""

from dataclasses import replace
from datetime import timedelta

import pytest

from common.books import OUTBOX, REJECTED_EVENTS
from common.errors import ConfigurationError, TransientError
from common.outbox import outbox_write
from common.ports import Create, Publisher, Query, Ref
from functions.relay.handler import AGE_MIN, FAILURES_MAX, PAGE_SIZE, PAGES_MAX, RelayReport, relay
from tests.builders import NOON, a_message, a_tick
from tests.fakes.publisher import RecordingPublisher, refusing_publisher
from tests.functions.harness import Bench, body_of, framework_app

OLD = NOON - AGE_MIN - timedelta(seconds=1)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def fill(bench: Bench, count: int) -> list[str]:
    """Rows a second apart, oldest first; their ids run the other way."""
    ids = [f"msg_{count - number:05}" for number in range(count)]
    for number, message_id in enumerate(ids):
        occurred_at = OLD - timedelta(seconds=count - number)
        message = a_message(message_id=message_id, occurred_at=occurred_at)
        await bench.store.commit([outbox_write(message)])
    return ids


async def run(bench: Bench, publisher: Publisher | None = None) -> RelayReport:
    return await relay(
        a_tick("relay"),
        store=bench.store,
        clock=bench.clock,
        publisher=publisher or bench.publisher,
    )


async def test_relay_when_rows_are_old_then_published_oldest_first_and_deleted(
    bench: Bench,
) -> None:
    ids = await fill(bench, 3)

    report = await run(bench)

    assert report == RelayReport(published=3, rejected=0)
    assert [message.message_id for message in bench.publisher.messages] == ids
    assert await bench.documents(OUTBOX) == []


@pytest.mark.parametrize(("age_s", "published"), [(30, 0), (31, 1)])
async def test_relay_when_a_row_is_young_then_it_is_left_to_its_writer(
    bench: Bench, age_s: int, published: int
) -> None:
    message = a_message(occurred_at=NOON - timedelta(seconds=age_s))
    await bench.store.commit([outbox_write(message)])

    assert (await run(bench)).published == published
    assert await bench.exists(OUTBOX, message.message_id) is (published == 0)


@pytest.mark.parametrize(
    ("past_s", "published"), [(-3600, 0), (-1, 0), (0, 0), (1.5, 0), (30, 0), (30.001, 1)]
)
async def test_relay_when_a_row_is_for_later_then_it_is_left_to_the_bus_until_long_after_its_time(
    bench: Bench, past_s: float, published: int
) -> None:
    message = replace(a_message(occurred_at=OLD), deliver_at=NOON - timedelta(seconds=past_s))
    await bench.store.commit([outbox_write(message)])

    assert (await run(bench)).published == published
    assert bench.publisher.messages == [message] * published
    assert await bench.exists(OUTBOX, message.message_id) is (published == 0)


async def test_relay_when_the_oldest_rows_are_all_for_a_distant_day_then_the_others_leave(
    bench: Bench,
) -> None:
    """More of them than the pages of a run."""
    far = NOON + timedelta(days=20)
    for number in range(PAGE_SIZE * PAGES_MAX + 5):
        early = a_message(message_id=f"far_{number:05}", occurred_at=OLD - timedelta(days=1))
        await bench.store.commit([outbox_write(replace(early, deliver_at=far))])
    ids = await fill(bench, 3)

    assert await run(bench) == RelayReport(published=3, rejected=0)
    assert [message.message_id for message in bench.publisher.messages] == ids
    assert await bench.store.count(Query(OUTBOX)) == PAGE_SIZE * PAGES_MAX + 5


async def test_relay_when_a_moment_cannot_be_read_then_the_row_is_moved(bench: Bench) -> None:
    row = outbox_write(a_message(occurred_at=OLD)).data | {"deliver_at": "soon"}
    await bench.store.commit([Create(Ref(OUTBOX, "msg_1"), row)])

    assert await run(bench) == RelayReport(published=0, rejected=1)
    assert (await bench.only(REJECTED_EVENTS)).data["code"] == "INVALID_MESSAGE"


async def test_relay_when_there_are_many_rows_then_one_run_is_bounded(bench: Bench) -> None:
    most = PAGE_SIZE * PAGES_MAX
    await fill(bench, most + 5)

    assert (await run(bench)).published == most
    assert len(await bench.documents(OUTBOX)) == 5
    assert (await run(bench)).published == 5


async def test_relay_when_the_bus_is_down_then_rows_stay_and_it_gives_up_soon(
    bench: Bench,
) -> None:
    await fill(bench, PAGE_SIZE + 1)
    publisher = refusing_publisher()

    with pytest.raises(TransientError, match="refused 3 messages"):
        await run(bench, publisher)

    assert publisher.calls == 1 + FAILURES_MAX
    assert (await run(bench)).published == PAGE_SIZE + 1


async def test_relay_when_one_message_is_refused_then_the_others_leave(bench: Bench) -> None:
    await fill(bench, PAGE_SIZE + 5)
    publisher = RecordingPublisher(refuse=lambda message: message.message_id == "msg_00050")

    with pytest.raises(TransientError, match="msg_00050"):
        await run(bench, publisher)

    assert (await bench.only(OUTBOX)).ref.id == "msg_00050"
    assert len({message.message_id for message in publisher.messages}) == PAGE_SIZE + 4


async def test_relay_when_a_topic_does_not_exist_then_the_row_stays(bench: Bench) -> None:
    class Misconfigured:
        async def publish(self, messages: object) -> None:
            raise ConfigurationError("no topic")

    await fill(bench, 1)

    with pytest.raises(TransientError, match="no topic"):
        await run(bench, Misconfigured())
    assert len(await bench.documents(OUTBOX)) == 1


async def test_relay_when_a_row_cannot_be_read_then_it_is_moved_and_the_rest_goes_on(
    bench: Bench,
) -> None:
    await fill(bench, 2)
    row = outbox_write(a_message(message_id="msg_bad", occurred_at=OLD)).data
    await bench.store.commit([Create(Ref(OUTBOX, "msg_bad"), row | {"type": "Nonsense"})])

    report = await run(bench)

    assert report == RelayReport(published=2, rejected=1)
    assert await bench.documents(OUTBOX) == []
    record = (await bench.only(REJECTED_EVENTS)).data
    assert (record["function"], record["code"]) == ("relay", "UNSUPPORTED_TYPE")
    assert "msg_bad" in record["excerpt"]


async def test_relay_when_a_bad_row_was_recorded_before_then_it_is_only_deleted(
    bench: Bench,
) -> None:
    row = outbox_write(a_message(message_id="msg_bad", occurred_at=OLD)).data | {"type": "X"}
    await bench.store.commit([Create(Ref(OUTBOX, "msg_bad"), row)])
    await run(bench)
    await bench.store.commit([Create(Ref(OUTBOX, "msg_bad"), row)])

    await run(bench)

    assert await bench.documents(OUTBOX) == []
    assert len(await bench.documents(REJECTED_EVENTS)) == 1


async def test_relay_when_rows_cannot_be_deleted_then_they_are_published_again(
    bench: Bench,
) -> None:
    await fill(bench, 1)

    async def before(operation: str, argument: object) -> None:
        if operation == "commit":
            raise TransientError("the store is away")

    bench.store.before = before
    with pytest.raises(TransientError):
        await run(bench)
    bench.store.before = None

    assert (await run(bench)).published == 1
    assert len(bench.publisher.messages) >= 2


async def test_relay_when_called_by_the_scheduler_then_204_and_the_outbox_is_empty(
    bench: Bench,
) -> None:
    await fill(bench, 2)

    response = await bench.post(framework_app("relay"), body_of(a_tick("relay")))

    assert response.status_code == 204
    assert len(bench.publisher.messages) == 2
    assert await bench.documents(OUTBOX) == []


async def test_relay_when_the_bus_is_down_then_the_scheduler_is_asked_to_come_again() -> None:
    bench = Bench(publisher=refusing_publisher())
    await fill(bench, 1)

    response = await bench.post(framework_app("relay"), body_of(a_tick("relay")))

    assert response.status_code == 503
    assert len(await bench.documents(OUTBOX)) == 1
