"""R13: whether what is held is protected, at the end of a run and on the way."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from common.books import NOTIFICATIONS, ORDER_INTENTS, POSITION_EXITS, V2, V3
from common.domain.exits import ExitState, PositionExit
from common.domain.instrument import OrderType, Venue
from common.domain.money import ZERO
from common.domain.order import IntentStatus
from common.domain.position import Position
from common.domain.scope import order_scopes
from common.how.trading_state import TradingState, standing, state_ref
from common.wire import JsonObject, from_document
from tests.simulation.run import Run
from tests.simulation.venue import SimVenue

Contents = dict[str, dict[str, JsonObject]]
LOOKED_AT = (POSITION_EXITS, ORDER_INTENTS, NOTIFICATIONS, V2.positions, V3.positions)


def unprotected(run: Run, *, unchanged_since: datetime, exactly: bool = False) -> Iterator[str]:
    """An open position whose rules say so has its stop at the venue, over all that is held; or its
    exit is watched; or a person knows why not. Of the positions that have not changed since.

    Until the next look a stop that was moved may rest beside the one that takes its place;
    `exactly`: not any more.
    """
    contents = {name: run.store.documents(name) for name in LOOKED_AT}
    for key, position in _positions(contents).items():
        found = contents[POSITION_EXITS].get(key)
        if found is None or position.updated_at > unchanged_since:
            continue
        known = from_document(PositionExit, found)
        if not _excused(run, contents, position):
            yield from _of_position(run, contents, position, known, exactly=exactly)


def _of_position(
    run: Run, contents: Contents, position: Position, known: PositionExit, *, exactly: bool
) -> Iterator[str]:
    key = position.position_id
    if position.signed_qty == 0:
        if known.state is not ExitState.CLOSED:
            yield f"R13: {key} is flat, and its exit {known.state}"
        return
    if known.rules.are_empty or _told(contents, key):
        return
    if known.state is not ExitState.ARMED or known.quantity != abs(position.signed_qty):
        yield f"R13: {key} holds {position.signed_qty}, its exit {known.state} {known.quantity}"
    venue = run.venues[Venue(position.venue)]
    wants = known.rules.stop_loss is not None or known.rules.trailing_stop is not None
    if wants and OrderType.STOP_MARKET in venue.capabilities.order_types:
        held, stops = abs(position.signed_qty), _resting(venue, position)[OrderType.STOP_MARKET]
        if (exactly and stops != [held]) or sum(stops, ZERO) < held:
            yield f"R13: {key} holds {position.signed_qty}, the stops at its venue are {stops}"


def _positions(contents: Contents) -> dict[str, Position]:
    return {
        key: from_document(Position, data)
        for book in (V2, V3)
        for key, data in contents[book.positions].items()
    }


def _resting(venue: SimVenue, position: Position) -> dict[OrderType, list[Decimal]]:
    found: dict[OrderType, list[Decimal]] = defaultdict(list)
    for entry in venue.books.resting():
        order = entry.order
        if (order.account_id, order.symbol) == (position.deployment_id, position.symbol):
            found[order.order_type].append(entry.leaves_qty)
    return found


def _excused(run: Run, contents: Contents, position: Position) -> bool:
    """Nothing may be sent there: it is halted, or an order of it is UNRESOLVED."""
    scopes = order_scopes(
        book=position.book,
        agent_id=position.agent_id,
        deployment_id=position.deployment_id,
        symbol=position.symbol,
        venues=(position.venue,),
    )
    states = [run.store.peek(state_ref(scope)) for scope in scopes]
    if standing(scopes, states, run.world.now()).state is TradingState.HALTED:
        return True
    return any(
        data["status"] == IntentStatus.UNRESOLVED
        and data["plan"]["deployment_id"] == position.deployment_id
        for data in contents[ORDER_INTENTS].values()
    )


def _told(contents: Contents, position_id: str) -> bool:
    """A person was told of this very position that its exit could not be sent, or did not fill."""
    return any(
        data["notification"]["subject_id"] == position_id
        for data in contents[NOTIFICATIONS].values()
    )
