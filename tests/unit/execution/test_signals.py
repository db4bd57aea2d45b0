"""How deliveries and signals end, counted once, in any order."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from common.books import V3
from common.documents import Stored, create, load
from common.domain.routing import RoutedShare, RoutingDecision, RoutingMode, VenueCheck
from common.domain.signal import Delivery, SignalRecord, SignalStatus
from common.errors import ConflictError
from common.execution.signals import TRIES, delivery_ends, finish_signal, overall, routing_entry
from common.ports import Delete, Ref
from infra.local.store.memory import MemoryStore
from tests.builders import NOON, SIGNAL_ID, a_delivery, a_signal_record

S = SignalStatus
SIGNAL = Ref(V3.signals, SIGNAL_ID)


async def a_store(*statuses: SignalStatus, **record: Any) -> MemoryStore:
    """A signal with a delivery for each status; those that ended are counted."""
    store = MemoryStore()
    outcomes: dict[str, int] = {}
    for number, status in enumerate(statuses):
        delivery = a_delivery(
            f"dlv_{number}",
            status=status,
            reason_code=f"CODE_{status}",
            reason=f"because {status}",
            venue="GMX" if number % 2 else "HYPERLIQUID",
        )
        await store.commit([create(Ref(V3.deliveries, delivery.delivery_id), delivery)])
        if status.is_terminal:
            outcomes[status] = outcomes.get(status, 0) + 1
    values = {"deployments_expected": len(statuses), "outcomes": outcomes, **record}
    await store.commit([create(SIGNAL, a_signal_record(**values))])
    return store


async def signal_of(store: MemoryStore) -> SignalRecord:
    stored = await load(store, SignalRecord, SIGNAL)
    assert stored is not None
    return stored.value


async def end(store: MemoryStore, number: int, status: SignalStatus) -> None:
    stored = await load(store, Delivery, Ref(V3.deliveries, f"dlv_{number}"))
    assert stored is not None
    ended = replace(stored.value, status=status, reason_code=f"CODE_{status}", reason="now")
    await store.commit(await delivery_ends(store, stored, ended))


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ({"EXECUTED": 3}, S.EXECUTED),
        ({"EXECUTED": 2, "FAILED": 0}, S.EXECUTED),
        ({"EXECUTED": 1, "FAILED": 1}, S.PARTIAL),
        ({"PARTIAL": 1, "SKIPPED": 5}, S.PARTIAL),
        ({"PARTIAL": 2}, S.PARTIAL),
        ({"SKIPPED": 1, "DENIED": 1}, S.DENIED),
        ({"DENIED": 1, "EXPIRED": 1}, S.EXPIRED),
        ({"EXPIRED": 1, "FAILED": 1}, S.FAILED),
        ({"SKIPPED": 4}, S.SKIPPED),
    ],
)
def test_overall_when_deliveries_ended_then_all_some_or_the_gravest(
    outcomes: dict[str, int], status: SignalStatus
) -> None:
    assert overall(outcomes) is status


async def test_delivery_ends_when_it_was_open_then_counted_once() -> None:
    store = await a_store(S.EXECUTING)

    await end(store, 0, S.EXECUTED)
    await end(store, 0, S.EXECUTED)

    assert (await signal_of(store)).outcomes == {"EXECUTED": 1}


async def test_delivery_ends_when_it_ends_otherwise_then_its_count_moves_and_the_signals_end() -> (
    None
):
    store = await a_store(S.FAILED)
    await finish_signal(store, V3, SIGNAL_ID)

    await end(store, 0, S.EXECUTED)

    signal = await signal_of(store)
    assert signal.outcomes == {"FAILED": 0, "EXECUTED": 1}
    assert (signal.status, signal.reason_code) == (S.EXECUTED, "CODE_EXECUTED")
    assert signal.final_venue == "HYPERLIQUID"


@pytest.mark.parametrize(
    ("known", "venue", "status", "final"),
    [
        (None, "GMX", S.PARTIAL, "GMX"),
        ("GMX", "GMX", S.EXECUTED, "GMX"),
        ("GMX", "OSTIUM", S.PARTIAL, "MULTI"),
        ("GMX", "MULTI", S.EXECUTED, "MULTI"),
        ("MULTI", "GMX", S.PARTIAL, "MULTI"),
        ("GMX", "OSTIUM", S.SKIPPED, "GMX"),
        (None, "OSTIUM", S.SKIPPED, None),
    ],
)
async def test_delivery_ends_when_it_filled_late_then_its_venue_is_added_to_the_signals(
    known: str | None, venue: str, status: SignalStatus, final: str | None
) -> None:
    store = await a_store(S.FAILED)
    await finish_signal(store, V3, SIGNAL_ID)
    signal = await load(store, SignalRecord, SIGNAL)
    assert signal is not None
    await store.commit([signal.update(replace(signal.value, final_venue=known))])
    stored = await load(store, Delivery, Ref(V3.deliveries, "dlv_0"))
    assert stored is not None

    ended = replace(stored.value, status=status, venue=venue)
    await store.commit(await delivery_ends(store, stored, ended))

    assert (await signal_of(store)).final_venue == final


async def test_delivery_ends_when_the_signal_is_still_open_then_only_the_count_moves() -> None:
    store = await a_store(S.FAILED, S.EXECUTING)

    await end(store, 0, S.PARTIAL)

    signal = await signal_of(store)
    assert signal.outcomes == {"FAILED": 0, "PARTIAL": 1}
    assert signal.status is S.PENDING


async def test_delivery_ends_when_its_signal_is_gone_then_the_delivery_ends_all_the_same() -> None:
    store = await a_store(S.FAILED)
    await store.commit([Delete(SIGNAL)])

    await end(store, 0, S.EXECUTED)

    stored = await load(store, Delivery, Ref(V3.deliveries, "dlv_0"))
    assert stored is not None
    assert stored.value.status is S.EXECUTED


@pytest.mark.parametrize(
    ("statuses", "changes"),
    [
        ((S.EXECUTED, S.EXECUTING), {}),
        ((S.EXECUTED,), {"deployments_expected": None}),
        ((S.EXECUTED,), {"deployments_expected": 2}),
    ],
)
async def test_finish_when_something_is_still_open_then_nothing_is_ended(
    statuses: tuple[SignalStatus, ...], changes: dict[str, Any]
) -> None:
    store = await a_store(*statuses, **changes)
    before = store.contents()

    assert await finish_signal(store, V3, SIGNAL_ID) is None
    assert store.contents() == before


async def test_finish_when_all_ended_then_the_reason_is_of_a_delivery_that_ended_so() -> None:
    store = await a_store(S.SKIPPED, S.FAILED)

    assert await finish_signal(store, V3, SIGNAL_ID) is S.FAILED

    signal = await signal_of(store)
    assert (signal.reason_code, signal.reason) == ("CODE_FAILED", "because FAILED")
    assert signal.final_venue is None
    before = store.contents()
    assert await finish_signal(store, V3, SIGNAL_ID) is S.FAILED
    assert store.contents() == before


async def test_finish_when_some_filled_then_partial_at_that_venue() -> None:
    store = await a_store(S.SKIPPED, S.EXECUTED)

    assert await finish_signal(store, V3, SIGNAL_ID) is S.PARTIAL
    assert (await signal_of(store)).final_venue == "GMX"


async def test_finish_when_filled_at_two_venues_then_multi() -> None:
    store = await a_store(S.EXECUTED, S.EXECUTED)

    await finish_signal(store, V3, SIGNAL_ID)

    assert (await signal_of(store)).final_venue == "MULTI"


async def test_finish_when_the_signal_is_unknown_then_none() -> None:
    assert await finish_signal(MemoryStore(), V3, "sig_9") is None


@pytest.mark.parametrize(("losses", "status"), [(TRIES - 1, S.EXECUTED), (TRIES, None)])
async def test_finish_when_others_write_meanwhile_then_tried_again_and_left_to_settle(
    losses: int, status: SignalStatus | None
) -> None:
    store = await a_store(S.EXECUTED)
    left = [losses]

    async def conflict(operation: str, argument: object) -> None:
        if operation == "commit" and left[0]:
            left[0] -= 1
            raise ConflictError("taken", collection=V3.signals, document_id=SIGNAL_ID)

    store.before = conflict
    assert await finish_signal(store, V3, SIGNAL_ID) is status


async def test_finish_when_routed_then_the_history_is_on_the_signal() -> None:
    """VP-04."""
    store = await a_store(S.SKIPPED)
    check = VenueCheck(
        venue="GMX",
        ok=False,
        code="PAIR_NOT_LISTED",
        reason="ETH is not listed on GMX (9 pairs)",
        pair_count=9,
        breaker="CLOSED",
        quantity=None,
        table_age_s=3,
    )
    decision = RoutingDecision(
        routing_id="rte_1",
        book="v3",
        signal_id=SIGNAL_ID,
        delivery_id="dlv_0",
        agent_id="swarm",
        deployment_id="dep_1",
        symbol="ETH",
        requested_venues=("GMX",),
        checked_venues=(check,),
        selected_venue=None,
        routing_reason="No venue has this pair",
        reason_code="NO_VENUE_HAS_PAIR",
        routing_duration_ms=4,
        created_at=NOON,
    )
    await store.commit([create(Ref(V3.routing_history, "rte_1"), decision)])

    await finish_signal(store, V3, SIGNAL_ID)

    (entry,) = (await signal_of(store)).routing_history
    assert entry == routing_entry(decision)
    assert entry == {
        "requested_venues": ["GMX"],
        "selected_venue": None,
        "reason": "No venue has this pair",
        "mode": "PRIORITY",
        "checked": [
            {
                "venue": "GMX",
                "ok": False,
                "code": "PAIR_NOT_LISTED",
                "reason": "ETH is not listed on GMX (9 pairs)",
            }
        ],
        "duration_ms": 4,
        "deployment_id": "dep_1",
    }

    split = replace(
        decision,
        mode=RoutingMode.SPLIT,
        selected_venue="GMX",
        shares=(
            RoutedShare(venue="GMX", quantity=Decimal("1.50")),
            RoutedShare(venue="OSTIUM", quantity=Decimal(1)),
        ),
    )
    assert routing_entry(split)["mode"] == "SPLIT"
    assert routing_entry(split)["shares"] == [
        {"venue": "GMX", "quantity": "1.5"},
        {"venue": "OSTIUM", "quantity": "1"},
    ]


async def test_delivery_ends_when_somebody_was_faster_then_conflict() -> None:
    store = await a_store(S.EXECUTING)
    found = await load(store, Delivery, Ref(V3.deliveries, "dlv_0"))
    assert found is not None
    stale = Stored(found.ref, found.value, "0")
    with pytest.raises(ConflictError):
        await store.commit(
            await delivery_ends(store, stale, replace(found.value, status=S.EXECUTED))
        )
    assert (await signal_of(store)).outcomes == {}
