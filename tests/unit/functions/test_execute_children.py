"""Execute for those whose plan has an approval of its own: children of a parent, and exits."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    ACCOUNTS,
    AUDIT,
    EXPOSURES,
    MESSAGE_COUNTS,
    ORDER_INTENTS,
    ORDERS,
    OUTBOX,
    PARENT_ORDERS,
    PLAN_APPROVALS,
    V3,
)
from common.documents import create
from common.domain.account import Account
from common.domain.events import OrderPlanned, OutboxMessage, ParentOrderDue, PositionChanged
from common.domain.instrument import OrderType, TimeInForce
from common.domain.order import IntentStatus, OrderIntent, OrderPlan, OrderPurpose, OrderSide
from common.domain.parent_order import ParentStatus
from common.domain.scope import (
    PLATFORM_SCOPE,
    agent_scope,
    deployment_scope,
    symbol_scope,
    venue_scope,
)
from common.domain.signal import SignalStatus
from common.errors import DeniedError, InvalidInputError, OutcomeUnknownError, RejectedError
from common.execution.approval import approval_write
from common.how.limit_documents import limits_ref
from common.how.risk_totals import GROSS, gross_ref, orders_ref
from common.how.risk_totals import ORDERS as OPEN_ORDERS
from common.how.trading_state import TradingState
from common.how.worst_case import gross, notionals
from common.ports import Create, Delete, Ref
from tests.builders import (
    AGENT_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    PARENT_ID,
    a_child,
    a_parent,
    a_plan,
    some_limits,
)
from tests.unit.functions.floor import HL, OSTIUM, Floor
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile
from tests.unit.functions.trading_desk import candidate

BUY, SELL = OrderSide.BUY, OrderSide.SELL


def a_child_plan(name: str = INTENT_ID, **changes: Any) -> OrderPlan:
    """1 ETH of the parent's 4, at Hyperliquid or else at Ostium."""
    plan = a_plan(
        intent_id=name,
        candidates=(candidate(HL), candidate(OSTIUM)),
        parent_order_id=PARENT_ID,
        exec_algorithm_id="TWAP",
        slice_no=1,
    )
    return replace(plan, **changes)


def an_exit_plan(**changes: Any) -> OrderPlan:
    """Sells 1 ETH at Hyperliquid, for a stop that nothing rests for."""
    plan = a_plan(
        delivery_id="",
        signal_id="exit:pos_1",
        side=SELL,
        candidates=(candidate(HL, price="2985"),),
        purpose=OrderPurpose.STOP_LOSS,
        reduce_only=True,
        position_id="pos_1",
    )
    return replace(plan, **changes)


async def a_floor(*plans: OrderPlan) -> Floor:
    """A parent order for 4 ETH with a child of each plan's, all of them approved."""
    floor = await Floor().open()
    children = {
        plan.intent_id: a_child(str(plan.candidates[0].quantity), slice_no=number + 1)
        for number, plan in enumerate(plans)
    }
    parent = a_parent(quantity=Decimal(4), open_children=children, spawned=len(children))
    await floor.work(parent)
    await floor.store.commit([approval_write(plan, "advance", now=NOON) for plan in plans])
    return floor


@pytest.fixture
async def floor() -> Floor:
    return await a_floor(a_child_plan())


@pytest.fixture
async def bare() -> Floor:
    """1 ETH is held at Hyperliquid, and an exit of all of it approved."""
    floor = await Floor().open()
    await floor.hold("1")
    await floor.store.commit([approval_write(an_exit_plan(), "monitor", now=NOON)])
    return floor


async def send(
    floor: Floor, plan: OrderPlan | None = None, attempt: int = 1
) -> list[OutboxMessage]:
    return await floor.handle(OrderPlanned(plan=plan or a_child_plan(), attempt=attempt))


def intent(floor: Floor, name: str = INTENT_ID) -> OrderIntent:
    return floor.get(OrderIntent, ORDER_INTENTS, name)


def reserved(floor: Floor) -> dict[str, Decimal]:
    return {key: each.quantity for key, each in floor.exposure().reservations.items()}


def total(floor: Floor) -> tuple[int, int]:
    """The platform's gross in cents, and its open orders."""
    gross, orders = (floor.store.peek(ref(PLATFORM_SCOPE)) for ref in (gross_ref, orders_ref))
    return (
        int(gross.data[GROSS]) if gross else 0,
        int(orders.data[OPEN_ORDERS]) if orders else 0,
    )


# ---------------------------------------------------------------- a child


async def test_child_when_it_fills_then_its_parent_has_it_and_its_delivery_waits_on(
    floor: Floor,
) -> None:
    messages = await send(floor)

    parent = floor.parent()
    assert (parent.filled_qty, parent.open_children) == (Decimal(1), {})
    assert parent.filled_notional == 3015
    assert floor.delivery().status is SignalStatus.EXECUTING
    assert reserved(floor) == {PARENT_ID: Decimal(3)}
    assert floor.exposure().held(HL, "ETH") == 1
    events = [type(each.event) for each in messages]
    assert PositionChanged in events
    assert ParentOrderDue in events
    assert all(each.message_id in floor.rows(OUTBOX) for each in messages)
    (row,) = floor.rows("fills").values()
    assert row["parent_order_id"] == PARENT_ID


async def test_child_when_it_is_at_the_wire_then_child_and_parent_hold_all_of_it_together(
    floor: Floor,
) -> None:
    seen: list[dict[str, Decimal]] = []

    async def look(name: str) -> None:
        if name == "submit":
            seen.append(reserved(floor))

    floor.hyperliquid.before = look
    gross, _ = total(floor)
    await send(floor)

    assert seen == [{INTENT_ID: Decimal(1), PARENT_ID: Decimal(3)}]
    assert gross == 4 * 3000 * 100


async def test_child_when_unknown_then_it_counts_and_is_one_open_order(floor: Floor) -> None:
    async def lost(name: str) -> None:
        if name == "submit":
            raise OutcomeUnknownError("lost")

    floor.hyperliquid.before = lost
    await send(floor)

    assert intent(floor).status is IntentStatus.UNKNOWN
    assert floor.parent().open_qty == 1
    assert sum(reserved(floor).values()) == 4
    assert total(floor)[1] == 1


async def test_child_when_the_first_venue_refuses_then_the_next_and_its_parent_waits(
    floor: Floor,
) -> None:
    async def refuse(name: str) -> None:
        if name == "submit":
            raise RejectedError("MARGIN", "too poor")

    floor.hyperliquid.before = refuse
    (message,) = await send(floor)
    assert message.event == OrderPlanned(plan=a_child_plan(), attempt=2)
    assert floor.parent().open_qty == 1

    await send(floor, attempt=2)

    assert floor.ostium.held(DEPLOYMENT_ID) == 1
    assert floor.parent().filled_qty == 1


async def test_child_when_written_ahead_then_the_message_counts_in_each_of_its_scopes(
    floor: Floor,
) -> None:
    await send(floor)

    rows = floor.rows(MESSAGE_COUNTS)
    scopes = (
        PLATFORM_SCOPE,
        venue_scope(HL),
        agent_scope("v3", AGENT_ID),
        deployment_scope(DEPLOYMENT_ID),
    )
    assert {row["scope"]: row["seconds"] for row in rows.values()} == {
        scope.key: {"s00": 1} for scope in scopes
    }


@pytest.mark.parametrize("status", [ParentStatus.PAUSED, ParentStatus.CANCELING])
async def test_child_when_its_parent_does_not_work_then_denied_and_the_parent_has_it_back(
    floor: Floor, status: ParentStatus
) -> None:
    await floor.change(Ref(PARENT_ORDERS, PARENT_ID), replace(floor.parent(), status=status))

    (message,) = await send(floor)

    assert message.event == ParentOrderDue(parent_order_id=PARENT_ID)
    assert (intent(floor).status, intent(floor).reason_code) == (
        IntentStatus.DENIED,
        "PARENT_NOT_ACTIVE",
    )
    assert floor.parent().open_children == {}
    assert floor.parent().unspawned_qty == 4
    assert reserved(floor) == {PARENT_ID: Decimal(4)}
    assert floor.hyperliquid.sent == []
    assert ORDERS not in floor.store.contents()


async def _mode(floor: Floor) -> None:
    floor.settings = replace(floor.settings, mode="live")


async def _time(floor: Floor) -> None:
    floor.pass_time(minutes=5)


async def _venue(floor: Floor) -> None:
    del floor.venues[HL]


async def _messages(floor: Floor) -> None:
    """One a second is allowed, and there was one."""
    limits = some_limits()
    few = replace(limits.total, max_messages_per_second=1)
    await floor.change(limits_ref(PLATFORM_SCOPE), replace(limits, total=few))
    counted: dict[str, Any] = {"seconds": {"s00": 1}}
    place = Ref(MESSAGE_COUNTS, f"platform:{NOON:%Y%m%d%H%M}")
    await floor.store.commit([Create(place, counted)])


async def _key(floor: Floor) -> None:
    async def refuse(name: str) -> None:
        if name == "prepare":
            raise DeniedError("KEY_REVOKED", "the key was revoked")

    floor.hyperliquid.before = refuse


_CAUSES: dict[str, Callable[[Floor], Awaitable[object]]] = {
    "TRADING_HALTED": lambda floor: floor.set_state(TradingState.HALTED, symbol_scope("ETH")),
    "TRADING_STATE_REDUCING": lambda floor: floor.set_state(TradingState.REDUCING),
    "SIGNAL_EXPIRED": _time,
    "DEPLOYMENT_MODE_MISMATCH": _mode,
    "NO_EXECUTION_CLIENT": _venue,
    "LIMITS_MISSING": lambda floor: floor.store.commit([Delete(limits_ref(PLATFORM_SCOPE))]),
    "PRICE_STALE": lambda floor: floor.quote("3000", at=NOON - timedelta(hours=1)),
    "RATE_LIMIT_EXCEEDED": _messages,
    "KEY_REVOKED": _key,
}
CAUSES = list(_CAUSES)


async def deny(floor: Floor, cause: str) -> None:
    """See to it that the next order is refused for that."""
    await _CAUSES[cause](floor)


@pytest.mark.parametrize("cause", CAUSES)
async def test_child_when_refused_before_it_is_written_ahead_then_it_leaves_a_denied_intent(
    floor: Floor, cause: str
) -> None:
    """Whoever planned it looks for what became of it."""
    await deny(floor, cause)

    (message,) = await send(floor)

    assert isinstance(message.event, ParentOrderDue)
    assert message.message_id in floor.rows(OUTBOX)
    denied = intent(floor)
    assert (denied.status, denied.reason_code) == (IntentStatus.DENIED, cause)
    assert (denied.attempt, denied.client_order_ids) == (0, ())
    assert floor.parent().open_children == {}
    assert floor.parent().reason_code == cause
    assert floor.parent().failures == 1
    assert reserved(floor) == {PARENT_ID: Decimal(4)}
    assert floor.delivery().status is SignalStatus.EXECUTING
    assert floor.hyperliquid.sent == []
    (row,) = floor.rows(AUDIT).values()
    assert (row["action"], row["facts"]["code"]) == ("order-denied", cause)
    assert denied.audit_head == row["hash"]


async def test_child_when_it_was_refused_and_comes_again_then_nothing_changes(
    floor: Floor,
) -> None:
    await deny(floor, "TRADING_HALTED")
    await send(floor)
    await floor.set_state(TradingState.ACTIVE, symbol_scope("ETH"))
    before = floor.store.contents()

    assert await send(floor) == []
    assert floor.store.contents() == before
    assert floor.hyperliquid.sent == []


async def test_child_when_a_retry_of_it_is_refused_then_its_own_intent_ends(floor: Floor) -> None:
    async def refuse(name: str) -> None:
        if name == "submit":
            raise RejectedError("MARGIN", "too poor")

    floor.hyperliquid.before = refuse
    await send(floor)
    await deny(floor, "TRADING_HALTED")

    await send(floor, attempt=2)

    assert (intent(floor).status, intent(floor).attempt) == (IntentStatus.DENIED, 1)
    assert floor.parent().open_children == {}
    assert reserved(floor) == {PARENT_ID: Decimal(4)}
    assert floor.ostium.sent == []


async def test_child_when_its_parent_waits_for_it_no_more_then_nothing_is_sent(
    floor: Floor,
) -> None:
    await floor.change(Ref(PARENT_ORDERS, PARENT_ID), replace(floor.parent(), open_children={}))
    before = floor.store.contents()

    assert await send(floor) == []
    assert floor.store.contents() == before


@pytest.mark.parametrize(
    "altered",
    [
        {"candidates": (candidate(HL, "2"), candidate(OSTIUM))},
        {"parent_order_id": ""},
        {"parent_order_id": "par_2"},
        {"slice_no": 2},
        {"exec_algorithm_id": "SNIPER"},
        {"expires_at": NOON + timedelta(hours=1)},
    ],
)
async def test_child_when_its_plan_was_altered_then_refused_and_nothing_written(
    floor: Floor, altered: dict[str, Any]
) -> None:
    before = floor.store.contents()
    with pytest.raises(InvalidInputError) as caught:
        await send(floor, a_child_plan(**altered))

    assert caught.value.code == "PLAN_NOT_APPROVED"
    assert floor.store.contents() == before


@pytest.mark.parametrize("gone", ["approval", "parent", "deployment"])
async def test_child_when_what_it_belongs_to_is_gone_then_invalid_input(
    floor: Floor, gone: str
) -> None:
    place = {
        "approval": Ref(PLAN_APPROVALS, INTENT_ID),
        "parent": Ref(PARENT_ORDERS, PARENT_ID),
        "deployment": Ref(V3.deployments, DEPLOYMENT_ID),
    }[gone]
    await floor.store.commit([Delete(place)])

    with pytest.raises(InvalidInputError):
        await send(floor)
    assert floor.hyperliquid.sent == []


async def test_child_when_two_of_one_parent_are_written_ahead_at_once_then_both_go_out() -> None:
    """The parent's version makes them one after the other."""
    one, two = a_child_plan("int_1"), a_child_plan("int_2", slice_no=2)
    floor = await a_floor(one, two)
    meanwhile(floor.store, ORDER_INTENTS, lambda: send(floor, two))

    await send(floor, one)

    assert floor.parent().filled_qty == 2
    assert reserved(floor) == {PARENT_ID: Decimal(2)}
    assert len(floor.hyperliquid.sent) == 2


async def test_child_when_more_would_be_out_than_the_parent_is_for_then_not_sent() -> None:
    """R10: whatever planned it."""
    plans = [a_child_plan(f"int_{number}", slice_no=number) for number in range(1, 6)]
    floor = await a_floor(*plans)

    await send(floor, plans[0])

    assert floor.hyperliquid.sent == []
    assert intent(floor, "int_1").reason_code == "PARENT_QUANTITY_EXCEEDED"


async def test_child_when_races_are_lost_then_written_ahead_all_the_same(floor: Floor) -> None:
    LosesRaces(floor.store, PARENT_ORDERS, count=3)

    await send(floor)

    assert floor.parent().filled_qty == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_child_when_it_dies_at_any_call_then_sent_at_most_once_and_it_ends(
    after: bool,
) -> None:
    counted = await a_floor(a_child_plan())
    mortal = Mortal(counted.store, counted.venues.values())
    await send(counted)
    for number in range(1, mortal.calls + 1):
        floor = await a_floor(a_child_plan())
        mortal = Mortal(floor.store, floor.venues.values())
        mortal.doom(number, after=after)
        with pytest.raises(Died):
            await send(floor)
        mortal.revive()
        await send(floor)
        for _ in range(3):
            floor.pass_time(seconds=25)
            await floor.quote("3000")
            await floor.settle()
            for each in floor.outbox():
                if isinstance(each.event, OrderPlanned):
                    await floor.handle(each.event)

        ids = [order.client_order_id for order in floor.hyperliquid.sent]
        assert len(ids) == len(set(ids)) <= 1, number
        assert intent(floor).status.is_terminal, number
        filled = floor.parent().filled_qty
        assert filled == floor.hyperliquid.held(DEPLOYMENT_ID), number
        assert floor.parent().open_children == {}, number
        assert reserved(floor) == {PARENT_ID: 4 - filled}, number


# ---------------------------------------------------------------- an exit


async def test_exit_when_approved_then_it_closes_and_no_delivery_is_needed(bare: Floor) -> None:
    messages = await send(bare, an_exit_plan())

    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0
    assert bare.hyperliquid.sent[0].reduce_only
    assert intent(bare).status is IntentStatus.FILLED
    assert bare.exposure().holdings == {}
    assert any(isinstance(each.event, PositionChanged) for each in messages)
    (row,) = bare.rows("fills").values()
    assert (row["purpose"], row["signal_id"]) == ("STOP_LOSS", "exit:pos_1")


async def test_exit_when_it_rests_then_it_is_reserved_as_what_never_adds(bare: Floor) -> None:
    plan = an_exit_plan(
        intent_id="int_stop",
        order_type=OrderType.STOP_MARKET,
        time_in_force=TimeInForce.GTC,
        trigger_price=Decimal(2940),
    )
    await bare.store.commit([approval_write(plan, "monitor", now=NOON)])

    await send(bare, plan)

    assert intent(bare, "int_stop").status is IntentStatus.WORKING
    assert bare.exposure().reservations["int_stop"].protective
    assert gross(notionals(bare.exposure())) == 3000
    await send(bare, an_exit_plan())  # and nothing keeps another from closing now
    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0


@pytest.mark.parametrize("held", ["0.9999", "0", "-1"])
async def test_exit_when_less_is_held_than_it_is_for_then_denied(bare: Floor, held: str) -> None:
    await bare.hold(held)

    assert await send(bare, an_exit_plan()) == []

    assert intent(bare).reason_code == "REDUCE_ONLY_WOULD_INCREASE_POSITION"
    assert bare.hyperliquid.sent == []


@pytest.mark.parametrize("state", [TradingState.ACTIVE, TradingState.REDUCING])
async def test_exit_when_everything_has_been_lost_then_no_limit_keeps_it(
    bare: Floor, state: TradingState
) -> None:
    """Neither losses, nor leverage, nor a market in free fall, nor an old price."""
    await bare.set_state(state)
    account = bare.get(Account, ACCOUNTS, DEPLOYMENT_ID)
    poor = replace(account, cash=Decimal(-50_000), equity=Decimal(-47_000))
    await bare.change(Ref(ACCOUNTS, DEPLOYMENT_ID), poor)
    await bare.quote("1000", at=NOON - timedelta(hours=3))

    await send(bare, an_exit_plan())

    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 0


@pytest.mark.parametrize(
    "cause",
    [each for each in CAUSES if each not in {"TRADING_STATE_REDUCING", "PRICE_STALE"}],
)
async def test_exit_when_refused_then_it_leaves_a_denied_intent_and_what_is_held_is_held(
    bare: Floor, cause: str
) -> None:
    await deny(bare, cause)

    assert await send(bare, an_exit_plan()) == []

    assert (intent(bare).status, intent(bare).reason_code) == (IntentStatus.DENIED, cause)
    assert bare.exposure().reservations == {}
    assert bare.hyperliquid.held(DEPLOYMENT_ID) == 1
    assert await send(bare, an_exit_plan()) == []


async def test_exit_when_nobody_approved_it_then_refused(bare: Floor) -> None:
    """A plan that somebody put on the bus."""
    before = bare.store.contents()
    for plan in (
        an_exit_plan(intent_id="int_9"),
        an_exit_plan(purpose=OrderPurpose.ENTRY),
        an_exit_plan(reduce_only=False),
    ):
        with pytest.raises(InvalidInputError, match="not one that was approved"):
            await send(bare, plan)
    assert bare.store.contents() == before


async def test_exit_when_there_is_no_exposure_at_all_then_denied_and_none_is_made() -> None:
    floor = await Floor().open()
    await floor.store.commit([approval_write(an_exit_plan(), "monitor", now=NOON)])

    await send(floor, an_exit_plan())

    assert intent(floor).status is IntentStatus.DENIED
    assert EXPOSURES not in floor.store.contents()


async def test_exit_when_the_deployment_is_of_v2_then_its_own_book() -> None:
    floor = await Floor().open(book="v2")
    plan = an_exit_plan(book="v2")
    exposure = floor.exposure().hold(
        venue=HL, symbol="ETH", signed_qty=Decimal(1), price=Decimal(3000)
    )
    floor.hyperliquid.hold(DEPLOYMENT_ID, "1")
    await floor.store.commit(
        [
            create(Ref(EXPOSURES, DEPLOYMENT_ID), exposure),
            approval_write(plan, "monitor", now=NOON),
        ]
    )

    await send(floor, plan)

    assert floor.hyperliquid.held(DEPLOYMENT_ID) == 0
    assert V3.positions not in floor.store.contents()
