"""A delivery in legs: each ends for itself, and the last one ends the whole."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import V3
from common.documents import Stored, create, load
from common.domain.signal import Delivery, DeliveryLeg, SignalRecord, SignalStatus
from common.execution.deliveries import (
    _WORST_FIRST,
    End,
    _together,
    approved_hash,
    awaits_first_attempt,
    executing,
    intent_ends,
)
from common.ports import Ref
from common.wire import from_document
from infra.local.store.memory import MemoryStore
from tests.builders import DELIVERY_ID, NOON, SIGNAL_ID, a_delivery, a_signal_record

S = SignalStatus


def a_leg(number: int = 0, **changes: object) -> DeliveryLeg:
    leg = DeliveryLeg(
        intent_id=f"int_{number}",
        plan_hash=f"hash-{number}",
        status=S.ROUTED,
        reason_code="ROUTED",
        reason="",
        venue=("HYPERLIQUID", "OSTIUM", "GMX")[number % 3],
    )
    return replace(leg, **changes)  # type: ignore[arg-type]  # keywords of a test


def in_legs(*legs: DeliveryLeg, **changes: object) -> Delivery:
    delivery = a_delivery(
        status=S.ROUTED, intent_id=legs[0].intent_id, plan_hash=legs[0].plan_hash, legs=legs
    )
    return replace(delivery, **changes)  # type: ignore[arg-type]  # keywords of a test


WHOLE = a_delivery(status=S.ROUTED, intent_id="int_0", plan_hash="hash-0", venue="HYPERLIQUID")


def test_approved_hash_when_asked_then_each_legs_own_and_nobody_elses() -> None:
    split = in_legs(a_leg(0), a_leg(1))

    assert [approved_hash(split, f"int_{number}") for number in range(3)] == [
        "hash-0",
        "hash-1",
        None,
    ]
    assert approved_hash(WHOLE, "int_0") == "hash-0"
    assert approved_hash(WHOLE, "int_1") is None


def test_executing_when_one_leg_begins_then_the_other_still_awaits_its_first_attempt() -> None:
    begun = executing(in_legs(a_leg(0), a_leg(1)), "int_0", now=NOON)

    assert begun.status is S.EXECUTING
    assert [leg.status for leg in begun.legs] == [S.EXECUTING, S.ROUTED]
    assert not awaits_first_attempt(begun, "int_0")
    assert awaits_first_attempt(begun, "int_1")
    assert awaits_first_attempt(WHOLE, "int_0")
    assert not awaits_first_attempt(executing(WHOLE, "int_0", now=NOON), "int_0")


class Desk:
    """A delivery in the store and the ends of its intents."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    async def open(self, delivery: Delivery) -> "Desk":
        record = a_signal_record(deployments_expected=1)
        await self.store.commit(
            [
                create(Ref(V3.deliveries, DELIVERY_ID), delivery),
                create(Ref(V3.signals, SIGNAL_ID), record),
            ]
        )
        return self

    async def end(self, intent_id: str, status: SignalStatus, **changes: object) -> int:
        """How many documents that changed."""
        stored = await load(self.store, Delivery, Ref(V3.deliveries, DELIVERY_ID))
        assert isinstance(stored, Stored)
        end = End(status=status, reason_code=f"CODE_{status}", reason=f"why {status}", venue=None)
        end = replace(end, **changes)  # type: ignore[arg-type]  # keywords of a test
        writes = await intent_ends(self.store, stored, intent_id, end, now=NOON)
        await self.store.commit(writes)
        return len(writes)

    def delivery(self) -> Delivery:
        found = self.store.peek(Ref(V3.deliveries, DELIVERY_ID))
        assert found is not None
        return from_document(Delivery, found.data)

    def outcomes(self) -> dict[str, int]:
        found = self.store.peek(Ref(V3.signals, SIGNAL_ID))
        assert found is not None
        return from_document(SignalRecord, found.data).outcomes


async def test_intent_ends_when_it_went_whole_then_the_delivery_ends_with_it() -> None:
    desk = await Desk().open(WHOLE)

    assert await desk.end("int_0", S.DENIED) == 2
    assert await desk.end("int_0", S.DENIED) == 0

    delivery = desk.delivery()
    assert (delivery.status, delivery.reason_code) == (S.DENIED, "CODE_DENIED")
    assert delivery.venue == "HYPERLIQUID"  # it never came further, and nothing else is known
    assert desk.outcomes() == {"DENIED": 1}


async def test_intent_ends_when_a_leg_ends_then_the_delivery_goes_on_until_the_last() -> None:
    begun = in_legs(a_leg(0, status=S.EXECUTING), a_leg(1, status=S.EXECUTING), status=S.EXECUTING)
    desk = await Desk().open(begun)

    await desk.end("int_1", S.EXECUTED, venue="OSTIUM")
    assert (desk.delivery().status, desk.outcomes()) == (S.EXECUTING, {})
    assert [leg.status for leg in desk.delivery().legs] == [S.EXECUTING, S.EXECUTED]
    assert await desk.end("int_1", S.EXECUTED, venue="OSTIUM") == 0

    await desk.end("int_0", S.EXECUTED, venue="HYPERLIQUID")
    delivery = desk.delivery()
    assert (delivery.status, delivery.reason_code) == (S.EXECUTED, "SPLIT_FILLED")
    assert delivery.venue == "MULTI"
    assert delivery.reason == "why EXECUTED; why EXECUTED"
    assert desk.outcomes() == {"EXECUTED": 1}


@pytest.mark.parametrize(
    ("venue", "adds", "after", "told"),
    [
        (None, True, "HYPERLIQUID", 0),
        ("HYPERLIQUID", True, "HYPERLIQUID", 0),
        ("OSTIUM", False, "HYPERLIQUID", 0),
        ("MULTI", True, "MULTI", 2),
    ],
)
async def test_intent_ends_when_it_had_ended_so_then_only_further_venues_are_news(
    venue: str | None, adds: bool, after: str, told: int
) -> None:
    desk = await Desk().open(replace(WHOLE, status=S.PARTIAL))
    signal = Ref(V3.signals, SIGNAL_ID)
    stored = await load(desk.store, SignalRecord, signal)
    assert stored is not None
    ended = replace(
        stored.value, status=S.PARTIAL, outcomes={"PARTIAL": 1}, final_venue="HYPERLIQUID"
    )
    await desk.store.commit([stored.update(ended)])

    assert await desk.end("int_0", S.PARTIAL, venue=venue, adds_venue=adds) == told

    assert desk.delivery().venue == after
    found = await load(desk.store, SignalRecord, signal)
    assert found is not None
    assert (found.value.final_venue, found.value.outcomes) == (after, {"PARTIAL": 1})


async def test_intent_ends_when_a_leg_ended_nowhere_then_it_keeps_the_venue_it_was_routed_to() -> (
    None
):
    begun = in_legs(a_leg(0, status=S.EXECUTING), a_leg(1, status=S.EXECUTING), status=S.EXECUTING)
    desk = await Desk().open(begun)

    await desk.end("int_1", S.EXPIRED)
    await desk.end("int_0", S.PARTIAL, venue="GMX", adds_venue=True)
    assert [leg.venue for leg in desk.delivery().legs] == ["GMX", "OSTIUM"]
    assert desk.delivery().venue == "GMX"
    assert await desk.end("int_0", S.PARTIAL, venue="MULTI", adds_venue=True) == 2
    assert desk.delivery().legs[0].venue == desk.delivery().venue == "MULTI"


async def test_intent_ends_when_a_leg_fills_late_then_the_ended_delivery_and_its_count_move() -> (
    None
):
    ended = in_legs(
        a_leg(0, status=S.FAILED, reason_code="MARGIN", reason="too poor"),
        a_leg(1, status=S.EXECUTED),
        status=S.PARTIAL,
    )
    desk = await Desk().open(ended)
    record = a_signal_record(deployments_expected=1, outcomes={"PARTIAL": 1}, status=S.PARTIAL)
    found = desk.store.peek(Ref(V3.signals, SIGNAL_ID))
    assert found is not None
    await desk.store.commit(
        [Stored(found.ref, record, found.version).update(record)],
    )

    await desk.end("int_0", S.EXECUTED, venue="GMX")

    assert desk.delivery().status is S.EXECUTED
    assert desk.outcomes() == {"PARTIAL": 0, "EXECUTED": 1}


@pytest.mark.parametrize(
    ("ends", "status", "code", "venue"),
    [
        ((S.EXECUTED, S.EXECUTED), S.EXECUTED, "SPLIT_FILLED", "MULTI"),
        ((S.EXECUTED, S.FAILED), S.PARTIAL, "1-FAILED", "HYPERLIQUID"),
        ((S.PARTIAL, S.EXECUTED), S.PARTIAL, "0-PARTIAL", "MULTI"),
        ((S.PARTIAL, S.DENIED), S.PARTIAL, "0-PARTIAL", "HYPERLIQUID"),
        ((S.DENIED, S.EXPIRED), S.EXPIRED, "1-EXPIRED", "OSTIUM"),
        ((S.EXPIRED, S.FAILED), S.FAILED, "1-FAILED", "OSTIUM"),
        ((S.SKIPPED, S.DENIED), S.DENIED, "1-DENIED", "OSTIUM"),
        ((S.SKIPPED, S.SKIPPED), S.SKIPPED, "0-SKIPPED", "HYPERLIQUID"),
    ],
)
def test_together_when_legs_end_then_as_the_whole_of_them(
    ends: tuple[SignalStatus, ...], status: SignalStatus, code: str, venue: str
) -> None:
    legs = [
        a_leg(number, status=end, reason_code=f"{number}-{end}", reason=f"why {number}")
        for number, end in enumerate(ends)
    ]
    end = _together(legs)

    assert (end.status, end.reason_code, end.venue) == (status, code, venue)
    assert end.reason == "why 0; why 1"


terminal = st.sampled_from([status for status in S if status.is_terminal])


@given(ends=st.lists(terminal, min_size=2, max_size=6))
def test_together_when_any_ends_then_neither_a_fill_nor_a_failure_is_hidden(
    ends: Sequence[SignalStatus],
) -> None:
    legs = [
        a_leg(number, status=end, reason_code=f"{end}", venue=f"V{number}")
        for number, end in enumerate(ends)
    ]
    end = _together(legs)

    filled = {leg.venue for leg in legs if leg.status in {S.EXECUTED, S.PARTIAL}}
    assert end.status.is_terminal
    assert (end.status is S.EXECUTED) == all(each is S.EXECUTED for each in ends)
    assert (end.status in {S.EXECUTED, S.PARTIAL}) == bool(filled)
    if not filled:
        assert end.status is min(ends, key=_WORST_FIRST.index)
        assert end.reason_code == end.status
    assert end.venue == (next(iter(filled)) if len(filled) == 1 else end.venue)
    assert (end.venue == "MULTI") == (len(filled) > 1)
    assert end == _together(legs)
