"""The checks that end a run must fail when something is wrong."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import pytest

from common.books import FILLS, ORDER_INTENTS, OUTBOX, REJECTED_EVENTS, V3
from common.documents import create
from common.domain.instrument import Venue
from common.domain.order import IntentStatus
from common.domain.signal import SignalStatus
from common.errors import TransientError
from common.outbox import outbox_write
from common.ports import Delete, ExecutionVenue, Ref, Update, VenuePosition
from common.wire import to_document
from infra.local.stack.checks import check_books
from infra.local.stack.figures import collect_figures
from infra.local.store.memory import MemoryStore
from tests.builders import (
    DELIVERY_ID,
    INTENT_ID,
    SIGNAL_ID,
    a_delivery,
    a_fill_record,
    a_message,
    a_position,
    a_signal,
    a_signal_record,
    an_intent,
)

ROUTE = {"delivery_id": DELIVERY_ID}


class Ledger:
    """Only what the check asks of a venue."""

    def __init__(self, signed_qty: str | None) -> None:
        self._signed_qty = signed_qty

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        if self._signed_qty is None:
            return None
        return VenuePosition(symbol=symbol, signed_qty=self._signed_qty)


def ledgers(signed_qty: str | None) -> Mapping[Venue, ExecutionVenue]:
    return cast("Mapping[Venue, ExecutionVenue]", {Venue.HYPERLIQUID: Ledger(signed_qty)})


FILL = a_fill_record()
POSITION = a_position(
    position_id=FILL.position_id,
    signed_qty=FILL.fill.last_qty,
    open_cost=FILL.fill.last_qty * FILL.fill.last_px,
    realized_pnl=FILL.realized_pnl,
    commissions=FILL.fill.commission,
    fill_count=1,
)
HELD = str(POSITION.signed_qty)


async def good_store() -> MemoryStore:
    store = MemoryStore()
    record = a_signal_record(
        a_signal(), status=SignalStatus.EXECUTED, reason_code="FILLED", reason="Filled"
    )
    delivery = a_delivery(
        status=SignalStatus.EXECUTED, reason_code="FILLED", reason="Filled", intent_id=INTENT_ID
    )
    intent = an_intent(status=IntentStatus.FILLED, filled_qty=FILL.fill.last_qty)
    await store.commit(
        [
            create(Ref(V3.signals, SIGNAL_ID), record),
            create(Ref(V3.deliveries, DELIVERY_ID), delivery),
            create(Ref(ORDER_INTENTS, INTENT_ID), intent),
            create(Ref(V3.positions, POSITION.position_id), POSITION),
            create(Ref(FILLS, "fill_1"), FILL),
        ]
    )
    await add(store, V3.routing_history, "rte_1", ROUTE)
    return store


async def add(store: MemoryStore, collection: str, key: str, data: dict[str, Any]) -> None:
    from common.ports import Create

    await store.commit([Create(Ref(collection, key), data)])


async def change(store: MemoryStore, collection: str, key: str, data: dict[str, Any]) -> None:
    document = await store.get(Ref(collection, key))
    assert document is not None
    await store.commit([Update(document.ref, data, document.version)])


async def test_check_when_all_is_well_then_says_what_it_counted() -> None:
    check = await check_books(await good_store(), ledgers(HELD))

    assert check.problems == []
    assert check.line() == (
        "check ok: 1 signals terminal with a reason, 1 fills each in one position, 1 routed "
        "deliveries each with one routing record, 1 positions equal to the venues' ledgers"
    )


@pytest.mark.parametrize(
    ("collection", "key", "data", "problem"),
    [
        (V3.signals, SIGNAL_ID, {"status": "EXECUTING"}, "is still EXECUTING"),
        (V3.signals, SIGNAL_ID, {"reason_code": ""}, "ended without a reason"),
        (V3.deliveries, DELIVERY_ID, {"status": "PENDING"}, "is still PENDING"),
        (ORDER_INTENTS, INTENT_ID, {"status": "UNKNOWN"}, "is still UNKNOWN"),
        (ORDER_INTENTS, INTENT_ID, {"filled_qty": "99"}, "filled 99 of"),
        (V3.positions, POSITION.position_id, {"fill_count": 2}, "not the sum of its fills"),
        (V3.positions, POSITION.position_id, {"commissions": "9"}, "not the sum of its fills"),
    ],
)
async def test_check_when_a_record_is_wrong_then_fails(
    collection: str, key: str, data: dict[str, Any], problem: str
) -> None:
    store = await good_store()
    await change(store, collection, key, data)

    check = await check_books(store, ledgers(HELD))

    assert not check.ok
    assert problem in check.line()
    assert check.line().startswith("CHECK FAILED: ")


async def test_check_when_messages_were_refused_then_fails_and_says_why() -> None:
    store = await good_store()
    for key in ("rej_1", "rej_2"):
        await add(store, REJECTED_EVENTS, key, {"function": "decide", "reason": "no volume"})

    check = await check_books(store, ledgers(HELD))

    assert check.problems == ["2 messages were refused, decide: no volume"]


class SilentLedger(Ledger):
    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        raise TransientError("HYPERLIQUID does not answer")


async def test_check_when_the_venue_does_not_answer_then_fails_and_goes_on() -> None:
    venues = cast("Mapping[Venue, ExecutionVenue]", {Venue.HYPERLIQUID: SilentLedger(None)})

    check = await check_books(await good_store(), venues)

    assert check.problems == ["ETH of dep_1: HYPERLIQUID does not answer"]


@pytest.mark.parametrize("held", [None, "0.1"])
async def test_check_when_the_venue_holds_something_else_then_fails(held: str | None) -> None:
    check = await check_books(await good_store(), ledgers(held))

    assert f"HYPERLIQUID holds {held or 0} ETH" in check.line()


async def test_check_when_a_fill_is_recorded_twice_then_fails() -> None:
    store = await good_store()
    await add(store, FILLS, "fill_2", to_document(FILL))

    check = await check_books(store, ledgers(HELD))

    assert "is recorded 2 times" in check.line()


async def test_check_when_a_fill_has_no_position_then_fails() -> None:
    store = await good_store()
    await store.commit([Delete(Ref(V3.positions, POSITION.position_id))])

    check = await check_books(store, ledgers(HELD))

    assert "belong to no position" in check.line()


async def test_check_when_routing_records_are_missing_or_doubled_then_fails() -> None:
    store = await good_store()
    await add(store, V3.routing_history, "rte_2", ROUTE)
    assert "has 2 routing records" in (await check_books(store, ledgers(HELD))).line()
    for key in ("rte_1", "rte_2"):
        await store.commit([Delete(Ref(V3.routing_history, key))])
    assert "was routed without a record" in (await check_books(store, ledgers(HELD))).line()


async def test_check_when_the_outbox_is_not_empty_then_fails() -> None:
    store = await good_store()
    await store.commit([outbox_write(a_message())])

    assert "1 messages wait in the outbox" in (await check_books(store, ledgers(HELD))).line()
    assert await store.get(Ref(OUTBOX, a_message().message_id)) is not None


async def test_check_when_much_is_wrong_then_names_five_and_counts_the_rest() -> None:
    check = await check_books(await good_store(), ledgers(HELD))
    check.problems += [f"problem {number}" for number in range(7)]

    assert check.line().endswith("problem 4; and 2 more")


async def test_figures_when_collected_then_are_the_store_s() -> None:
    figures = await collect_figures(await good_store())

    assert figures.signals == {"EXECUTED": {"FILLED": 1}}
    assert (figures.signal_count, figures.fills, figures.routing_records) == (1, 1, 1)
    assert figures.traded_notional == FILL.fill.last_qty * FILL.fill.last_px
    (position,) = figures.positions
    assert (position.mark, position.unrealized_pnl) == (None, Decimal(0))
    assert figures.commissions == FILL.fill.commission
    assert figures.decisions == 0
    assert replace(figures, fills=2) != figures
