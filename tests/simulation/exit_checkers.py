"""What must hold of exits and flattens: nobody unprotected, nothing that closes what is gone."""

from collections.abc import Iterator

from common.books import (
    FLATTENS,
    ORDER_INTENTS,
    POSITION_EXITS,
)
from common.domain.exits import PositionExit
from common.domain.flatten import Flatten, FlattenStatus
from common.domain.order import IntentStatus, OrderIntent
from common.wire import JsonObject, from_document
from tests.simulation.protection import unprotected
from tests.simulation.run import Run

Contents = dict[str, dict[str, JsonObject]]


def exit_violations(run: Run) -> Iterator[str]:
    """Every broken rule, each starting with its number."""
    contents = run.store.contents()
    exits = {
        key: from_document(PositionExit, data)
        for key, data in contents.get(POSITION_EXITS, {}).items()
    }
    yield from unprotected(run, unchanged_since=run.world.now(), exactly=True)
    yield from _no_orphans(run, exits, contents.get(ORDER_INTENTS, {}))
    yield from _flat(run, contents)


def _no_orphans(
    run: Run, exits: dict[str, PositionExit], intents: dict[str, JsonObject]
) -> Iterator[str]:
    """Each stop that rests at a venue belongs to an exit that knows of it, or to an UNRESOLVED
    order, for which a person was called.
    """
    known = {order.intent_id for each in exits.values() for order in each.orders}
    for venue in run.venues.values():
        for entry in venue.books.resting():
            found = intents.get(entry.order.intent_id)
            intent = from_document(OrderIntent, found) if found else None
            if intent is None or intent.status is IntentStatus.UNRESOLVED:
                continue
            if entry.order.reduce_only and entry.order.intent_id not in known:
                yield f"R13: {entry.order.client_order_id} rests, and no exit knows of it"
            if not entry.order.reduce_only:
                yield f"I06: the entry {entry.order.client_order_id} still rests"


def _flat(run: Run, contents: Contents) -> Iterator[str]:
    """R16: a flatten ends, or a person knows that it is stuck; that it then is flat: stops.py."""
    for key, data in contents.get(FLATTENS, {}).items():
        flatten = from_document(Flatten, data)
        if flatten.status is FlattenStatus.CLOSING:
            yield f"R16: flatten {key} is {flatten.status}: {flatten.remaining}"
    if set(run.flattens) - set(contents.get(FLATTENS, {})):
        yield "R16: a flatten that was asked for is not on record"
