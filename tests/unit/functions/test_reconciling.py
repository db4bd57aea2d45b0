"""Settle's round over all accounts: whose word wins, when, and what nobody's word changes."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from common.books import AUDIT, EXPOSURES, FILLS, RECONCILIATIONS, V3
from common.config import LimitSettings
from common.documents import create
from common.domain.exposure import Exposure, Reservation
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.domain.order import Order, OrderReport, OrderSide, OrderStatus
from common.domain.position import Position
from common.errors import InvalidInputError, OutcomeUnknownError, TransientError
from common.execution.reconciliation import EXTERNAL, Reconciliation
from common.ports import Create, Delete, Ref, VenueAccountState, VenueOpenOrder, VenuePosition
from functions.settle.reconciling import ROUND, TOLD_ONE_BY_ONE, Round
from tests.builders import DEPLOYMENT_ID, a_deployment, a_position
from tests.fakes.venue import fill_of, report_of
from tests.unit.functions.trading_desk import HL, OSTIUM, TradingDesk, two_venue_plan

STANDS_S = 23.0
"""The scripted venue's order_ttl + skew + lag, and a second."""
MINUTE = 60.0


def says(*open_orders: VenueOpenOrder, average: str | None = None, **qty: str) -> VenueAccountState:
    positions = [
        VenuePosition(symbol=symbol, signed_qty=quantity, avg_px=average)
        for symbol, quantity in qty.items()
    ]
    return VenueAccountState(positions=tuple(positions), open_orders=open_orders)


def resting(name: str, client_order_id: str | None = None) -> VenueOpenOrder:
    return VenueOpenOrder(
        venue_order_id=name,
        client_order_id=client_order_id,
        symbol="ETH",
        side=OrderSide.BUY,
        left_qty="1",
    )


async def a_desk(**limits: Any) -> TradingDesk:
    """One deployment that holds 1 ETH at Hyperliquid, which agrees; Ostium holds nothing."""
    desk = await TradingDesk(limits=replace(LimitSettings(), **limits)).open()
    await desk.execute()
    assert desk.position().signed_qty == 1
    desk.hyperliquid.account = says(ETH="1")
    return desk


async def half_filled() -> TradingDesk:
    """Hyperliquid ended the order with half of it filled."""

    async def half(order: Order) -> OrderReport:
        return report_of(order, fill_of(order, Decimal("0.5"), trade_id="first"))

    desk = TradingDesk()
    desk.hyperliquid.replies = [half]
    await desk.open()
    await desk.execute()
    assert desk.states() == ("CANCELED", "PARTIAL", "PARTIAL", "PARTIAL")
    return desk


@pytest.fixture
async def desk() -> TradingDesk:
    return await a_desk()


def record(desk: TradingDesk, venue: Venue = HL) -> Reconciliation | None:
    ref = Ref(RECONCILIATIONS, f"{DEPLOYMENT_ID}:{venue}")
    if desk.store.peek(ref) is None:
        return None
    return desk.get(Reconciliation, ref.collection, ref.id)


async def rounds(desk: TradingDesk, count: int = 1) -> None:
    for _ in range(count):
        desk.clock.advance(MINUTE)
        await desk.settle()


def risks(desk: TradingDesk) -> list[str]:
    return [text for text in desk.told() if text.startswith("RISK")]


async def test_reconcile_when_all_agree_then_nothing_is_written_but_the_round(
    desk: TradingDesk,
) -> None:
    """Besides how far its funding is booked, once a quarter of an hour."""
    before = desk.store.contents()
    await rounds(desk)
    first = record(desk)
    assert first is not None
    assert (first.differences, first.external_orders) == ({}, ())

    await rounds(desk, 3)

    after = desk.store.contents()
    assert set(after.pop(RECONCILIATIONS)) == {ROUND.id, f"{DEPLOYMENT_ID}:{HL}"}
    assert after == before
    assert record(desk) == first


async def test_reconcile_when_the_venue_holds_more_then_booked_once_it_has_stood(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.account = says(ETH="3", average="3010")
    await rounds(desk)
    seen = record(desk)
    assert seen is not None
    assert seen.differences["ETH"].theirs == 3
    assert desk.position().signed_qty == 1

    await rounds(desk)

    position = desk.position()
    assert (position.signed_qty, desk.exposure().held(HL, "ETH")) == (Decimal(3), Decimal(3))
    assert abs(position.avg_px_open - 3010) <= Decimal("0.301")
    (row,) = [each for each in desk.rows(FILLS).values() if each["intent_id"] == EXTERNAL]
    assert (row["fill"]["last_qty"], row["signal_id"]) == ("2", EXTERNAL)
    assert risks(desk) == [
        "RISK Hyperliquid holds 3 ETH, we held 1: its word is taken, the difference is booked as"
        " external (dep_1)"
    ]
    (audit,) = [
        each for each in desk.rows(AUDIT).values() if each["action"] == "position-reconciled"
    ]
    assert audit["facts"] == {"ours": "1", "theirs": "3", "symbol": "ETH"}
    seen = record(desk)
    assert seen is not None
    assert seen.differences == {}
    before = desk.store.contents()
    await rounds(desk)
    after = desk.store.contents()
    before.pop(RECONCILIATIONS)
    after.pop(RECONCILIATIONS)
    assert after == before


async def test_reconcile_when_a_position_was_closed_by_hand_then_flat_at_the_mark(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.account = says()
    await rounds(desk, 2)

    position = desk.position()
    assert position.signed_qty == 0
    assert position.realized_pnl == Decimal(3000) - Decimal(3015)
    assert desk.exposure().holdings == {}


async def test_reconcile_when_the_venue_holds_what_we_never_had_then_a_new_position(
    desk: TradingDesk,
) -> None:
    """The union of symbols: one that only the venue names, and nobody told a price of."""
    desk.hyperliquid.account = says(ETH="1", SOL="-4")
    await rounds(desk, 2)
    place = Ref(V3.positions, prefixed_id("pos", "v3", DEPLOYMENT_ID, HL, "SOL"))
    assert desk.store.peek(place) is None  # no price yet: the next round tries again

    desk.hyperliquid.account = says(ETH="1", SOL="-4", average="150")
    await rounds(desk)

    position = desk.get(Position, V3.positions, place.id)
    assert (position.signed_qty, position.avg_px_open) == (Decimal(-4), Decimal(150))
    row = next(each for each in desk.rows(FILLS).values() if each["fill"]["symbol"] == "SOL")
    assert row["fill"]["instrument_id"] == f"SOL.{HL}"


async def test_reconcile_when_it_mends_itself_meanwhile_then_nothing_is_booked(
    desk: TradingDesk,
) -> None:
    """A difference that changes begins anew."""
    for told in ("2", "3", "2", "1"):
        desk.hyperliquid.account = says(ETH=told)
        desk.clock.advance(STANDS_S - 1)
        await desk.settle()
        desk.clock.advance(MINUTE - STANDS_S + 1)

    assert desk.position().signed_qty == 1
    assert risks(desk) == []


@pytest.mark.parametrize("answer", [TransientError("503"), KeyError("szi"), TimeoutError()])
async def test_reconcile_when_the_query_fails_then_that_is_not_flat(
    desk: TradingDesk, answer: Exception
) -> None:
    desk.hyperliquid.account = answer

    await rounds(desk, 3)

    assert desk.position().signed_qty == 1
    assert record(desk) is None
    assert desk.get(Round, RECONCILIATIONS, ROUND.id).done


async def test_reconcile_when_one_venue_does_not_answer_then_the_others_are_still_compared(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.account = TransientError("503")
    desk.ostium.account = says(ETH="2", average="3000")

    await rounds(desk, 2)

    assert desk.position(OSTIUM).signed_qty == 2
    assert desk.position().signed_qty == 1


async def test_reconcile_when_an_order_is_under_way_then_its_symbol_is_left_alone() -> None:
    desk = await a_desk()
    held = desk.exposure()
    desk.hyperliquid.account = says(ETH="9", BTC="1", average="3000")
    other = Reservation(
        venue=HL, symbol="ETH", side=OrderSide.BUY, quantity=Decimal(1), price=Decimal(3000)
    )
    await desk.change(Ref(EXPOSURES, DEPLOYMENT_ID), held.reserve("int_2", other))

    await rounds(desk, 3)

    assert desk.position().signed_qty == 1
    seen = record(desk)
    assert seen is not None
    assert "ETH" not in seen.differences
    assert desk.exposure().held(HL, "BTC") == 1


async def test_reconcile_when_an_ended_order_filled_late_then_its_fill_is_taken() -> None:
    """Catalogue: a fill after the end; the one targeted question finds it."""
    desk = await TradingDesk().open()

    async def nothing(order: Order) -> OrderReport:
        return report_of(order)

    desk.hyperliquid.replies = [nothing]
    desk.ostium.replies = [nothing]
    await desk.execute()
    await desk.execute(attempt=2)
    assert desk.states() == ("CANCELED", "REJECTED", "FAILED", "FAILED")
    desk.hyperliquid.account = says(ETH="1")
    desk.hyperliquid.answer = report_of(desk.order(1), fill_of(desk.order(1)))

    await rounds(desk)

    assert desk.hyperliquid.asked == [desk.order(1).client_order_id]
    assert desk.order(1).status is OrderStatus.FILLED
    assert desk.position().signed_qty == 1
    assert not [each for each in desk.rows(FILLS).values() if each["intent_id"] == EXTERNAL]
    assert any("LATE FILL" in text for text in desk.told())
    await rounds(desk)
    assert desk.position().signed_qty == 1
    seen = record(desk)
    assert seen is not None
    assert seen.differences == {}


async def test_reconcile_when_the_late_fill_is_told_after_the_position_then_still_taken() -> None:
    """Asked again right before it would be booked."""
    desk = await half_filled()
    order = desk.order()
    rest = fill_of(order, Decimal("0.5"), trade_id="late")
    desk.hyperliquid.account = says(ETH="1")
    desk.hyperliquid.answer = report_of(order)
    await rounds(desk)
    assert desk.hyperliquid.asked == [order.client_order_id]
    desk.hyperliquid.answer = replace(report_of(order, rest), filled_qty=Decimal(1))

    await rounds(desk, 2)

    assert desk.position().signed_qty == 1
    assert not [each for each in desk.rows(FILLS).values() if each["intent_id"] == EXTERNAL]


@pytest.mark.parametrize("aspect", ["old", "open", "other-symbol"])
async def test_reconcile_when_an_order_cannot_explain_it_then_it_is_not_asked(
    aspect: str,
) -> None:
    desk = await a_desk()
    order = desk.order()
    changed = {
        "old": replace(order, submitted_at=order.submitted_at.replace(hour=10)),
        "open": replace(order, status=OrderStatus.ACCEPTED),
        "other-symbol": replace(order, symbol="BTC"),
    }[aspect]
    await desk.change(Ref("orders", order.client_order_id), changed)
    desk.hyperliquid.account = says(ETH="2", average="3000")

    await rounds(desk)

    assert desk.hyperliquid.asked == []


async def test_reconcile_when_a_foreign_order_rests_then_tagged_and_told_once(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.account = says(resting("77"), resting("78", "0xnobodys"), ETH="1")

    await rounds(desk, 3)

    seen = record(desk)
    assert seen is not None
    assert seen.external_orders == ("77", "78")
    assert sorted(risks(desk)) == [
        "RISK Hyperliquid holds an open order that is not ours: 77 (dep_1)",
        "RISK Hyperliquid holds an open order that is not ours: 78 (dep_1)",
    ]
    assert desk.hyperliquid.canceled == []

    desk.hyperliquid.account = says(ETH="1")
    await rounds(desk)
    desk.hyperliquid.account = says(resting("77"), ETH="1")
    await rounds(desk)
    seen = record(desk)
    assert seen is not None
    assert seen.external_orders == ("77",)
    assert len(risks(desk)) == 2  # it came back; a person knows it


async def test_reconcile_when_a_whole_grid_rests_then_told_in_one_sentence(
    desk: TradingDesk,
) -> None:
    """More than a commit could hold one by one."""
    names = [f"{number:03}" for number in range(250)]
    desk.hyperliquid.account = says(*map(resting, names), ETH="1")

    await rounds(desk, 2)

    seen = record(desk)
    assert seen is not None
    assert seen.external_orders == tuple(names)
    assert len(names) > TOLD_ONE_BY_ONE
    assert risks(desk) == [
        "RISK Hyperliquid holds 250 open orders that are not ours, among them 000 (dep_1)"
    ]


async def test_reconcile_when_our_ended_order_still_rests_then_it_is_cancelled() -> None:
    desk = await half_filled()
    order = desk.order()
    late = fill_of(order, Decimal("0.5"), trade_id="while-it-was-cancelled")
    desk.hyperliquid.on_cancel = replace(report_of(order, late), filled_qty=Decimal(1))
    desk.hyperliquid.account = says(resting("77", order.client_order_id), ETH="0.5")

    await rounds(desk)

    assert desk.hyperliquid.canceled == [order.client_order_id]
    assert desk.order().status is OrderStatus.FILLED
    assert desk.position().signed_qty == 1
    seen = record(desk)
    assert seen is not None
    assert seen.external_orders == ()  # one of ours is not external


@pytest.mark.parametrize("known", [True, False])
async def test_reconcile_when_our_order_rests_as_it_should_then_left_alone(known: bool) -> None:
    desk = await a_desk()
    status = OrderStatus.ACCEPTED if known else OrderStatus.CANCELED
    order = replace(desk.order(), status=status)
    await desk.change(Ref("orders", order.client_order_id), order)
    desk.hyperliquid.on_cancel = None
    desk.hyperliquid.account = says(resting("77", order.client_order_id), ETH="1")

    await rounds(desk)

    assert bool(desk.hyperliquid.canceled) is not known
    assert desk.order() == order


async def many(desk: TradingDesk, count: int) -> list[str]:
    """Further deployments, each holding 1 ETH by our books and none by Hyperliquid's."""
    names = [f"dep_2{number}" for number in range(count)]
    for name in names:
        exposure = Exposure.empty(name).hold(
            venue=HL, symbol="ETH", signed_qty=Decimal(1), price=Decimal(3000)
        )
        position = a_position(
            prefixed_id("pos", "v3", name, HL, "ETH"),
            deployment_id=name,
            signed_qty=Decimal(1),
            open_cost=Decimal(3000),
        )
        await desk.store.commit(
            [
                create(Ref(V3.deployments, name), a_deployment(name)),
                create(Ref(EXPOSURES, name), exposure),
                create(Ref(V3.positions, position.position_id), position),
            ]
        )
    return names


async def test_reconcile_when_there_are_many_accounts_then_page_by_page_and_each_once() -> None:
    """A round ends, and the next begins after its time; no account starves."""
    desk = await a_desk(reconcile_accounts_per_tick=2)
    await many(desk, 4)
    asked: list[str] = []
    query = desk.hyperliquid.query_account

    async def listen(*, account_id: str) -> VenueAccountState:
        asked.append(account_id)
        return await query(account_id=account_id)

    desk.hyperliquid.query_account = listen  # type: ignore[method-assign]  # a listening ear
    for _ in range(6):
        desk.clock.advance(10)
        await desk.settle()
    assert asked == ["dep_1", "dep_20", "dep_21", "dep_22", "dep_23"]

    desk.clock.advance(MINUTE)
    await desk.settle()
    assert asked[5:] == ["dep_1", "dep_20"]


async def test_reconcile_when_many_differ_then_all_are_mended_after_two_rounds() -> None:
    desk = await a_desk()
    names = await many(desk, 3)
    desk.hyperliquid.account = says(average="3000")

    await rounds(desk, 2)

    for name in names:
        assert desk.get(Exposure, EXPOSURES, name).holdings == {}
    assert len(risks(desk)) == 4


async def test_reconcile_when_an_exposure_cannot_be_read_then_the_others_and_the_trouble() -> None:
    """It must not stop the round for ever."""
    desk = await a_desk()
    await desk.store.commit([Create(Ref(EXPOSURES, "dep_0_broken"), {"deployment_id": 7})])
    desk.hyperliquid.account = says(ETH="3", average="3000")

    for _ in range(2):
        desk.clock.advance(MINUTE)
        with pytest.raises(InvalidInputError, match="Exposure"):
            await desk.settle()

    assert desk.position().signed_qty == 3
    assert desk.get(Round, RECONCILIATIONS, ROUND.id).done


async def test_reconcile_when_the_deployment_is_gone_then_nobody_is_asked(
    desk: TradingDesk,
) -> None:
    await desk.store.commit([Delete(Ref(V3.deployments, DEPLOYMENT_ID))])
    desk.hyperliquid.account = says(ETH="9")

    await rounds(desk, 2)

    assert desk.position().signed_qty == 1


async def test_reconcile_when_a_venue_was_disabled_but_still_holds_then_it_is_compared() -> None:
    desk = await a_desk()
    deployment = a_deployment(enabled_venues=(OSTIUM,))
    await desk.change(Ref(V3.deployments, DEPLOYMENT_ID), deployment)
    desk.hyperliquid.account = says()

    await rounds(desk, 2)

    assert desk.position().signed_qty == 0


async def test_reconcile_when_it_is_a_v2_deployment_then_its_own_books() -> None:
    """V3-01."""
    desk = await TradingDesk(two_venue_plan(book="v2")).open()
    await desk.execute()
    desk.hyperliquid.account = says(ETH="2", average="3015")

    await rounds(desk, 2)

    assert desk.position().signed_qty == 2
    assert V3.positions not in desk.store.contents()


async def test_reconcile_when_two_instances_mend_at_once_then_the_same_fill_once(
    desk: TradingDesk,
) -> None:
    """The id is a function of what is mended: the second commit finds the first."""
    desk.hyperliquid.account = says(ETH="3", average="3000")
    await rounds(desk)
    desk.clock.advance(MINUTE)

    async def twin(operation: str, argument: object) -> None:
        if operation == "commit" and "position-reconciled" in str(argument):
            desk.store.before = None
            await desk.settle()

    desk.store.before = twin
    await desk.settle()

    assert desk.position().signed_qty == 3
    assert len(desk.rows(FILLS)) == 2
    assert len(risks(desk)) == 1


async def test_reconcile_when_the_mend_is_lost_before_it_is_written_then_the_same_id_again(
    desk: TradingDesk,
) -> None:
    desk.hyperliquid.account = says(ETH="3", average="3000")
    await rounds(desk)
    seen: list[str] = []

    async def die(operation: str, argument: object) -> None:
        if operation == "commit" and "position-reconciled" in str(argument):
            seen.append(str(argument).split("'fill': {'trade_id': '")[1].split("'")[0])
            if len(seen) == 1:
                raise TransientError("the process died here")

    desk.store.before = die
    await rounds(desk, 2)

    assert len(seen) == 2
    assert seen[0] == seen[1]
    assert desk.position().signed_qty == 3


async def test_reconcile_when_the_position_moves_while_it_mends_then_the_next_round_decides(
    desk: TradingDesk,
) -> None:
    """Our books changed after they were compared: nothing of it is booked on the old."""
    desk.hyperliquid.account = says(ETH="3", average="3000")
    await rounds(desk)
    moved = replace(desk.position(), signed_qty=Decimal(2), open_cost=Decimal(6000))
    await desk.change(Ref(V3.positions, moved.position_id), moved)

    await rounds(desk)

    assert desk.position() == moved
    assert risks(desk) == []


async def test_reconcile_when_settle_is_called_for_one_order_then_no_round_is_walked(
    desk: TradingDesk,
) -> None:
    await desk.settle("int_nobody")
    assert RECONCILIATIONS not in desk.store.contents()


async def test_reconcile_when_a_lost_order_is_the_difference_then_its_own_outcome_comes_first() -> (
    None
):
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    desk.hyperliquid.account = says(ETH="1", average="3015")
    desk.hyperliquid.holds = Decimal(1)
    await rounds(desk, 3)
    assert EXPOSURES in desk.store.contents()
    assert desk.rows(FILLS) == {}

    desk.hyperliquid.answer = report_of(desk.order(), fill_of(desk.order()))
    await rounds(desk, 2)

    assert (desk.position().signed_qty, len(desk.rows(FILLS))) == (Decimal(1), 1)


async def test_reconcile_when_another_instance_walks_the_same_round_then_its_step_stands(
    desk: TradingDesk,
) -> None:
    """What this one learned is kept; only its note of how far it came is not."""
    desk.hyperliquid.account = says(resting("77"), ETH="1")

    async def overtake(operation: str, argument: object) -> None:
        if operation == "commit" and ROUND.id in str(argument):
            desk.store.before = None
            theirs = Round(started_at=desk.clock.now(), cursor="dep_0", done=False)
            await desk.change(ROUND, theirs)

    desk.store.before = overtake
    await rounds(desk)

    assert desk.get(Round, RECONCILIATIONS, ROUND.id).cursor == "dep_0"
    assert len(risks(desk)) == 1
