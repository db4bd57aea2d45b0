"""Route: one delivery to a plan or to a reason, once."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import AUDIT, DUPLICATE_GUARDS, V2, V3, WATCHED_SYMBOLS, Book
from common.contention import TRIES
from common.documents import create
from common.domain.agent import DeploymentStatus
from common.domain.exposure import Exposure
from common.domain.moment import iso
from common.domain.order import OrderSide
from common.domain.signal import (
    PositionSide,
    SignalStatus,
    SizeModel,
    SizeType,
)
from common.errors import ConflictError, InvalidInputError, TransientError
from common.execution.plan import plan_hash
from common.how.trading_state import TradingState
from common.ports import Delete, Ref
from common.where.priorities import RoutingConfig
from tests.builders import (
    AGENT_ID,
    DELIVERY_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_signal,
    a_signal_record,
)
from tests.unit.functions.routing_office import HL, OSTIUM, Office


async def test_route_when_both_venues_list_it_then_hyperliquid_and_a_plan() -> None:
    office = await Office().open()

    plan = await office.plan()

    assert [candidate.venue for candidate in plan.candidates] == [HL, OSTIUM]
    assert plan.candidates[0].quantity == Decimal("0.3333")
    assert (plan.intent_id, plan.side) == (INTENT_ID, OrderSide.BUY)
    assert plan.expires_at == office.signal().signal.expires_at
    delivery = office.delivery()
    assert (delivery.status, delivery.venue) == (SignalStatus.ROUTED, "HYPERLIQUID")
    assert delivery.plan_hash == plan_hash(plan)
    assert delivery.reason == "ETH available on Hyperliquid (2 pairs)"
    (record,) = office.history()
    assert record.selected_venue == "HYPERLIQUID"
    assert record.requested_venues == ("HYPERLIQUID", "OSTIUM")
    assert [check.venue for check in record.checked_venues] == ["HYPERLIQUID", "OSTIUM"]


async def test_route_when_only_ostium_lists_it_then_ostium() -> None:
    office = await Office().open(symbol="SOL")

    plan = await office.plan()

    assert [candidate.venue for candidate in plan.candidates] == [OSTIUM]
    assert office.delivery().reason == "SOL available on Ostium (3 pairs)"


async def test_route_when_no_venue_lists_it_then_skipped_with_the_reason() -> None:
    office = await Office().open(symbol="DOGE")

    assert await office.route() == []

    assert office.delivery().status is SignalStatus.SKIPPED
    signal = office.signal()
    assert (signal.status, signal.reason) == (SignalStatus.SKIPPED, "No venue has this pair")
    assert signal.reason_code == "NO_VENUE_HAS_PAIR"
    assert signal.final_venue is None
    entry = signal.routing_history[0]
    assert entry["requested_venues"] == ["HYPERLIQUID", "OSTIUM"]
    assert entry["selected_venue"] is None
    assert len(office.history()) == 1


async def test_route_when_hyperliquids_breaker_is_open_then_ostium() -> None:
    office = await Office().open()
    await office.open_breaker(HL)

    plan = await office.plan()

    assert plan.candidates[0].venue is OSTIUM
    assert office.history()[0].checked_venues[0].code == "BREAKER_OPEN"


async def test_route_when_configured_then_its_order_counts() -> None:
    office = await Office().open()
    config = RoutingConfig(subject_id=AGENT_ID, venues=(OSTIUM, HL), updated_at=NOON)
    await office.store.commit([create(Ref("venue_routing_config_v3", AGENT_ID), config)])

    assert (await office.plan()).candidates[0].venue is OSTIUM


async def test_route_when_a_signal_goes_short_then_it_sells() -> None:
    office = await Office().open(side=PositionSide.SHORT)

    plan = await office.plan()

    assert plan.side is OrderSide.SELL
    assert plan.candidates[0].price == 2985


async def test_route_when_delivered_again_then_nothing_changes() -> None:
    office = await Office().open()
    await office.route()
    before = office.store.contents()

    assert await office.route() == []
    assert office.store.contents() == before


async def test_route_when_there_is_no_price_then_the_symbol_is_watched_and_it_comes_again() -> None:
    office = await Office().open(price=False)

    with pytest.raises(TransientError, match="no price of ETH yet"):
        await office.route()
    row = office.store.contents()[WATCHED_SYMBOLS]["ETH"]
    assert row == {"symbol": "ETH", "until": "2026-01-15T13:00:00.000000Z"}
    assert office.delivery().status is SignalStatus.PENDING
    before = office.store.contents()
    with pytest.raises(TransientError):
        await office.route()
    assert office.store.contents() == before

    await office.quote("ETH")
    assert len(await office.route()) == 1


async def test_route_when_the_watch_has_run_out_then_it_is_renewed() -> None:
    office = await Office().open(price=False, expires_at=NOON + timedelta(hours=9))
    with pytest.raises(TransientError):
        await office.route()
    office.clock.advance(3601)
    with pytest.raises(TransientError):
        await office.route()

    row = office.store.contents()[WATCHED_SYMBOLS]["ETH"]
    assert row["until"] == "2026-01-15T14:00:01.000000Z"


@pytest.mark.parametrize(
    ("price", "reason"),
    [
        (True, "The signal expired before it could be routed"),
        (False, "The signal expired before a price was known"),
    ],
)
async def test_route_when_the_signal_is_out_of_time_then_expired(price: bool, reason: str) -> None:
    office = await Office().open(price=price)
    office.clock.advance(300)

    assert await office.route() == []

    assert (office.signal().status, office.signal().reason) == (SignalStatus.EXPIRED, reason)
    assert office.signal().reason_code == "SIGNAL_EXPIRED"


async def test_route_when_nobody_asks_for_its_old_price_any_more_then_it_is_asked_for_again() -> (
    None
):
    office = await Office().open(price=False, symbol="LINK")
    await office.quote("LINK", observed_at=NOON - timedelta(hours=3))

    with pytest.raises(TransientError, match="no price of LINK yet"):
        await office.route()
    assert office.store.contents()[WATCHED_SYMBOLS]["LINK"]["until"] > iso(NOON)
    assert office.delivery().status is SignalStatus.PENDING

    assert await office.route() == []  # watched now, and still old: the feed has no newer one
    assert (office.signal().status, office.signal().reason_code) == ("DENIED", "PRICE_STALE")


async def test_route_when_the_price_is_stale_then_denied() -> None:
    office = await Office().open(price=False)
    await office.quote("ETH", observed_at=NOON - timedelta(seconds=481))

    assert await office.route() == []

    assert (office.signal().status, office.signal().reason_code) == ("DENIED", "PRICE_STALE")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"deployment": {"status": DeploymentStatus.PAUSED}}, "DEPLOYMENT_NOT_ACTIVE"),
        ({"deployment": {"paper": False}}, "DEPLOYMENT_MODE_MISMATCH"),
        ({"state": TradingState.HALTED}, "TRADING_HALTED"),
        ({"state": TradingState.REDUCING}, "TRADING_STATE_REDUCING"),
        (
            {"size_model": SizeModel(type=SizeType.FIXED, value=Decimal("25000.01"))},
            "NOTIONAL_EXCEEDS_MAX_PER_ORDER",
        ),
    ],
)
async def test_route_when_a_limit_forbids_it_then_denied_with_its_code_and_a_row(
    options: dict[str, Any], code: str
) -> None:
    office = await Office().open(**options)

    assert await office.route() == []

    delivery = office.delivery()
    assert (delivery.status, delivery.reason_code) == (SignalStatus.DENIED, code)
    assert office.signal().status is SignalStatus.DENIED
    (row,) = office.store.contents()[AUDIT].values()
    assert row["facts"]["code"] == code
    assert office.history() == []


async def test_route_when_reducing_then_what_reduces_the_holding_goes_on() -> None:
    office = await Office().open(state=TradingState.REDUCING, side=PositionSide.SHORT)
    held = Exposure.empty(DEPLOYMENT_ID).hold(
        venue=HL, symbol="ETH", signed_qty=Decimal(1), price=Decimal(3000)
    )
    await office.store.commit([create(Ref("exposures", DEPLOYMENT_ID), held)])

    assert (await office.plan()).side is OrderSide.SELL


async def second_delivery(office: Office, *, size: str = "10") -> None:
    """Another signal of the same agent for the same deployment."""
    signal = a_signal("sig_2", size_model=SizeModel(type=SizeType.PERCENTAGE, value=Decimal(size)))
    await office.store.commit(
        [
            create(Ref(V3.signals, "sig_2"), a_signal_record(signal, deployments_expected=1)),
            create(Ref(V3.deliveries, "dlv_2"), a_delivery("dlv_2", signal_id="sig_2")),
        ]
    )


@pytest.mark.parametrize(
    ("size", "after_s", "status"),
    [("10", 0.5, "DENIED"), ("10", 1, "ROUTED"), ("11", 0.5, "ROUTED")],
)
async def test_route_when_the_same_order_follows_at_once_then_denied_as_a_duplicate(
    size: str, after_s: float, status: str
) -> None:
    office = await Office().open()
    await office.route()
    await second_delivery(office, size=size)
    office.clock.advance(after_s)

    await office.route("dlv_2")

    assert office.delivery("dlv_2").status == status
    if status == "DENIED":
        assert office.delivery("dlv_2").reason_code == "DUPLICATE_ORDER"
    assert len(office.store.contents()[DUPLICATE_GUARDS]) == 1


async def test_route_when_two_duplicates_run_side_by_side_then_one_is_denied() -> None:
    office = await Office().open()
    await second_delivery(office)

    async def overtake(operation: str, argument: object) -> None:
        if operation == "commit":
            office.store.before = None
            await office.route("dlv_2")

    office.store.before = overtake
    await office.route()

    statuses = {office.delivery().status, office.delivery("dlv_2").status}
    assert statuses == {SignalStatus.ROUTED, SignalStatus.DENIED}


async def test_route_when_the_delivery_is_not_there_yet_then_delivered_again() -> None:
    office = await Office().open()
    with pytest.raises(TransientError, match="delivery dlv_9 is not in signal_deliveries_v3 yet"):
        await office.route("dlv_9")


@pytest.mark.parametrize("collection", ["signals_v3", "agent_deployments_v3"])
async def test_route_when_its_signal_or_deployment_is_gone_then_invalid_input(
    collection: str,
) -> None:
    office = await Office().open()
    document_id = SIGNAL_ID if collection == "signals_v3" else DEPLOYMENT_ID
    await office.store.commit([Delete(Ref(collection, document_id))])
    with pytest.raises(InvalidInputError, match="its signal or deployment is gone"):
        await office.route()


async def test_route_when_contended_for_ever_then_transient() -> None:
    office = await Office().open()
    commits: list[int] = []

    async def conflict(operation: str, argument: object) -> None:
        if operation == "commit":
            commits.append(1)
            raise ConflictError("taken", collection="x", document_id="y")

    office.store.before = conflict
    with pytest.raises(TransientError, match=f"delivery {DELIVERY_ID} is contended"):
        await office.route()
    assert len(commits) == TRIES


@pytest.mark.parametrize(("mine", "other"), [(V2, V3), (V3, V2)])
@pytest.mark.parametrize("symbol", ["ETH", "DOGE"])
async def test_route_when_one_book_routes_then_the_others_collections_stay_as_they_are(
    mine: Book, other: Book, symbol: str
) -> None:
    """V3-01."""
    office = await Office(mine).open(symbol=symbol)
    stranger = a_signal_record(a_signal(book=other.name), deployments_expected=1)
    await office.store.commit(
        [
            create(Ref(other.signals, SIGNAL_ID), stranger),
            create(Ref(other.deliveries, DELIVERY_ID), a_delivery(book=other.name)),
            create(Ref(other.deployments, DEPLOYMENT_ID), a_deployment(book=other.name)),
        ]
    )
    theirs = {other.signals, other.deliveries, other.deployments}
    before = office.store.contents()

    await office.route()

    after = office.store.contents()
    assert {name: after[name] for name in theirs} == {name: before[name] for name in theirs}
    assert not {other.positions, other.routing_history, other.agents} & set(after)
    assert len(after[mine.routing_history]) == 1
    assert after != before


async def test_route_when_a_single_venue_v2_agent_then_its_venue_alone() -> None:
    """VP-01: agents that exist keep working."""
    office = await Office(V2).open(deployment={"enabled_venues": (OSTIUM,)})

    plan = await office.plan()

    assert [candidate.venue for candidate in plan.candidates] == [OSTIUM]
    assert replace(plan, book="v3") != plan


async def test_route_when_a_venue_cannot_be_traded_in_this_mode_then_the_next_and_why() -> None:
    office = await Office().open()
    office.unavailable = {HL: "Hyperliquid is not set up for live trading"}

    assert (await office.plan()).candidates[0].venue is OSTIUM

    check = office.history()[0].checked_venues[0]
    assert not check.ok
    assert "Hyperliquid is not set up for live trading" in check.reason


@pytest.mark.parametrize(("paper", "mode"), [(True, "live"), (False, "paper")])
async def test_route_when_the_deployment_is_for_the_other_mode_then_denied(
    paper: bool, mode: str
) -> None:
    """A paper deployment must never reach a venue for real."""
    office = await Office().open(deployment={"paper": paper})
    office.settings = replace(office.settings, mode=mode)

    assert await office.route() == []

    assert office.signal().reason_code == "DEPLOYMENT_MODE_MISMATCH"
    assert f"this system runs on {mode}" in office.signal().reason
