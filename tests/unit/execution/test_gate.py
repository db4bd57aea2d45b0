"""The last gate: each refusal, and each way to be superseded."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import BREAKERS, EXPOSURES, ORDER_INTENTS, PARENT_ORDERS
from common.config import LimitSettings
from common.documents import create
from common.domain.exposure import Exposure, Reservation
from common.domain.order import (
    IntentStatus,
    Order,
    OrderPlan,
    OrderPurpose,
    OrderSide,
    SignedRequest,
)
from common.domain.parent_order import OpenChild, ParentOrder, ParentStatus
from common.domain.scope import (
    PLATFORM_SCOPE,
    Scope,
    agent_scope,
    order_scopes,
    symbol_scope,
    venue_scope,
)
from common.execution.attempts import with_request
from common.execution.gate import Superseded, last_gate
from common.execution.request import unsigned_request
from common.how.denial import Denial
from common.how.limit_documents import limits_ref
from common.how.limits import Refusal
from common.how.message_counts import count_ref
from common.how.risk_totals import GROSS, gross_ref
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.ports import Create, Ref, Write
from common.where.breaker import Breaker, BreakerStatus, Ticket, closed
from common.wire import JsonObject
from infra.local.store.memory import MemoryStore
from tests.builders import (
    AGENT_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    PARENT_ID,
    a_parent,
    a_plan,
    an_intent,
    an_order,
    limits_document,
    some_limits,
)
from tests.fakes.clock import FakeClock

EMPTY = Exposure.empty(DEPLOYMENT_ID)
REQUEST = unsigned_request(an_order(), now=NOON)
SENDING = frozenset({IntentStatus.SENDING})


def signed(**changes: Any) -> Order:
    """An order as it is written ahead: it carries the fingerprint of `REQUEST`."""
    return replace(with_request(an_order(), REQUEST), **changes)


RESERVED = EMPTY.reserve(
    INTENT_ID,
    Reservation(
        venue="HYPERLIQUID",
        symbol="ETH",
        side=OrderSide.BUY,
        quantity=an_order().quantity,
        price=Decimal(3000),
    ),
)


SCOPES = order_scopes(
    book="v3",
    agent_id=AGENT_ID,
    deployment_id=DEPLOYMENT_ID,
    symbol="ETH",
    venues=("HYPERLIQUID",),
)
ADMITTED = Ticket("HYPERLIQUID", 0, None)
CLOSED = closed("HYPERLIQUID", now=NOON)
OPEN = replace(CLOSED, status=BreakerStatus.OPEN, generation=1, opened_at=NOON)
PROBING = replace(OPEN, status=BreakerStatus.HALF_OPEN, probe_id="0xprobe")


async def ask(
    *,
    order: Order | None = None,
    request: SignedRequest = REQUEST,
    allowed: frozenset[IntentStatus] = SENDING,
    intent: dict[str, Any] | None = None,
    state: TradingState | None = TradingState.ACTIVE,
    exposure: Exposure | None = RESERVED,
    late_s: float = 0,
    stored: dict[str, Any] | None = None,
    breaker: Breaker | None = None,
    ticket: Ticket | None = None,
    plan: OrderPlan | None = None,
    parent: ParentOrder | None = None,
    states: Mapping[Scope, TradingState] | None = None,
    writes: Sequence[Write] | None = None,
) -> Refusal | Superseded | None:
    """`writes`: the limits, and what is counted (the defaults of a fresh store)."""
    store = MemoryStore()
    plan = plan or a_plan()
    await store.commit([limits_document()] if writes is None else list(writes))
    ref = Ref(ORDER_INTENTS, INTENT_ID)
    if stored is None:
        await store.commit([create(ref, replace(an_intent(plan), **(intent or {})))])
    elif stored:
        await store.commit([Create(ref, stored)])
    found = ({PLATFORM_SCOPE: state} if state is not None else {}) | dict(states or {})
    await store.commit([create(state_ref(scope), a_state(each)) for scope, each in found.items()])
    if parent is not None:
        await store.commit([create(Ref(PARENT_ORDERS, parent.parent_order_id), parent)])
    if exposure is not None:
        await store.commit([create(Ref(EXPOSURES, exposure.deployment_id), exposure)])
    if breaker is not None:
        await store.commit([create(Ref(BREAKERS, breaker.venue), breaker)])
    return await last_gate(
        store,
        plan,
        order or signed(),
        request,
        ticket=ticket or ADMITTED,
        clock=FakeClock(NOON + timedelta(seconds=late_s)),
        request_timeout=timedelta(seconds=5),
        allowed=allowed,
        limits=LimitSettings(),
    )


def a_state(state: TradingState) -> TradingStateRecord:
    return TradingStateRecord(state=state, epoch=1, reason="", changed_by="test", changed_at=NOON)


async def test_last_gate_when_all_holds_then_it_may_go() -> None:
    assert await ask() is None
    assert await ask(late_s=10) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"stored": {}}, "the intent, its reservation or its parent order is gone"),
        ({"exposure": None}, "the intent, its reservation or its parent order is gone"),
        ({"stored": {"status": "SENDING"}}, "what guards the order cannot be read: "),
        ({"exposure": RESERVED.release(INTENT_ID)}, "the order is not reserved"),
        ({"intent": {"client_order_id": "0xother"}}, "the intent is SENDING with 0xother"),
        ({"intent": {"status": IntentStatus.UNKNOWN}}, "the intent is UNKNOWN with 0x"),
        ({"intent": {"status": IntentStatus.FILLED}}, "the intent is FILLED with 0x"),
        (
            {"request": replace(REQUEST, body="another")},
            "the request is not the one that was written ahead",
        ),
        (
            {"request": replace(REQUEST, nonce=REQUEST.nonce + 1)},
            "the request is not the one that was written ahead",
        ),
        (
            {"order": an_order()},
            "the request is not the one that was written ahead",
        ),
        (
            {"intent": {"filled_qty": Decimal("0.0001")}},
            "the quantity is above what remains of the intent",
        ),
        (
            {"order": signed(quantity=Decimal("0.3334"))},
            "the quantity is above what remains of the intent",
        ),
    ],
)
async def test_last_gate_when_somebody_else_holds_the_effect_then_superseded(
    options: dict[str, Any], reason: str
) -> None:
    verdict = await ask(**options)

    assert isinstance(verdict, Superseded)
    assert verdict.reason.startswith(reason)


async def test_last_gate_when_sent_again_then_an_unknown_outcome_may_pass() -> None:
    both = frozenset({IntentStatus.SENDING, IntentStatus.UNKNOWN})

    assert await ask(intent={"status": IntentStatus.UNKNOWN}, allowed=both) is None
    assert isinstance(await ask(intent={"status": IntentStatus.WORKING}, allowed=both), Superseded)


@pytest.mark.parametrize(
    ("breaker", "ticket", "passes"),
    [
        (None, ADMITTED, True),
        (CLOSED, ADMITTED, True),
        (OPEN, ADMITTED, False),
        (OPEN, Ticket("HYPERLIQUID", 1, None), False),
        (PROBING, ADMITTED, False),
        (PROBING, Ticket("HYPERLIQUID", 1, "0xprobe"), True),
        (PROBING, Ticket("HYPERLIQUID", 1, "0xanother"), False),
        (replace(CLOSED, generation=1), ADMITTED, False),
        (replace(CLOSED, generation=1), Ticket("HYPERLIQUID", 1, "0xprobe"), True),
        (None, Ticket("HYPERLIQUID", 1, "0xprobe"), False),
    ],
)
async def test_last_gate_when_the_breaker_moved_since_it_gave_leave_then_refused(
    breaker: Breaker | None, ticket: Ticket, passes: bool
) -> None:
    verdict = await ask(breaker=breaker, ticket=ticket)

    refused = Refusal(Denial.BREAKER_OPEN, "Hyperliquid is paused by its circuit breaker")
    assert verdict == (None if passes else refused)


async def test_last_gate_when_the_state_takes_long_to_read_then_the_time_after_it_counts() -> None:
    clock = FakeClock(NOON)
    store = MemoryStore()
    await store.commit(
        [
            create(Ref(ORDER_INTENTS, INTENT_ID), an_intent()),
            create(Ref(EXPOSURES, RESERVED.deployment_id), RESERVED),
        ]
    )

    async def slow(*_: object) -> None:
        clock.advance(60)

    store.before = slow
    verdict = await last_gate(
        store,
        a_plan(),
        signed(),
        REQUEST,
        ticket=ADMITTED,
        clock=clock,
        request_timeout=timedelta(seconds=5),
        allowed=SENDING,
        limits=LimitSettings(),
    )

    assert isinstance(verdict, Refusal)
    assert verdict.code is Denial.SIGNAL_EXPIRED


async def test_last_gate_when_the_answer_would_come_after_the_expiry_then_refused() -> None:
    verdict = await ask(late_s=10.001)

    assert isinstance(verdict, Refusal)
    assert verdict.code is Denial.SIGNAL_EXPIRED


@pytest.mark.parametrize(
    ("state", "code", "reason"),
    [
        (TradingState.HALTED, Denial.TRADING_HALTED, "Trading is halted for the platform"),
        (
            TradingState.REDUCING,
            Denial.TRADING_STATE_REDUCING,
            "Trading is reducing for the platform",
        ),
        (
            None,
            Denial.TRADING_HALTED,
            "Trading is halted for the platform: no state was ever set",
        ),
    ],
)
async def test_last_gate_when_trading_is_not_active_then_refused(
    state: TradingState | None, code: Denial, reason: str
) -> None:
    assert await ask(state=state) == Refusal(code, reason)


@pytest.mark.parametrize("scope", SCOPES, ids=lambda scope: scope.key)
async def test_last_gate_when_any_scope_of_the_order_is_halted_then_refused(scope: Scope) -> None:
    verdict = await ask(states={scope: TradingState.HALTED})

    assert isinstance(verdict, Refusal)
    assert verdict.code is Denial.TRADING_HALTED
    assert scope.label in verdict.reason


@pytest.mark.parametrize(
    "scope",
    [venue_scope("OSTIUM"), agent_scope("v2", AGENT_ID), symbol_scope("BTC")],
    ids=lambda scope: scope.key,
)
async def test_last_gate_when_somebody_elses_scope_is_halted_then_it_may_go(scope: Scope) -> None:
    assert await ask(states={scope: TradingState.HALTED}) is None


@pytest.mark.parametrize(
    ("purpose", "under_way", "passes"),
    [
        (OrderPurpose.ENTRY, "0", True),
        (OrderPurpose.ENTRY, "0.1", True),
        (OrderPurpose.ENTRY, "0.2", False),
        (OrderPurpose.STOP_LOSS, "0.2", True),
        (OrderPurpose.FLATTEN, "9", True),
    ],
)
async def test_last_gate_when_reducing_then_what_is_under_way_counts_as_filled_but_for_an_exit(
    purpose: OrderPurpose, under_way: str, passes: bool
) -> None:
    """Its own reservation does not stand in its way; another order's does in an entry's."""
    order = signed(side=OrderSide.SELL)
    mine = Reservation(
        venue="HYPERLIQUID",
        symbol="ETH",
        side=OrderSide.SELL,
        quantity=order.quantity,
        price=Decimal(3000),
    )
    exposure = (
        EMPTY.hold(
            venue="HYPERLIQUID", symbol="ETH", signed_qty=Decimal("0.5"), price=Decimal(3000)
        )
        .reserve(INTENT_ID, mine)
        .reserve("int_other", replace(mine, quantity=Decimal(under_way)))
    )

    verdict = await ask(
        plan=a_plan(side=OrderSide.SELL, purpose=purpose),
        order=order,
        exposure=exposure,
        state=TradingState.REDUCING,
    )

    assert (verdict is None) is passes


# ---------------------------------------------------------------- a child, and its parent


CHILD = a_plan(parent_order_id=PARENT_ID, exec_algorithm_id="TWAP", slice_no=1)


def a_working_parent(**changes: Any) -> ParentOrder:
    """Its only child is the order of `signed`."""
    child = OpenChild(slice_no=1, quantity=an_order().quantity, spawned_at=NOON)
    return replace(a_parent(open_children={INTENT_ID: child}, spawned=1), **changes)


async def test_last_gate_when_a_child_is_within_its_parent_then_it_may_go() -> None:
    assert await ask(plan=CHILD, parent=a_working_parent()) is None


async def test_last_gate_when_the_parent_is_gone_then_superseded() -> None:
    verdict = await ask(plan=CHILD)

    assert verdict == Superseded("the intent, its reservation or its parent order is gone")


@pytest.mark.parametrize(
    "status", [ParentStatus.PAUSED, ParentStatus.CANCELING, ParentStatus.FILLED]
)
async def test_last_gate_when_the_parent_does_not_work_then_refused(status: ParentStatus) -> None:
    verdict = await ask(plan=CHILD, parent=a_working_parent(status=status))

    assert verdict == Refusal(Denial.PARENT_NOT_ACTIVE, f"The parent order is {status.lower()}")


@pytest.mark.parametrize(
    "changes",
    [
        {"open_children": {}},
        {
            "open_children": {
                INTENT_ID: OpenChild(slice_no=1, quantity=Decimal("0.3332"), spawned_at=NOON)
            }
        },
        {"quantity": Decimal("0.3332")},
    ],
    ids=["not-open", "above-the-child", "above-the-parent"],
)
async def test_last_gate_when_more_would_be_out_than_the_parent_is_for_then_refused(
    changes: dict[str, Any],
) -> None:
    verdict = await ask(plan=CHILD, parent=a_working_parent(**changes))

    assert isinstance(verdict, Refusal)
    assert verdict.code is Denial.PARENT_QUANTITY_EXCEEDED


# ---------------------------------------------------------------- limits, totals, messages


async def test_last_gate_when_there_are_no_limits_then_nothing_goes_not_even_an_exit() -> None:
    for order in (signed(), signed(reduce_only=True)):
        verdict = await ask(order=order, writes=())
        assert isinstance(verdict, Refusal)
        assert verdict.code is Denial.LIMITS_MISSING


@pytest.mark.parametrize("scope", SCOPES[:4], ids=lambda scope: scope.key)
async def test_last_gate_when_limits_cannot_be_read_then_refused(scope: Scope) -> None:
    garbage = Create(limits_ref(scope), {"scope": 7})
    writes = [garbage] if scope is PLATFORM_SCOPE else [limits_document(), garbage]

    verdict = await ask(writes=writes)

    assert isinstance(verdict, Refusal)
    assert verdict.code is Denial.LIMITS_MISSING


def total(**limits: Any) -> Write:
    platform = some_limits()
    changed = replace(platform, total=replace(platform.total, **limits))
    return create(limits_ref(PLATFORM_SCOPE), changed)


@pytest.mark.parametrize(("cents", "passes"), [(100_000, True), (100_001, False)])
@pytest.mark.parametrize("reduce_only", [True, False])
async def test_last_gate_when_the_total_is_above_its_limit_then_only_what_reduces_goes(
    cents: int, passes: bool, reduce_only: bool
) -> None:
    writes = [
        total(max_exposure=Decimal(1000)),
        Create(gross_ref(PLATFORM_SCOPE), {GROSS: cents}),
    ]

    verdict = await ask(order=signed(reduce_only=reduce_only), writes=writes)

    assert (verdict is None) is (passes or reduce_only)
    if verdict is not None:
        assert isinstance(verdict, Refusal)
        assert verdict.code is Denial.EXPOSURE_EXCEEDS_MAX_OF_SCOPE


@pytest.mark.parametrize(
    ("held", "passes"), [("0.3333", True), ("0.3332", False), ("-1", False), ("0", False)]
)
async def test_last_gate_when_an_order_closes_what_is_held_then_no_total_stops_it(
    held: str, passes: bool
) -> None:
    """Though nobody has called it reduce-only."""
    writes = [
        total(max_exposure=Decimal(1000)),
        Create(gross_ref(PLATFORM_SCOPE), {GROSS: 100_001}),
    ]
    mine = RESERVED.reservations[INTENT_ID]
    exposure = EMPTY.reserve(INTENT_ID, replace(mine, side=OrderSide.SELL)).hold(
        venue="HYPERLIQUID", symbol="ETH", signed_qty=Decimal(held), price=Decimal(3000)
    )

    verdict = await ask(
        plan=a_plan(side=OrderSide.SELL),
        order=signed(side=OrderSide.SELL),
        exposure=exposure,
        writes=writes,
    )

    assert (verdict is None) is passes


@pytest.mark.parametrize(("messages", "passes"), [(3, True), (4, False)])
@pytest.mark.parametrize("reduce_only", [True, False])
async def test_last_gate_when_too_many_messages_were_sent_then_even_an_exit_waits(
    messages: int, passes: bool, reduce_only: bool
) -> None:
    """Its own is counted already."""
    count: JsonObject = {"seconds": {"s00": messages}}
    writes = [
        total(max_messages_per_second=3),
        Create(count_ref(PLATFORM_SCOPE, NOON), count),
    ]

    verdict = await ask(order=signed(reduce_only=reduce_only), writes=writes)

    assert (verdict is None) is passes
    if verdict is not None:
        assert isinstance(verdict, Refusal)
        assert verdict.code is Denial.RATE_LIMIT_EXCEEDED


async def test_last_gate_when_it_asks_then_in_one_read_whatever_there_is_to_know() -> None:
    store, reads = MemoryStore(), []

    async def listen(operation: str, argument: object) -> None:
        reads.append(operation)

    store.before = listen
    await last_gate(
        store,
        CHILD,
        signed(),
        REQUEST,
        ticket=ADMITTED,
        clock=FakeClock(),
        request_timeout=timedelta(seconds=5),
        allowed=SENDING,
        limits=LimitSettings(),
    )

    assert reads == ["get_many"]
