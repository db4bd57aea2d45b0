"""Closing all positions within a scope until the venues themselves say that they are flat.

Each call does the next accounts of a round: it asks the venue what is there, and plans one
reduce-only order for each position that none is under way for. The round after it asks again. All
that it knows is in the `flattens` document, so any crash is taken up where it happened.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from common.audit import audit_write
from common.books import (
    BOOKS,
    EXPOSURES,
    FLATTENS,
    MARKET_SNAPSHOTS,
    ORDER_INTENTS,
    PLAN_APPROVALS,
    VENUE_MARKETS,
)
from common.documents import Stored, every, load, load_many
from common.domain.agent import Deployment
from common.domain.events import OutboxMessage
from common.domain.exposure import Exposure
from common.domain.flatten import Flatten, FlattenStatus
from common.domain.identifiers import intent_id, prefixed_id
from common.domain.instrument import (
    Instrument,
    InstrumentTable,
    OrderType,
    TimeInForce,
    Venue,
    price_bound,
)
from common.domain.market import MarketSnapshot
from common.domain.money import ZERO, plain
from common.domain.notification import Notification, NotificationKind
from common.domain.order import OrderIntent, OrderPlan, OrderPurpose, OrderSide, VenueCandidate
from common.domain.rounding import round_price, round_quantity
from common.domain.scope import Scope, ScopeKind
from common.errors import ConflictError, SapphireError, TransientError
from common.execution.approval import approval_write
from common.execution.reconciliation import quantities
from common.execution.sender import answer_of
from common.execution.wallets import neighbours, share_of
from common.how.exit_draft import closing_quantity
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.messages import attempt_message, flatten_message
from common.notifications import notification_writes
from common.outbox import outbox_write
from common.ports import Query, Ref, VenuePosition, Where, Write
from common.wire import from_document
from functions.settle.canceling import cancel_entries, cancel_parents, entry_parents
from functions.settle.resolving import Desk

ACCOUNTS_A_STEP = 100
WRITES_AT_ONCE = 200  # even: a plan's approval and its message go together
AGAIN_AFTER = timedelta(seconds=5)
"""Between a round and the next, while something is left: closing takes the venues some seconds."""

PLAN_LIFE = timedelta(minutes=2)
STUCK_AFTER_ROUNDS = 12
LISTED_MAX = 50
SLIPPAGE = (Decimal("0.01"), Decimal("0.02"), Decimal("0.05"), Decimal("0.10"))
"""Of the mark, round by round: being out counts for more than the price."""


@dataclass(slots=True)
class _Step:
    """What one call has found and has to write."""

    desk: Desk
    flatten: Flatten
    scope: Scope
    now: datetime
    remaining: list[str]
    dust: list[str]
    writes: list[Write]
    messages: list[OutboxMessage]


async def flatten_open(desk: Desk) -> list[OutboxMessage]:
    """The next step of every flatten that is not over."""
    still = Where("status", "in", (FlattenStatus.CLOSING.value, FlattenStatus.STUCK.value))
    ids = [document.ref.id async for document in every(desk.store, FLATTENS, still)]
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    for flatten_id in ids:
        try:
            messages += await flatten(desk, flatten_id)
        except SapphireError as error:
            troubles.append(error)
    if troubles:
        raise troubles[0]
    return messages


async def flatten(desk: Desk, flatten_id: str) -> list[OutboxMessage]:
    """The next step of one flatten; nothing once it is FLAT.

    One venue's trouble keeps nothing open at the others.
    """
    stored = await load(desk.store, Flatten, Ref(FLATTENS, flatten_id))
    if stored is None or stored.value.status is FlattenStatus.FLAT:
        return []
    scope = Scope.parse(stored.value.scope)
    fresh = stored.value.cursor is None
    canceled, trouble = await _cancel(desk, scope) if fresh else ([], [])
    step = _Step(
        desk=desk,
        flatten=stored.value,
        scope=scope,
        now=desk.clock.now(),
        remaining=trouble if fresh else list(stored.value.remaining),
        dust=[] if fresh else list(stored.value.dust),
        writes=[],
        messages=[],
    )
    query = Query(EXPOSURES, limit=ACCOUNTS_A_STEP, cursor=stored.value.cursor)
    page = await desk.store.query(query)
    for document in page.documents:
        await _account(step, from_document(Exposure, document.data))
    after = _after(step, page.next_cursor)
    return canceled + await _commit(step, stored, after)


async def _cancel(desk: Desk, scope: Scope) -> tuple[list[OutboxMessage], list[str]]:
    """What could still open something; and what of it keeps the scope from being flat."""
    messages = await cancel_parents(desk, scope, "everything is being closed")
    trouble = [f"{each} is still being worked" for each in await entry_parents(desk, scope)]
    try:
        messages += await cancel_entries(desk, scope)
    except SapphireError as error:
        trouble.append(f"an entry may still rest: {error}"[:200])
    return messages, trouble


async def _account(step: _Step, exposure: Exposure) -> None:
    deployment = await _deployment(step.desk, exposure.deployment_id)
    if deployment is None or deployment.paper != (step.desk.settings.mode == "paper"):
        return
    if not _names_account(step.scope, deployment):
        return
    wanted = {*deployment.enabled_venues, *map(Venue, exposure.venues())}
    for venue in (venue for venue in step.desk.venues if venue in wanted):
        if step.scope.kind is ScopeKind.VENUE and step.scope.name != venue:
            continue
        await _at_venue(step, deployment, exposure, venue)
    for place in exposure.venues():
        named = step.scope.kind is not ScopeKind.VENUE or step.scope.name == place
        if named and Venue(place) not in step.desk.venues and exposure.holdings_at(place):
            name = f"{deployment.deployment_id} {place}: it is not connected here"
            step.remaining.append(name)


async def _at_venue(step: _Step, deployment: Deployment, exposure: Exposure, venue: Venue) -> None:
    """A venue that does not answer is not flat: what we hold there remains."""
    adapter = step.desk.venues[venue]
    account_id = deployment.deployment_id
    try:
        state = await answer_of(adapter, adapter.query_account(account_id=account_id))
    except TransientError as error:
        step.remaining.append(f"{account_id} {venue}: {error}"[:200])
        return
    others = await neighbours(step.desk.store, deployment)
    told = share_of(quantities(state), exposure, others, venue)
    under_way = exposure.symbols_under_way(venue)
    for symbol in sorted({*told, *exposure.holdings_at(venue), *under_way}):
        if step.scope.kind is ScopeKind.SYMBOL and step.scope.name != symbol:
            continue
        if symbol in under_way:  # it counts as filled: what is flat now may not stay so
            step.remaining.append(f"{account_id} {venue} {symbol}: an order may still fill")
        await _position(step, deployment, exposure, (venue, symbol, told.get(symbol)))


async def _position(
    step: _Step,
    deployment: Deployment,
    exposure: Exposure,
    place: tuple[Venue, str, VenuePosition | None],
) -> None:
    venue, symbol, told = place
    theirs = Decimal(told.signed_qty) if told else ZERO
    ours = exposure.held(venue, symbol)
    if theirs == 0 and ours == 0:
        return
    name = f"{deployment.deployment_id} {venue} {symbol} {plain(theirs)}"
    instrument, mark = await _market(step.desk, venue, symbol)
    # Where both sides do not agree yet, reconciliation comes first, and the next round sees it.
    agreed = min(abs(theirs), abs(ours)) if theirs * ours > 0 else ZERO
    quantity = ZERO
    if instrument is not None and mark is not None:
        quantity = closing_quantity(instrument, agreed, mark)
    elif instrument is not None:
        quantity = round_quantity(instrument, agreed)
    if instrument is not None and agreed and quantity < instrument.min_quantity:
        step.dust.append(name)
        return
    step.remaining.append(name)
    if instrument is None or mark is None or quantity == 0:
        return
    side = OrderSide.SELL if theirs > 0 else OrderSide.BUY
    plan = _plan(step, deployment, instrument, (side, quantity, mark))
    if not await _is_under_way(step, plan):
        step.writes += [approval_write(plan, "settle", now=step.now)]
        message = attempt_message(plan, 1, now=step.now)
        step.writes.append(outbox_write(message))
        step.messages.append(message)


def _plan(
    step: _Step,
    deployment: Deployment,
    instrument: Instrument,
    wanted: tuple[OrderSide, Decimal, Decimal],
) -> OrderPlan:
    side, quantity, mark = wanted
    buy = side is OrderSide.BUY
    round_no = step.flatten.rounds
    slippage = SLIPPAGE[min(round_no, len(SLIPPAGE) - 1)]
    price = round_price(instrument, price_bound(mark, buy=buy, slippage=slippage), buy=buy)
    cause = f"{step.flatten.flatten_id}:{instrument.venue}:{instrument.symbol}"
    return OrderPlan(
        intent_id=intent_id(deployment.agent_id, deployment.deployment_id, cause, 0, round_no + 1),
        book=deployment.book,
        agent_id=deployment.agent_id,
        deployment_id=deployment.deployment_id,
        delivery_id="",
        signal_id=step.flatten.flatten_id,
        symbol=instrument.symbol,
        side=side,
        order_type=OrderType.MARKET,
        candidates=(
            VenueCandidate(
                venue=instrument.venue,
                instrument_id=instrument.instrument_id,
                quantity=quantity,
                price=price,
            ),
        ),
        reference_price=mark,
        slippage_max=slippage,
        policy_version="flatten",
        created_at=step.now,
        expires_at=step.now + PLAN_LIFE,
        paper=deployment.paper,
        time_in_force=TimeInForce.IOC,
        reduce_only=True,
        purpose=OrderPurpose.FLATTEN,
    )


async def _is_under_way(step: _Step, plan: OrderPlan) -> bool:
    """Whether this round's order is planned already, or that of the round before may still fill."""
    cause = f"{step.flatten.flatten_id}:{plan.candidates[0].venue}:{plan.symbol}"
    ids = [
        intent_id(plan.agent_id, plan.deployment_id, cause, 0, number)
        for number in (step.flatten.rounds, step.flatten.rounds + 1)
        if number > 0
    ]
    store = step.desk.store
    if await store.get(Ref(PLAN_APPROVALS, plan.intent_id)) is not None:
        return True
    intents = await load_many(store, OrderIntent, [Ref(ORDER_INTENTS, each) for each in ids])
    return any(each is not None and not each.value.status.is_terminal for each in intents)


def _after(step: _Step, cursor: str | None) -> Flatten:
    """The document after this step; a round is over with its last page."""
    flatten = replace(
        step.flatten,
        cursor=cursor,
        remaining=tuple(step.remaining[:LISTED_MAX]),
        dust=tuple(step.dust[:LISTED_MAX]),
        updated_at=step.now,
    )
    if cursor is not None:
        return flatten
    flatten = replace(flatten, rounds=flatten.rounds + 1)
    if not step.remaining:
        return replace(flatten, status=FlattenStatus.FLAT, finished_at=step.now)
    if flatten.rounds >= STUCK_AFTER_ROUNDS:
        return replace(flatten, status=FlattenStatus.STUCK)
    return flatten


async def _commit(step: _Step, stored: Stored[Flatten], after: Flatten) -> list[OutboxMessage]:
    """The plans first, each with its message, then how far it has come.

    Another call that works the same round makes the same plans, and one of the two gives way.
    """
    messages = list(step.messages)
    writes: list[Write] = [stored.update(after)]
    if after.status is FlattenStatus.FLAT:
        writes += await _halt(step)
    elif after.status is FlattenStatus.CLOSING:
        again = step.now + (AGAIN_AFTER if after.cursor is None else timedelta(0))
        name = f"{after.rounds}:{after.cursor or ''}"
        message = flatten_message(after.flatten_id, name, now=step.now, deliver_at=again)
        writes.append(outbox_write(message))
        messages.append(message)
    if after.status is not step.flatten.status:
        told, message = notification_writes(_notification(after))
        writes += told
        messages.append(message)
    try:
        for start in range(0, len(step.writes), WRITES_AT_ONCE):
            await step.desk.store.commit(step.writes[start : start + WRITES_AT_ONCE])
        await step.desk.store.commit(writes)
    except ConflictError:
        return []
    return messages


async def _halt(step: _Step) -> list[Write]:
    """Flat, and to stay so: REDUCING becomes HALTED, unless somebody has changed it meanwhile."""
    ref = state_ref(step.scope)
    stored = await load(step.desk.store, TradingStateRecord, ref)
    if stored is None or stored.value.epoch != step.flatten.epoch:
        return []
    record = replace(
        stored.value,
        state=TradingState.HALTED,
        epoch=stored.value.epoch + 1,
        reason=f"flat: {step.flatten.reason}",
        changed_at=step.now,
    )
    facts = {"state": record.state.value, "reason": record.reason, "by": record.changed_by}
    audit = audit_write(
        "trading-state-changed", ref.id, at=step.now, step=record.epoch, facts=facts
    )
    return [stored.update(record), audit]


def _notification(flatten: Flatten) -> Notification:
    where = Scope.parse(flatten.scope).label
    if flatten.status is FlattenStatus.FLAT:
        text = f"FLAT: the venues hold nothing for {where} any more. Trading there is halted"
        if flatten.dust:
            text += f" (dust stays: {'; '.join(flatten.dust[:5])})"
    else:
        text = f"FLATTEN IS STUCK for {where}: {'; '.join(flatten.remaining[:5])}"
    return Notification(
        notification_id=prefixed_id("ntf", flatten.flatten_id, flatten.status, flatten.rounds),
        kind=NotificationKind.RISK,
        text=text,
        subject_id=flatten.flatten_id,
        created_at=flatten.updated_at,
    )


def _names_account(scope: Scope, deployment: Deployment) -> bool:
    match scope.kind:
        case ScopeKind.AGENT:
            return scope.name == f"{deployment.book}:{deployment.agent_id}"
        case ScopeKind.DEPLOYMENT:
            return scope.name == deployment.deployment_id
        case _:
            return True


async def _deployment(desk: Desk, deployment_id: str) -> Deployment | None:
    refs = [Ref(book.deployments, deployment_id) for book in BOOKS.values()]
    found = await load_many(desk.store, Deployment, refs)
    return next((each.value for each in found if each is not None), None)


async def _market(
    desk: Desk, venue: Venue, symbol: str
) -> tuple[Instrument | None, Decimal | None]:
    """How the venue trades it, and the last mark however old: to get out, an old one must do."""
    table = await load(desk.store, InstrumentTable, Ref(VENUE_MARKETS, venue))
    snapshot = await load(desk.store, MarketSnapshot, Ref(MARKET_SNAPSHOTS, symbol))
    instrument = table.value.find(symbol) if table else None
    return instrument, snapshot.value.mark if snapshot else None
