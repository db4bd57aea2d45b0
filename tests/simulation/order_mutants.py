"""More defects planted on purpose: each takes one safeguard out of the way of an order."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from common.domain.exposure import Exposure, Reservation
from common.domain.money import ZERO
from common.domain.order import OrderStatus
from common.execution import attempts, gate, recorder, sender
from common.execution.outcome import from_report
from common.execution.sender import Sender
from common.how import risk
from common.where.breaker import Ticket
from common.where.breakers import Breakers
from functions.execute import desk as execute_desk
from functions.route import planning
from functions.settle import resolving

Plant = Callable[[pytest.MonkeyPatch], None]


def breaker_never_told(patch: pytest.MonkeyPatch) -> None:
    """Failures are not reported, so that a dead venue is called for ever."""

    async def silent(*_: Any) -> None:
        return

    patch.setattr(Sender, "_report", silent)


def breaker_not_asked(patch: pytest.MonkeyPatch) -> None:
    """Routing looks at the breaker, and execution, seconds later, does not."""

    async def always(_: Any, venue: Any, __: str) -> Ticket:
        return Ticket(venue, 0, None)

    patch.setattr(Breakers, "admit", always)
    patch.setattr(gate, "still_admits", lambda *_: True)


def last_gate_skipped(patch: pytest.MonkeyPatch) -> None:
    """Knight's: nothing is looked at any more right before the wire."""

    async def open_gate(*_: Any, **__: Any) -> None:
        return

    patch.setattr(sender, "last_gate", open_gate)


def halt_read_too_early(patch: pytest.MonkeyPatch) -> None:
    """The gate goes by the trading state of before the order was written."""
    patch.setattr(gate, "state_refusal", lambda *_, **__: None)


def exposure_not_reserved(patch: pytest.MonkeyPatch) -> None:
    """What is under way does not count, so that many orders pass one limit at once."""
    original = Exposure.reserve

    def nothing_held(self: Exposure, intent_id: str, reservation: Reservation) -> Exposure:
        return original(self, intent_id, replace(reservation, quantity=ZERO))

    patch.setattr(Exposure, "reserve", nothing_held)


def exposure_limit_not_checked(patch: pytest.MonkeyPatch) -> None:
    """The limit is reserved against and never compared with."""
    patch.setattr(risk, "_worst_case", lambda *_: None)


def retried_after_a_partial_fill(patch: pytest.MonkeyPatch) -> None:
    """An order that ended with something filled is followed by another over the whole."""
    original = attempts.intent_after

    def generous(intent: Any, order: Any, outcome: Any, **rest: Any) -> Any:
        if order.status is not OrderStatus.CANCELED:
            return original(intent, order, outcome, **rest)
        filled = intent.filled_qty + rest.pop("new_quantity")
        empty = replace(intent, filled_qty=intent.filled_qty * 0)
        after, retry = original(empty, order, outcome, new_quantity=filled * 0, **rest)
        return replace(after, filled_qty=filled), retry

    patch.setattr(recorder, "intent_after", generous)


def fills_of_a_query_dropped(patch: pytest.MonkeyPatch) -> None:
    """Fills count when the venue answers an order, not when it is asked about one."""
    patch.setattr(resolving, "from_report", lambda report: replace(from_report(report), fills=()))


def plan_not_compared(patch: pytest.MonkeyPatch) -> None:
    """Whatever plan arrives is executed (catalogue case 85)."""
    patch.setattr(execute_desk, "is_approved", lambda *_: True)


def duplicates_routed(patch: pytest.MonkeyPatch) -> None:
    """The duplicate block is not there: a double click is two orders."""
    patch.setattr(planning, "check_duplicate", lambda *_, **__: None)


def ended_orders_reopened(patch: pytest.MonkeyPatch) -> None:
    """News that is older than what is known is written all the same."""
    patch.setattr(
        recorder, "is_news", lambda case, after: case.order.value.status is not after.status
    )


ORDER_MUTANTS: tuple[Plant, ...] = (
    breaker_never_told,
    breaker_not_asked,
    last_gate_skipped,
    halt_read_too_early,
    exposure_not_reserved,
    exposure_limit_not_checked,
    retried_after_a_partial_fill,
    fills_of_a_query_dropped,
    plan_not_compared,
    duplicates_routed,
    ended_orders_reopened,
)
