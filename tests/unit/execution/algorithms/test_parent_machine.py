"""Any order of ticks, fills, ends, people and clocks, beside a ledger that counts by itself."""

from datetime import datetime, timedelta
from decimal import Decimal

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from common.domain.parent_order import ExecAlgorithm, ParentOrder, ParentStatus
from common.execution.algorithms.fitting import RESTING, MarketView
from common.execution.algorithms.parent import (
    PARENT_MOVES,
    canceling,
    paused,
    resumed,
    with_child_outcome,
)
from common.execution.algorithms.step import SpawnedChild, step
from common.how.denial import Denial
from common.how.limits import Refusal
from tests.builders import NOON
from tests.unit.execution.algorithms.desk import SETTINGS, a_parent, a_view, market

ZERO = Decimal(0)
LOT = Decimal("0.1")
ETH = market(size_increment=LOT, min_quantity=Decimal("0.3"))
HALTED = Refusal(Denial.TRADING_HALTED, "Trading is halted for the platform: drill")
WISHES: dict[ExecAlgorithm, dict[str, object]] = {
    ExecAlgorithm.TWAP: {"slices": 5, "duration_s": 300},
    ExecAlgorithm.ICEBERG: {"visible_quantity": Decimal("2.5"), "duration_s": 600},
    ExecAlgorithm.LIMIT: {"limit_price": Decimal(3000), "duration_s": 600},
    ExecAlgorithm.SNIPER: {"limit_price": Decimal(3000), "duration_s": 600},
}
some_minutes = st.sampled_from([0.1, 1, 1, 1, 3])
lots = st.integers(1, 60)


def is_open(machine: "ParentMachine") -> bool:
    return not machine.parent.status.is_terminal


def has_children(machine: "ParentMachine") -> bool:
    return bool(machine.parent.open_children)


class ParentMachine(RuleBasedStateMachine):
    """The exchange's ledger is the truth; what it tells of a child is told exactly once."""

    @initialize(
        algorithm=st.sampled_from(list(WISHES)), rests=st.booleans(), quantity=st.integers(30, 200)
    )
    def start(self, algorithm: ExecAlgorithm, rests: bool, quantity: int) -> None:
        self.now = NOON
        self.mark: Decimal | None = Decimal(3000)
        self.halted = False
        self.times = "GTC IOC" if rests else "IOC"
        self.parent: ParentOrder = a_parent(
            algorithm, quantity * LOT, instrument=ETH, wish=WISHES[algorithm]
        )
        self.children: dict[str, SpawnedChild] = {}
        self.ledger: dict[str, Decimal] = {}
        self.ended: set[str] = set()
        self.overfilled = False
        self.end: tuple[ParentStatus, datetime] | None = None

    # -- moves -----------------------------------------------------------------------------------

    def become(self, after: ParentOrder) -> None:
        before = self.parent
        if after.status is not before.status:
            assert after.status in PARENT_MOVES[before.status]
        self.parent = after

    def view(self) -> MarketView:
        refusal = HALTED if self.halted else None
        return a_view(self.mark, instrument=ETH, times=self.times, refusal=refusal)

    def look(self) -> None:
        before = self.parent
        taken = step(before, self.view(), settings=SETTINGS, now=self.now)
        self.become(taken.parent)
        for child in taken.children:
            assert child.intent_id not in self.children
            assert child.slice_no == len(self.children) + 1
            assert before.status is ParentStatus.ACTIVE
            assert not self.halted
            assert self.mark is not None
            assert self.now < before.expires_at
            assert child.quantity <= before.unspawned_qty
            self.children[child.intent_id] = child
            self.ledger[child.intent_id] = ZERO
        held = before.status is not ParentStatus.ACTIVE or self.halted
        if held and is_open(self) and before.exec_algorithm_id in RESTING:
            assert set(taken.cancels) == set(before.open_children)
        if before.status.is_terminal:
            assert taken.parent is before
            assert not taken.cancels

    def tell(self, child: str, quantity: Decimal, *, ended: bool, unresolved: bool = False) -> None:
        self.ledger[child] += quantity
        if ended:
            self.ended.add(child)
        self.become(
            with_child_outcome(
                self.parent,
                child,
                new_qty=quantity,
                new_notional=quantity * 3000,
                new_commission=quantity / 10,
                ended=ended,
                unresolved=unresolved,
                code="NOT_FILLED_WITHIN_BOUND",
                reason="not filled",
                now=self.now,
            )
        )

    def one_of(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.parent.open_children)))

    # -- rules -----------------------------------------------------------------------------------

    @rule(minutes=some_minutes)
    def tick(self, minutes: float) -> None:
        self.now += timedelta(minutes=minutes)
        self.look()

    @rule()
    def tick_again(self) -> None:
        self.look()

    @rule(minutes=some_minutes)
    def clock_goes_back(self, minutes: float) -> None:
        self.now -= timedelta(minutes=minutes)
        self.look()

    @precondition(has_children)
    @rule(data=st.data(), count=lots, ended=st.booleans())
    def child_fills(self, data: st.DataObject, count: int, ended: bool) -> None:
        child = self.one_of(data)
        leaves = self.parent.open_children[child].leaves_qty
        self.tell(child, min(count * LOT, leaves), ended=ended)
        self.look()

    @precondition(has_children)
    @rule(data=st.data())
    def child_fills_whole(self, data: st.DataObject) -> None:
        child = self.one_of(data)
        self.tell(child, self.parent.open_children[child].leaves_qty, ended=True)
        self.look()

    @precondition(has_children)
    @rule(data=st.data())
    def child_comes_to_nothing(self, data: st.DataObject) -> None:
        self.tell(self.one_of(data), ZERO, ended=True)
        self.look()

    @precondition(has_children)
    @rule(data=st.data())
    def child_is_given_up(self, data: st.DataObject) -> None:
        self.tell(self.one_of(data), ZERO, ended=False, unresolved=True)

    @precondition(lambda self: bool(self.ended))
    @rule(data=st.data(), count=lots)
    def ended_child_fills_late(self, data: st.DataObject, count: int) -> None:
        self.overfilled = True
        self.tell(data.draw(st.sampled_from(sorted(self.ended))), count * LOT, ended=True)

    @precondition(has_children)
    @rule(data=st.data(), count=lots)
    def child_fills_too_much(self, data: st.DataObject, count: int) -> None:
        self.overfilled = True
        child = self.one_of(data)
        leaves = self.parent.open_children[child].leaves_qty
        self.tell(child, leaves + count * LOT, ended=False)

    @precondition(is_open)
    @rule(to=st.sampled_from(["pause", "resume", "cancel"]))
    def person_says(self, to: str) -> None:
        legal = self.parent.status is not ParentStatus.CANCELING
        if to == "pause" and legal:
            self.become(paused(self.parent, reason="ann", now=self.now))
        elif to == "resume" and legal:
            self.become(resumed(self.parent, reason="ann", now=self.now))
        elif to == "cancel":
            self.become(canceling(self.parent, code="BY_ANN", reason="ann", now=self.now))

    @rule(halted=st.booleans())
    def trading_state_changes(self, halted: bool) -> None:
        self.halted = halted

    @rule(mark=st.sampled_from([None, Decimal(2900), Decimal(3000), Decimal(3100)]))
    def mark_moves(self, mark: Decimal | None) -> None:
        self.mark = mark

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def the_parent_is_the_sum_of_its_children(self) -> None:
        told = sum(self.ledger.values(), ZERO)
        assert self.parent.filled_qty == told
        assert self.parent.filled_notional == told * 3000
        assert self.parent.commissions == told / 10

    @invariant()
    def never_more_is_committed_than_wanted(self) -> None:
        if not self.overfilled:
            assert self.parent.filled_qty + self.parent.open_qty <= self.parent.quantity

    @invariant()
    def open_is_what_has_not_ended(self) -> None:
        assert set(self.parent.open_children) == set(self.children) - self.ended
        assert self.parent.spawned == len(self.children)

    @invariant()
    def an_end_is_an_end_with_a_reason(self) -> None:
        parent = self.parent
        if not parent.status.is_terminal:
            assert self.end is None
            return
        assert parent.reason
        assert parent.reason_code
        assert parent.ended_at is not None
        filled = parent.filled_qty
        assert (parent.status is ParentStatus.FILLED) == (filled >= parent.quantity)
        assert (parent.status is ParentStatus.PARTIAL) == (0 < filled < parent.quantity)
        if self.end is not None:
            assert parent.ended_at == self.end[1]
        self.end = (parent.status, parent.ended_at)

    def teardown(self) -> None:
        """Whatever has happened, it ends once its time is over and its children's ends are told."""
        if not hasattr(self, "parent"):
            return
        self.now = max(self.now, self.parent.expires_at)
        self.look()
        for child, opened in list(self.parent.open_children.items()):
            if not opened.unresolved:
                self.tell(child, ZERO, ended=True)
        self.look()
        assert self.parent.status.is_terminal
        assert all(child.unresolved for child in self.parent.open_children.values())


ParentMachine.TestCase.settings = hypothesis_settings(
    max_examples=120, stateful_step_count=40, deadline=None
)
TestParentMachine = ParentMachine.TestCase
