"""Invariants I01 to I06, checked against the venues' ledgers and the store, never against logs."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from common.books import (
    DECISIONS,
    EXPOSURES,
    FILLS,
    NOTIFICATIONS,
    ORDER_INTENTS,
    ORDERS,
    OUTBOX,
    PROCESSED_TICKS,
    REJECTED_EVENTS,
    V2,
    V3,
)
from common.domain.exposure import Exposure
from common.domain.instrument import Venue
from common.domain.money import ZERO
from common.domain.order import FillRecord, IntentStatus, Order, OrderIntent, OrderStatus
from common.domain.position import Position
from common.domain.signal import Delivery, SignalRecord
from common.execution.reconciliation import EXTERNAL
from common.wire import from_document
from tests.simulation.exit_checkers import exit_violations
from tests.simulation.ledger import VenueOrder
from tests.simulation.order_checkers import order_violations
from tests.simulation.parent_checkers import parent_violations
from tests.simulation.record_checkers import record_violations
from tests.simulation.run import Run
from tests.simulation.stage import SYMBOLS
from tests.simulation.tenant_checkers import tenant_violations

MARK = Decimal("123.45")


def violations(run: Run) -> list[str]:
    """Every broken invariant, each starting with its number."""
    state = _State(run)
    return [
        *run.seen,
        *_at_most_one_live(state),
        *_no_orphans(state),
        *_fills_recorded_once(state),
        *_positions_agree(state),
        *_cash_conserved(state),
        *_everything_ended(state),
        *order_violations(run),
        *record_violations(run),
        *parent_violations(run),
        *exit_violations(run),
        *tenant_violations(run),
        *_ticks_decided(state),
    ]


class _State:
    def __init__(self, run: Run) -> None:
        contents = run.store.contents()
        self.run = run
        self.contents = contents
        self.ledger: list[VenueOrder] = [
            entry for venue in run.venues.values() for entry in venue.ledger
        ]
        self.orders = {
            key: from_document(Order, data) for key, data in contents.get(ORDERS, {}).items()
        }
        self.intents = {
            key: from_document(OrderIntent, data)
            for key, data in contents.get(ORDER_INTENTS, {}).items()
        }
        self.fills = [from_document(FillRecord, data) for data in contents.get(FILLS, {}).values()]
        self.unresolved = {
            (intent.plan.deployment_id, order.venue.value, order.symbol)
            for intent in self.intents.values()
            if intent.status is IntentStatus.UNRESOLVED
            for order in [self.orders[intent.client_order_id]]
        }
        self.positions = {
            key: from_document(Position, data)
            for book in (V2, V3)
            for key, data in contents.get(book.positions, {}).items()
        }


def _at_most_one_live(state: _State) -> Iterator[str]:
    """I01: one order effect for each intent, and never more than was wanted."""
    by_intent: dict[str, list[VenueOrder]] = defaultdict(list)
    for entry in state.ledger:
        by_intent[entry.order.intent_id].append(entry)
    for intent_id, entries in by_intent.items():
        holding = [entry for entry in entries if entry.report.filled_qty > 0]
        if len(holding) > 1:
            yield f"I01: {intent_id} filled {len(holding)} times"
        filled = sum((entry.report.filled_qty for entry in entries), ZERO)
        wanted = max(entry.order.quantity for entry in entries)
        overfilled = any(entry.overfilled for entry in entries)  # the venue's own doing
        if filled > wanted and not overfilled:
            yield f"I01: {intent_id} filled {filled} of {wanted}"


def _no_orphans(state: _State) -> Iterator[str]:
    """I02: every order at a venue was written ahead, before."""
    for entry in state.ledger:
        ours = state.orders.get(entry.order.client_order_id)
        if ours is None:
            yield f"I02: the venue holds {entry.order.client_order_id}, we never wrote it"
        elif ours.submitted_at > entry.accepted_at:
            yield f"I02: {ours.client_order_id} was accepted before it was written"


def _fills_recorded_once(state: _State) -> Iterator[str]:
    """I03: the venue's fills and ours are the same, each once, none invented."""
    theirs = sorted(
        (fill.venue, fill.trade_id, fill.last_qty, fill.last_px)
        for entry in state.ledger
        for fill in entry.report.fills
    )
    ours = sorted(
        (record.fill.venue, record.fill.trade_id, record.fill.last_qty, record.fill.last_px)
        for record in state.fills
        if record.intent_id != EXTERNAL
    )
    for missing in sorted(set(theirs) - set(ours)):
        yield f"I03: a fill is not recorded: {missing}"
    for invented in sorted(set(ours) - set(theirs)):
        yield f"I03: a fill is invented: {invented}"
    if len(ours) != len(set(ours)):
        yield "I03: a fill is recorded twice"


def _positions_agree(state: _State) -> Iterator[str]:
    """I04: a position is the sum of its fills, and the venue's own quantity."""
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for record in state.fills:
        sums[record.position_id] += record.fill.last_qty * record.fill.side.sign
    for position in state.positions.values():
        if position.signed_qty != sums[position.position_id]:
            yield f"I04: {position.position_id} is not the sum of its fills"
        venue = state.run.venues[Venue(position.venue)]
        told = venue.quantity(position.deployment_id, position.symbol)
        place = (position.deployment_id, position.venue.value, position.symbol)
        if position.signed_qty != told and place not in state.unresolved:
            yield f"I04: {position.position_id} is {position.signed_qty}, the venue says {told}"
    if set(sums) - set(state.positions):
        yield "I04: fills without a position"


def _cash_conserved(state: _State) -> Iterator[str]:
    """I05: realised + unrealised - commissions = cash flows + holdings, exact in Decimal."""
    flows = ZERO
    external = [record.fill for record in state.fills if record.intent_id == EXTERNAL]
    for fill in [*(fill for entry in state.ledger for fill in entry.report.fills), *external]:
        flows += fill.last_qty * fill.side.sign * (MARK - fill.last_px) - fill.commission
    booked = sum(
        (
            position.realized_pnl + position.unrealized_pnl(MARK) - position.commissions
            for position in state.positions.values()
        ),
        ZERO,
    )
    if flows != booked:
        yield f"I05: cash is off by {flows - booked}"
    realized = sum((record.realized_pnl for record in state.fills), ZERO)
    if realized != sum((position.realized_pnl for position in state.positions.values()), ZERO):
        yield "I05: the fills' realised P&L is not the positions'"


def _everything_ended(state: _State) -> Iterator[str]:
    """I06: every signal, delivery, intent, order and notification has ended, with a reason code."""
    yield from _signals_ended(state)
    yield from _orders_ended(state)
    for key, data in state.contents.get(NOTIFICATIONS, {}).items():
        if data["delivery"] == "PENDING":
            yield f"I06: notification {key} was never handed on"
    for key in state.contents.get(OUTBOX, {}):
        yield f"I06: the outbox still holds {key}"
    for data in state.contents.get(REJECTED_EVENTS, {}).values():
        # The altered plans that the scenario sends, and what waits in vain for a price: the sweep
        # ends the delivery, and the bus gives its message up.
        if data["code"] in {"PLAN_NOT_APPROVED", "ATTEMPTS_USED_UP"}:
            continue
        yield f"I06: an event of our own was rejected: {data['function']}: {data['reason']}"
    for message_id in state.run.bus.dead:
        yield f"I06: {message_id} was dead-lettered"
    for key, data in state.contents.get(EXPOSURES, {}).items():
        for name in from_document(Exposure, data).reservations:
            intent = state.intents.get(name)
            if intent is None or not (intent.status is IntentStatus.UNRESOLVED or rests(intent)):
                yield f"I06: {key} keeps a reservation of {name}"


def _ticks_decided(state: _State) -> Iterator[str]:
    """I19: what was published had its effect, however often and late it was delivered."""
    decided = {
        (data["tick_id"], data["symbol"]) for data in state.contents.get(DECISIONS, {}).values()
    }
    for tick_id in state.contents.get(PROCESSED_TICKS, {}):
        for symbol in SYMBOLS:
            if (tick_id, symbol) not in decided:
                yield f"I19: {tick_id} was published and {symbol} never decided"


def _signals_ended(state: _State) -> Iterator[str]:
    for book in (V2, V3):
        for key, data in state.contents.get(book.signals, {}).items():
            record = from_document(SignalRecord, data)
            if not record.status.is_terminal or not record.reason_code:
                yield f"I06: signal {key} is {record.status} {record.outcomes}"
        for key, data in state.contents.get(book.deliveries, {}).items():
            delivery = from_document(Delivery, data)
            if not delivery.status.is_terminal or not delivery.reason_code:
                yield f"I06: delivery {key} is {delivery.status}"


def _may_stay_open(state: _State, intent: OrderIntent) -> bool:
    """A person was called, and the user has traded there by hand: no machine can tell which."""
    if not intent.client_order_id:
        return False
    order = state.orders[intent.client_order_id]
    venue = state.run.venues[order.venue]
    told = any(
        data["notification"]["subject_id"] == intent.plan.intent_id
        and "UNRESOLVED" in data["notification"]["text"]
        for data in state.contents.get(NOTIFICATIONS, {}).values()
    )
    return told and bool(venue.quantity_by_hand(order.account_id, order.symbol))


def rests(intent: OrderIntent) -> bool:
    """A stop that waits at its venue, for as long as the position is open (exit_checkers.py)."""
    return intent.status is IntentStatus.WORKING and intent.plan.is_protective


def _orders_ended(state: _State) -> Iterator[str]:
    for key, intent in state.intents.items():
        parked = intent.status is IntentStatus.UNRESOLVED and _may_stay_open(state, intent)
        open_yet = not (intent.status.is_terminal or parked or rests(intent))
        if open_yet or not intent.reason_code:
            yield f"I06: intent {key} is {intent.status}: {intent.reason}"
        if intent.status is IntentStatus.FILLED and not intent.filled_qty:
            yield f"I06: intent {key} is FILLED with nothing"
    for key, order in state.orders.items():
        intent = state.intents[order.intent_id]
        parked = intent.status is IntentStatus.UNRESOLVED or rests(intent)
        if not order.status.is_terminal and not parked:
            yield f"I06: order {key} is {order.status}"
        if order.status is OrderStatus.FILLED and order.filled_qty < order.quantity:
            yield f"I06: order {key} is FILLED with {order.filled_qty} of {order.quantity}"
