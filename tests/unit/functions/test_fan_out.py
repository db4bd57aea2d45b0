"""Fan-out: every active deployment once, in pages, however often a page comes."""

from dataclasses import replace

import pytest

from common.books import OUTBOX, V2, V3, Book
from common.config import Settings
from common.contention import TRIES
from common.documents import create
from common.domain.agent import AgentStatus, DeploymentStatus
from common.domain.events import DeploymentSignal, OutboxMessage, SignalCreated
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.errors import ConflictError, InvalidInputError, TransientError
from common.ports import Ref, Update
from common.wire import from_document, to_document
from functions.fan_out.handler import PAGE, fan_out
from infra.local.store.memory import MemoryStore
from tests.builders import SIGNAL_ID, a_deployment, a_signal, a_signal_record, an_agent
from tests.fakes.clock import FakeClock


class Square:
    """An agent, its deployments, and one signal."""

    def __init__(self, book: Book = V3) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.book = book

    async def open(self, deployments: int = 0, **agent: AgentStatus) -> "Square":
        book = self.book
        person = an_agent(book=book.name, **agent)
        record = a_signal_record(a_signal(book=book.name))
        await self.store.commit(
            [
                create(Ref(book.agents, person.agent_id), person),
                create(Ref(book.signals, SIGNAL_ID), record),
            ]
        )
        for number in range(deployments):
            await self.deploy(f"dep_{number:04}")
        return self

    async def deploy(self, name: str, **changes: object) -> None:
        deployment = a_deployment(name, book=self.book.name, **changes)
        await self.store.commit([create(Ref(self.book.deployments, name), deployment)])

    async def send(self, cursor: str | None = None) -> list[OutboxMessage]:
        event = SignalCreated(book=self.book.name, signal_id=SIGNAL_ID, cursor=cursor)
        return await fan_out(event, store=self.store, clock=self.clock, settings=Settings())

    async def send_all(self, *, copies: int = 1) -> list[OutboxMessage]:
        """The first page and every next one, `copies` times each; the deliveries' messages."""
        found: list[OutboxMessage] = []
        cursors: list[str | None] = [None]
        while cursors:
            cursor = cursors.pop(0)
            told = [await self.send(cursor) for _ in range(copies)]
            for message in told[-1]:
                if isinstance(message.event, SignalCreated):
                    cursors.append(message.event.cursor)
                else:
                    found.append(message)
        return found

    def deliveries(self) -> list[Delivery]:
        rows = self.store.contents().get(self.book.deliveries, {})
        return [from_document(Delivery, row) for row in rows.values()]

    def record(self) -> SignalRecord:
        found = self.store.peek(Ref(self.book.signals, SIGNAL_ID))
        assert found is not None
        return from_document(SignalRecord, found.data)

    async def change_record(self, record: SignalRecord) -> None:
        ref = Ref(self.book.signals, SIGNAL_ID)
        found = self.store.peek(ref)
        assert found is not None
        await self.store.commit([Update(ref, to_document(record), found.version)])


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize(("count", "pages"), [(1, 1), (100, 1), (101, 2), (250, 3)])
async def test_fan_out_when_deployed_then_each_has_one_delivery_and_one_message(
    count: int, pages: int, copies: int
) -> None:
    square = await Square().open(count)
    calls = []

    async def counted(operation: str, argument: object) -> None:
        calls.append(operation)

    square.store.after = counted
    messages = await square.send_all(copies=copies)

    deliveries = square.deliveries()
    assert len(deliveries) == count
    assert {item.deployment_id for item in deliveries} == {f"dep_{n:04}" for n in range(count)}
    assert {message.event for message in messages} == {
        DeploymentSignal(book="v3", delivery_id=item.delivery_id) for item in deliveries
    }
    assert len(messages) == count
    assert calls.count("query") == pages * copies
    assert square.record().deployments_expected == count
    assert square.record().status is SignalStatus.PENDING
    assert all(message.message_id in square.store.contents()[OUTBOX] for message in messages)


async def test_fan_out_when_the_last_page_is_not_through_then_nothing_is_expected_yet() -> None:
    square = await Square().open(101)

    messages = await square.send()

    assert len(messages) == PAGE + 1
    assert square.record().deployments_expected is None


async def test_fan_out_when_nobody_follows_then_skipped_with_the_reason() -> None:
    square = await Square().open(0)

    assert await square.send() == []

    record = square.record()
    assert (record.status, record.reason_code) == (SignalStatus.SKIPPED, "NO_ACTIVE_DEPLOYMENT")
    assert record.reason == "No active deployment follows this agent"
    before = square.store.contents()
    assert await square.send() == []
    assert square.store.contents() == before


async def test_fan_out_when_the_agent_is_paused_or_gone_then_skipped() -> None:
    paused = await Square().open(3, status=AgentStatus.PAUSED)
    assert await paused.send() == []
    assert (paused.deliveries(), paused.record().status) == ([], SignalStatus.SKIPPED)

    gone = await Square().open(3)
    await gone.change_record(replace(gone.record(), signal=a_signal(agent_id="nobody")))
    assert await gone.send() == []
    assert gone.record().status is SignalStatus.SKIPPED


async def test_fan_out_when_deployments_are_paused_or_anothers_then_left_out() -> None:
    square = await Square().open(1)
    await square.deploy("dep_paused", status=DeploymentStatus.PAUSED)
    await square.deploy("dep_other", agent_id="someone_else")

    assert len(await square.send()) == 1
    assert [item.deployment_id for item in square.deliveries()] == ["dep_0000"]


async def test_fan_out_when_a_deployment_comes_after_the_count_then_it_missed_the_signal() -> None:
    square = await Square().open(2)
    first = await square.send()
    await square.deploy("dep_0000a")

    again = await square.send()

    assert again == first
    assert len(square.deliveries()) == square.record().deployments_expected == 2


async def test_fan_out_when_a_page_comes_again_after_the_count_then_its_next_page_does_too() -> (
    None
):
    square = await Square().open(101)
    await square.send_all()

    messages = await square.send()

    assert isinstance(messages[-1].event, SignalCreated)
    assert len(messages) == PAGE + 1
    assert len(square.deliveries()) == 101


async def test_fan_out_when_deliveries_ended_before_the_count_then_the_signal_ends_with_it() -> (
    None
):
    square = await Square().open(101)
    messages = await square.send()
    await square.change_record(replace(square.record(), outcomes={"SKIPPED": 101}))
    cursor = messages[-1].event
    assert isinstance(cursor, SignalCreated)

    await square.send(cursor.cursor)

    assert square.record().status is SignalStatus.SKIPPED


async def test_fan_out_when_the_signal_is_not_there_yet_then_delivered_again() -> None:
    with pytest.raises(TransientError, match="sig_1 is not in signals_v3 yet"):
        await Square().send()


async def test_fan_out_when_the_book_is_unknown_then_invalid_input() -> None:
    event = SignalCreated(book="v9", signal_id=SIGNAL_ID)
    with pytest.raises(InvalidInputError, match="no book"):
        await fan_out(event, store=MemoryStore(), clock=FakeClock(), settings=Settings())


async def test_fan_out_when_two_run_side_by_side_then_counted_once() -> None:
    square = await Square().open(5)

    async def twin(operation: str, argument: object) -> None:
        if operation == "commit":
            square.store.before = None
            await square.send()

    square.store.before = twin
    messages = await square.send()

    assert len(messages) == len(square.deliveries()) == 5
    assert square.record().deployments_expected == 5


@pytest.mark.parametrize(("after", "problem"), [(0, "deliveries"), (1, "signal sig_1")])
async def test_fan_out_when_contended_for_ever_then_transient(after: int, problem: str) -> None:
    square = await Square().open(1)
    commits: list[int] = []

    async def conflict(operation: str, argument: object) -> None:
        if operation == "commit":
            commits.append(1)
            if len(commits) > after:
                raise ConflictError("taken", collection="x", document_id="y")

    square.store.before = conflict
    with pytest.raises(TransientError, match=rf"{problem}.* contended"):
        await square.send()
    assert len(commits) == after + TRIES


async def test_fan_out_when_v2_then_v3_stays_as_it_is() -> None:
    square = await Square(V2).open(3)

    await square.send()

    assert len(square.store.contents()["signal_deliveries"]) == 3
    assert not any("_v3" in name for name in square.store.contents())
