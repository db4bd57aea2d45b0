"""What one decision reads: everything, once, its own, and nothing that is not there."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.books import (
    ACCOUNTS,
    AGENT_RECORDS,
    EXPOSURES,
    MARKET_SNAPSHOTS,
    ORDER_THROTTLES,
    RISK_TOTALS,
)
from common.documents import Stored, create
from common.domain.exposure import Exposure
from common.domain.policy import Policy
from common.domain.scope import (
    PLATFORM_SCOPE,
    Scope,
    agent_scope,
    deployment_scope,
    order_scopes,
    symbol_scope,
    venue_scope,
)
from common.errors import InvalidInputError
from common.how.denial import Denial
from common.how.effective_limits import EffectiveLimits
from common.how.limit_documents import limits_ref
from common.how.limits import Refusal
from common.how.portfolio_state import PortfolioState, read_portfolio_state
from common.how.risk import assess
from common.how.risk_totals import ScopeTotals, gross_ref, orders_ref, result_ref
from common.how.throttles import OrderThrottle, throttle_ref
from common.how.trading_state import (
    TradingState,
    TradingStateRecord,
    read_standing,
    state_ref,
)
from common.ports import Create, Ref
from infra.local.store.memory import MemoryStore
from tests.builders import DEPLOYMENT_ID, NOON, a_deployment, a_snapshot
from tests.unit.how.risk_desk import (
    AGENT,
    BUY,
    DEPLOYMENT,
    GMX,
    HL,
    POLICY_REF,
    SETTINGS,
    VENUE,
    a_policy,
    an_account,
    an_order,
    d,
    holding,
    market,
    reserved,
    some_limits,
)

VENUES = (HL, GMX)


async def reading(
    store: MemoryStore, **changes: Any
) -> tuple[PortfolioState, list[tuple[str, list[Ref]]]]:
    """The state, and every read that it took."""
    reads: list[tuple[str, list[Ref]]] = []

    async def watch(operation: str, argument: Any) -> None:
        reads.append((operation, list(argument)))

    store.before = watch
    asked: dict[str, Any] = {
        "deployment": a_deployment(),
        "symbol": "ETH",
        "venues": VENUES,
        "now": NOON,
        **changes,
    }
    try:
        return await read_portfolio_state(store, **asked), reads
    finally:
        store.before = None


async def put(store: MemoryStore, *records: tuple[Ref, object]) -> None:
    await store.commit([create(ref, value) for ref, value in records])


def a_record(state: TradingState, reason: str = "") -> TradingStateRecord:
    return TradingStateRecord(
        state=state, epoch=1, reason=reason, changed_by="Ada", changed_at=NOON
    )


def snapshot_ref(symbol: str) -> Ref:
    return Ref(MARKET_SNAPSHOTS, symbol)


# --------------------------------------------------------------------------------- what is read
async def test_a_state_when_nothing_is_stored_then_one_read_and_nothing_trades() -> None:
    state, reads = await reading(MemoryStore())
    assert [operation for operation, _ in reads] == ["get_many"]
    assert [state.exposure, state.account, state.policy, state.throttle] == [None] * 4
    assert state.held == Exposure.empty(DEPLOYMENT_ID)
    assert state.snapshot() is None
    assert state.marks == {}
    assert {each.state for each in state.standings.values()} == {TradingState.HALTED}
    assert state.totals == {
        scope.key: ScopeTotals() for scope in (PLATFORM_SCOPE, AGENT, *map(venue_scope, VENUES))
    }
    limits = state.limits_at(HL, SETTINGS)
    assert isinstance(limits, Refusal)
    assert limits.code is Denial.LIMITS_MISSING


async def test_a_state_when_all_is_there_then_each_in_its_place_with_its_version() -> None:
    store = MemoryStore()
    exposure, account = holding(ETH="2"), an_account()
    throttle = OrderThrottle(scope=DEPLOYMENT.key, symbol="ETH")
    of_agent = OrderThrottle(scope=AGENT.key, symbol="ETH")
    await put(
        store,
        (Ref(EXPOSURES, DEPLOYMENT_ID), exposure),
        (Ref(ACCOUNTS, DEPLOYMENT_ID), account),
        (POLICY_REF, a_policy(max_leverage=d(1))),
        (throttle_ref(DEPLOYMENT, "ETH"), throttle),
        (throttle_ref(AGENT, "ETH"), of_agent),
        (snapshot_ref("ETH"), a_snapshot()),
        (limits_ref(PLATFORM_SCOPE), some_limits()),
        (limits_ref(VENUE), some_limits(VENUE, deployment={"max_open_orders": 7})),
        (state_ref(PLATFORM_SCOPE), a_record(TradingState.ACTIVE)),
    )
    await store.commit(
        [
            Create(gross_ref(PLATFORM_SCOPE), {"gross_cents": 600_000}),
            Create(orders_ref(VENUE), {"open_orders": 3}),
            Create(result_ref(AGENT, NOON), {"result_cents": -5}),
            Create(result_ref(AGENT, NOON - timedelta(days=1)), {"result_cents": -7}),
        ]
    )
    state, reads = await reading(store)
    assert len(reads) == 1
    assert state.exposure == Stored(Ref(EXPOSURES, DEPLOYMENT_ID), exposure, "1")
    assert state.account is not None
    assert (state.account.value, state.account.version) == (account, "1")
    assert isinstance(state.policy, Policy)
    assert isinstance(state.throttle, Stored)
    assert isinstance(state.agent_throttle, Stored)
    assert (state.throttle.value, state.agent_throttle.value) == (throttle, of_agent)
    assert state.snapshot() == a_snapshot()
    assert state.marks["ETH"].price == 3000
    assert state.standings[HL].state is TradingState.ACTIVE
    assert state.totals[PLATFORM_SCOPE.key] == ScopeTotals(gross_cents=600_000)
    assert state.totals[VENUE.key] == ScopeTotals(open_orders=3)
    assert state.totals[AGENT.key] == ScopeTotals(result_cents=-5)
    here, there = (state.limits_at(venue, SETTINGS) for venue in VENUES)
    assert isinstance(here, EffectiveLimits)
    assert isinstance(there, EffectiveLimits)
    assert (here.max_open_orders, there.max_open_orders) == (7, 100)
    assert here.max_leverage == there.max_leverage == 1  # the policy's
    assert assess(an_order(BUY, "0.5"), state, here, now=NOON, settings=SETTINGS) is None


async def test_a_state_when_other_symbols_are_held_then_a_second_read_for_their_prices() -> None:
    store = MemoryStore()
    held = holding(ETH="2", BTC="1", DOGE="5").reserve("int_1", reserved(BUY, 1, symbol="SOL"))
    await put(
        store,
        (Ref(EXPOSURES, DEPLOYMENT_ID), held),
        (snapshot_ref("ETH"), a_snapshot()),
        (snapshot_ref("BTC"), a_snapshot("BTC", mark=d(100_000))),
    )
    state, reads = await reading(store)
    assert [operation for operation, _ in reads] == ["get_many", "get_many"]
    assert reads[1][1] == [snapshot_ref("BTC"), snapshot_ref("DOGE")]
    assert {symbol: mark.price for symbol, mark in state.marks.items()} == {
        "ETH": 3000,
        "BTC": 100_000,
    }


async def test_a_state_when_read_then_no_document_twice_and_none_of_others() -> None:
    """I17: whatever the others' limits, throttles and totals are, it asks for its own."""
    _, reads = await reading(MemoryStore())
    (asked,) = (refs for _, refs in reads)
    assert len(asked) == len(set(asked))
    own = {"platform", AGENT.key, DEPLOYMENT.key, "symbol:ETH", *(f"venue:{v}" for v in VENUES)}
    for ref in asked:
        if ref.collection in {RISK_TOTALS}:
            scope = ref.id.removeprefix("orders:").removeprefix("result:")
            assert scope.removesuffix(":20260115") in own - {DEPLOYMENT.key}
        elif ref.collection == AGENT_RECORDS:
            assert ref.id.startswith("v3:swarm:paper:")
        elif ref.collection == ORDER_THROTTLES:
            assert ref.id in {f"{AGENT.key}:ETH", f"{DEPLOYMENT.key}:ETH"}
        else:
            assert ref.id in own | {DEPLOYMENT_ID, "ETH"}


async def test_another_agents_limits_when_they_are_broken_or_tight_then_they_do_not_matter() -> (
    None
):
    store = MemoryStore()
    other = agent_scope("v3", "another")
    await put(
        store,
        (limits_ref(PLATFORM_SCOPE), some_limits()),
        (limits_ref(deployment_scope("dep_2")), some_limits()),  # under another scope's name
        (limits_ref(other), some_limits(other, order={"max_notional": d(1)})),
    )
    state, _ = await reading(store)
    limits = state.limits_at(HL, SETTINGS)
    assert isinstance(limits, EffectiveLimits)
    assert limits.max_notional == SETTINGS.max_notional_per_order
    neighbour, _ = await reading(store, deployment=a_deployment("dep_2"))
    assert isinstance(neighbour.limits_at(HL, SETTINGS), Refusal)


# ------------------------------------------------------------------------- what cannot be read
@pytest.mark.parametrize("collection", [EXPOSURES, ACCOUNTS])
async def test_a_state_when_its_exposure_or_account_is_damaged_then_it_is_refused(
    collection: str,
) -> None:
    store = MemoryStore()
    await store.commit([Create(Ref(collection, DEPLOYMENT_ID), {"deployment_id": "?"})])
    with pytest.raises(InvalidInputError):
        await reading(store)


async def test_a_state_when_limits_policy_or_throttle_are_damaged_then_they_deny() -> None:
    store = MemoryStore()
    await put(store, (limits_ref(PLATFORM_SCOPE), some_limits()))
    await store.commit(
        [
            Create(limits_ref(AGENT), {"version": 1}),
            Create(POLICY_REF, {"version": 1}),
            Create(throttle_ref(DEPLOYMENT, "ETH"), {"moments": 1}),
            Create(throttle_ref(AGENT, "ETH"), {"moments": 1}),
            Create(snapshot_ref("ETH"), {**market().data, "mark": "NaN"}),
        ]
    )
    state, _ = await reading(store)
    codes = [
        each.code
        for each in (
            state.limits_at(HL, SETTINGS),
            state.policy,
            state.throttle,
            state.agent_throttle,
        )
        if isinstance(each, Refusal)
    ]
    assert codes == [
        Denial.LIMITS_MISSING,
        Denial.POLICY_UNREADABLE,
        Denial.REPEATED_EXECUTION_DISABLED,
        Denial.REPEATED_EXECUTION_DISABLED,
    ]
    assert state.marks == {}


# -------------------------------------------------------------------------------- trading states
_states = st.sampled_from(TradingState)
_scopes = st.sampled_from(
    [
        PLATFORM_SCOPE,
        VENUE,
        venue_scope(GMX),
        AGENT,
        DEPLOYMENT,
        symbol_scope("ETH"),
        symbol_scope("BTC"),
    ]
)


@settings(max_examples=80)
@given(st.dictionaries(_scopes, _states))
async def test_standings_when_read_at_once_then_the_same_as_asked_venue_by_venue(
    states: dict[Scope, TradingState],
) -> None:
    store = MemoryStore()
    records = ((state_ref(scope), a_record(state)) for scope, state in states.items())
    await put(store, *records)
    found, _ = await reading(store)
    for venue in VENUES:
        scopes = order_scopes(
            book="v3",
            agent_id=AGENT.name.split(":")[1],
            deployment_id=DEPLOYMENT_ID,
            symbol="ETH",
            venues=[venue],
        )
        assert found.standings[venue] == await read_standing(store, scopes, now=NOON)


async def test_standings_when_a_state_has_ended_by_then_it_is_active() -> None:
    store = MemoryStore()
    halted = replace(a_record(TradingState.HALTED), until=NOON + timedelta(minutes=1))
    active = a_record(TradingState.ACTIVE)
    await put(store, (state_ref(PLATFORM_SCOPE), active), (state_ref(VENUE), halted))
    for minutes, state in ((0, TradingState.HALTED), (1, TradingState.ACTIVE)):
        found, _ = await reading(store, now=NOON + timedelta(minutes=minutes))
        assert found.standings[HL].state is state
        assert found.standings[GMX].state is TradingState.ACTIVE
