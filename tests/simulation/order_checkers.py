"""What must hold of breakers and of repeated orders, checked at the end of a run."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from common.books import BREAKERS, V2, V3, Book
from common.domain.routing import RoutingDecision
from common.wire import from_document
from tests.simulation.run import Run
from tests.simulation.scenario import DEAD_VENUES_EVERY
from tests.simulation.stage import LIMITS

FAILURES_MANY = 8  # 5 open a breaker; some may be under way at that moment


def order_violations(run: Run) -> Iterator[str]:
    """Every broken rule, each starting with its number."""
    yield from _breakers_opened(run)
    yield from _no_duplicates(run)


def _breakers_opened(run: Run) -> Iterator[str]:
    """I08 and SW-07, in the runs where only venues fail, so that every failure is reported."""
    if run.seed % DEAD_VENUES_EVERY:
        return
    known = run.store.documents(BREAKERS)
    for venue in run.venues.values():
        opened = venue.venue in known and known[venue.venue]["generation"] > 0
        if venue.most_failures_in_a_row >= FAILURES_MANY and not opened:
            yield f"I08: {venue.venue} failed {venue.most_failures_in_a_row} times, never opened"


@dataclass(frozen=True, slots=True)
class _Routed:
    at: datetime
    quantity: str
    signal_id: str


def _no_duplicates(run: Run) -> Iterator[str]:
    """R8: the same quantity for one deployment, symbol and side is not routed twice at once."""
    for book in (V2, V3):
        for key, found in _routed(run, book).items():
            found.sort(key=lambda each: each.at)
            for first, second in itertools.pairwise(found):
                near = second.at - first.at < LIMITS.duplicate_window
                if near and first.quantity == second.quantity:
                    yield f"R8: {key} over {first.quantity} was routed twice: {second.signal_id}"


def _routed(run: Run, book: Book) -> dict[tuple[str, str, str], list[_Routed]]:
    contents = run.store.contents()
    found: dict[tuple[str, str, str], list[_Routed]] = defaultdict(list)
    for data in contents.get(book.routing_history, {}).values():
        route = from_document(RoutingDecision, data)
        if contents[book.deliveries][route.delivery_id]["intent_id"] is None:
            continue
        side = contents[book.signals][route.signal_id]["signal"]["side"]
        quantity = next(str(check.quantity) for check in route.checked_venues if check.ok)
        place = (route.deployment_id, route.symbol, side)
        found[place].append(_Routed(route.created_at, quantity, route.signal_id))
    return found
