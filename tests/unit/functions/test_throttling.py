"""Fan-out's throttle: an agent that repeats itself is stopped before anybody follows it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from common.books import AUDIT, NOTIFICATIONS, ORDER_THROTTLES, OUTBOX, V2, V3, Book
from common.config import Settings
from common.contention import TRIES
from common.documents import create
from common.domain.events import DeploymentSignal, NotificationRaised, OutboxMessage, SignalCreated
from common.domain.risk_limits import DeploymentLimits, RiskLimits
from common.domain.scope import PLATFORM_SCOPE, agent_scope
from common.domain.signal import SignalRecord, SignalStatus
from common.errors import InvalidInputError, TransientError
from common.how.denial import Denial
from common.how.limit_documents import limits_ref
from common.how.risk_totals import gross_ref
from common.how.throttles import OrderThrottle, enabled_again, throttle_ref
from common.ports import Create, Delete, Ref
from common.wire import from_document
from functions.fan_out import handler
from functions.fan_out.handler import fan_out
from functions.fan_out.throttling import throttle
from infra.local.store.memory import MemoryStore
from tests.builders import (
    AGENT_ID,
    NOON,
    SIGNAL_ID,
    a_deployment,
    a_signal,
    a_signal_record,
    an_agent,
    limits_document,
    some_limits,
)
from tests.fakes.clock import FakeClock
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile, right_after

AGENT = agent_scope("v3", AGENT_ID)


class Square:
    """An agent that may signal twice within a minute, and three deployments that follow it."""

    def __init__(self, book: Book = V3) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.book = book
        self.scope = agent_scope(book.name, AGENT_ID)

    async def open(self, *, deployments: int = 3, most: int = 2) -> "Square":
        agent = an_agent(book=self.book.name)
        limits = some_limits()
        allowed = replace(limits.deployment, repeats_max=most, repeats_window_s=60)
        await self.store.commit(
            [
                create(Ref(self.book.agents, agent.agent_id), agent),
                create(limits_ref(PLATFORM_SCOPE), replace(limits, deployment=allowed)),
            ]
        )
        for number in range(deployments):
            name = f"dep_{number:04}"
            user = a_deployment(name, book=self.book.name)
            await self.store.commit([create(Ref(self.book.deployments, name), user)])
        return self

    async def signal(self, number: int = 1, **changes: Any) -> list[OutboxMessage]:
        """Made, and its first page sent."""
        name = f"sig_{number}"
        wanted = a_signal(name, book=self.book.name, **changes)
        await self.store.commit([create(Ref(self.book.signals, name), a_signal_record(wanted))])
        return await self.send(number)

    async def send(self, number: int = 1, cursor: str | None = None) -> list[OutboxMessage]:
        event = SignalCreated(book=self.book.name, signal_id=f"sig_{number}", cursor=cursor)
        return await fan_out(event, store=self.store, clock=self.clock, settings=Settings())

    def record(self, number: int = 1) -> SignalRecord:
        found = self.store.peek(Ref(self.book.signals, f"sig_{number}"))
        assert found is not None
        return from_document(SignalRecord, found.data)

    def throttle(self, symbol: str = "ETH") -> OrderThrottle | None:
        found = self.store.peek(throttle_ref(self.scope, symbol))
        return from_document(OrderThrottle, found.data) if found else None

    def deliveries(self) -> int:
        return len(self.store.contents().get(self.book.deliveries, {}))

    async def change(self, value: OrderThrottle) -> None:
        place = throttle_ref(self.scope, value.symbol)
        await self.store.commit([Delete(place)])
        await self.store.commit([create(place, value)])


@pytest.fixture
async def square() -> Square:
    return await Square().open()


async def stopped(square: Square) -> list[OutboxMessage]:
    """Two signals go through, the third is one too many."""
    await square.signal(1)
    await square.signal(2)
    return await square.signal(3)


# ---------------------------------------------------------------- the course of it


async def test_throttle_when_the_agent_may_signal_then_it_is_counted_once_and_all_follow(
    square: Square,
) -> None:
    messages = await square.signal(1)

    assert [type(each.event) for each in messages] == [DeploymentSignal] * 3
    known = square.throttle()
    assert known is not None
    assert (known.moments, known.disabled) == ((NOON,), False)
    assert known.throttle_id == f"{AGENT.key}:ETH"


async def test_throttle_when_one_is_too_many_then_nobody_receives_it_and_a_person_is_told(
    square: Square,
) -> None:
    messages = await stopped(square)

    (message,) = messages
    assert isinstance(message.event, NotificationRaised)
    assert message.message_id in square.store.contents()[OUTBOX]
    record = square.record(3)
    assert (record.status, record.reason_code) == (
        SignalStatus.DENIED,
        "REPEATED_EXECUTION_DISABLED",
    )
    assert (record.deployments_expected, record.outcomes) == (0, {})
    assert "3 orders within 60 s; the limit is 2" in record.reason
    assert square.deliveries() == 6
    known = square.throttle()
    assert known is not None
    assert known.disabled
    (told,) = square.store.contents()[NOTIFICATIONS].values()
    assert "They wait for a person to enable agent:v3:swarm:ETH" in told["notification"]["text"]
    actions = [row["action"] for row in square.store.contents()[AUDIT].values()]
    assert sorted(actions) == ["signal-refused", "throttle-disabled"]


async def test_throttle_when_somebody_holds_something_then_all_are_told_to_close_and_no_more(
    square: Square,
) -> None:
    await square.store.commit([Create(gross_ref(square.scope), {"gross_cents": 12_345})])

    messages = await stopped(square)

    told = [each for each in messages if isinstance(each.event, DeploymentSignal)]
    assert len(told) == 3
    assert square.record(3).status is SignalStatus.PENDING
    assert await square.send(3) != []  # the page again: the same messages, counted once
    known = square.throttle()
    assert known is not None
    assert len(known.moments) == 3


async def test_throttle_when_it_is_disabled_then_it_stays_so_whatever_time_passes(
    square: Square,
) -> None:
    await stopped(square)
    square.clock.advance(timedelta(days=3).total_seconds())

    assert await square.signal(4, expires_at=NOON + timedelta(days=4)) == []

    assert square.record(4).reason_code == "REPEATED_EXECUTION_DISABLED"
    assert len(square.store.contents()[NOTIFICATIONS]) == 1  # told once


async def test_throttle_when_a_person_has_enabled_it_again_then_the_next_goes_through(
    square: Square,
) -> None:
    await stopped(square)
    known = square.throttle()
    assert known is not None
    await square.change(enabled_again(known, by="ada", reason="looked at it", now=NOON))

    messages = await square.signal(4)

    assert len(messages) == 3
    assert square.record(4).status is SignalStatus.PENDING


async def test_throttle_when_it_is_of_another_symbol_or_after_its_window_then_it_goes_through(
    square: Square,
) -> None:
    await square.signal(1)
    await square.signal(2)
    assert len(await square.signal(3, symbol="BTC")) == 3
    square.clock.advance(60)

    assert len(await square.signal(4)) == 3


async def test_throttle_when_the_agent_itself_may_signal_less_then_that_holds(
    square: Square,
) -> None:
    limits = RiskLimits(
        scope=AGENT.key,
        version=1,
        deployment=DeploymentLimits(repeats_max=1, repeats_window_s=60),
        reason="a test",
        changed_by="ada",
        changed_at=NOON,
    )
    await square.store.commit([create(limits_ref(AGENT), limits)])
    await square.signal(1)

    await square.signal(2)

    assert square.record(2).status is SignalStatus.DENIED


async def test_throttle_when_v2_and_v3_have_an_agent_of_one_name_then_each_has_its_own() -> None:
    square = await Square(V2).open()
    await stopped(square)

    assert set(square.store.contents()[ORDER_THROTTLES]) == {"agent:v2:swarm:ETH"}
    assert square.record(3).status is SignalStatus.DENIED


# ---------------------------------------------------------------- who is not counted


async def test_throttle_when_a_page_comes_again_then_it_is_counted_once(square: Square) -> None:
    for _ in range(5):
        await (square.signal(1) if square.throttle() is None else square.send(1))

    known = square.throttle()
    assert known is not None
    assert len(known.moments) == 1


async def test_throttle_when_it_comes_again_after_its_last_delivery_then_it_is_not_counted(
    square: Square, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its deliveries are counted: the first page alone counts, and only once."""
    monkeypatch.setattr(handler, "PAGE", 2)
    first = await square.signal(1)
    cursor = first[-1].event
    assert isinstance(cursor, SignalCreated)
    await square.send(1)
    await square.send(1, cursor.cursor)
    await square.send(1, cursor.cursor)

    known = square.throttle()
    assert known is not None
    assert len(known.moments) == 1
    assert square.deliveries() == 3


async def test_throttle_when_nobody_follows_then_nothing_is_counted() -> None:
    square = await Square().open(deployments=0)

    await square.signal(1)

    assert square.throttle() is None
    assert square.record().status is SignalStatus.SKIPPED


@pytest.mark.parametrize("limits", ["missing", "garbage"])
async def test_throttle_when_there_are_no_limits_then_route_refuses_and_nothing_is_counted(
    square: Square, limits: str
) -> None:
    await square.store.commit([Delete(limits_ref(PLATFORM_SCOPE))])
    if limits == "garbage":
        await square.store.commit([Create(limits_ref(PLATFORM_SCOPE), {"scope": 7})])

    assert len(await square.signal(1)) == 3
    assert square.throttle() is None


async def test_throttle_when_it_cannot_be_read_then_the_signal_is_refused(square: Square) -> None:
    await square.store.commit([Create(throttle_ref(AGENT, "ETH"), {"scope": 7})])

    assert await square.signal(1) == []

    record = square.record()
    assert (record.status, record.reason_code) == (
        SignalStatus.DENIED,
        "REPEATED_EXECUTION_DISABLED",
    )
    assert "cannot be read" in record.reason


# ---------------------------------------------------------------- twice, races, crashes


async def test_throttle_when_the_refused_signal_comes_again_then_nothing_changes(
    square: Square,
) -> None:
    await stopped(square)
    before = square.store.contents()

    assert await square.send(3) == []
    assert square.store.contents() == before


async def test_throttle_when_two_first_pages_run_side_by_side_then_counted_once(
    square: Square,
) -> None:
    meanwhile(square.store, ORDER_THROTTLES, square.send)

    await square.signal(1)

    known = square.throttle()
    assert known is not None
    assert len(known.moments) == 1
    assert square.deliveries() == 3


async def test_throttle_when_two_signals_run_side_by_side_then_one_of_them_is_too_many() -> None:
    square = await Square().open(most=1)
    await square.store.commit(
        [create(Ref(V3.signals, "sig_2"), a_signal_record(a_signal("sig_2")))]
    )

    async def other() -> None:
        await square.send(2)

    meanwhile(square.store, ORDER_THROTTLES, other)
    await square.signal(1)

    assert {square.record(1).status, square.record(2).status} == {
        SignalStatus.DENIED,
        SignalStatus.PENDING,
    }
    assert square.deliveries() == 3


async def test_throttle_when_the_refusals_race_is_lost_then_it_is_refused_all_the_same(
    square: Square,
) -> None:
    await square.signal(1)
    await square.signal(2)
    await square.store.commit(
        [create(Ref(V3.signals, "sig_3"), a_signal_record(a_signal("sig_3")))]
    )
    LosesRaces(square.store, V3.signals)

    await square.send(3)

    assert square.record(3).status is SignalStatus.DENIED


async def test_throttle_when_every_race_is_lost_then_transient_and_nothing_written(
    square: Square,
) -> None:
    await square.store.commit(
        [create(Ref(V3.signals, "sig_1"), a_signal_record(a_signal("sig_1")))]
    )
    races = LosesRaces(square.store, ORDER_THROTTLES, count=99)

    with pytest.raises(TransientError, match="a page of deliveries is contended"):
        await square.send(1)

    assert races.lost == TRIES
    assert square.throttle() is None
    assert square.deliveries() == 0


@pytest.mark.parametrize("state", ["ended", "gone"])
async def test_throttle_when_the_signal_ends_while_it_is_refused_then_that_end_stands(
    square: Square, state: str
) -> None:
    await square.signal(1)
    await square.signal(2)
    await square.store.commit(
        [create(Ref(V3.signals, "sig_3"), a_signal_record(a_signal("sig_3")))]
    )
    place = Ref(V3.signals, "sig_3")

    async def end(operation: str, argument: object) -> None:
        if operation == "get_many" and throttle_ref(AGENT, "ETH") in list(argument):  # type: ignore[call-overload]  # of refs
            square.store.before = None
            found = square.store.peek(place)
            assert found is not None
            await square.store.commit([Delete(place)])
            if state == "ended":
                ended = replace(
                    from_document(SignalRecord, found.data), status=SignalStatus.EXPIRED
                )
                await square.store.commit([create(place, ended)])

    square.store.before = end
    await square.send(3)

    if state == "ended":
        assert square.record(3).status is SignalStatus.EXPIRED
    else:
        assert square.store.peek(place) is None
    assert square.deliveries() == 6


async def test_throttle_when_the_answer_to_the_refusal_is_lost_then_it_stands_and_is_not_repeated(
    square: Square,
) -> None:
    async def lose() -> None:
        raise TransientError("the answer was lost")

    await square.signal(1)
    await square.signal(2)
    await square.store.commit(
        [create(Ref(V3.signals, "sig_3"), a_signal_record(a_signal("sig_3")))]
    )
    right_after(square.store, ORDER_THROTTLES, lose)
    with pytest.raises(TransientError):
        await square.send(3)

    assert await square.send(3) == []
    assert square.record(3).status is SignalStatus.DENIED


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("refused", [False, True], ids=["counted", "refused"])
async def test_throttle_when_it_dies_at_any_call_then_counted_once_and_ended_once(
    refused: bool, after: bool
) -> None:
    async def begin() -> Square:
        square = await Square().open(most=1)
        if refused:
            await square.signal(2)
        await square.store.commit([create(Ref(V3.signals, SIGNAL_ID), a_signal_record(a_signal()))])
        return square

    counted = await begin()
    mortal = Mortal(counted.store)
    await counted.send()
    whole = counted.store.contents()
    for number in range(1, mortal.calls + 1):
        square = await begin()
        mortal = Mortal(square.store)
        mortal.doom(number, after=after)
        with pytest.raises(Died):
            await square.send()
        mortal.revive()
        await square.send()

        assert square.store.contents() == whole, number


# ---------------------------------------------------------------- the parts


async def test_throttle_when_asked_then_what_it_writes_is_for_the_commit_of_the_first_page() -> (
    None
):
    store = MemoryStore()
    await store.commit([limits_document()])

    found = await throttle(store, a_signal(), Settings(), NOON)

    assert found.refusal is None
    assert [write.ref for write in found.writes] == [throttle_ref(AGENT, "ETH")]
    assert found.messages == ()
    assert ORDER_THROTTLES not in store.contents()


async def test_throttle_when_the_store_does_not_answer_then_transient() -> None:
    store = MemoryStore()

    async def down(operation: str, argument: object) -> None:
        raise TransientError("the store is down")

    store.before = down
    with pytest.raises(TransientError):
        await throttle(store, a_signal(), Settings(), NOON)


async def test_denial_when_written_then_the_signal_ends_with_its_reason_in_one_commit(
    square: Square,
) -> None:
    await stopped(square)
    (row,) = (
        each
        for each in square.store.contents()[AUDIT].values()
        if each["action"] == "signal-refused"
    )
    assert row["facts"]["agent_id"] == AGENT_ID
    assert row["facts"]["code"] == Denial.REPEATED_EXECUTION_DISABLED


async def test_fan_out_when_the_signal_cannot_be_read_then_invalid_input(square: Square) -> None:
    await square.store.commit([Create(Ref(V3.signals, "sig_1"), {"status": "PENDING"})])

    with pytest.raises(InvalidInputError, match="SignalRecord"):
        await square.send(1)
