"""Defects planted in what recovers: resends, fences, reconciliation, legs and the audit trail."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from common import audit
from common.domain.instrument import Capabilities
from common.domain.order import OrderStatus
from common.domain.signal import SignalStatus
from common.execution import deliveries, recorder
from common.execution.reconciliation import Difference
from common.execution.sender import Sender, submit_once
from common.ports import VenueAccountState
from functions.advance import handler as advance
from functions.execute import handler as execute
from functions.execute import refusing
from functions.settle import reconciling, resolving
from tests.simulation.venue import SimVenue

Plant = Callable[[pytest.MonkeyPatch], None]


def resent_where_not_deduplicated(patch: pytest.MonkeyPatch) -> None:
    """trading-signals#1178: the same order again at a venue that takes it twice."""
    original = resolving._send_again

    async def always(desk: Any, case: Any) -> Any:
        able = replace(case.venue.capabilities, resends=True)
        patch.setattr(case.venue, "capabilities", able)
        try:
            return await original(desk, case)
        finally:
            patch.setattr(case.venue, "capabilities", replace(able, resends=False))

    patch.setattr(resolving, "_send_again", always)
    patch.setattr(SimVenue, "_refuse_second", lambda *_: None)


def refusal_of_a_resend_believed(patch: pytest.MonkeyPatch) -> None:
    """The second copy is refused, and the first is taken for dead."""

    async def believing(self: Any, plan: Any, order: Any, request: Any) -> Any:
        outcome, _ = await submit_once(self._venues[order.venue], order, request)
        if outcome.status is OrderStatus.UNKNOWN:
            return []
        return await self._record(plan, order, outcome)

    patch.setattr(Sender, "resend", believing)


def fence_forgotten(patch: pytest.MonkeyPatch) -> None:
    """An order without an expiry is given up without making it impossible."""
    patch.setattr(resolving, "_doubt", lambda *_: None)


def failed_query_is_flat(patch: pytest.MonkeyPatch) -> None:
    """No answer is taken for no position."""
    original = SimVenue.query_account

    async def flat(self: Any, *, account_id: str) -> VenueAccountState:
        try:
            return await original(self, account_id=account_id)
        except Exception:  # noqa: BLE001 - the defect itself
            return VenueAccountState(positions=())

    patch.setattr(SimVenue, "query_account", flat)
    patch.setattr(reconciling, "stands", lambda *_, **__: True)


def difference_booked_at_once(patch: pytest.MonkeyPatch) -> None:
    """A position that is only told late is booked as somebody else's."""
    patch.setattr(reconciling, "stands", lambda *_, **__: True)


def orders_under_way_reconciled(patch: pytest.MonkeyPatch) -> None:
    """A difference that an open order explains is booked, and then the order's fill too."""
    from common.domain.exposure import Exposure

    patch.setattr(Exposure, "symbols_under_way", lambda *_: set())
    patch.setattr(reconciling, "stands", lambda *_, **__: True)


def differences_never_booked(patch: pytest.MonkeyPatch) -> None:
    """Ours and the venue's quantities stay apart for ever."""

    def none_stands(_: Difference, __: Capabilities, *, now: Any) -> bool:
        return False

    patch.setattr(reconciling, "stands", none_stands)


def delivery_ends_with_its_first_leg(patch: pytest.MonkeyPatch) -> None:
    """cowswap#2985: the parent is done although a part of it is still to come."""
    original = deliveries.intent_ends

    async def first_wins(store: Any, stored: Any, intent_id: str, end: Any, *, now: Any) -> Any:
        if stored.value.leg(intent_id) is None:
            return await original(store, stored, intent_id, end, now=now)
        if stored.value.status.is_terminal:
            return []
        whole = replace(stored, value=replace(stored.value, legs=()))
        return await original(store, whole, intent_id, end, now=now)

    for module in (recorder, refusing, advance):
        patch.setattr(module, "intent_ends", first_wins)


def expired_legs_not_swept(patch: pytest.MonkeyPatch) -> None:
    """A leg counts as ended as soon as it begins."""
    original = deliveries.executing

    def ended(delivery: Any, intent_id: str, *, now: Any) -> Any:
        after = original(delivery, intent_id, now=now)
        legs = tuple(
            replace(leg, status=SignalStatus.EXECUTED) if leg.intent_id == intent_id else leg
            for leg in after.legs
        )
        return replace(after, legs=legs)

    patch.setattr(execute, "executing", ended)


def overfill_not_noticed(patch: pytest.MonkeyPatch) -> None:
    """The venue filled more than was ordered, and trading goes on."""

    async def nothing(*_: Any) -> list[Any]:
        return []

    patch.setattr(recorder.Recorder, "_freeze_overfilled", nothing)


def audit_rows_not_chained(patch: pytest.MonkeyPatch) -> None:
    """A row could be taken out, and nobody would see it."""
    original = audit.audit_write

    def alone(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **{**kwargs, "previous": ""})

    patch.setattr(recorder, "audit_write", alone)


RECOVERY_MUTANTS: tuple[Plant, ...] = (
    resent_where_not_deduplicated,
    refusal_of_a_resend_believed,
    fence_forgotten,
    failed_query_is_flat,
    difference_booked_at_once,
    orders_under_way_reconciled,
    differences_never_booked,
    delivery_ends_with_its_first_leg,
    expired_legs_not_swept,
    overfill_not_noticed,
    audit_rows_not_chained,
)
