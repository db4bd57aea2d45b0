"""Orders that a person settled: what the venue told before, and what it tells afterwards."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import FILLS, MARKET_SNAPSHOTS, V3
from common.domain.agent import Deployment, DeploymentStatus
from common.domain.order import Fill, IntentStatus, OrderStatus
from common.errors import DeniedError, InvalidInputError, OutcomeUnknownError
from common.execution.by_hand import Sighting, beyond_booked
from common.execution.outcome import absent, from_report, rejected, unknown
from common.execution.recorder import Recorder
from common.ports import Ref, VenueAccountState, VenuePosition
from tests.builders import (
    CLIENT_ORDER_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    a_deployment,
    a_fill,
    a_snapshot,
    an_order,
)
from tests.fakes.venue import fill_of, report_of
from tests.unit.functions.trading_desk import TradingDesk


def a_sighting(filled_qty: str = "0.5", **changes: Any) -> Sighting:
    seen = Sighting(
        filled_qty=Decimal(filled_qty),
        avg_px=Decimal(3000),
        commission=Decimal(0),
        reason="seen there",
        by="somebody",
    )
    return replace(seen, **changes)


@pytest.fixture
async def desk() -> TradingDesk:
    """BUY 1 ETH, sent, and UNRESOLVED."""
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    await recorder_of(desk).unresolved(INTENT_ID, CLIENT_ORDER_ID, "nobody knows")
    return desk


def recorder_of(desk: TradingDesk) -> Recorder:
    return Recorder(desk.store, desk.clock, max_attempts=3)


async def settle(desk: TradingDesk, filled_qty: str = "0.5", **changes: Any) -> None:
    await recorder_of(desk).settle_by_hand(INTENT_ID, a_sighting(filled_qty, **changes))


def part_of(desk: TradingDesk, quantity: str, trade_id: str, seconds: int = 0) -> Fill:
    fill = fill_of(desk.order(), Decimal(quantity), trade_id=trade_id)
    return replace(fill, ts_event=NOON + timedelta(seconds=seconds))


async def hear(desk: TradingDesk, *fills: Fill, status: OrderStatus | None = None) -> int:
    """The venue tells these fills of the order; how many messages that made."""
    report = report_of(desk.order(), *fills, status=status)
    messages = await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, from_report(report))
    return len(messages)


async def test_settle_by_hand_when_part_filled_then_the_rest_is_let_go_and_nothing_is_retried(
    desk: TradingDesk,
) -> None:
    await settle(desk)
    assert desk.states() == ("CANCELED", "PARTIAL", "PARTIAL", "PARTIAL")
    assert desk.exposure().reservations == {}
    assert desk.position().signed_qty == Decimal("0.5")
    assert desk.position().open_cost == 1500


async def test_settle_by_hand_when_nothing_filled_then_no_further_attempt(
    desk: TradingDesk,
) -> None:
    messages = await recorder_of(desk).settle_by_hand(INTENT_ID, a_sighting("0", avg_px=None))
    assert desk.states() == ("CANCELED", "REJECTED", "FAILED", "FAILED")
    assert [message.topic for message in messages] == ["notifications"]
    assert desk.exposure().reservations == {}


async def test_settle_by_hand_when_part_was_booked_before_then_only_the_rest_is(
    desk: TradingDesk,
) -> None:
    """The quantity is the order's in all: what the venue told while the person looked is in it."""
    await hear(desk, part_of(desk, "0.3", "a"), status=OrderStatus.PARTIALLY_FILLED)
    await recorder_of(desk).unresolved(INTENT_ID, CLIENT_ORDER_ID, "nobody knows")
    assert desk.intent().status is IntentStatus.UNRESOLVED
    with pytest.raises(InvalidInputError, match=r"0\.3 of it is booked already"):
        await settle(desk, "0.2")

    await settle(desk, "0.5")

    assert desk.position().signed_qty == desk.intent().filled_qty == Decimal("0.5")
    assert len(desk.rows(FILLS)) == 2


async def test_settle_by_hand_when_no_more_than_booked_filled_then_no_price_is_needed(
    desk: TradingDesk,
) -> None:
    await hear(desk, part_of(desk, "0.3", "a"), status=OrderStatus.PARTIALLY_FILLED)
    await recorder_of(desk).unresolved(INTENT_ID, CLIENT_ORDER_ID, "nobody knows")
    await settle(desk, "0.3", avg_px=None)
    assert desk.states()[:2] == ("CANCELED", "PARTIAL")
    assert desk.position().signed_qty == Decimal("0.3")
    assert any("no more than the 0.3 booked before" in text for text in desk.told())


async def test_settle_by_hand_when_not_unresolved_then_denied_and_nothing_written() -> None:
    desk = await TradingDesk().open()
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await desk.execute()
    before = desk.store.contents()
    with pytest.raises(DeniedError, match="INTENT_NOT_UNRESOLVED: this order is UNKNOWN"):
        await settle(desk)
    assert desk.store.contents() == before


@pytest.mark.parametrize("told", [["0.5"], ["0.2", "0.3"], ["0.2"], []])
async def test_record_when_the_venue_tells_what_the_person_saw_then_nothing_changes(
    desk: TradingDesk, told: list[str]
) -> None:
    await settle(desk)
    before = desk.store.contents()
    fills = [part_of(desk, quantity, f"t{number}") for number, quantity in enumerate(told)]
    for status in (OrderStatus.CANCELED, OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED):
        assert await hear(desk, *fills, status=status) == 0
    assert desk.store.contents() == before


async def test_record_when_older_news_of_it_come_then_nothing_changes(desk: TradingDesk) -> None:
    await settle(desk)
    before = desk.store.contents()
    for outcome in (unknown("timeout"), rejected("M", "no"), absent("gone")):
        assert await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, outcome) == []
    assert await recorder_of(desk).unresolved(INTENT_ID, CLIENT_ORDER_ID, "why") == []
    assert desk.store.contents() == before


async def test_record_when_the_venue_tells_more_piece_by_piece_then_each_counts_once(
    desk: TradingDesk,
) -> None:
    """0.5 by hand; the venue tells 0.3, then 0.6, 0.8 and 1: what is beyond 0.5, in the end 0.5."""
    await settle(desk)
    fills = [
        part_of(desk, quantity, f"t{number}", number)
        for number, quantity in enumerate(("0.3", "0.3", "0.2", "0.2"))
    ]
    held = []
    for count in range(1, 5):
        for _ in range(2):
            await hear(desk, *fills[:count], status=OrderStatus.CANCELED)
        held.append(desk.position().signed_qty)
    assert held == [Decimal(text) for text in ("0.5", "0.6", "0.8", "1")]
    assert desk.states()[:2] == ("FILLED", "FILLED")
    assert desk.intent().filled_qty == desk.order().filled_qty == 1
    assert len([text for text in desk.told() if text.startswith("RISK LATE FILL")]) == 3


async def test_record_when_the_person_saw_nothing_and_it_filled_then_all_of_it_is_booked(
    desk: TradingDesk,
) -> None:
    await settle(desk, "0", avg_px=None)
    await hear(desk, part_of(desk, "1", "late"))
    assert desk.states() == ("FILLED", "FILLED", "EXECUTED", "EXECUTED")
    assert desk.position().signed_qty == 1
    assert any(text.startswith("RISK LATE FILL") for text in desk.told())


async def test_record_when_it_overfills_what_was_settled_in_full_then_frozen(
    desk: TradingDesk,
) -> None:
    place = Ref(V3.deployments, DEPLOYMENT_ID)
    await desk.change(place, a_deployment(deployment_id=DEPLOYMENT_ID))
    await settle(desk, "1")
    await hear(desk, part_of(desk, "1.2", "more"))
    assert desk.position().signed_qty == Decimal("1.2")
    deployment = desk.get(Deployment, place.collection, place.id)
    assert deployment.status is DeploymentStatus.PAUSED
    assert any(text.startswith("RISK OVERFILL") for text in desk.told())


async def test_settle_by_hand_when_the_venue_names_more_than_it_tells_then_booked_once_told(
    desk: TradingDesk,
) -> None:
    """What was ended by hand does not open again: the rest is asked for by reconciliation."""
    await settle(desk, "0.5")
    report = replace(
        report_of(desk.order(), part_of(desk, "0.6", "a"), status=OrderStatus.CANCELED),
        filled_qty=Decimal("0.9"),
    )
    await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, from_report(report))
    assert desk.intent().status is IntentStatus.PARTIAL
    assert desk.position().signed_qty == Decimal("0.6")

    fills = (part_of(desk, "0.6", "a"), part_of(desk, "0.3", "b"))
    told = replace(report, fills=fills)
    await recorder_of(desk).record(INTENT_ID, CLIENT_ORDER_ID, from_report(told))

    assert desk.position().signed_qty == desk.order().filled_qty == Decimal("0.9")
    assert desk.intent().status is IntentStatus.PARTIAL


async def test_settle_by_hand_when_run_in_two_worlds_then_the_same_trade_id() -> None:
    ids: list[str] = []
    for _ in range(2):
        desk = await TradingDesk().open()
        desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
        await desk.execute()
        await recorder_of(desk).unresolved(INTENT_ID, CLIENT_ORDER_ID, "nobody knows")
        desk.clock.advance(len(ids) * 60)
        await settle(desk)
        ids += list(desk.rows(FILLS))
    assert ids[0] == ids[1]


@pytest.mark.parametrize("venue_knows", [True, False])
async def test_reconcile_when_the_person_saw_too_little_then_the_venues_quantity_is_held(
    desk: TradingDesk, venue_knows: bool
) -> None:
    """Told by the order's own fills, or by nothing but the venue's position: the same quantity."""
    await desk.change(Ref(V3.deployments, DEPLOYMENT_ID), a_deployment(deployment_id=DEPLOYMENT_ID))
    await desk.change(Ref(MARKET_SNAPSHOTS, "ETH"), a_snapshot())
    await settle(desk, "0.5")
    holds = VenuePosition(symbol="ETH", signed_qty="1")
    desk.hyperliquid.account = VenueAccountState(positions=(holds,))
    fills = (part_of(desk, "0.5", "a"), part_of(desk, "0.5", "b", 1))
    desk.hyperliquid.answer = report_of(desk.order(), *fills) if venue_knows else None

    for _ in range(4):
        desk.clock.advance(60)
        await desk.settle()

    assert desk.position().signed_qty == 1
    assert desk.order().filled_qty == (1 if venue_knows else Decimal("0.5"))
    assert len(desk.rows(FILLS)) == 2


def test_beyond_booked_when_a_fill_is_cut_then_its_commission_is_too() -> None:
    order = an_order(filled_qty=Decimal("0.9"), quantity=Decimal(1))
    fill = a_fill(last_qty=Decimal(1), commission=Decimal("0.45"))
    (part,) = beyond_booked(order, [fill], [fill])
    assert (part.trade_id, part.last_qty) == (fill.trade_id, Decimal("0.1"))
    assert part.commission == Decimal("0.045")
    assert beyond_booked(replace(order, filled_qty=Decimal(1)), [fill], [fill]) == ()
