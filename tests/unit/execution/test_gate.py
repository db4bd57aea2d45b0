"""The last gate: each refusal, and each way to be superseded."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import BREAKERS, EXPOSURES, ORDER_INTENTS
from common.documents import create
from common.domain.exposure import Exposure, Reservation
from common.domain.order import IntentStatus, Order, OrderSide, SignedRequest
from common.execution.attempts import with_request
from common.execution.gate import Superseded, last_gate
from common.execution.request import unsigned_request
from common.how.denial import Denial
from common.how.limits import Refusal
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Create, Ref
from common.where.breaker import Breaker, BreakerStatus, Ticket, closed
from infra.local.store.memory import MemoryStore
from tests.builders import DEPLOYMENT_ID, INTENT_ID, NOON, an_intent, an_order
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
) -> Refusal | Superseded | None:
    store = MemoryStore()
    ref = Ref(ORDER_INTENTS, INTENT_ID)
    if stored is None:
        await store.commit([create(ref, replace(an_intent(), **(intent or {})))])
    elif stored:
        await store.commit([Create(ref, stored)])
    if state is not None:
        record = TradingStateRecord(
            state=state, epoch=1, reason="", changed_by="test", changed_at=NOON
        )
        await store.commit([create(PLATFORM, record)])
    if exposure is not None:
        await store.commit([create(Ref(EXPOSURES, exposure.deployment_id), exposure)])
    if breaker is not None:
        await store.commit([create(Ref(BREAKERS, breaker.venue), breaker)])
    return await last_gate(
        store,
        order or signed(),
        request,
        ticket=ticket or ADMITTED,
        clock=FakeClock(NOON + timedelta(seconds=late_s)),
        request_timeout=timedelta(seconds=5),
        allowed=allowed,
    )


async def test_last_gate_when_all_holds_then_it_may_go() -> None:
    assert await ask() is None
    assert await ask(late_s=10) is None


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"stored": {}}, "the intent or its reservation is gone"),
        ({"exposure": None}, "the intent or its reservation is gone"),
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
        signed(),
        REQUEST,
        ticket=ADMITTED,
        clock=clock,
        request_timeout=timedelta(seconds=5),
        allowed=SENDING,
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
        (TradingState.HALTED, Denial.TRADING_HALTED, "Trading is halted"),
        (TradingState.REDUCING, Denial.TRADING_STATE_REDUCING, "Trading is reducing"),
        (None, Denial.TRADING_HALTED, "Trading is halted"),
    ],
)
async def test_last_gate_when_trading_is_not_active_then_refused(
    state: TradingState | None, code: Denial, reason: str
) -> None:
    assert await ask(state=state) == Refusal(code, reason)


@pytest.mark.parametrize(("under_way", "passes"), [("0", True), ("0.1", True), ("0.2", False)])
async def test_last_gate_when_reducing_then_what_is_under_way_counts_as_filled(
    under_way: str, passes: bool
) -> None:
    """Its own reservation does not stand in its way; another order's does."""
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

    verdict = await ask(order=order, exposure=exposure, state=TradingState.REDUCING)

    assert (verdict is None) is passes
