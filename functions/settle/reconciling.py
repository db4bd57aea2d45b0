"""Our positions and orders beside the venues' own, account by account; the venue's word wins."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from common.audit import audit_write
from common.books import (
    BOOKS,
    EXPOSURES,
    FILLS,
    MARKET_SNAPSHOTS,
    ORDERS,
    RECONCILIATIONS,
    VENUE_MARKETS,
)
from common.documents import Stored, load, load_many, put
from common.domain.account import Account
from common.domain.agent import Deployment
from common.domain.events import OutboxMessage
from common.domain.exposure import Exposure
from common.domain.identifiers import digest, prefixed_id
from common.domain.instrument import InstrumentTable, Venue
from common.domain.market import MarketSnapshot
from common.domain.moment import UtcDatetime
from common.domain.money import ZERO, plain
from common.domain.notification import Notification, NotificationKind
from common.domain.order import Fill, FillRecord, Order
from common.domain.position import Position
from common.errors import ConflictError, SapphireError, TransientError
from common.execution.booking import account_ref, book_fills, empty_position, position_ref
from common.execution.exposures import exposure_writes
from common.execution.outcome import from_report
from common.execution.reconciliation import (
    EXTERNAL,
    Difference,
    Reconciliation,
    differences,
    mending_fill,
    quantities,
    stands,
)
from common.execution.sender import answer_of
from common.execution.wallets import neighbours, share_of
from common.messages import position_message
from common.notifications import notification_writes
from common.outbox import outbox_write
from common.ports import (
    ExecutionVenue,
    Query,
    Ref,
    VenueAccountState,
    VenuePosition,
    Where,
    Write,
)
from common.wire import from_document
from functions.settle.funding import Funded, funded_now
from functions.settle.reading import raise_first
from functions.settle.resolving import Desk

ROUND = Ref(RECONCILIATIONS, "round")
ORDERS_ASKED = 20  # of an account's newest, when a quantity differs
TOLD_ONE_BY_ONE = 10  # external orders


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """How far the round over all accounts has come; the next begins when its time is over."""

    started_at: UtcDatetime
    cursor: str | None
    done: bool


@dataclass(frozen=True, slots=True)
class _Account:
    deployment: Deployment
    exposure: Stored[Exposure]
    others: tuple[Exposure, ...]  # of the same wallet
    record: Stored[Reconciliation] | None
    venue: ExecutionVenue

    @property
    def place(self) -> Ref:
        return _place(self.deployment.deployment_id, self.venue.venue)


@dataclass(frozen=True, slots=True)
class _Differs:
    """A symbol whose quantities have differed for long enough, with the venue's word on it."""

    symbol: str
    difference: Difference
    told: VenuePosition | None


def _place(deployment_id: str, venue: Venue) -> Ref:
    return Ref(RECONCILIATIONS, f"{deployment_id}:{venue}")


async def reconcile(desk: Desk) -> list[OutboxMessage]:
    """The next accounts of the round.

    A venue that does not answer is not flat: nothing is concluded of its accounts.

    Raises:
        SapphireError: an account's trouble that is not a missing answer, once all were looked at.
    """
    limits, now = desk.settings.limits, desk.clock.now()
    stored = await load(desk.store, Round, ROUND)
    current = stored.value if stored else None
    if current is None or (current.done and now - current.started_at >= limits.reconcile_every):
        current = Round(started_at=now, cursor=None, done=False)
    if current.done:
        return []
    query = Query(EXPOSURES, limit=limits.reconcile_accounts_per_tick, cursor=current.cursor)
    page = await desk.store.query(query)
    messages: list[OutboxMessage] = []
    troubles: list[SapphireError] = []
    for document in page.documents:
        try:
            exposure = from_document(Exposure, document.data)
            messages += await _account(desk, Stored(document.ref, exposure, document.version))
        except (TransientError, ConflictError):
            continue
        except SapphireError as error:
            troubles.append(error)
    following = replace(current, cursor=page.next_cursor, done=page.next_cursor is None)
    try:
        await desk.store.commit([put(stored, ROUND, following)])
    except ConflictError:
        return messages  # another instance walks the same round
    if troubles:
        raise troubles[0]
    return messages


async def _account(desk: Desk, exposure: Stored[Exposure]) -> list[OutboxMessage]:
    deployment = await _deployment(desk, exposure.value.deployment_id)
    on_paper = desk.settings.mode == "paper"
    if deployment is None or deployment.paper is not on_paper:
        return []  # a paper position is nothing that a real venue could confirm
    wanted = {*deployment.enabled_venues, *map(Venue, exposure.value.venues())}
    venues = [venue for venue in desk.venues if venue in wanted]
    places = [_place(deployment.deployment_id, venue) for venue in venues]
    records = await load_many(desk.store, Reconciliation, places)
    others = await neighbours(desk.store, deployment)
    messages: list[OutboxMessage] = []
    troubles: list[Exception] = []
    for venue, record in zip(venues, records, strict=True):
        account = _Account(deployment, exposure, others, record, desk.venues[venue])
        try:
            messages += await _at_venue(desk, account)
        except (TransientError, ConflictError):
            continue
        except SapphireError as error:
            troubles.append(error)
    raise_first(troubles)
    return messages


async def _deployment(desk: Desk, deployment_id: str) -> Deployment | None:
    refs = [Ref(book.deployments, deployment_id) for book in BOOKS.values()]
    found = await load_many(desk.store, Deployment, refs)
    return next((each.value for each in found if each is not None), None)


async def _at_venue(desk: Desk, account: _Account) -> list[OutboxMessage]:
    venue, deployment_id = account.venue, account.deployment.deployment_id
    state = await desk.lines.ask(venue, lambda: venue.query_account(account_id=deployment_id))
    now, own = desk.clock.now(), account.exposure.value
    told = share_of(quantities(state), own, account.others, venue.venue)
    before = account.record.value if account.record else _nothing_known(account, now)
    found = differences(own, venue.venue, told, before.differences, now=now)
    fresh = [symbol for symbol in found if symbol not in before.differences]
    overdue = [
        symbol
        for symbol, difference in found.items()
        if stands(difference, venue.capabilities, now=now)
    ]
    messages: list[OutboxMessage] = []
    for symbol in [*fresh, *overdue[:1]]:
        messages += await _ask_late_orders(desk, account, symbol)
    external, more = await _open_orders(desk, account, state, before)
    messages += more
    holds = bool(own.holdings_at(venue.venue))
    booked = Funded(before.funded_until, before.funded_while_flat)
    funded = await funded_now(desk, account.deployment, venue, booked, holds=holds)
    after = replace(
        before,
        differences=found,
        external_orders=external,
        checked_at=now,
        funded_until=funded.until,
        funded_while_flat=funded.while_flat,
    )
    if overdue:
        symbol = overdue[0]  # one at a time: the others wait for the next round
        kept = {key: value for key, value in found.items() if key != symbol}
        mended = replace(after, differences=kept)
        position = _Differs(symbol, found[symbol], told.get(symbol))
        return [*messages, *await _mend(desk, account, position, mended)]
    known = (before.differences, before.external_orders, booked)
    if known != (found, external, funded):
        await desk.store.commit([put(account.record, account.place, after)])
    return messages


def _nothing_known(account: _Account, now: datetime) -> Reconciliation:
    return Reconciliation(
        deployment_id=account.deployment.deployment_id,
        venue=account.venue.venue,
        differences={},
        external_orders=(),
        checked_at=now,
    )


async def _ask_late_orders(desk: Desk, account: _Account, symbol: str) -> list[OutboxMessage]:
    """The one targeted question before a verdict: did an order that had ended fill after all?

    Asked when a difference is first seen and right before it is booked: fills may be told later
    than positions.
    """
    page = await desk.store.query(
        Query(
            ORDERS,
            (Where("account_id", "==", account.deployment.deployment_id),),
            order_by="submitted_at",
            descending=True,
            limit=ORDERS_ASKED,
        )
    )
    since = desk.clock.now() - desk.settings.limits.late_fill_lookback
    messages: list[OutboxMessage] = []
    for document in page.documents:
        order = from_document(Order, document.data)
        mine = (order.venue, order.symbol) == (account.venue.venue, symbol)
        if not mine or not order.status.is_terminal or order.submitted_at < since:
            continue
        report = await answer_of(account.venue, account.venue.query_order(order))
        if report is not None and report.filled_qty > order.filled_qty:
            messages += await desk.recorder.record(
                order.intent_id, order.client_order_id, from_report(report)
            )
    return messages


async def _open_orders(
    desk: Desk, account: _Account, state: VenueAccountState, before: Reconciliation
) -> tuple[tuple[str, ...], list[OutboxMessage]]:
    """Cancel what should have ended, and tag what is not ours; a new one is told to a person."""
    refs = [Ref(ORDERS, each.client_order_id) for each in state.open_orders if each.client_order_id]
    found = await load_many(desk.store, Order, refs) if refs else []
    ours = {each.value.client_order_id: each.value for each in found if each is not None}
    messages: list[OutboxMessage] = []
    external = []
    for resting in state.open_orders:
        order = ours.get(resting.client_order_id or "")
        if order is None:
            external.append(resting.venue_order_id)
        elif order.status.is_terminal:
            report = await answer_of(account.venue, account.venue.cancel(order))
            if report is not None:
                messages += await desk.recorder.record(
                    order.intent_id, order.client_order_id, from_report(report)
                )
    messages += await _tell_external(desk, account, set(external) - set(before.external_orders))
    return tuple(sorted(external)), messages


async def _tell_external(desk: Desk, account: _Account, fresh: set[str]) -> list[OutboxMessage]:
    """Each one once; a whole grid of somebody's orders in one sentence."""
    now, label, names = desk.clock.now(), account.venue.venue.label, sorted(fresh)
    texts = {name: f"{label} holds an open order that is not ours: {name}" for name in names}
    if len(names) > TOLD_ONE_BY_ONE:
        text = f"{label} holds {len(names)} open orders that are not ours, among them {names[0]}"
        texts = {digest(*names): text}
    writes: list[Write] = []
    messages: list[OutboxMessage] = []
    for cause, text in texts.items():
        told, message = _alert(account, text, cause=cause, now=now)
        if await desk.store.get(told[0].ref) is None:
            writes += told
            messages.append(message)
    if writes:
        await desk.store.commit(writes)
    return messages


async def _mend(
    desk: Desk, account: _Account, differs: _Differs, mended: Reconciliation
) -> list[OutboxMessage]:
    """Make our position the venue's in one commit, if ours is still what was compared."""
    now, venue, deployment = desk.clock.now(), account.venue.venue, account.deployment
    symbol, difference, told = differs.symbol, differs.difference, differs.told
    empty = empty_position(deployment, venue, symbol, now=now)
    stored = await load(desk.store, Position, position_ref(empty))
    position = stored.value if stored else empty
    if position.signed_qty != difference.ours:
        raise ConflictError("the position has moved", collection=FILLS, document_id=symbol)
    mark, instrument_id = await _market(desk, venue, symbol, position, told)
    fill = mending_fill(position, difference, told, instrument_id=instrument_id, mark=mark, now=now)
    money = await load(desk.store, Account, account_ref(deployment.deployment_id))
    record = _external_record(position, fill, now)
    booking = await book_fills(desk.store, empty, money, (record,), now=now)
    if booking.position.fill_count != position.fill_count + 1:
        raise ConflictError("the position has moved", collection=FILLS, document_id=symbol)
    facts = {"ours": plain(difference.ours), "theirs": plain(difference.theirs), "symbol": symbol}
    text = (
        f"{venue.label} holds {plain(difference.theirs)} {symbol}, we held"
        f" {plain(difference.ours)}: its word is taken, the difference is booked as external"
    )
    writes, message = _alert(account, text, cause=fill.trade_id, now=now)
    changed = position_message(booking.position, EXTERNAL, now=now)
    exposure = booking.held_in(account.exposure.value)
    await desk.store.commit(
        [
            *booking.writes(),
            *await exposure_writes(
                desk.store,
                account.exposure,
                exposure,
                book=deployment.book,
                agent_id=deployment.agent_id,
            ),
            put(account.record, account.place, mended),
            audit_write(
                "position-reconciled", position.position_id, at=now, step=fill.trade_id, facts=facts
            ),
            outbox_write(changed),
            *writes,
        ]
    )
    return [message, changed]


def _external_record(position: Position, fill: Fill, now: datetime) -> FillRecord:
    return FillRecord(
        fill=fill,
        book=position.book,
        agent_id=position.agent_id,
        deployment_id=position.deployment_id,
        signal_id=EXTERNAL,
        intent_id=EXTERNAL,
        position_id=position.position_id,
        realized_pnl=ZERO,
        recorded_at=now,
    )


async def _market(
    desk: Desk, venue: Venue, symbol: str, position: Position, told: VenuePosition | None
) -> tuple[Decimal, str]:
    """A price for what nobody told the price of, and the instrument's id.

    Raises TransientError: there is none yet; the next round tries again.
    """
    snapshot = await load(desk.store, MarketSnapshot, Ref(MARKET_SNAPSHOTS, symbol))
    table = await load(desk.store, InstrumentTable, Ref(VENUE_MARKETS, venue))
    instrument = table.value.find(symbol) if table else None
    price = snapshot.value.mark if snapshot else position.avg_px_open
    if price <= 0 and (told is None or told.avg_px is None):
        raise TransientError(f"no price of {symbol} yet")
    return price, instrument.instrument_id if instrument else f"{symbol}.{venue}"


def _alert(
    account: _Account, text: str, *, cause: str, now: datetime
) -> tuple[list[Write], OutboxMessage]:
    deployment_id = account.deployment.deployment_id
    return notification_writes(
        Notification(
            notification_id=prefixed_id("ntf", "reconcile", deployment_id, cause),
            kind=NotificationKind.RISK,
            text=f"{text} ({deployment_id})",
            subject_id=deployment_id,
            created_at=now,
        )
    )
