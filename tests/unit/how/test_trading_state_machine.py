"""Any order of halts, resumes, damages and time over nested scopes: what may go at each moment."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from common.domain.order import OrderSide
from common.domain.scope import PLATFORM_SCOPE, Scope, ScopeKind, order_scopes, venue_scope
from common.how.denial import Denial
from common.how.trading_state import (
    Standing,
    TradingState,
    TradingStateRecord,
    standing,
    state_ref,
    state_refusal,
)
from common.ports import Document
from common.wire import to_document
from tests.builders import NOON

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
OURS = order_scopes(
    book="v3", agent_id="agt_1", deployment_id="dep_1", symbol="ETH", venues=("GMX", "ASTER")
)
THEIRS = (
    venue_scope("DRIFT"),
    *order_scopes(
        book="v2", agent_id="agt_1", deployment_id="dep_2", symbol="BTC", venues=("OSTIUM",)
    )[1:],
)
scopes = st.sampled_from([*OURS, *THEIRS])


@dataclass(slots=True)
class Set:
    """What a person set, as the machine remembers it: no document read back."""

    state: TradingState
    until: datetime | None
    broken: bool = False


class TradingStateMachine(RuleBasedStateMachine):
    """Orders of ours are within OURS alone; what is set for others must not touch them."""

    @initialize(platform=st.sampled_from([None, ACTIVE, ACTIVE, ACTIVE]))
    def start(self, platform: TradingState | None) -> None:
        self.now = NOON
        self.documents: dict[Scope, dict[str, Any]] = {}
        self.known: dict[Scope, Set] = {}
        self.held = Decimal(0)
        self.epoch = 0
        if platform is not None:
            self.somebody_sets(PLATFORM_SCOPE, platform, None)

    @rule(
        scope=scopes,
        state=st.sampled_from([*TradingState, ACTIVE, REDUCING]),
        minutes=st.sampled_from([None, None, 1, 10, 0]),
    )
    def somebody_sets(self, scope: Scope, state: TradingState, minutes: int | None) -> None:
        self.epoch += 1
        until = None if minutes is None else self.now + timedelta(minutes=minutes)
        record = TradingStateRecord(
            state=state,
            epoch=self.epoch,
            reason=f"for {scope.key}",
            changed_by="a person",
            changed_at=self.now,
            until=until,
        )
        self.documents[scope] = to_document(record)
        self.known[scope] = Set(state, until)

    @precondition(lambda self: self.documents)
    @rule(data=st.data(), damage=st.sampled_from(["", "state", "epoch", "changed_at", "until"]))
    def a_document_is_damaged_or_lost(self, data: st.DataObject, damage: str) -> None:
        scope = data.draw(st.sampled_from(sorted(self.documents, key=lambda each: each.key)))
        if damage:
            self.documents[scope] = {**self.documents[scope], damage: "?"}
            self.known[scope].broken = True
        else:
            del self.documents[scope], self.known[scope]

    @rule(state=st.sampled_from([ACTIVE, REDUCING]))
    def all_is_resumed(self, state: TradingState) -> None:
        """The platform as said, everything else as if nothing had been."""
        for scope in [scope for scope in self.known if scope != PLATFORM_SCOPE]:
            del self.documents[scope], self.known[scope]
        self.somebody_sets(PLATFORM_SCOPE, state, None)

    @rule(seconds=st.sampled_from([0, 1, 59, 60, 599, 600, -30]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    # --------------------------------------------------------------------------- what is judged

    def found(self, asked: tuple[Scope, ...] = OURS) -> Standing:
        documents = [
            Document(state_ref(scope), self.documents[scope], "1")
            if scope in self.documents
            else None
            for scope in asked
        ]
        return standing(asked, documents, self.now)

    def of(self, scope: Scope) -> TradingState:
        """What holds for one scope by the rules in words, from what the machine remembers."""
        known = self.known.get(scope)
        if known is None:
            return HALTED if scope.kind is ScopeKind.PLATFORM else ACTIVE
        if known.broken:
            return HALTED
        return ACTIVE if known.until is not None and self.now >= known.until else known.state

    @rule(
        side=st.sampled_from(OrderSide),
        quantity=st.decimals("0.1", "3", places=1),
    )
    def an_order_is_asked_for(self, side: OrderSide, quantity: Decimal) -> None:
        """What goes fills at once; the holding says whether it was allowed to."""
        found = self.found()
        refusal = state_refusal(found, side=side, quantity=quantity, held=self.held)
        after = self.held + quantity * side.sign
        states = [self.of(scope) for scope in OURS]
        if HALTED in states:
            assert refusal is not None
            assert refusal.code is Denial.TRADING_HALTED
        elif REDUCING in states:
            shrinks = abs(after) < abs(self.held) and after * self.held >= 0
            assert (refusal is None) is shrinks
        else:
            assert refusal is None
        if refusal is None:
            self.held = after
        else:
            assert found.scope.label in refusal.reason

    @invariant()
    def the_gravest_wins_and_names_its_scope(self) -> None:
        found = self.found()
        gravest = max((self.of(scope) for scope in OURS), key=lambda state: state.severity)
        assert found.state is gravest
        assert self.of(found.scope) is gravest
        before = OURS[: OURS.index(found.scope)]
        assert all(self.of(scope).severity < gravest.severity for scope in before)

    @rule(scope=st.sampled_from(OURS[1:]))
    def less_is_asked(self, scope: Scope) -> None:
        """Without one of the scopes it can only be lighter, and the platform's always holds."""
        rest = self.found(tuple(each for each in OURS if each != scope))
        assert rest.state.severity <= self.found().state.severity
        assert rest.state.severity >= self.of(PLATFORM_SCOPE).severity

    @precondition(lambda self: any(scope not in OURS for scope in self.documents))
    @rule()
    def others_do_not_touch_us(self) -> None:
        kept, before = self.documents, self.found()
        self.documents = {scope: data for scope, data in kept.items() if scope in OURS}
        assert self.found() == before
        self.documents = kept

    def teardown(self) -> None:
        """However it went: when everything is set to ACTIVE again, everything goes."""
        if not hasattr(self, "known"):
            return
        for scope in (PLATFORM_SCOPE, *self.known):
            self.somebody_sets(scope, ACTIVE, None)
        refusal = state_refusal(
            self.found(), side=OrderSide.BUY, quantity=Decimal(1), held=self.held
        )
        assert refusal is None


TradingStateMachine.TestCase.settings = hypothesis_settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
TestTradingStateMachine = TradingStateMachine.TestCase
