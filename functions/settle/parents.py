"""Parent orders where trading stops: told to look, or canceled for good."""

from collections.abc import AsyncIterator, Collection

from common.books import PARENT_ORDERS
from common.contention import retry_on_conflict
from common.documents import Stored, load
from common.domain.events import OutboxMessage
from common.domain.parent_order import OPEN_PARENTS, ParentOrder, ParentStatus
from common.domain.scope import Scope
from common.errors import SapphireError
from common.execution.algorithms.parent import canceling
from common.messages import parent_message
from common.ports import Ref, Where
from functions.settle.reading import readable
from functions.settle.resolving import Desk
from functions.settle.within import candidate_venues, scope_around

_ARE_OPEN = Where("status", "in", tuple(sorted(each.value for each in OPEN_PARENTS)))


async def stop_parents(
    desk: Desk, scopes: Collection[Scope], troubles: list[Exception]
) -> list[OutboxMessage]:
    """Those that open something. `advance` ends them: it sees the state by itself, and this only
    makes it look at once.
    """
    now = desk.clock.now()
    messages = []
    async for stored, scope in _open_within(desk, scopes, troubles):
        if stored.value.reduce_only:
            continue
        cause = f"trading-state:{scope.key}:{stored.version}"
        messages.append(parent_message(stored.ref.id, cause, now=now))
    return messages


async def cancel_parents(
    desk: Desk, scope: Scope, reason: str, troubles: list[Exception]
) -> list[OutboxMessage]:
    """Every parent order within `scope`, for good; `advance` ends them. Also those that only close:
    what they wait for is done at once.
    """
    messages: list[OutboxMessage] = []
    found = [stored.ref.id async for stored, _ in _open_within(desk, [scope], troubles)]
    for parent_order_id in found:
        try:
            messages += await retry_on_conflict(
                lambda key=parent_order_id: _cancel(desk, key, reason),  # type: ignore[misc]  # bound now
                what=f"parent order {parent_order_id}",
            )
        except SapphireError as error:
            troubles.append(error)
    return messages


async def open_parents(desk: Desk, scope: Scope) -> list[str]:
    """The ids of those that are still open, as far as they can be read."""
    return [stored.ref.id async for stored, _ in _open_within(desk, [scope], [])]


async def _open_within(
    desk: Desk, scopes: Collection[Scope], troubles: list[Exception]
) -> AsyncIterator[tuple[Stored[ParentOrder], Scope]]:
    parents = readable(desk.store, ParentOrder, PARENT_ORDERS, _ARE_OPEN, troubles=troubles)
    async for stored in parents:
        parent = stored.value
        scope = scope_around(parent, candidate_venues(parent), scopes)
        if scope is not None:
            yield stored, scope


async def _cancel(desk: Desk, parent_order_id: str, reason: str) -> list[OutboxMessage]:
    stored = await load(desk.store, ParentOrder, Ref(PARENT_ORDERS, parent_order_id))
    if stored is None or stored.value.status.is_terminal:
        return []
    now = desk.clock.now()
    if stored.value.status is not ParentStatus.CANCELING:
        after = canceling(stored.value, code="FLATTENED", reason=reason, now=now)
        await desk.store.commit([stored.update(after)])
    return [parent_message(parent_order_id, f"flatten:{stored.version}", now=now)]
