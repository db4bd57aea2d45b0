"""Advance: a parent order from its first child to its end, whatever is lost or happens twice."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    EXPOSURES,
    MARKET_SNAPSHOTS,
    ORDER_INTENTS,
    OUTBOX,
    PARENT_ORDERS,
    PLAN_APPROVALS,
    V3,
)
from common.contention import TRIES
from common.domain.agent import DeploymentStatus
from common.domain.events import CancelRequested, OrderPlanned, OutboxMessage
from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import IntentStatus, OrderPlan, OrderSide
from common.domain.parent_order import ExecAlgorithm, ParentStatus, SliceTarget
from common.domain.policy import Direction, TradingSession
from common.domain.scope import agent_scope, symbol_scope, venue_scope
from common.domain.signal import SignalStatus
from common.errors import InvalidInputError, TransientError
from common.execution.approval import approval_ref, is_approved
from common.how.denial import Denial
from common.how.policy import policy_ref
from common.how.trading_state import TradingState
from common.ports import Create, Delete, Ref
from common.wire import to_document
from functions.advance.handler import CHILD_LIFE
from tests.builders import (
    AGENT_ID,
    DELIVERY_ID,
    DEPLOYMENT_ID,
    NOON,
    PARENT_ID,
    SIGNAL_ID,
    a_child,
    a_deployment,
    a_parent,
)
from tests.fakes.clock import FakeClock
from tests.unit.functions.floor import HL, OSTIUM, Floor
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile, right_after
from tests.unit.how.risk_desk import a_policy

LOST_AFTER = CHILD_LIFE + timedelta(minutes=1)
"""... and the settings' grace: no message of a child can come through any more."""
NIGHT = TradingSession(days=tuple(range(7)), start_minute=0, end_minute=60)


@pytest.fixture
async def floor() -> Floor:
    """A parent order for 4 ETH that rests at 3000; nothing of it is sent yet."""
    return await a_floor()


async def a_floor(**parent: Any) -> Floor:
    floor = await Floor().open()
    await floor.work(a_parent(**{"quantity": Decimal(4), **parent}))
    return floor


def sliced(*minutes: int, quantity: str = "1") -> tuple[SliceTarget, ...]:
    return tuple(SliceTarget(NOON + timedelta(minutes=each), Decimal(quantity)) for each in minutes)


def a_twap(**changes: Any) -> dict[str, Any]:
    """Four slices, a minute apart."""
    parent: dict[str, Any] = {
        "exec_algorithm_id": ExecAlgorithm.TWAP,
        "limit_price": None,
        "schedule": sliced(0, 1, 2, 3),
        "expires_at": NOON + timedelta(minutes=7),
    }
    return parent | changes


def plans(messages: list[OutboxMessage]) -> list[OrderPlan]:
    return [each.event.plan for each in messages if isinstance(each.event, OrderPlanned)]


async def carry_on(floor: Floor, **span: float) -> None:
    """Everything that waits is delivered, once its jitter is over; then ticks, as time passes."""
    floor.pass_time(seconds=2)
    await floor.drain()
    if span:
        floor.pass_time(**span)
        await floor.quote("3000")
    await floor.advance(None)
    await floor.settle()
    floor.pass_time(seconds=2)
    await floor.drain()


# ---------------------------------------------------------------- the course of a parent


async def test_advance_when_it_begins_then_one_child_is_planned_and_approved(floor: Floor) -> None:
    messages = await floor.advance()

    (plan,) = plans(messages)
    (message,) = messages
    assert message.deliver_at is not None  # jitter, by scheduling
    assert timedelta(0) < message.deliver_at - NOON <= timedelta(seconds=1.5)
    assert message.message_id in floor.rows(OUTBOX)
    approval = await floor.store.get(approval_ref(plan))
    assert is_approved(plan, floor.delivery(), approval)
    assert floor.rows(PLAN_APPROVALS)[plan.intent_id]["by"] == "advance"
    (child,) = floor.parent().open_children.items()
    assert (child[0], child[1].quantity) == (plan.intent_id, Decimal(4))
    assert (plan.parent_order_id, plan.slice_no, plan.exec_algorithm_id) == (PARENT_ID, 1, "LIMIT")
    assert (plan.delivery_id, plan.signal_id) == (DELIVERY_ID, SIGNAL_ID)
    assert (plan.order_type, plan.time_in_force) == (OrderType.LIMIT, TimeInForce.GTC)
    assert plan.expires_at == NOON + CHILD_LIFE
    assert plan.paper


async def test_advance_when_the_child_fills_then_the_parent_ends_and_its_delivery_with_it(
    floor: Floor,
) -> None:
    await floor.advance()
    await carry_on(floor)
    (order,) = floor.hyperliquid.sent
    assert (order.parent_order_id, order.exec_spawn_id) == (PARENT_ID, PARENT_ID)
    assert floor.delivery().status is SignalStatus.EXECUTING
    assert sum(each.quantity for each in floor.exposure().reservations.values()) == 4

    floor.hyperliquid.fill(order.client_order_id, "1.5")
    await carry_on(floor)
    assert floor.parent().filled_qty == Decimal("1.5")
    assert sum(each.quantity for each in floor.exposure().reservations.values()) == Decimal("2.5")
    floor.hyperliquid.fill(order.client_order_id, "2.5")
    await carry_on(floor)

    parent = floor.parent()
    assert (parent.status, parent.filled_qty, parent.open_children) == (
        ParentStatus.FILLED,
        Decimal(4),
        {},
    )
    assert parent.filled_notional == 12_000
    assert parent.commissions == Decimal("0.9")
    delivery = floor.delivery()
    assert (delivery.status, delivery.venue) == (SignalStatus.EXECUTED, HL)
    assert floor.signal().status is SignalStatus.EXECUTED
    assert floor.signal().outcomes == {"EXECUTED": 1}
    assert floor.exposure().reservations == {}
    assert floor.exposure().held(HL, "ETH") == 4
    (row,) = floor.audited("parent-ended")
    assert row["facts"]["filled_qty"] == "4"
    assert row["facts"]["children"] == "1"


async def test_advance_when_in_slices_then_each_at_its_time_and_all_of_it() -> None:
    floor = await a_floor(**a_twap())
    sent: list[int] = []
    await floor.advance()
    for _ in range(5):
        await carry_on(floor, minutes=1)
        sent.append(len(floor.hyperliquid.sent))

    assert sent == [2, 3, 4, 4, 4]
    assert sum(order.quantity for order in floor.hyperliquid.sent) == 4
    assert floor.parent().status is ParentStatus.FILLED
    assert floor.delivery().status is SignalStatus.EXECUTED


async def test_advance_when_ticks_were_missed_then_it_catches_up_and_never_above_the_whole() -> (
    None
):
    floor = await a_floor(**a_twap())
    floor.pass_time(minutes=3, seconds=30)
    await floor.quote("3000")
    await floor.advance(None)
    for _ in range(4):
        await carry_on(floor, seconds=40)

    assert sum(order.quantity for order in floor.hyperliquid.sent) == 4
    assert floor.parent().status is ParentStatus.FILLED


async def test_advance_when_time_is_over_then_what_rests_is_canceled_and_it_ends(
    floor: Floor,
) -> None:
    await floor.advance()
    await carry_on(floor)
    (order,) = floor.hyperliquid.sent
    floor.hyperliquid.fill(order.client_order_id, "1")
    await carry_on(floor, hours=1)
    await carry_on(floor)

    assert floor.hyperliquid.canceled == [order.client_order_id]
    parent = floor.parent()
    assert (parent.status, parent.reason_code) == (ParentStatus.PARTIAL, "OUT_OF_TIME")
    assert floor.delivery().status is SignalStatus.PARTIAL
    assert floor.exposure().reservations == {}


@pytest.mark.parametrize(
    ("status", "end", "outcome"),
    [
        (ParentStatus.CANCELING, ParentStatus.CANCELED, SignalStatus.SKIPPED),
        (ParentStatus.PAUSED, ParentStatus.PAUSED, SignalStatus.EXECUTING),
    ],
)
async def test_advance_when_somebody_stops_it_then_its_child_is_canceled_and_none_follows(
    floor: Floor, status: ParentStatus, end: ParentStatus, outcome: SignalStatus
) -> None:
    await floor.advance()
    await carry_on(floor)
    stopped = replace(floor.parent(), status=status, reason="Ada said so")
    await floor.change(Ref(PARENT_ORDERS, PARENT_ID), stopped)

    messages = await floor.advance()

    (child,) = floor.intents()
    assert [each.event for each in messages] == [
        CancelRequested(intent_id=child.plan.intent_id, reason="Ada said so")
    ]
    for _ in range(3):
        await carry_on(floor, minutes=1)
    assert floor.hyperliquid.resting() == []
    assert (floor.parent().status, floor.delivery().status) == (end, outcome)
    assert len(floor.hyperliquid.sent) == 1


async def test_advance_when_asked_again_within_the_minute_then_one_cancel_is_written(
    floor: Floor,
) -> None:
    """A later minute asks anew: the first message may have been lost."""
    await floor.advance()
    await carry_on(floor)
    await floor.change(
        Ref(PARENT_ORDERS, PARENT_ID), replace(floor.parent(), status=ParentStatus.CANCELING)
    )

    first, second = await floor.advance(), await floor.advance()
    floor.pass_time(minutes=1)
    third = await floor.advance()

    assert first == second
    assert first[0].message_id != third[0].message_id
    assert "its parent order is canceling" in str(first[0].event)
    cancels = [each for each in floor.outbox() if isinstance(each.event, CancelRequested)]
    assert len(cancels) == 2


# ---------------------------------------------------------------- the trading state


@pytest.mark.parametrize(
    "scope",
    [venue_scope(HL), agent_scope("v3", AGENT_ID), symbol_scope("ETH")],
    ids=lambda scope: scope.key,
)
async def test_advance_when_halted_then_nothing_rests_and_it_goes_on_when_resumed(
    floor: Floor, scope: Any
) -> None:
    await floor.advance()
    await carry_on(floor)
    await floor.set_state(TradingState.HALTED, scope)
    for _ in range(2):
        await carry_on(floor, minutes=1)
    assert floor.hyperliquid.resting() == []
    assert floor.parent().status is ParentStatus.ACTIVE

    await floor.set_state(TradingState.ACTIVE, scope)
    for _ in range(2):
        await carry_on(floor, minutes=1)

    assert len(floor.hyperliquid.resting()) == 1
    assert floor.parent().open_qty == 4


async def test_advance_when_reducing_then_only_what_reduces_is_sent() -> None:
    entry = await a_floor(**a_twap())
    await entry.set_state(TradingState.REDUCING)
    assert plans(await entry.advance()) == []

    closing = await Floor().open()
    await closing.hold("4")
    await closing.set_state(TradingState.REDUCING)
    parent = a_parent(**a_twap(side=OrderSide.SELL, reduce_only=True, quantity=Decimal(4)))
    await closing.store.commit([Create(Ref(PARENT_ORDERS, PARENT_ID), to_document(parent))])
    (plan,) = plans(await closing.advance())

    assert (plan.side, plan.reduce_only) == (OrderSide.SELL, True)


@pytest.mark.parametrize("stopped", ["reducing", "paused"])
async def test_advance_when_only_closing_goes_on_then_a_closing_parent_fills_to_its_end(
    stopped: str,
) -> None:
    """Its own reserved rest is no other order that closes the same."""
    floor = await Floor().open()
    await floor.work(a_parent(**a_twap(side=OrderSide.SELL, reduce_only=True, quantity=Decimal(4))))
    await floor.hold("4")
    if stopped == "reducing":
        await floor.set_state(TradingState.REDUCING)
    else:
        place = Ref(V3.deployments, DEPLOYMENT_ID)
        await floor.change(place, a_deployment(status=DeploymentStatus.PAUSED))
    await floor.advance()
    for _ in range(6):
        await carry_on(floor, minutes=1)

    assert (floor.parent().status, floor.parent().filled_qty) == (ParentStatus.FILLED, Decimal(4))


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"denied_symbols": ("ETH",)}, Denial.POLICY_SYMBOL_NOT_ALLOWED),
        ({"direction": Direction.SHORT_ONLY}, Denial.POLICY_DIRECTION_NOT_ALLOWED),
        ({"allowed_venues": (OSTIUM,)}, Denial.POLICY_VENUE_NOT_ALLOWED),
        ({"sessions": (NIGHT,)}, Denial.POLICY_OUTSIDE_SESSION),
    ],
)
async def test_advance_when_the_policy_is_tightened_meanwhile_then_no_further_slice(
    rules: dict[str, Any], code: Denial
) -> None:
    floor = await a_floor(**a_twap())
    await floor.advance()
    await carry_on(floor)
    filled = floor.parent().filled_qty
    assert 0 < filled < floor.parent().quantity
    policy = a_policy(**rules)
    await floor.change(policy_ref(DEPLOYMENT_ID), policy)
    for _ in range(30):
        await carry_on(floor, minutes=1)

    parent = floor.parent()
    assert parent.filled_qty == filled
    assert parent.status is ParentStatus.PARTIAL
    assert parent.reason_code == code


# ---------------------------------------------------------------- what there is not


async def test_advance_when_the_price_is_stale_then_nothing_is_sent(floor: Floor) -> None:
    await floor.quote("3000", at=NOON - timedelta(hours=1))
    before = floor.store.contents()

    assert await floor.advance() == []
    assert floor.store.contents() == before


async def test_advance_when_there_is_no_price_or_exposure_yet_then_nothing_or_all_of_it(
    floor: Floor,
) -> None:
    await floor.store.commit([Delete(Ref(EXPOSURES, DEPLOYMENT_ID))])
    assert len(plans(await floor.advance())) == 1

    other = await a_floor()
    await other.store.commit([Delete(Ref(MARKET_SNAPSHOTS, "ETH"))])
    assert await other.advance() == []


@pytest.mark.parametrize("missing", ["table", "pair", "venue"])
async def test_advance_when_its_venue_cannot_be_traded_at_now_then_it_waits(
    floor: Floor, missing: str
) -> None:
    if missing == "pair":
        await floor.list_as(None)
    elif missing == "venue":
        del floor.venues[HL]
    else:

        async def none(venue: object) -> None:
            return None

        floor.table = none  # type: ignore[method-assign]  # not loaded yet

    assert await floor.advance() == []
    assert floor.parent().status is ParentStatus.ACTIVE


async def test_advance_when_there_is_no_such_parent_or_it_has_ended_then_nothing(
    floor: Floor,
) -> None:
    ended = replace(floor.parent(), status=ParentStatus.CANCELED)
    await floor.change(Ref(PARENT_ORDERS, PARENT_ID), ended)
    before = floor.store.contents()

    assert await floor.advance("par_nobodys") == []
    assert await floor.advance() == []
    assert await floor.advance(None) == []
    assert floor.store.contents() == before


@pytest.mark.parametrize(("paper", "mode"), [(True, "live"), (False, "paper")])
async def test_advance_when_it_is_of_the_other_mode_then_left_alone(paper: bool, mode: str) -> None:
    floor = await a_floor(paper=paper)
    floor.settings = replace(floor.settings, mode=mode)
    before = floor.store.contents()

    assert await floor.advance() == []
    assert await floor.advance(None) == []
    assert floor.store.contents() == before


async def test_advance_when_live_then_its_children_are_too() -> None:
    floor = await a_floor(paper=False)
    floor.settings = replace(floor.settings, mode="live")

    (plan,) = plans(await floor.advance())

    assert not plan.paper


async def test_advance_when_it_ends_without_exposure_or_delivery_then_it_ends_all_the_same(
    floor: Floor,
) -> None:
    await floor.store.commit(
        [Delete(Ref(EXPOSURES, DEPLOYMENT_ID)), Delete(Ref(V3.deliveries, DELIVERY_ID))]
    )
    floor.pass_time(hours=1)

    await floor.advance()

    assert floor.parent().status is ParentStatus.EXPIRED


async def test_advance_when_nothing_of_it_is_reserved_any_more_then_the_exposure_is_left_alone(
    floor: Floor,
) -> None:
    await floor.change(Ref(EXPOSURES, DEPLOYMENT_ID), floor.exposure().release(PARENT_ID))
    before = floor.rows(EXPOSURES)
    floor.pass_time(hours=1)

    await floor.advance()

    assert floor.rows(EXPOSURES) == before
    assert floor.delivery().status is SignalStatus.EXPIRED


# ---------------------------------------------------------------- lost children


async def lose_child(floor: Floor) -> str:
    """The message of the parent's only child never comes; the child's intent id."""
    await floor.advance()
    assert await floor.lose(OrderPlanned) == 1
    (child,) = floor.parent().open_children
    return child


async def test_advance_when_a_childs_message_was_lost_then_it_ends_and_another_follows(
    floor: Floor,
) -> None:
    lost = await lose_child(floor)
    floor.clock.advance(LOST_AFTER.total_seconds())
    await floor.quote("3000")
    assert await floor.advance() == []
    assert list(floor.parent().open_children) == [lost]

    floor.clock.advance(0.001)
    messages = await floor.advance()
    floor.pass_time(minutes=1)
    await floor.quote("3000")
    messages += await floor.advance()

    (plan,) = plans(messages)
    assert (plan.slice_no, plan.candidates[0].quantity) == (2, Decimal(4))
    assert list(floor.parent().open_children) == [plan.intent_id] != [lost]


async def test_advance_when_the_lost_message_comes_after_all_then_it_is_not_sent(
    floor: Floor,
) -> None:
    (plan,) = plans(await floor.advance())
    await floor.lose(OrderPlanned)
    floor.clock.advance(LOST_AFTER.total_seconds() + 1)
    await floor.advance()

    assert await floor.handle(OrderPlanned(plan=plan, attempt=1)) == []

    assert floor.hyperliquid.sent == []
    assert ORDER_INTENTS not in floor.store.contents()


async def test_advance_when_the_child_is_written_ahead_while_it_is_given_up_then_it_counts(
    floor: Floor,
) -> None:
    """The parent's version is the lock: the one who comes second reads again."""
    (plan,) = plans(await floor.advance())
    await floor.lose(OrderPlanned)
    floor.clock.advance(LOST_AFTER.total_seconds() + 1)
    its_own = FakeClock(NOON + timedelta(seconds=3))

    async def write_ahead() -> None:
        await floor.handle(OrderPlanned(plan=plan, attempt=1), clock=its_own)

    meanwhile(floor.store, PARENT_ORDERS, write_ahead)
    await floor.advance()

    assert len(floor.hyperliquid.sent) == 1
    assert list(floor.parent().open_children) == [plan.intent_id]
    assert floor.parent().open_qty == 4


async def test_execute_when_the_child_is_given_up_while_it_is_written_ahead_then_not_sent(
    floor: Floor,
) -> None:
    (plan,) = plans(await floor.advance())
    child = plan.intent_id

    async def give_up() -> None:
        parent = floor.parent()
        kept = {key: each for key, each in parent.open_children.items() if key != child}
        await floor.change(Ref(PARENT_ORDERS, PARENT_ID), replace(parent, open_children=kept))

    meanwhile(floor.store, ORDER_INTENTS, give_up)

    assert await floor.handle(OrderPlanned(plan=plan, attempt=1)) == []
    assert floor.hyperliquid.sent == []


# ---------------------------------------------------------------- twice, lost races, crashes


async def test_advance_when_called_again_then_nothing_changes(floor: Floor) -> None:
    await floor.advance()
    before = floor.store.contents()

    assert await floor.advance() == []
    assert await floor.advance(None) == []
    assert floor.store.contents() == before


async def test_advance_when_two_look_at_once_then_one_child(floor: Floor) -> None:
    meanwhile(floor.store, PARENT_ORDERS, floor.advance)

    assert await floor.advance() == []

    assert len(floor.parent().open_children) == 1
    assert len(floor.rows(PLAN_APPROVALS)) == 1


async def test_advance_when_many_look_side_by_side_then_one_child(floor: Floor) -> None:
    async def yielding(*_: object) -> None:
        await asyncio.sleep(0)

    floor.store.before = yielding
    await asyncio.gather(*(floor.advance() for _ in range(8)))

    assert len(floor.rows(PLAN_APPROVALS)) == 1
    assert floor.parent().spawned == 1


@pytest.mark.parametrize("losses", [1, TRIES - 1, TRIES])
async def test_advance_when_races_are_lost_then_it_reads_again_and_not_for_ever(
    floor: Floor, losses: int
) -> None:
    before = floor.store.contents()
    LosesRaces(floor.store, PARENT_ORDERS, count=losses)
    if losses < TRIES:
        assert len(plans(await floor.advance())) == 1
        return
    with pytest.raises(TransientError, match=f"parent order {PARENT_ID} is contended"):
        await floor.advance()
    assert floor.store.contents() == before


async def test_advance_when_the_answer_to_its_commit_is_lost_then_the_child_is_still_one(
    floor: Floor,
) -> None:
    async def lose() -> None:
        raise TransientError("the answer was lost")

    right_after(floor.store, PARENT_ORDERS, lose)
    with pytest.raises(TransientError):
        await floor.advance()
    assert await floor.advance() == []
    await carry_on(floor)

    assert len(floor.hyperliquid.sent) == 1


async def test_advance_when_it_dies_before_the_signal_is_ended_then_settle_ends_it(
    floor: Floor,
) -> None:
    floor.pass_time(hours=1)

    async def die() -> None:
        raise TransientError("the process died here")

    right_after(floor.store, PARENT_ORDERS, die)
    with pytest.raises(TransientError):
        await floor.advance()
    assert floor.delivery().status is SignalStatus.EXPIRED
    assert floor.signal().status is SignalStatus.PENDING

    await floor.settle()

    assert floor.signal().status is SignalStatus.EXPIRED


async def test_advance_when_one_parent_makes_trouble_then_the_others_have_their_step_first(
    floor: Floor,
) -> None:
    broken = {"status": "ACTIVE", "quantity": 7}
    await floor.store.commit(
        [Create(Ref(PARENT_ORDERS, name), broken) for name in ("par_0", "par_zzz")]
    )

    with pytest.raises(InvalidInputError, match="ParentOrder"):
        await floor.advance(None)

    assert len(floor.parent().open_children) == 1
    with pytest.raises(InvalidInputError, match="ParentOrder"):
        await floor.advance("par_0")


async def test_advance_when_there_are_many_parents_then_every_one_has_its_step() -> None:
    floor = await Floor().open()
    names = [f"par_{number:03}" for number in range(205)]  # more than a page
    for name in names:
        parent = a_parent(parent_order_id=name, signal_id=name)
        await floor.store.commit([Create(Ref(PARENT_ORDERS, name), to_document(parent))])

    messages = await floor.advance(None)

    assert {plan.parent_order_id for plan in plans(messages)} == set(names)


async def _whole_life(floor: Floor, mortal: Mortal | None) -> None:
    """A TWAP of two slices to its end, whoever dies meanwhile: time and ticks go on."""
    for _ in range(14):
        try:
            await carry_on(floor, seconds=45)
        except Died:
            assert mortal is not None
        if mortal is not None:
            mortal.revive()
        await floor.quote("3000")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_advance_when_it_dies_at_any_call_then_it_ends_and_never_above_the_whole(
    after: bool,
) -> None:
    """At every ninth call to the store or the venue, in turn."""

    async def begin() -> Floor:
        return await a_floor(
            **a_twap(schedule=sliced(0, 1, quantity="2"), expires_at=NOON + timedelta(minutes=6))
        )

    counted = await begin()
    mortal = Mortal(counted.store, counted.venues.values())
    await _whole_life(counted, None)
    assert counted.parent().status is ParentStatus.FILLED
    calls = mortal.calls
    assert calls > 100
    for number in range(5 if after else 1, calls + 1, 9):
        floor = await begin()
        mortal = Mortal(floor.store, floor.venues.values())
        mortal.doom(number, after=after)
        await _whole_life(floor, mortal)

        parent, sent = floor.parent(), floor.hyperliquid.sent
        assert parent.status.is_terminal, number
        assert sum(order.quantity for order in sent) <= 4, number
        assert floor.hyperliquid.held(DEPLOYMENT_ID) == parent.filled_qty, number
        assert floor.exposure().held(HL, "ETH") == parent.filled_qty, number
        assert floor.exposure().reservations == {}, number
        assert floor.signal().status.is_terminal, number
        assert all(intent.status.is_terminal for intent in floor.intents()), number


# ---------------------------------------------------------------- children that come to nothing


async def test_advance_when_every_child_is_refused_then_it_gives_up_with_the_reason() -> None:
    """IOC children that never fill: as many in a row as the settings say."""
    floor = await a_floor(**a_twap(expires_at=NOON + timedelta(hours=1)))
    floor.hyperliquid.share = Decimal(0)
    for _ in range(12):
        await carry_on(floor, minutes=1)

    parent = floor.parent()
    assert (parent.status, parent.reason_code) == (
        ParentStatus.REJECTED,
        "NOT_FILLED_WITHIN_BOUND",
    )
    assert floor.delivery().status is SignalStatus.FAILED
    assert parent.failures == floor.settings.execution.failures_max
    assert all(intent.status is IntentStatus.REJECTED for intent in floor.intents())


async def test_advance_when_a_child_is_unresolved_then_it_counts_as_filled_to_the_end() -> None:
    """What is with it is never sent a second time."""
    floor = await a_floor(
        open_children={"int_lost": a_child("4", unresolved=True)},
        **a_twap(schedule=sliced(0, quantity="4")),
    )

    assert plans(await floor.advance()) == []

    parent = floor.parent()
    assert (parent.status, parent.reason_code) == (ParentStatus.EXPIRED, "CHILD_UNRESOLVED")
    assert floor.delivery().status is SignalStatus.EXPIRED
