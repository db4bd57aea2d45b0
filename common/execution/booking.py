"""What fills do to the books: position, account, the agent's record, and a record of each fill.

One commit's worth.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from common.books import ACCOUNTS, BOOKS, FILLS
from common.documents import Stored, create, load, put
from common.domain.account import Account
from common.domain.agent import Deployment
from common.domain.exposure import Exposure
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Venue
from common.domain.money import ZERO
from common.domain.order import Fill, FillRecord, OrderPlan
from common.domain.position import EXACT, Position, apply_fill
from common.errors import InvalidInputError
from common.execution.accounts import after_fill, open_account
from common.execution.track_records import record_writes
from common.ports import DocumentStore, Increment, Ref, Write


@dataclass(frozen=True, slots=True)
class Booking:
    """The position and the account after the fills, and the versions that they were read at."""

    position: Position
    account: Account
    records: tuple[FillRecord, ...]  # at least one
    track_record: tuple[Increment, ...]  # what the trips that ended add to the agent's
    _stored_position: Stored[Position] | None
    _stored_account: Stored[Account] | None

    def writes(self) -> list[Write]:
        return [
            put(self._stored_position, position_ref(self.position), self.position),
            put(self._stored_account, account_ref(self.account.deployment_id), self.account),
            *(create(fill_ref(record.fill), record) for record in self.records),
            *self.track_record,
        ]

    def held_in(self, exposure: Exposure) -> Exposure:
        return exposure.hold(
            venue=self.position.venue,
            symbol=self.position.symbol,
            signed_qty=self.position.signed_qty,
            price=self.records[-1].fill.last_px,
        )


def fill_ref(fill: Fill) -> Ref:
    """The venue's own trade id, so that a fill told twice is one document.

    With the account: two accounts of ours can be the two sides of one trade.
    """
    return Ref(FILLS, prefixed_id("fil", fill.venue, fill.account_id, fill.trade_id))


def position_ref(position: Position) -> Ref:
    return Ref(BOOKS[position.book].positions, position.position_id)


def account_ref(deployment_id: str) -> Ref:
    return Ref(ACCOUNTS, deployment_id)


def empty_position(
    deployment: Deployment | OrderPlan, venue: Venue, symbol: str, *, now: datetime
) -> Position:
    """Flat; its id is the place of every fill of this deployment, venue and symbol."""
    return Position(
        position_id=prefixed_id("pos", deployment.book, deployment.deployment_id, venue, symbol),
        book=deployment.book,
        agent_id=deployment.agent_id,
        deployment_id=deployment.deployment_id,
        venue=venue,
        symbol=symbol,
        signed_qty=ZERO,
        open_cost=ZERO,
        realized_pnl=ZERO,
        commissions=ZERO,
        fill_count=0,
        opened_at=now,
        updated_at=now,
    )


async def book_fills(
    store: DocumentStore,
    empty: Position,
    account: Stored[Account] | None,
    records: tuple[FillRecord, ...],
    *,
    now: datetime,
) -> Booking:
    """Apply the records' fills, in order, to the position whose place `empty` is.

    `account` is as it was just read; None: there is none yet, it is opened now.

    Raises InvalidInputError: there is no such deployment.
    """
    stored = await load(store, Position, position_ref(empty))
    position = stored.value if stored else empty
    money = account.value if account else await _opened(store, empty, now)
    booked = []
    for record in records:
        after = apply_fill(position, record.fill, now=now)
        money = after_fill(money, position, record.fill, after, now=now)
        realized = EXACT.subtract(after.realized_pnl, position.realized_pnl)
        booked.append(
            replace(
                record,
                position_id=position.position_id,
                realized_pnl=realized,
                position_fill=after.fill_count,
            )
        )
        position = after
    known = account.value if account else None
    added = await record_writes(store, known, money)
    return Booking(position, money, tuple(booked), tuple(added), stored, account)


async def _opened(store: DocumentStore, empty: Position, now: datetime) -> Account:
    ref = Ref(BOOKS[empty.book].deployments, empty.deployment_id)
    deployment = await load(store, Deployment, ref)
    if deployment is None:
        raise InvalidInputError("its deployment is gone", where=empty.deployment_id)
    return open_account(deployment.value, now)


def fill_record(plan: OrderPlan, fill: Fill, *, now: datetime) -> FillRecord:
    """The record of an order's fill, before it is booked: no position and no result yet."""
    return FillRecord(
        fill=fill,
        book=plan.book,
        agent_id=plan.agent_id,
        deployment_id=plan.deployment_id,
        signal_id=plan.signal_id,
        intent_id=plan.intent_id,
        position_id="",
        realized_pnl=ZERO,
        recorded_at=now,
        purpose=plan.purpose,
        parent_order_id=plan.parent_order_id,
    )
