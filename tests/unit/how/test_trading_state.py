"""OP-05: what may still go in each state and scope; what cannot be read stops everything."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import TRADING_STATE
from common.domain.order import OrderSide
from common.domain.scope import PLATFORM_SCOPE, Scope, deployment_scope, venue_scope
from common.errors import TransientError
from common.how.denial import Denial
from common.how.trading_state import (
    PLATFORM,
    Standing,
    TradingState,
    TradingStateRecord,
    read_standing,
    read_state,
    standing,
    state_denial,
    state_of,
    state_ref,
    state_refusal,
)
from common.ports import Create, Document, Ref
from common.wire import from_document, to_document
from infra.local.store.memory import MemoryStore
from tests.builders import NOON

ACTIVE, REDUCING, HALTED = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
BUY, SELL = OrderSide.BUY, OrderSide.SELL
GMX, ASTER, DEPLOYMENT = venue_scope("GMX"), venue_scope("ASTER"), deployment_scope("dep_1")


def document_of(state: TradingState, **changes: Any) -> dict[str, Any]:
    record = TradingStateRecord(
        state=state, epoch=1, reason="", changed_by="cli", changed_at=NOON, **changes
    )
    return to_document(record)


def stored(scope: Scope, state: TradingState, **changes: Any) -> Document:
    return Document(state_ref(scope), document_of(state, **changes), "1")


# -------------------------------------------------------------------------------------- one record


@pytest.mark.parametrize("state", TradingState)
async def test_read_state_when_stored_then_that_state(state: TradingState) -> None:
    store = MemoryStore()
    await store.commit([Create(PLATFORM, document_of(state))])

    assert await read_state(store) is state


async def test_read_state_when_missing_then_halted() -> None:
    assert Ref(TRADING_STATE, "platform") == PLATFORM
    assert await read_state(MemoryStore()) is HALTED


DAMAGES: list[Mapping[str, Any]] = [
    {"state": "ACTIV"},
    {"state": None},
    {"epoch": "one"},
    {"changed_at": "yesterday"},
    {"until": "soon"},
    {"something_newer": 1},
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_state_of_when_it_cannot_be_read_then_halted(damage: Mapping[str, Any]) -> None:
    data = {**document_of(ACTIVE), **damage}
    assert state_of(Document(PLATFORM, data, "1")) is HALTED
    assert state_of(Document(PLATFORM, {}, "1")) is HALTED


@pytest.mark.parametrize("state", [REDUCING, HALTED])
def test_record_when_its_time_is_over_then_active_by_itself(state: TradingState) -> None:
    record = TradingStateRecord(
        state=state,
        epoch=3,
        reason="losses",
        changed_by="cli",
        changed_at=NOON,
        until=NOON + timedelta(hours=1),
    )
    assert record.at(NOON + timedelta(minutes=59, seconds=59)) is state
    assert record.at(NOON + timedelta(hours=1)) is ACTIVE
    assert from_document(TradingStateRecord, to_document(record)) == record


def test_record_when_it_was_written_before_there_was_an_end_then_it_reads_and_has_none() -> None:
    data = document_of(HALTED)
    del data["until"]
    assert from_document(TradingStateRecord, data).at(NOON + timedelta(days=999)) is HALTED


def test_severity_when_compared_then_halted_is_the_gravest() -> None:
    assert sorted(TradingState, key=lambda state: state.severity) == [ACTIVE, REDUCING, HALTED]


# --------------------------------------------------------------------------------------- of scopes


@pytest.mark.parametrize(
    ("states", "expected", "scope"),
    [
        ((ACTIVE, ACTIVE, ACTIVE), ACTIVE, PLATFORM_SCOPE),
        ((ACTIVE, None, None), ACTIVE, PLATFORM_SCOPE),
        ((ACTIVE, REDUCING, None), REDUCING, GMX),
        ((ACTIVE, REDUCING, HALTED), HALTED, DEPLOYMENT),
        ((REDUCING, REDUCING, ACTIVE), REDUCING, PLATFORM_SCOPE),
        ((HALTED, REDUCING, HALTED), HALTED, PLATFORM_SCOPE),
        ((None, ACTIVE, ACTIVE), HALTED, PLATFORM_SCOPE),
        ((None, None, None), HALTED, PLATFORM_SCOPE),
    ],
)
def test_standing_when_scopes_differ_then_the_gravest_and_of_equals_the_widest(
    states: tuple[TradingState | None, ...], expected: TradingState, scope: Scope
) -> None:
    scopes = (PLATFORM_SCOPE, GMX, DEPLOYMENT)
    documents = [
        None if state is None else stored(each, state)
        for each, state in zip(scopes, states, strict=True)
    ]
    found = standing(scopes, documents, NOON)
    assert (found.state, found.scope) == (expected, scope)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("scope", [PLATFORM_SCOPE, GMX])
def test_standing_when_one_cannot_be_read_then_halted_there(
    damage: Mapping[str, Any], scope: Scope
) -> None:
    documents = {PLATFORM_SCOPE: stored(PLATFORM_SCOPE, ACTIVE), GMX: stored(GMX, ACTIVE)}
    broken = Document(state_ref(scope), {**document_of(ACTIVE), **damage}, "1")
    documents[scope] = broken

    found = standing(list(documents), list(documents.values()), NOON)

    assert found == Standing(HALTED, scope, "its state cannot be read")


def test_standing_when_nothing_is_asked_then_halted() -> None:
    assert standing([], [], NOON) == Standing(HALTED, PLATFORM_SCOPE, "no scope was asked")


def test_standing_when_documents_are_missing_from_the_answer_then_it_is_no_answer() -> None:
    with pytest.raises(ValueError, match="zip"):
        standing([PLATFORM_SCOPE, GMX], [stored(PLATFORM_SCOPE, ACTIVE)], NOON)


def test_standing_when_the_gravest_runs_out_then_the_next_one_holds() -> None:
    scopes = (PLATFORM_SCOPE, GMX, ASTER)
    documents = [
        stored(PLATFORM_SCOPE, ACTIVE),
        stored(GMX, HALTED, until=NOON + timedelta(minutes=1)),
        stored(ASTER, REDUCING, until=NOON + timedelta(minutes=2)),
    ]
    states = [
        standing(scopes, documents, NOON + timedelta(minutes=minutes)).state for minutes in range(3)
    ]
    assert states == [HALTED, REDUCING, ACTIVE]


async def test_read_standing_when_stored_then_every_scope_is_asked_for() -> None:
    store = MemoryStore()
    await store.commit(
        [
            Create(PLATFORM, document_of(ACTIVE)),
            Create(state_ref(DEPLOYMENT), document_of(REDUCING, until=NOON + timedelta(hours=1))),
            Create(state_ref(ASTER), document_of(HALTED)),
        ]
    )

    found = await read_standing(store, iter((PLATFORM_SCOPE, GMX, DEPLOYMENT)), now=NOON)
    later = await read_standing(
        store, (PLATFORM_SCOPE, GMX, DEPLOYMENT), now=NOON + timedelta(hours=1)
    )

    assert (found.state, found.scope) == (REDUCING, DEPLOYMENT)
    assert later.state is ACTIVE


class _SilentStore(MemoryStore):
    async def get_many(self, refs: Any) -> Any:
        raise TransientError("no answer")


async def test_read_standing_when_the_store_is_silent_then_it_says_so_and_nothing_is_assumed() -> (
    None
):
    with pytest.raises(TransientError):
        await read_standing(_SilentStore(), (PLATFORM_SCOPE,), now=NOON)


# ------------------------------------------------------------------------------ what may still go


@pytest.mark.parametrize(
    ("side", "quantity", "held", "passes"),
    [
        (SELL, "1", "2", True),
        (SELL, "2", "2", True),
        (SELL, "2.0001", "2", False),
        (BUY, "1", "2", False),
        (BUY, "1", "-2", True),
        (BUY, "2.0001", "-2", False),
        (SELL, "1", "-2", False),
        (BUY, "1", "0", False),
        (SELL, "1", "0", False),
    ],
)
def test_state_denial_when_reducing_then_only_what_makes_the_holding_smaller(
    side: OrderSide, quantity: str, held: str, passes: bool
) -> None:
    denial = state_denial(REDUCING, side=side, quantity=Decimal(quantity), held=Decimal(held))
    assert denial is (None if passes else Denial.TRADING_STATE_REDUCING)


amounts = st.decimals("-1000", "1000", places=4)


@given(
    side=st.sampled_from(OrderSide), quantity=st.decimals("0.0001", "1000", places=4), held=amounts
)
def test_state_denial_when_any_order_then_halted_stops_it_and_reducing_never_turns_a_holding(
    side: OrderSide, quantity: Decimal, held: Decimal
) -> None:
    def denial(state: TradingState) -> Denial | None:
        return state_denial(state, side=side, quantity=quantity, held=held)

    assert denial(ACTIVE) is None
    assert denial(HALTED) is Denial.TRADING_HALTED
    if denial(REDUCING) is None:
        after = held + quantity * side.sign
        assert abs(after) < abs(held)
        assert after * held >= 0


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            Standing(HALTED, PLATFORM_SCOPE, "no state was ever set"),
            "Trading is halted for the platform: no state was ever set",
        ),
        (Standing(REDUCING, GMX, ""), "Trading is reducing for venue GMX"),
    ],
)
def test_state_refusal_when_it_may_not_go_then_scope_and_reason_in_words(
    found: Standing, reason: str
) -> None:
    refusal = state_refusal(found, side=BUY, quantity=Decimal(1), held=Decimal(0))
    assert refusal is not None
    assert refusal.reason == reason


def test_state_refusal_when_it_may_go_then_none() -> None:
    found = Standing(REDUCING, GMX, "losses")
    assert state_refusal(found, side=SELL, quantity=Decimal(1), held=Decimal(1)) is None
