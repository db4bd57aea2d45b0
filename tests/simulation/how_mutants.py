"""Defects planted in what works, protects and stops orders: parents, exits, halts, totals."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from common.domain.exits import PositionExit
from common.domain.identifiers import prefixed_id
from common.domain.money import ZERO
from common.domain.parent_order import ParentOrder
from common.execution import closing, consequences, exposures, gate, outcome
from common.execution.algorithms.parent import with_child_outcome
from common.execution.nonces import Nonces
from common.how import exits, protective_orders
from common.how.exit_draft import ExitDraft
from common.ports import Ref
from functions.advance import handler as advance
from functions.execute import handler as execute
from functions.execute import refusing
from functions.monitor import exits as monitor
from functions.route import planning
from functions.settle import canceling, flattening, funding
from functions.settle import closing as closing_account
from functions.settle import handler as settle

Plant = Callable[[pytest.MonkeyPatch], None]


async def _nothing(*_: Any, **__: Any) -> list[Any]:
    return []


async def _no_venue(*_: Any, **__: Any) -> dict[Any, Any]:
    return {}


def stops_never_placed(patch: pytest.MonkeyPatch) -> None:
    """Entries go out, and what protects them is forgotten (freqtrade#3411)."""
    for module in (exits, protective_orders):
        patch.setattr(module, "arm", lambda *_: None)


def stops_not_resized(patch: pytest.MonkeyPatch) -> None:
    """After a partial close the stop is still over the first quantity."""
    patch.setattr(protective_orders, "_fits", lambda *_: True)


def orphans_left_behind(patch: pytest.MonkeyPatch) -> None:
    """The position is flat, and its stop waits to open the other way (freqtrade#7018)."""
    patch.setattr(ExitDraft, "cancel", lambda *_: None)


def old_rules_believed(patch: pytest.MonkeyPatch) -> None:
    """A message that comes again brings back the exit rules of an order long past."""
    patch.setattr(PositionExit, "rules_from_fill", property(lambda _: 0), raising=False)
    patch.setattr(monitor, "replace", _replace_without_fill)


def _replace_without_fill(instance: Any, **changes: Any) -> Any:
    changes.pop("rules_from_fill", None)
    return replace(instance, **changes)


def stop_refused_beside_a_resting_entry(patch: pytest.MonkeyPatch) -> None:
    """An entry that rests on the stop's side keeps it away for as long as it rests."""

    def left(exposure: Any, plan: Any, venue: str) -> Any:
        return exposure.left_to_reduce(plan.intent_id, venue, plan.symbol, plan.side)

    for module in (closing, gate, refusing, execute):
        patch.setattr(module, "left_to_close", left)


def parent_forgets_fills(patch: pytest.MonkeyPatch) -> None:
    """A child's fills do not reach its parent, which sends them again."""

    def forgetting(*args: Any, **kwargs: Any) -> ParentOrder:
        return with_child_outcome(*args, **{**kwargs, "new_qty": ZERO, "new_notional": ZERO})

    patch.setattr(consequences, "with_child_outcome", forgetting)


def parent_rest_not_reserved(patch: pytest.MonkeyPatch) -> None:
    """Only what was sent counts against the limits, not what is still to be sent."""
    for module in (planning, consequences):
        patch.setattr(module, "with_rest_reserved", lambda exposure, _: exposure)


def halt_cancels_nothing(patch: pytest.MonkeyPatch) -> None:
    """No new order goes out, and those that rest at the venues fill on, a parent's too."""
    for module in (settle, flattening, canceling):
        patch.setattr(module, "cancel_entries", _nothing)
    patch.setattr(advance, "closed_venues", _no_venue)


def flat_by_our_own_books(patch: pytest.MonkeyPatch) -> None:
    """Flat is what we think is flat; the venues are not asked."""
    patch.setattr(closing_account, "share_of", lambda *_: {})


def totals_not_counted(patch: pytest.MonkeyPatch) -> None:
    """Each deployment keeps its limit, and all of them together have none."""
    patch.setattr(exposures, "_differences", lambda *_: [])


def messages_not_counted(patch: pytest.MonkeyPatch) -> None:
    """The limit on messages is compared with nothing."""
    patch.setattr(execute, "count_message_writes", _nothing)


def nonces_by_the_clock(patch: pytest.MonkeyPatch) -> None:
    """Two orders in one second are signed with one nonce."""

    async def clock_second(self: Any, *_: Any, **__: Any) -> int:
        return int(self._clock.now().timestamp())

    patch.setattr(Nonces, "take", clock_second)


def funding_booked_at_every_look(patch: pytest.MonkeyPatch) -> None:
    """A payment that is told again is paid again."""
    numbers = itertools.count()

    def numbered(payment: Any) -> Ref:
        return Ref("funding_payments", prefixed_id("fnd", payment.payment_id, next(numbers)))

    patch.setattr(funding, "_ref", numbered)


def venue_words_kept(patch: pytest.MonkeyPatch) -> None:
    """A venue's error holds the key that it was called with, and is kept and told."""
    patch.setattr(outcome, "redact", lambda text: text)


HOW_MUTANTS: tuple[Plant, ...] = (
    stops_never_placed,
    stops_not_resized,
    orphans_left_behind,
    old_rules_believed,
    stop_refused_beside_a_resting_entry,
    parent_forgets_fills,
    parent_rest_not_reserved,
    halt_cancels_nothing,
    totals_not_counted,
    messages_not_counted,
    nonces_by_the_clock,
    funding_booked_at_every_look,
    venue_words_kept,
)
