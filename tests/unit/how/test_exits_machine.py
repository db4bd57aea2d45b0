"""Any order of marks, trades, news, losses and crashes: what an exit must never do, and must."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from common.domain.exit_rules import ExitRules
from common.domain.exits import ExitState, PositionExit
from common.domain.instrument import OrderType
from common.domain.money import ZERO
from common.domain.order import IntentStatus, OrderSide
from common.domain.position import apply_fill
from common.domain.rounding import round_quantity
from common.how.exits import ExitDecision, ExitOrder, ExitView, decide_exit
from tests.builders import NOON, a_fill, a_position
from tests.unit.how.exit_desk import SETTINGS, TICKED
from tests.unit.how.exit_oracle import ExitOracle, kind_of
from tests.unit.how.exit_venue import ExitVenue, Mood, Sent

TICKS_MAX = 12
IN_FLIGHT = tuple(status for status in IntentStatus if not status.is_terminal)
UNPROVEN = (IntentStatus.UNKNOWN, IntentStatus.UNRESOLVED)

stops = st.sampled_from([None, "0.03", "0.06", "0.1"])
profits = st.sampled_from([None, None, "0.1", "0.3"])
rarely = st.sampled_from([False, False, False, False, True])
some_exit_rules = st.builds(
    lambda stop, profit, trail, seconds: ExitRules(
        stop_loss=stop and Decimal(stop),
        take_profit=profit and Decimal(profit),
        trailing_stop=trail and Decimal(trail),
        time_limit_s=seconds,
    ),
    stops,
    profits,
    stops,
    st.sampled_from([None, None, None, 900]),
)
sizes = st.sampled_from(["0.005", "0.4", "1", "2.3456"])
moods = st.sampled_from([Mood.GOOD, Mood.GOOD, *Mood])
ways = st.sampled_from([None, None, Mood.GOOD, Mood.GOOD, Mood.GOOD, *Mood])
"""None: not yet."""
troubles = st.sampled_from([*[""] * 6, "halted", "stale"])


class ExitMachine(RuleBasedStateMachine):
    """`monitor`, `execute` and `settle` in small, between one position and a fickle venue."""

    @initialize(
        rests=st.booleans(),
        hangs=st.booleans(),
        size=sizes,
        against=st.booleans(),
        rules=some_exit_rules,
        mood=ways,
    )
    def start(
        self,
        *,
        rests: bool,
        hangs: bool,
        size: str,
        against: bool,
        rules: ExitRules,
        mood: Mood | None,
    ) -> None:
        self.now = NOON
        self.can_rest = rests
        self.hangs = hangs
        self.halted = self.stale = False
        self.venue = ExitVenue()
        self.mark = self.venue.mark  # as we know it
        self.position = a_position()
        self.known: PositionExit | None = None
        self.pending: ExitRules | None = None  # of an entry whose event has not come yet
        self.cancels: set[str] = set()
        self.oracle = ExitOracle(self.venue.sent)
        self.user_enters(size=size, against=against, rules=rules, anew=True, mood=mood)

    # ------------------------------------------------------------------------ what we are told

    def trade(self, side: OrderSide, quantity: Decimal) -> None:
        """A fill as the recorder books it."""
        self.now += timedelta(milliseconds=1)
        fill = a_fill(side=side, last_qty=quantity, last_px=self.venue.mark, commission=ZERO)
        self.position = apply_fill(self.position, fill, now=self.now)

    def user_trades(self, side: OrderSide, quantity: Decimal) -> None:
        self.venue.net += quantity * side.sign
        self.trade(side, quantity)

    def learn(self, sent: Sent) -> None:
        """`settle`, or the venue's answer: the truth of one order, booked once."""
        news = sent.truth - sent.filled
        if news:
            self.trade(sent.order.side, news)
            sent.filled = sent.truth
        if sent.is_there:
            sent.status = IntentStatus.WORKING
        elif sent.filled >= sent.order.quantity:
            sent.status = IntentStatus.FILLED
        elif sent.filled:
            sent.status = IntentStatus.PARTIAL
        else:
            rested = sent.order.trigger_price is not None
            sent.status = IntentStatus.CANCELED if rested else IntentStatus.REJECTED
            sent.code = "NOT_FILLED_WITHIN_BOUND"

    def view(self) -> ExitView:
        return ExitView(
            mark=None if self.stale else self.mark,
            instrument=TICKED,
            can_rest=self.can_rest,
            intents={
                name: sent.seen
                for name, sent in self.venue.sent.items()
                if sent.status is not IntentStatus.SENDING
            },
            halted=self.halted,
        )

    def decide(self, view: ExitView, rules: ExitRules | None) -> ExitDecision:
        return decide_exit(self.known, self.position, rules, view, settings=SETTINGS, now=self.now)

    def commit(self, rules: ExitRules | None) -> None:
        """After a crash or a lost race the same call is made again, and decides the same."""
        view = self.view()
        decision, again = self.decide(view, rules), self.decide(view, rules)
        assert decision == again
        self.oracle.check(decision, self.known, self.position, view, self.now)
        self.oracle.commit(decision, self.position)
        self.known = decision.exit
        for order in decision.place:
            assert order.intent_id not in self.venue.sent, "an id was used twice"
            self.venue.sent[order.intent_id] = Sent(order)
        self.cancels |= {cancel.intent_id for cancel in decision.cancel}

    # ------------------------------------------------------------------------ what may happen

    @precondition(lambda self: not self.is_over)
    @rule(mood=ways, seconds=st.sampled_from([5, 60, 60]), trouble=troubles)
    def tick(self, mood: Mood | None, seconds: int, trouble: str) -> None:
        self.now += timedelta(seconds=seconds)
        self.halted, self.stale = trouble == "halted", trouble == "stale"
        self.commit(None)
        self.orders_arrive(mood)

    @precondition(lambda self: self.pending is not None)
    @rule(mood=ways)
    def position_changed(self, mood: Mood | None) -> None:
        self.commit(self.pending)
        self.pending = None
        self.orders_arrive(mood)

    @precondition(lambda self: not self.is_over)
    @rule(
        change=st.sampled_from(["0.6", "0.96", "0.98", "0.995", "1.003", "1.01", "1.03", "1.4"]),
        mood=ways,
        unseen=rarely,
    )
    def mark_moves(self, change: str, mood: Mood | None, unseen: bool) -> None:
        moved = (self.venue.mark * Decimal(change)).quantize(Decimal("0.01"))
        self.venue.mark = min(max(moved, Decimal(1)), Decimal(10_000))
        self.mark = self.mark if unseen else self.venue.mark
        for sent in self.venue.resting() if mood is not None else []:
            if self.venue.is_through(sent.order) and mood is not Mood.STUCK:
                self.venue.executes(sent, mood or Mood.GOOD)
                if mood is not Mood.UNHEARD:
                    self.learn(sent)

    @property
    def is_over(self) -> bool:
        """Nothing is held and nothing under way: only an entry can begin something."""
        return self.position.signed_qty == 0 and not self.under_way(*IN_FLIGHT)

    def under_way(self, *statuses: IntentStatus) -> list[Sent]:
        return [sent for sent in self.venue.sent.values() if sent.status in statuses]

    def orders_arrive(self, mood: Mood | None) -> None:
        for sent in self.under_way(IntentStatus.SENDING) if mood is not None else []:
            self.venue.arrives(sent, mood or Mood.GOOD)
            if sent.status is IntentStatus.WORKING:
                self.learn(sent)

    @precondition(lambda self: self.under_way(IntentStatus.SENDING))
    @rule(mood=moods)
    def late_orders_arrive(self, mood: Mood) -> None:
        self.orders_arrive(mood)

    @precondition(lambda self: self.cancels or self.under_way(*UNPROVEN))
    @rule(gives_up=st.sampled_from([False, False, False, True]), canceled=st.booleans())
    def news_come(self, gives_up: bool, canceled: bool) -> None:
        for sent in self.under_way(*UNPROVEN):
            if gives_up:
                sent.status = IntentStatus.UNRESOLVED
            else:
                self.learn(sent)
        for name in sorted(self.cancels) if canceled else []:
            sent = self.venue.sent[name]
            if sent.is_there:
                sent.is_there = False
                self.learn(sent)
        self.cancels.clear()

    @rule(size=sizes, against=rarely, rules=some_exit_rules, anew=rarely, mood=ways)
    def user_enters(
        self, size: str, *, against: bool, rules: ExitRules, anew: bool, mood: Mood | None
    ) -> None:
        """Opens, adds, closes a part, or reverses; the event of it comes now or later."""
        held = self.position.signed_qty
        buy = (held >= 0) is not against
        self.user_trades(OrderSide.BUY if buy else OrderSide.SELL, Decimal(size))
        if anew or held == 0:
            self.pending = rules
        if mood is not None:
            self.position_changed(mood)

    @precondition(lambda self: self.position.signed_qty != 0)
    @rule(share=st.sampled_from(["0.3", "0.3", "0.6", "0.6", "1", "2"]), told=st.booleans())
    def user_closes(self, share: str, told: bool) -> None:
        """A part, all, or through zero."""
        held = self.position.signed_qty
        quantity = (abs(held) * Decimal(share)).quantize(Decimal("0.0001")) or abs(held)
        self.user_trades(OrderSide.SELL if held > 0 else OrderSide.BUY, quantity)
        if told:
            self.commit(None)

    # ------------------------------------------------------------------------ what must be

    def calm(self, far: str | None, *, hangs: bool = False) -> None:
        """Prices stand still and everybody answers: within a few ticks it is as it should be.

        `hangs`: what rests at the venue is canceled when asked for, and is never executed.
        """
        self.halted = self.stale = False
        self.venue.hangs = hangs
        self.everybody_answers()
        assert self.position.signed_qty == self.venue.net
        if far is not None and self.position.signed_qty != 0:
            self.venue.mark = (self.position.avg_px_open * Decimal(far)).quantize(Decimal("0.01"))
            self.venue.mark = max(self.venue.mark, Decimal("0.01"))
        self.mark = self.venue.mark
        self.commit(self.pending)
        self.pending = None
        for _ in range(TICKS_MAX):
            self.everybody_answers()
            before = self.known
            self.tick(mood=None, seconds=60, trouble="")
            if self.known is before and not self.under_way(*UNPROVEN, IntentStatus.SENDING):
                break
        settled = self.decide(self.view(), None)
        assert (settled.place, settled.cancel, settled.alerts) == ((), (), ())
        if self.known is not None:
            self.is_as_it_should_be(self.known, far)

    def everybody_answers(self) -> None:
        for sent in self.under_way(IntentStatus.SENDING):
            self.venue.arrives(sent, Mood.GOOD)
        for sent in self.venue.resting():
            if sent.order.intent_id in self.cancels:
                sent.is_there = False
            elif self.venue.is_through(sent.order) and not self.venue.hangs:
                self.venue.executes(sent, Mood.GOOD)
        self.cancels.clear()
        for sent in self.venue.sent.values():
            if not sent.status.is_terminal:
                self.learn(sent)

    def is_as_it_should_be(self, known: PositionExit, far: str | None) -> None:
        held, rules = abs(self.position.signed_qty), known.rules
        if held == 0:
            assert (known.state, known.orders) == (ExitState.CLOSED, ())
            assert not self.venue.resting(), "orphans"
            return
        if held < TICKED.min_quantity:
            assert known.state is ExitState.CLOSED
            return
        long = self.position.signed_qty > 0
        loses = far is not None and (Decimal(far) < 1) is long
        stops = rules.stop_loss is not None or rules.trailing_stop is not None
        assert not (loses and stops), "the stop was reached, and it is still open"
        wins = far is not None and (Decimal(far) > 1) is long
        assert not (wins and rules.take_profit is not None), "the profit was not taken"
        assert known.exit_intent_id is None
        self.is_armed(known, held)

    def is_armed(self, known: PositionExit, held: Decimal) -> None:
        resting = [sent.order for sent in self.venue.resting()]
        refused = [o for o in known.orders if self.venue.sent[o.intent_id].status.is_terminal]
        rules = known.rules
        wanted = {
            OrderType.STOP_MARKET: rules.stop_loss or rules.trailing_stop,
            OrderType.MARKET_IF_TOUCHED: rules.take_profit,
        }
        for kind, fraction in wanted.items():
            there = [order for order in resting if order.order_type is kind]
            if fraction is None:
                assert not there
            elif self.can_rest and not any(kind_of(order) is kind for order in refused):
                assert [self.open_of(order) for order in there] == [round_quantity(TICKED, held)]

    def open_of(self, order: ExitOrder) -> Decimal:
        return order.quantity - self.venue.sent[order.intent_id].filled

    def teardown(self) -> None:
        """However it went: a reached stop ends it, and nothing is left behind."""
        if not hasattr(self, "venue"):
            return
        self.calm(None)
        self.calm("0.3" if self.position.signed_qty > 0 else "3", hangs=self.hangs)
        if self.position.signed_qty:
            self.user_closes(share="1", told=True)
        self.calm(None)
        assert self.position.signed_qty == 0
        assert not self.venue.resting()


ExitMachine.TestCase.settings = hypothesis_settings(
    max_examples=90, stateful_step_count=50, deadline=None
)
TestExitMachine = ExitMachine.TestCase
