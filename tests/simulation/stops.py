"""Whether what is stopped has stopped: judged while it is, from the venues' own ledgers."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from common.books import BOOKS, ORDER_INTENTS
from common.domain.flatten import Flatten
from common.domain.instrument import Venue
from common.domain.order import IntentStatus, OrderIntent, OrderPurpose
from common.domain.scope import Scope, order_scopes
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.ports import Ref
from common.wire import from_document
from infra.local.store.memory import MemoryStore
from tests.simulation.venue import SimVenue

CANCELED_WITHIN = timedelta(minutes=9)
"""In a quiet world: two ticks of a drain, and the time that a paused sender has left."""


def entries_left_resting(
    store: MemoryStore, venues: Mapping[Venue, SimVenue], now: datetime
) -> Iterator[str]:
    """R17: no entry rests where trading was stopped a while ago; where it is HALTED, none that
    closes either.
    """
    for venue in venues.values():
        for entry in venue.books.resting():
            order = entry.order
            found = store.peek(Ref(ORDER_INTENTS, order.intent_id))
            intent = from_document(OrderIntent, found.data) if found else None
            if intent is None or intent.status is IntentStatus.UNRESOLVED:
                continue
            plan = intent.plan
            if plan.purpose is not OrderPurpose.ENTRY:
                continue
            scopes = order_scopes(
                book=plan.book,
                agent_id=plan.agent_id,
                deployment_id=plan.deployment_id,
                symbol=order.symbol,
                venues=(order.venue,),
            )
            for scope in scopes:
                since = _stopped_since(store, scope, now, halted=order.reduce_only)
                if since is not None and now - max(since, entry.accepted_at) > CANCELED_WITHIN:
                    yield f"R17: {order.client_order_id} rests, {scope.label} stopped at {since}"


def _stopped_since(
    store: MemoryStore, scope: Scope, now: datetime, *, halted: bool
) -> datetime | None:
    """`halted`: since it was HALTED, and not only REDUCING."""
    found = store.peek(state_ref(scope))
    record = from_document(TradingStateRecord, found.data) if found else None
    if record is None or record.at(now) is TradingState.ACTIVE:
        return None
    if halted and record.at(now) is not TradingState.HALTED:
        return None
    return record.changed_at


def not_flat(
    store: MemoryStore, venues: Mapping[Venue, SimVenue], flatten: Flatten
) -> Iterator[str]:
    """R16: as a flatten is called FLAT, the venues hold nothing of it but the dust it lists."""
    scope = Scope.parse(flatten.scope)
    for book in BOOKS.values():
        for key, deployment in store.documents(book.deployments).items():
            for venue in venues.values():
                for symbol in {entry.order.symbol for entry in venue.ledger}:
                    scopes = order_scopes(
                        book=book.name,
                        agent_id=deployment["agent_id"],
                        deployment_id=key,
                        symbol=symbol,
                        venues=(venue.venue,),
                    )
                    held = venue.quantity(key, symbol)
                    place = f"{key} {venue.venue} {symbol}"
                    dust = any(each.startswith(place) for each in flatten.dust)
                    if scope in scopes and held and not dust:
                        yield f"R16: {flatten.flatten_id} is FLAT, and {place} holds {held}"
