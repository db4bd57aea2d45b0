"""Flatten: closed until the venues say so, never more than is held, whoever dies meanwhile."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    EXPOSURES,
    FLATTENS,
    MARKET_SNAPSHOTS,
    ORDER_INTENTS,
    PLAN_APPROVALS,
    V2,
    V3,
    VENUE_MARKETS,
)
from common.documents import create
from common.domain.events import FlattenRequested, OrderPlanned, OutboxMessage
from common.domain.exposure import Exposure, Reservation
from common.domain.flatten import FlattenStatus
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.order import IntentStatus, OrderPlan, OrderPurpose, OrderSide
from common.domain.scope import (
    PLATFORM_SCOPE,
    Scope,
    agent_scope,
    deployment_scope,
    symbol_scope,
    venue_scope,
)
from common.errors import InvalidInputError, OutcomeUnknownError, TransientError
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.ports import Create, Delete, Ref, VenueAccountState, VenuePosition
from functions.settle import flattening
from functions.settle.closing import SLIPPAGE
from functions.settle.flattening import AGAIN_AFTER, STUCK_AFTER_ROUNDS
from tests.builders import (
    AGENT_ID,
    DEPLOYMENT_ID,
    NOON,
    a_deployment,
    a_parent,
    amounts,
    an_instrument,
)
from tests.unit.functions.floor import HL, OSTIUM, Floor
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile, right_after

BUY, SELL = OrderSide.BUY, OrderSide.SELL


async def a_floor() -> Floor:
    """Long 1 ETH at Hyperliquid and short 2 at Ostium, of one deployment; an entry rests."""
    floor = await Floor().open()
    await floor.hold("1")
    await floor.hold("-2", venue=OSTIUM)
    await floor.rest()
    return floor


@pytest.fixture
async def floor() -> Floor:
    return await a_floor()


async def go_on(floor: Floor, rounds: int = 1, *, ticks: bool = False) -> None:
    """All that is due is delivered; `ticks`: settle's come too, a minute apart."""
    for _ in range(rounds):
        await floor.drain()
        floor.clock.advance(60 if ticks else AGAIN_AFTER.total_seconds())
        if ticks:
            await floor.settle()
    await floor.drain()


async def step(floor: Floor) -> list[OutboxMessage]:
    return await floor.settle(FlattenRequested(flatten_id="flt_1"))


def plans(messages: list[OutboxMessage]) -> list[OrderPlan]:
    return [each.event.plan for each in messages if isinstance(each.event, OrderPlanned)]


def closed(floor: Floor, venue: Venue = HL) -> Decimal:
    """Signed, of all accounts: what was filled of all that was sent."""
    orders = floor.venues[venue].orders.values()
    return sum((each.filled * each.order.side.sign for each in orders), Decimal(0))


def state_of(floor: Floor, scope: Scope = PLATFORM_SCOPE) -> TradingStateRecord:
    ref = state_ref(scope)
    return floor.get(TradingStateRecord, ref.collection, ref.id)


# ---------------------------------------------------------------- the course of it


async def test_flatten_when_all_goes_well_then_flat_by_the_venues_word_and_halted(
    floor: Floor,
) -> None:
    await floor.begin_flatten()

    await go_on(floor)

    flatten = floor.flatten()
    assert (flatten.status, flatten.rounds) == (FlattenStatus.FLAT, 2)
    assert (flatten.remaining, flatten.dust, flatten.cursor) == ((), (), None)
    assert flatten.finished_at == NOON + AGAIN_AFTER
    assert floor.hyperliquid.held(DEPLOYMENT_ID) == floor.ostium.held(DEPLOYMENT_ID) == 0
    assert floor.exposure() == Exposure.empty(DEPLOYMENT_ID)
    assert len(floor.hyperliquid.canceled) == 1
    state = state_of(floor)
    assert (state.state, state.epoch) == (TradingState.HALTED, flatten.epoch + 1)
    assert state.reason == "flat: a drill"
    assert len(floor.audited("trading-state-changed")) == 1
    assert any(
        text == "RISK FLAT: the venues hold nothing for the platform any more. Trading on the"
        " platform is halted"
        for text in floor.told()
    )


async def test_flatten_when_it_begins_then_one_reduce_only_order_for_each_position(
    floor: Floor,
) -> None:
    await floor.begin_flatten(by_message=False)

    messages = await step(floor)

    first, second = plans(messages)
    assert (first.side, first.candidates[0].venue, first.candidates[0].quantity) == (
        SELL,
        HL,
        Decimal(1),
    )
    assert (second.side, second.candidates[0].venue, second.candidates[0].quantity) == (
        BUY,
        OSTIUM,
        Decimal(2),
    )
    assert (first.candidates[0].price, second.candidates[0].price) == amounts(2970, 3030)
    for plan in (first, second):
        assert plan.reduce_only
        assert (plan.order_type, plan.time_in_force) == (OrderType.MARKET, TimeInForce.IOC)
        assert (plan.purpose, plan.delivery_id) == (OrderPurpose.FLATTEN, "")
        assert floor.rows(PLAN_APPROVALS)[plan.intent_id]["by"] == "settle"
    again = [each for each in messages if isinstance(each.event, FlattenRequested)]
    assert [each.deliver_at for each in again] == [NOON + AGAIN_AFTER]
    assert all(each.message_id in floor.rows("outbox") for each in messages)
    assert sorted(floor.flatten().remaining) == [
        "dep_1 HYPERLIQUID ETH 1",
        "dep_1 OSTIUM ETH -2",
    ]


async def test_flatten_when_only_a_part_fills_then_the_rest_in_the_next_round_at_a_wider_bound(
    floor: Floor,
) -> None:
    floor.hyperliquid.share = Decimal("0.5")
    await floor.begin_flatten()
    await go_on(floor, rounds=5)

    sent = floor.hyperliquid.sent
    assert [order.quantity for order in sent[:3]] == [Decimal(1), Decimal("0.5"), Decimal("0.25")]
    assert [order.price for order in sent[:5]] == [
        Decimal(3000) * (1 - SLIPPAGE[min(number, 3)]) for number in range(5)
    ]
    floor.hyperliquid.share = Decimal(1)
    await go_on(floor, rounds=2)
    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_nothing_is_held_then_flat_at_once() -> None:
    floor = await Floor().open()
    await floor.begin_flatten(by_message=False)

    await step(floor)

    assert floor.flatten().status is FlattenStatus.FLAT
    assert await step(floor) == []
    assert await floor.settle(FlattenRequested(flatten_id="flt_nobodys")) == []


async def test_flatten_when_nothing_fills_then_a_person_is_called_and_it_is_asked_on(
    floor: Floor,
) -> None:
    floor.hyperliquid.share = Decimal(0)
    await floor.begin_flatten()

    await go_on(floor, rounds=STUCK_AFTER_ROUNDS + 3)

    flatten = floor.flatten()
    assert (flatten.status, flatten.rounds) == (FlattenStatus.STUCK, STUCK_AFTER_ROUNDS)
    assert flatten.remaining == ("dep_1 HYPERLIQUID ETH 1",)
    assert "RISK FLATTEN IS STUCK for the platform: dep_1 HYPERLIQUID ETH 1" in floor.told()
    assert state_of(floor).state is TradingState.REDUCING

    floor.hyperliquid.share = Decimal(1)
    await go_on(floor, rounds=2, ticks=True)

    assert floor.flatten().status is FlattenStatus.FLAT
    assert state_of(floor).state is TradingState.HALTED
    assert sum("STUCK" in text for text in floor.told()) == 1


# ---------------------------------------------------------------- whose positions


async def second_account(floor: Floor, quantity: str = "3", **changes: Any) -> None:
    other = a_deployment("dep_2", **changes)
    await floor.store.commit([create(Ref(V3.deployments, "dep_2"), other)])
    await floor.hold(quantity, deployment_id="dep_2")


@pytest.mark.parametrize(
    ("scope", "flat"),
    [
        (PLATFORM_SCOPE, {"one", "two", "there"}),
        (venue_scope(HL), {"one", "two"}),
        (venue_scope(OSTIUM), {"there"}),
        (agent_scope("v3", AGENT_ID), {"one", "there"}),
        (agent_scope("v3", "another"), {"two"}),
        (agent_scope("v2", AGENT_ID), set()),
        (deployment_scope(DEPLOYMENT_ID), {"one", "there"}),
        (deployment_scope("dep_2"), {"two"}),
        (symbol_scope("ETH"), {"one", "two", "there"}),
        (symbol_scope("BTC"), set()),
    ],
    ids=lambda value: value.key if isinstance(value, Scope) else "",
)
async def test_flatten_when_of_a_scope_then_that_alone_is_closed(
    floor: Floor, scope: Scope, flat: set[str]
) -> None:
    await second_account(floor, agent_id="another")
    await floor.begin_flatten(scope)

    await go_on(floor, rounds=2)

    assert floor.flatten().status is FlattenStatus.FLAT
    assert state_of(floor, scope).state is TradingState.HALTED
    left = {
        "one": floor.hyperliquid.held(DEPLOYMENT_ID),
        "two": floor.hyperliquid.held("dep_2"),
        "there": floor.ostium.held(DEPLOYMENT_ID),
    }
    assert {name for name, quantity in left.items() if not quantity} == flat


@pytest.mark.parametrize(("paper", "mode"), [(True, "live"), (False, "paper")])
async def test_flatten_when_accounts_are_of_the_other_mode_then_their_venues_are_not_asked(
    paper: bool, mode: str
) -> None:
    floor = await Floor(mode=mode).open(paper=paper)
    await floor.hold("1")
    await floor.begin_flatten()

    await go_on(floor)

    assert floor.flatten().status is FlattenStatus.FLAT
    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 1


async def test_flatten_when_its_deployment_is_gone_then_the_others_are_closed(
    floor: Floor,
) -> None:
    await second_account(floor)
    await floor.store.commit([Delete(Ref(V3.deployments, DEPLOYMENT_ID))])
    await floor.begin_flatten()

    await go_on(floor)

    assert floor.hyperliquid.held("dep_2") == 0
    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 1


async def test_flatten_when_a_venue_was_disabled_but_still_holds_then_closed_there_too(
    floor: Floor,
) -> None:
    user = a_deployment(enabled_venues=(OSTIUM,))
    await floor.change(Ref(V3.deployments, DEPLOYMENT_ID), user)
    await floor.begin_flatten()

    await go_on(floor)

    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0


async def test_flatten_when_two_deployments_share_a_wallet_then_each_closes_its_own() -> None:
    """The venue knows their sum alone; V2 and V3 may share one."""
    floor = await Floor(mode="live").open(paper=False)
    await floor.hold("1", theirs="3")
    other = a_deployment("dep_2", book="v2", paper=False)
    await floor.store.commit([create(Ref(V2.deployments, "dep_2"), other)])
    await floor.hold("2", deployment_id="dep_2", theirs="3")
    await floor.begin_flatten(by_message=False)

    messages = await step(floor)

    assert [(plan.deployment_id, plan.candidates[0].quantity) for plan in plans(messages)] == [
        (DEPLOYMENT_ID, Decimal(1)),
        ("dep_2", Decimal(2)),
    ]
    assert not any(plan.paper for plan in plans(messages))


async def test_flatten_when_there_are_many_accounts_then_page_by_page_and_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flattening, "ACCOUNTS_A_STEP", 5)
    monkeypatch.setattr(flattening, "LISTED_MAX", 6)
    floor = await Floor().open()
    for number in range(8):
        name = f"dep_{number}"
        if name != DEPLOYMENT_ID:
            await floor.store.commit([create(Ref(V3.deployments, name), a_deployment(name))])
        await floor.hold("1", deployment_id=name)
    await floor.begin_flatten(by_message=False)

    first = await step(floor)
    assert floor.flatten().cursor is not None
    assert (len(plans(first)), floor.flatten().rounds) == (5, 0)
    (onward,) = (each for each in first if isinstance(each.event, FlattenRequested))
    assert onward.deliver_at == floor.clock.now()
    second = await step(floor)
    assert (len(plans(second)), floor.flatten().rounds) == (3, 1)
    asked = {plan.deployment_id for plan in [*plans(first), *plans(second)]}
    assert len(asked) == 8
    assert len(floor.flatten().remaining) == 6  # of 8: as many as a person reads

    await go_on(floor, rounds=3)

    assert floor.flatten().status is FlattenStatus.FLAT
    assert len(floor.hyperliquid.sent) == 8


# ---------------------------------------------------------------- what the venues say


async def test_flatten_when_a_venue_does_not_answer_then_that_is_not_flat(floor: Floor) -> None:
    """There, nothing rests of ours: only its positions are not known."""
    floor.ostium.down = True
    await floor.begin_flatten()

    await go_on(floor, rounds=3)

    flatten = floor.flatten()
    assert flatten.status is FlattenStatus.CLOSING
    assert flatten.remaining == ("dep_1 OSTIUM: OSTIUM refused the connection",)
    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0
    floor.ostium.down = False
    await go_on(floor, rounds=2)
    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_a_venue_keeps_an_entry_and_is_down_then_the_others_are_closed_anyway(
    floor: Floor,
) -> None:
    """One venue's outage keeps nobody in the market at another."""
    floor.hyperliquid.down = True
    await floor.begin_flatten()

    await go_on(floor, rounds=3, ticks=False)

    assert floor.ostium.held(DEPLOYMENT_ID) == 0
    assert floor.flatten().status is FlattenStatus.CLOSING
    floor.hyperliquid.down = False
    await go_on(floor, rounds=3, ticks=True)
    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_a_venue_with_holdings_is_not_connected_then_never_flat(
    floor: Floor,
) -> None:
    """Nobody can ask it, so nobody said that it is flat."""
    del floor.venues[OSTIUM]
    await floor.begin_flatten()

    await go_on(floor, rounds=2)

    flatten = floor.flatten()
    assert flatten.status is FlattenStatus.CLOSING
    assert any("OSTIUM" in each for each in flatten.remaining)


@pytest.mark.parametrize(
    ("ours", "theirs", "quantity"),
    [
        ("1", "3", "1"),
        ("3", "1", "1"),
        ("-3", "-1", "1"),
        ("1", "-1", None),
        ("0", "2", None),
        ("2", "0", None),
        ("1.00009", "1.00009", "1"),
    ],
)
async def test_flatten_when_both_sides_differ_then_only_what_both_hold_is_closed(
    ours: str, theirs: str, quantity: str | None
) -> None:
    """Reconciliation comes first, and the next round sees it."""
    floor = await Floor().open()
    await floor.hold(ours, theirs=theirs)
    await floor.begin_flatten(by_message=False)

    found = plans(await step(floor))

    assert [each.candidates[0].quantity for each in found] == (
        [Decimal(quantity)] if quantity else []
    )
    assert floor.flatten().remaining == (f"dep_1 HYPERLIQUID ETH {theirs}",)


@pytest.mark.parametrize(("ours", "theirs"), [("1", "3"), ("3", "1"), ("1", "-1"), ("2", "0")])
async def test_flatten_when_both_sides_differ_then_flat_once_they_are_reconciled(
    ours: str, theirs: str
) -> None:
    floor = await Floor().open()
    await floor.hold(ours, theirs=theirs)
    await floor.begin_flatten()

    await go_on(floor, rounds=6, ticks=True)

    assert floor.flatten().status is FlattenStatus.FLAT
    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0
    assert floor.exposure().holdings == {}


async def test_flatten_when_only_dust_is_left_then_flat_and_the_dust_is_named() -> None:
    floor = await Floor().open()
    await floor.hold("0.00009")
    await floor.begin_flatten()

    await go_on(floor)

    flatten = floor.flatten()
    assert (flatten.status, flatten.rounds) == (FlattenStatus.FLAT, 1)
    assert flatten.dust == ("dep_1 HYPERLIQUID ETH 0.00009",)
    assert any("(dust stays: dep_1 HYPERLIQUID ETH 0.00009)" in text for text in floor.told())


async def test_flatten_when_a_venue_names_what_it_does_not_hold_then_there_is_nothing(
    floor: Floor,
) -> None:
    async def zero(*, account_id: str) -> VenueAccountState:
        nothing = VenuePosition(symbol="BTC", signed_qty="0")
        return VenueAccountState(positions=(nothing,))

    await floor.hold("0")
    floor.hyperliquid.query_account = zero  # type: ignore[method-assign]  # a wordy venue
    await floor.begin_flatten()

    await go_on(floor, rounds=2)

    assert floor.flatten().status is FlattenStatus.FLAT
    assert floor.hyperliquid.sent == []


@pytest.mark.parametrize("missing", ["table", "pair", "mark"])
async def test_flatten_when_it_cannot_be_priced_then_it_remains(floor: Floor, missing: str) -> None:
    if missing == "table":
        await floor.store.commit([Delete(Ref(VENUE_MARKETS, HL))])
    elif missing == "pair":
        await floor.list_as(None)
    else:
        await floor.store.commit([Delete(Ref(MARKET_SNAPSHOTS, "ETH"))])
    await floor.begin_flatten(by_message=False)

    found = plans(await step(floor))

    assert all(each.candidates[0].venue is OSTIUM for each in found)
    assert "dep_1 HYPERLIQUID ETH 1" in floor.flatten().remaining


async def test_flatten_when_the_mark_is_old_then_it_must_do(floor: Floor) -> None:
    await floor.quote("2500", at=NOON - timedelta(days=1))
    await floor.begin_flatten(by_message=False)

    first, _ = plans(await step(floor))

    assert first.candidates[0].price == 2475


async def test_flatten_when_a_venue_takes_only_so_much_at_once_then_round_by_round() -> None:
    floor = await Floor().open()
    await floor.hold("4")
    await floor.list_as(an_instrument(max_notional=Decimal(6000)))
    await floor.begin_flatten(by_message=False)

    (plan,) = plans(await step(floor))

    candidate = plan.candidates[0]
    assert candidate.quantity * max(candidate.price, plan.reference_price) <= 6000


# ---------------------------------------------------------------- orders under way


async def test_flatten_when_the_answer_to_an_order_is_lost_then_it_is_not_repeated(
    floor: Floor,
) -> None:
    """UNKNOWN counts as filled: the next round waits for what settle finds out."""

    async def unheard(name: str) -> None:
        if name == "submit":
            floor.hyperliquid.after = None
            raise OutcomeUnknownError("taken, and the answer was lost")

    floor.hyperliquid.after = unheard
    await floor.begin_flatten()
    await go_on(floor, rounds=2)
    await go_on(floor, rounds=3, ticks=True)

    assert len(floor.hyperliquid.sent) == 1
    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_an_orders_outcome_is_not_known_yet_then_the_next_round_plans_none(
    floor: Floor,
) -> None:
    """Though both sides hold as much as before."""
    await floor.begin_flatten(by_message=False)
    await step(floor)
    await floor.drain()
    sent = floor.hyperliquid.sent[0]
    intent = next(each for each in floor.intents() if each.plan.intent_id == sent.intent_id)
    await floor.hold("1")
    for status in (IntentStatus.UNKNOWN, IntentStatus.UNRESOLVED, IntentStatus.SENDING):
        await floor.change(Ref(ORDER_INTENTS, sent.intent_id), replace(intent, status=status))
        floor.clock.advance(AGAIN_AFTER.total_seconds())
        await floor.change(Ref(FLATTENS, "flt_1"), replace(floor.flatten(), rounds=1))

        assert plans(await step(floor)) == []

        assert floor.flatten().remaining == ("dep_1 HYPERLIQUID ETH 1",)


async def test_flatten_when_an_order_may_still_arrive_then_not_flat_before_its_end_is_proven() -> (
    None
):
    """It left before trading was stopped, and nobody knows yet what it came to."""
    floor = await Floor().open()
    reserved = Reservation(
        venue=HL, symbol="ETH", side=OrderSide.BUY, quantity=Decimal(1), price=Decimal(2500)
    )
    exposure = Exposure.empty(DEPLOYMENT_ID)
    place = Ref(EXPOSURES, DEPLOYMENT_ID)
    await floor.change(place, exposure.reserve("int_on_its_way", reserved))
    await floor.begin_flatten(by_message=False)

    await step(floor)

    assert floor.flatten().status is FlattenStatus.CLOSING
    assert floor.flatten().remaining == ("dep_1 HYPERLIQUID ETH: an order may still fill",)

    await floor.change(place, exposure)
    floor.clock.advance(AGAIN_AFTER.total_seconds())
    await step(floor)
    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_trading_is_resumed_before_it_is_flat_then_given_up_for_good(
    floor: Floor,
) -> None:
    """What is bought from then on is nobody's to close, nor an order that rests to cancel."""
    await floor.begin_flatten(by_message=False)
    await step(floor)
    assert floor.flatten().status is FlattenStatus.CLOSING
    await floor.set_state(TradingState.ACTIVE)
    order = await floor.rest(77)
    sent = len(floor.hyperliquid.sent)

    floor.clock.advance(AGAIN_AFTER.total_seconds())
    assert plans(await step(floor)) == []
    await go_on(floor, rounds=3, ticks=True)

    assert floor.flatten().status is FlattenStatus.ABANDONED
    assert floor.flatten().finished_at is not None
    assert "FLATTEN GIVEN UP for the platform" in "".join(floor.told())
    assert order.client_order_id in floor.hyperliquid.resting()
    assert len(floor.hyperliquid.sent) <= sent + 1  # what was planned before may still go


async def test_flatten_when_a_limit_order_that_closes_rests_then_it_is_canceled_and_flat() -> None:
    """It would rest for hours, and what it waits to close is closed at once."""
    floor = await Floor().open()
    parent = a_parent(
        quantity=Decimal(4), side=OrderSide.SELL, reduce_only=True, limit_price=Decimal(3300)
    )
    await floor.work(parent)
    await floor.hold("4")
    await floor.advance()
    floor.pass_time(seconds=2)  # its jitter
    await floor.drain()
    assert len(floor.hyperliquid.resting()) == 1

    await floor.begin_flatten()
    await go_on(floor, rounds=4)
    await floor.advance(None)
    await go_on(floor, rounds=2)

    assert floor.hyperliquid.resting() == []
    assert closed(floor) == -4
    assert floor.flatten().status is FlattenStatus.FLAT
    assert floor.parent().status.is_terminal


async def test_flatten_when_a_deployment_with_holdings_is_gone_then_never_flat(
    floor: Floor,
) -> None:
    await floor.store.commit([Delete(Ref(V3.deployments, DEPLOYMENT_ID))])
    await floor.begin_flatten(by_message=False)

    await step(floor)

    assert floor.flatten().status is FlattenStatus.CLOSING
    assert "its deployment is gone" in floor.flatten().remaining[0]


async def test_flatten_when_an_orders_message_is_lost_then_the_next_round_closes_it(
    floor: Floor,
) -> None:
    await floor.begin_flatten(by_message=False)
    first = plans(await step(floor))
    assert await floor.lose(OrderPlanned) == 2

    await go_on(floor, rounds=3)

    assert floor.flatten().status is FlattenStatus.FLAT
    for plan in first:  # it comes after all
        await floor.handle(OrderPlanned(plan=plan, attempt=1))
    assert (closed(floor), closed(floor, OSTIUM)) == amounts(-1, 2)
    assert {row["status"] for row in floor.rows(ORDER_INTENTS).values()} <= {
        "FILLED",
        "DENIED",
        "CANCELED",
    }


async def test_flatten_when_an_order_comes_late_beside_the_next_then_no_more_closes_than_is_held(
    floor: Floor,
) -> None:
    """Both are on their way; the venue cuts the second to what is there."""
    await floor.begin_flatten(by_message=False)
    early = plans(await step(floor))
    await floor.lose(OrderPlanned)
    floor.clock.advance(AGAIN_AFTER.total_seconds())
    later = plans(await step(floor))

    async def overtaken(name: str) -> None:
        if name == "submit":
            floor.hyperliquid.before = None
            await floor.handle(OrderPlanned(plan=early[0], attempt=1))

    floor.hyperliquid.before = overtaken
    await floor.handle(OrderPlanned(plan=later[0], attempt=1))

    assert closed(floor) == -1
    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0
    assert floor.exposure().reservations == {}


# ---------------------------------------------------------------- twice, races, who changed what


async def test_flatten_when_two_work_the_same_round_then_one_gives_way(floor: Floor) -> None:
    await floor.begin_flatten(by_message=False)
    meanwhile(floor.store, FLATTENS, lambda: step(floor))

    assert await step(floor) == []

    assert floor.flatten().rounds == 1
    assert len(floor.rows(PLAN_APPROVALS)) == 3  # of the entry that rested, and of two positions
    await go_on(floor, rounds=2)
    assert (closed(floor), closed(floor, OSTIUM)) == amounts(-1, 2)


async def test_flatten_when_the_plans_race_is_lost_then_the_next_call_goes_on(
    floor: Floor,
) -> None:
    await floor.begin_flatten(by_message=False)
    LosesRaces(floor.store, PLAN_APPROVALS)

    assert await step(floor) == []
    assert floor.flatten().rounds == 0
    await go_on(floor, rounds=2, ticks=True)

    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_it_dies_between_the_plans_and_its_own_document_then_planned_once(
    floor: Floor,
) -> None:
    async def die() -> None:
        raise TransientError("the process died here")

    await floor.begin_flatten(by_message=False)
    right_after(floor.store, PLAN_APPROVALS, die)
    with pytest.raises(TransientError):
        await step(floor)
    assert floor.flatten().rounds == 0

    assert plans(await step(floor)) == []
    await go_on(floor, rounds=2)

    assert floor.flatten().status is FlattenStatus.FLAT
    assert (closed(floor), closed(floor, OSTIUM)) == amounts(-1, 2)


@pytest.mark.parametrize("change", ["another", "gone"])
async def test_flatten_when_somebody_has_changed_the_state_meanwhile_then_it_is_left_so(
    floor: Floor, change: str
) -> None:
    await floor.begin_flatten()
    await go_on(floor, rounds=0)
    if change == "another":
        await floor.set_state(TradingState.REDUCING)
    else:
        await floor.store.commit([Delete(state_ref(PLATFORM_SCOPE))])
        await floor.set_state(TradingState.REDUCING, epoch=99)
    floor.clock.advance(AGAIN_AFTER.total_seconds())
    await floor.drain()

    assert floor.flatten().status is FlattenStatus.FLAT
    assert state_of(floor).state is TradingState.REDUCING


async def test_flatten_when_the_state_was_deleted_then_it_still_ends(floor: Floor) -> None:
    await floor.begin_flatten(symbol_scope("ETH"))
    await floor.drain()
    await floor.store.commit([Delete(state_ref(symbol_scope("ETH")))])
    floor.clock.advance(AGAIN_AFTER.total_seconds())
    await floor.drain()

    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_the_state_changes_as_it_ends_then_read_again_and_left_so(
    floor: Floor,
) -> None:
    await floor.begin_flatten()
    await floor.drain()
    floor.clock.advance(AGAIN_AFTER.total_seconds())
    meanwhile(floor.store, FLATTENS, lambda: floor.set_state(TradingState.REDUCING))

    assert await step(floor) == []
    assert floor.flatten().status is FlattenStatus.CLOSING
    await step(floor)

    assert floor.flatten().status is FlattenStatus.FLAT
    assert state_of(floor).state is TradingState.REDUCING


async def test_flatten_when_its_message_is_lost_then_the_tick_goes_on(floor: Floor) -> None:
    await floor.begin_flatten()
    await floor.lose(FlattenRequested)

    await go_on(floor, rounds=2, ticks=True)

    assert floor.flatten().status is FlattenStatus.FLAT


async def test_flatten_when_one_cannot_be_read_then_the_others_go_on_and_it_is_told(
    floor: Floor,
) -> None:
    await floor.begin_flatten()
    await floor.lose(FlattenRequested)
    await floor.store.commit([Create(Ref(FLATTENS, "flt_0"), {"status": "CLOSING"})])

    with pytest.raises(InvalidInputError, match="Flatten"):
        await floor.settle()

    assert floor.flatten().rounds == 1


async def test_flatten_when_an_exposure_cannot_be_read_then_the_others_are_closed_and_it_is_told(
    floor: Floor, caplog: pytest.LogCaptureFixture
) -> None:
    await floor.store.commit(
        [
            create(Ref(V3.deployments, "dep_0"), a_deployment("dep_0")),
            Create(Ref(EXPOSURES, "dep_0"), {"deployment_id": 7}),
        ]
    )
    await floor.begin_flatten()

    await go_on(floor)

    assert floor.hyperliquid.held(DEPLOYMENT_ID) == floor.ostium.held(DEPLOYMENT_ID) == 0
    assert floor.flatten().status is FlattenStatus.CLOSING  # nobody knows what it holds
    assert [each[:17] for each in floor.flatten().remaining] == ["dep_0: Exposure d"]
    assert "flatten flt_1: Exposure dep_0" in caplog.text
    with pytest.raises(InvalidInputError, match="Exposure dep_0"):
        await floor.settle()


# ---------------------------------------------------------------- the drill


async def _to_the_end(floor: Floor, mortal: Mortal | None) -> int:
    """Messages and ticks until it is flat, whoever dies meanwhile; how often somebody did."""
    deaths = 0
    for _ in range(12):
        try:
            await floor.drain()
            if floor.flatten().status is FlattenStatus.FLAT:
                return deaths
            floor.clock.advance(60)
            await floor.quote("3000")
            await floor.settle()
        except Died:
            assert mortal is not None
            deaths += mortal.revive()
            if deaths == 1:
                mortal.doom(11, after=True)  # the one that takes it up dies, too
    raise AssertionError(f"never flat: {floor.flatten()}")


def _check(floor: Floor, number: int) -> None:
    """Flat by the venue's word and by our books; never more closed than held, nothing twice."""
    sent = [*floor.hyperliquid.sent, *floor.ostium.sent]
    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0, number
    assert floor.ostium.held(DEPLOYMENT_ID) == 0, number
    assert floor.hyperliquid.resting() == [], number
    assert (closed(floor), closed(floor, OSTIUM)) == amounts(-1, 2), number
    assert len({order.client_order_id for order in sent}) == len(sent), number
    assert all(order.reduce_only for order in sent), number
    assert floor.exposure().holdings == {}, number
    assert floor.exposure().reservations == {}, number
    assert all(intent.status.is_terminal for intent in floor.intents()), number
    assert state_of(floor).state is TradingState.HALTED, number


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_flatten_when_it_dies_at_any_call_then_flat_all_the_same(after: bool) -> None:
    """Every single call to the store and to the venues, in turn."""
    counted = await a_floor()
    await counted.begin_flatten()
    mortal = Mortal(counted.store, counted.venues.values())
    await _to_the_end(counted, None)
    _check(counted, 0)
    calls = mortal.calls
    assert calls > 100
    for number in range(1, calls + 1):
        floor = await a_floor()
        await floor.begin_flatten()
        mortal = Mortal(floor.store, floor.venues.values())
        mortal.doom(number, after=after)

        assert await _to_the_end(floor, mortal) >= 1, number
        mortal.revive()
        _check(floor, number)
