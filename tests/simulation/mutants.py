"""Defects planted on purpose: mistakes that real systems made, and the checkers must see."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from common.books import FILLS, ORDERS
from common.documents import load
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Capabilities
from common.domain.order import Fill, Order, OrderStatus
from common.errors import TransientError
from common.execution import attempts, booking, consequences, recorder, sender
from common.execution.outcome import from_report, rejected
from common.execution.request import unsigned_request
from common.outbox import clear
from common.ports import Ref
from functions.execute import handler as execute
from functions.settle import handler as settle
from infra.gcp import actions, entrypoint
from infra.local.store import memory

Plant = Callable[[pytest.MonkeyPatch], None]


def timeout_is_failure(patch: pytest.MonkeyPatch) -> None:
    """hummingbot#493, #6901: a timeout is taken for a refusal."""
    patch.setattr(sender, "unknown", lambda reason: rejected("TIMEOUT", reason))


def resent_on_redelivery(patch: pytest.MonkeyPatch) -> None:
    """A message that comes again while the order is at the wire signs and sends it again."""

    async def send_again(desk: Any, event: Any, found: Any) -> Any:
        if found.intent is None or found.intent.value.status != "SENDING":
            return []
        order = await load(desk.store, Order, Ref(ORDERS, found.intent.value.client_order_id))
        assert order is not None
        anew = replace(order.value, request_key=f"{order.value.request_key}-again")
        request = unsigned_request(anew, now=desk.clock.now())
        await desk.venues[anew.venue].submit(anew, request)
        return []

    patch.setattr(execute, "_ask_if_sending", send_again)


def sent_without_writing_ahead(patch: pytest.MonkeyPatch) -> None:
    """The order is recorded after it was sent; a crash in between leaves an orphan."""
    original = execute._write_ahead

    async def unwritten(desk: Any, found: Any, order: Any, prepared: Any) -> Any:
        class _Later:
            def __getattr__(self, name: str) -> Any:
                return getattr(desk.store, name)

            async def commit(self, writes: Any) -> None:
                later.extend(writes)

        later: list[Any] = []
        written = await original(replace(desk, store=_Later()), found, order, prepared)
        order = written.order
        report = await desk.venues[order.venue].submit(order, prepared)
        await desk.store.commit(later)
        await desk.sender.recorder.record(
            found.plan.intent_id, order.client_order_id, from_report(report)
        )
        return []

    patch.setattr(execute, "_write_ahead", unwritten)


def blind_writes(patch: pytest.MonkeyPatch) -> None:
    """Updates without a version: the last writer wins, and the other's news is gone."""
    patch.setattr(memory, "_require_version", lambda *_: None)


def absent_is_final_at_once(patch: pytest.MonkeyPatch) -> None:
    """ "Not found" is believed although the order may still arrive (nautilus_trader#4152)."""
    patch.setattr(Capabilities, "absence_is_final_after", timedelta(0))


def read_lag_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Expiry is waited for, but not the time that an accepted order may stay invisible."""
    patch.setattr(
        Capabilities, "absence_is_final_after", property(lambda self: self.order_ttl * 0.2)
    )


def orders_without_expiry(patch: pytest.MonkeyPatch) -> None:
    """A late order is accepted after it was given up: the fence of a paused sender is missing."""
    original = attempts.new_order

    def eternal(*args: Any, **kwargs: Any) -> Order:
        order = original(*args, **kwargs)
        return replace(order, expires_at=order.expires_at + timedelta(days=1))

    patch.setattr(execute, "new_order", eternal)


def fills_numbered_by_arrival(patch: pytest.MonkeyPatch) -> None:
    """nautilus_trader#3878: fill ids that are not the venue's add a fill at every look."""
    numbers = itertools.count()

    def numbered(fill: Fill) -> Ref:
        return Ref(FILLS, prefixed_id("fil", fill.trade_id, next(numbers)))

    for module in (recorder, booking):
        patch.setattr(module, "fill_ref", numbered)
    patch.setattr(recorder, "is_news", lambda case, after: True)


def outbox_cleared_before_publishing(patch: pytest.MonkeyPatch) -> None:
    """A publish that fails after its row is gone loses the message."""
    original = entrypoint._EventFunction._publish

    async def clear_first(self: Any, messages: Any, runtime: Any, call: Any) -> None:
        if messages:
            await clear(messages, runtime.store)
        await original(self, messages, runtime, call)

    patch.setattr(entrypoint._EventFunction, "_publish", clear_first)


def unfinished_signals_not_swept(patch: pytest.MonkeyPatch) -> None:
    """A crash between the last delivery's end and its signal's leaves the signal open for ever."""

    async def nothing(*_: Any) -> None:
        return

    patch.setattr(settle, "finish_signals", nothing)


def partial_fill_is_full(patch: pytest.MonkeyPatch) -> None:
    """What was filled is not looked at: any fill counts as the whole order."""
    original = attempts._status_after

    def generous(outcome: Any, filled: Any, quantity: Any) -> OrderStatus:
        return OrderStatus.FILLED if filled else original(outcome, filled, quantity)

    patch.setattr(attempts, "_status_after", generous)


def transient_errors_acknowledged(patch: pytest.MonkeyPatch) -> None:
    """The message is acknowledged although nothing was done."""
    acknowledged = actions.Action(204, "TRANSIENT", 30, record=False)
    patch.setitem(actions.ACTIONS, TransientError, acknowledged)


def reservation_never_released(patch: pytest.MonkeyPatch) -> None:
    """Ended orders go on counting against the limits until nothing can trade."""
    patch.setattr(consequences, "reserve_what_is_open", lambda exposure, *_: exposure)


def fills_of_an_answer_ignored(patch: pytest.MonkeyPatch) -> None:
    """Only the first fill of a report is taken."""
    original: Any = recorder.Recorder._new_fills

    async def first_only(self: Any, fills: Any, *rest: Any) -> Any:
        return await original(self, fills[:1], *rest)

    patch.setattr(recorder.Recorder, "_new_fills", first_only)


MUTANTS: tuple[Plant, ...] = (
    timeout_is_failure,
    resent_on_redelivery,
    sent_without_writing_ahead,
    blind_writes,
    absent_is_final_at_once,
    read_lag_forgotten,
    orders_without_expiry,
    fills_numbered_by_arrival,
    outbox_cleared_before_publishing,
    unfinished_signals_not_swept,
    partial_fill_is_full,
    transient_errors_acknowledged,
    reservation_never_released,
    fills_of_an_answer_ignored,
)
