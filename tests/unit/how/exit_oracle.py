"""What a decision about an exit must never be, judged from outside of the code that makes it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from common.domain.exits import ExitState, PositionExit, ProtectiveOrder
from common.domain.instrument import OrderType
from common.domain.order import IntentStatus, OrderPurpose, OrderSide
from common.domain.position import Position
from common.domain.rounding import is_valid_price, round_quantity
from common.domain.signal import PositionSide
from common.how.exits import ExitDecision, ExitOrder, ExitSettings, ExitView
from tests.unit.how.exit_desk import SETTINGS, TICKED
from tests.unit.how.exit_venue import Sent

STOP, PROFIT = OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED
TICK = Decimal("0.01")
LOSSES = {OrderPurpose.STOP_LOSS, OrderPurpose.TRAILING_STOP}


def kind_of(order: ProtectiveOrder) -> OrderType:
    return PROFIT if order.purpose is OrderPurpose.TAKE_PROFIT else STOP


def toward(side: PositionSide) -> int:
    return 1 if side is PositionSide.LONG else -1


@dataclass(slots=True)
class ExitOracle:
    sent: Mapping[str, Sent]
    settings: ExitSettings = SETTINGS
    trips: dict[str, datetime] = field(default_factory=dict)  # which position an order closes
    trails: dict[object, Decimal] = field(default_factory=dict)

    def check(
        self,
        decision: ExitDecision,
        known: PositionExit | None,
        position: Position,
        view: ExitView,
        now: datetime,
    ) -> None:
        assert not (view.halted and decision.place)
        for order in decision.place:
            self._check_order(order, position, view)
        exits = [order for order in decision.place if order.order_type is OrderType.MARKET]
        assert len(exits) == (decision.begun is not None)
        after = decision.exit
        if after is None:
            assert (decision.place, decision.cancel) == ((), ())
            return
        if exits:
            assert not list(self._exits_under_way(position)), "two exits at once"
        elif known is not None and not known.exit_purpose:
            self._check_not_overlooked(after, view)
        if decision.begun is not None and (known is None or known.exit_purpose is None):
            self._check_reason(decision, after, known, view, now)
        self._check_kept(after, known, position, decision)
        self._check_trail(decision, after)

    def commit(self, decision: ExitDecision, position: Position) -> None:
        for order in decision.place:
            self.trips[order.intent_id] = position.opened_at

    def _check_order(self, order: ExitOrder, position: Position, view: ExitView) -> None:
        closing = OrderSide.SELL if position.signed_qty > 0 else OrderSide.BUY
        assert order.reduce_only
        assert order.side is closing
        assert 0 < order.quantity <= abs(position.signed_qty)
        assert order.quantity == round_quantity(TICKED, order.quantity)
        reference = order.trigger_price or view.mark
        assert reference is not None, "at market, and nobody knows where that is"
        assert is_valid_price(TICKED, order.price)
        assert order.trigger_price is None or is_valid_price(TICKED, order.trigger_price)
        beyond = (order.price - reference) * order.side.sign
        assert 0 <= beyond <= reference * self.settings.slippage_max + TICK

    def _exits_under_way(self, position: Position) -> Iterator[Sent]:
        for name, sent in self.sent.items():
            closes_all = sent.order.order_type is OrderType.MARKET
            if closes_all and self.trips[name] == position.opened_at:
                yield from [] if sent.status.is_terminal else [sent]

    def _check_not_overlooked(self, after: PositionExit, view: ExitView) -> None:
        """The venue has said that a trigger has passed; then the position does not stay."""
        if view.mark is None or view.halted:
            return
        for order in after.orders:
            if not order.canceling and view.seen(order.intent_id).status.is_terminal:
                assert view.seen(order.intent_id).reason_code != "TRIGGER_ALREADY_PASSED"

    def _check_reason(
        self,
        decision: ExitDecision,
        after: PositionExit,
        known: PositionExit | None,
        view: ExitView,
        now: datetime,
    ) -> None:
        """A closing order is begun because a level is reached, and for no other reason."""
        mark, rules = view.mark, after.rules
        assert mark is not None
        purpose, sign = decision.begun, toward(after.side)
        told = {view.seen(o.intent_id).reason_code for o in known.orders} if known else set()
        said_so = "TRIGGER_ALREADY_PASSED" in told
        marked = known.orders if known else ()
        triggers = [order.trigger_price for order in marked if kind_of(order) is STOP]
        losses = [*triggers]
        if rules.stop_loss is not None:
            losses.append(after.entry_price * (1 - sign * rules.stop_loss))
        if rules.trailing_stop is not None:
            losses.append(after.best_price * (1 - sign * rules.trailing_stop))
        loses = any((mark - level) * sign <= TICK for level in losses)
        wins = rules.take_profit is not None and (
            (mark - after.entry_price * (1 + sign * rules.take_profit)) * sign >= -TICK
        )
        if purpose in LOSSES:
            assert loses or said_so
        elif purpose is OrderPurpose.TAKE_PROFIT:
            assert wins or said_so
        elif purpose is OrderPurpose.TIME_LIMIT:
            assert rules.time_limit_s is not None
            assert (now - after.opened_at).total_seconds() >= rules.time_limit_s
        else:
            assert purpose is OrderPurpose.EMERGENCY
            assert loses or wins
            self._check_grace(decision, known, now)

    def _check_grace(
        self, decision: ExitDecision, known: PositionExit | None, now: datetime
    ) -> None:
        """An order that may still fill is taken away only when it had its time."""
        assert known is not None
        was = {order.intent_id for order in known.orders if not order.canceling}
        if was & {cancel.intent_id for cancel in decision.cancel}:
            assert known.triggered_at is not None
            assert now - known.triggered_at >= self.settings.unfilled_after

    def _check_kept(
        self,
        after: PositionExit,
        known: PositionExit | None,
        position: Position,
        decision: ExitDecision,
    ) -> None:
        held = abs(position.signed_qty)
        assert len({order.intent_id for order in after.orders}) == len(after.orders)
        if after.state is ExitState.CLOSED:
            assert (after.orders, after.exit_intent_id) == ((), None)
            assert held < TICKED.min_quantity or after.rules.are_empty or after.quantity >= held
        elif held:
            assert (after.side, after.quantity) == (position.side, held)
            assert after.opened_at == position.opened_at
        if known is not None:
            assert after.generation == known.generation + len(decision.place)
            if known.opened_at == after.opened_at and known.side is after.side:
                assert (after.best_price - known.best_price) * toward(after.side) >= 0
                for cancel in decision.cancel:
                    self._check_not_bare(cancel.intent_id, after, known)
        self._check_numbers(after)

    def _check_numbers(self, after: PositionExit) -> None:
        """Orders do not pile up, whatever becomes of them."""
        for kind in (STOP, PROFIT):
            mine = [o for o in after.orders if not o.canceling and kind_of(o) is kind]
            states = [self._status(order) for order in mine]
            ended = [status for status in states if status.is_terminal]
            working = [status for status in states if status is IntentStatus.WORKING]
            unproven = [status for status in states if status is IntentStatus.UNRESOLVED]
            assert len(ended) + len(unproven) <= self.settings.refusals_max + 1
            assert len(working) <= 3
            assert len(states) - len(ended) - len(working) - len(unproven) <= 1

    def _status(self, order: ProtectiveOrder) -> IntentStatus:
        sent = self.sent.get(order.intent_id)
        return sent.status if sent else IntentStatus.SENDING

    def _check_not_bare(self, name: str, after: PositionExit, known: PositionExit) -> None:
        """A stop goes only when another one is held that covers no less, or for an exit."""
        was = next((order for order in known.orders if order.intent_id == name), None)
        if was is None or was.canceling or kind_of(was) is not STOP:
            return
        unruled = after.rules.stop_loss is None and after.rules.trailing_stop is None
        dust = after.quantity < TICKED.min_quantity
        if after.side is PositionSide.FLAT or after.exit_intent_id or unruled or dust:
            return
        if after.state is ExitState.EXITING:
            return
        whole = round_quantity(TICKED, after.quantity)
        covers = [
            min(order.quantity - self.sent[order.intent_id].filled, whole)
            for order in after.orders
            if not order.canceling
            and kind_of(order) is STOP
            and self._status(order) is IntentStatus.WORKING
        ]
        assert covers, "the position is bare"
        assert max(covers) >= min(was.quantity - self.sent[name].filled, whole)

    def _check_trail(self, decision: ExitDecision, after: PositionExit) -> None:
        """It never loosens as long as rules and position are the same."""
        key = (after.opened_at, after.side, after.rules)
        for order in decision.place:
            if order.purpose is OrderPurpose.TRAILING_STOP and order.trigger_price is not None:
                before = self.trails.get(key, order.trigger_price)
                assert (order.trigger_price - before) * toward(after.side) >= 0
                self.trails[key] = order.trigger_price
