"""What an operator relies on, at 50 random moments of trading under faults each."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from common.books import EXPOSURES, FLATTENS, ORDER_INTENTS, PARENT_ORDERS
from common.domain.flatten import Flatten, FlattenStatus
from common.domain.order import IntentStatus, OrderPurpose
from common.domain.parent_order import ParentStatus
from common.domain.scope import PLATFORM_SCOPE, Scope
from common.errors import DeniedError, TransientError
from common.how.trading_state import TradingState, state_ref
from common.ports import Ref, Update
from common.wire import from_document
from functions.api.ops import StateWish, change_state, request_flatten
from tests.simulation.how_mutants import flat_by_our_own_books
from tests.simulation.people import SCOPES
from tests.simulation.run import Run
from tests.simulation.scenario import begin, drain_a_while, finish, rates_for, trade_a_minute
from tests.simulation.stage import some_settings
from tests.simulation.stops import not_flat
from tests.simulation.world import QUIET

POINTS = 50
FIRST_SEED = 50_000  # apart from the runs of test_pipeline.py
CHUNK = 25
ROUND = timedelta(minutes=1)
ROUNDS_MAX = 40


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    log = logging.getLogger("sapphire")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


async def _traded_for_a_while(seed: int) -> Run:
    """A run in the middle of trading, at a moment that the seed decides; no faults from now on."""
    run = await begin(seed)
    random = Random(f"drill-{seed}")
    rates = rates_for(seed)
    run.world.rates = replace(rates, halted=0.0, flattened=0.0, traded_by_hand=0.0, overfilled=0.0)
    for _ in range(random.randrange(1, 6)):
        await trade_a_minute(run)
    run.world.rates = QUIET
    return run


async def _halt(run: Run, scope: Scope) -> None:
    run.world.undisturbed = True
    wish = StateWish(state=TradingState.HALTED, scope=scope, reason="drill", by="operator")
    _, messages = await change_state(
        wish, store=run.store, clock=run.world, settings=some_settings()
    )
    run.world.undisturbed = False
    run.world.start(run.bus.publish(messages))


async def _flatten(run: Run, scope: Scope) -> str:
    run.world.undisturbed = True
    flatten, messages = await request_flatten(
        scope, reason="drill", by="operator", store=run.store, clock=run.world
    )
    run.world.undisturbed = False
    with suppress(TransientError):
        run.world.start(run.bus.publish(messages))
    return flatten.flatten_id


def _resting_entries(run: Run) -> list[str]:
    """That a venue would still fill, and nobody was called for."""
    intents = run.store.documents(ORDER_INTENTS)
    return [
        entry.order.client_order_id
        for venue in run.venues.values()
        for entry in venue.books.resting()
        if (intent := intents[entry.order.intent_id])["plan"]["purpose"] == OrderPurpose.ENTRY
        and intent["status"] != IntentStatus.UNRESOLVED
    ]


def _of_flatten(run: Run, flatten_id: str) -> Flatten:
    found = run.store.peek(Ref(FLATTENS, flatten_id))
    assert found is not None
    return from_document(Flatten, found.data)


async def _until_flat(run: Run, flatten_id: str) -> Flatten:
    """Rounds of the scheduler until the flatten is over."""
    for _ in range(ROUNDS_MAX):
        flatten = _of_flatten(run, flatten_id)
        if flatten.status is FlattenStatus.FLAT:
            return flatten
        await drain_a_while(run, ROUND)
    return _of_flatten(run, flatten_id)


def _unresolved(run: Run) -> bool:
    return any(
        data["status"] == IntentStatus.UNRESOLVED
        for data in run.store.documents(ORDER_INTENTS).values()
    )


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + POINTS, CHUNK))
async def test_halt_drill_when_trading_then_nothing_is_sent_or_rests_any_more(first: int) -> None:
    canceled = 0
    for seed in range(first, first + CHUNK):
        run = await _traded_for_a_while(seed)
        rested = len(_resting_entries(run))
        await _halt(run, PLATFORM_SCOPE)
        sent = run.orders_sent
        await run.world.run_until(run.world.now() + timedelta(seconds=30))
        for _ in range(4):  # what was at the wire may arrive late, and then it is canceled too
            await drain_a_while(run, 2 * ROUND)

        assert run.seen == [], f"seed {seed}"
        assert run.orders_sent == sent, f"seed {seed}"
        assert _resting_entries(run) == [], f"seed {seed}"
        canceled += rested
        await finish(run)
    assert canceled, "a drill in which nothing rests proves little"


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + POINTS, CHUNK))
async def test_flatten_drill_when_trading_then_the_venues_are_flat(first: int) -> None:
    held = 0
    for seed in range(first, first + CHUNK):
        run = await _traded_for_a_while(seed)
        scope = Random(seed).choice(SCOPES)
        flatten_id = await _flatten(run, scope)
        held += any(_positions(run))
        flatten = await _until_flat(run, flatten_id)

        assert run.seen == [], f"seed {seed}"
        if flatten.status is not FlattenStatus.FLAT:
            assert _unresolved(run), f"seed {seed}: {flatten.status} {flatten.remaining}"
            continue
        assert list(not_flat(run.store, run.venues, flatten)) == [], f"seed {seed}"
        state = run.store.peek(state_ref(scope))
        assert state is not None
        assert state.data["state"] == TradingState.HALTED, f"seed {seed}"
        assert not _open_parents(run, scope), f"seed {seed}"
        await finish(run)
    assert held > CHUNK // 2, "a drill in which nothing is held proves little"


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + POINTS, CHUNK))
async def test_flatten_drill_when_instances_die_on_the_way_then_flat_all_the_same(
    first: int,
) -> None:
    died = 0
    for seed in range(first, first + CHUNK):
        run = await _traded_for_a_while(seed)
        before = run.world.fired["crash_before"] + run.world.fired["crash_after"]
        flatten_id = await _flatten(run, PLATFORM_SCOPE)
        run.world.rates = replace(QUIET, crash_before=0.04, crash_after=0.04)
        for _ in range(3):
            await drain_a_while(run, ROUND)
        died += run.world.fired["crash_before"] + run.world.fired["crash_after"] - before
        run.world.rates = QUIET
        flatten = await _until_flat(run, flatten_id)

        assert run.seen == [], f"seed {seed}"
        if flatten.status is not FlattenStatus.FLAT:
            assert _unresolved(run), f"seed {seed}: {flatten.status} {flatten.remaining}"
            continue
        assert list(not_flat(run.store, run.venues, flatten)) == [], f"seed {seed}"
        await finish(run)
    assert died > CHUNK, "nobody died"


async def test_flatten_drill_when_our_books_lost_what_a_venue_holds_then_not_called_flat() -> None:
    """As after a restore from a backup: the venue is asked, and what we think does not count."""
    assert await _flat_and_held_after_a_loss() == []


async def test_flatten_drill_when_the_venues_are_not_asked_then_it_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flat_by_our_own_books(monkeypatch)
    assert await _flat_and_held_after_a_loss()


async def _flat_and_held_after_a_loss() -> list[str]:
    """What venues still hold of flattens that are called FLAT."""
    found: list[str] = []
    lost = 0
    for seed in range(FIRST_SEED, FIRST_SEED + CHUNK // 2):
        run = await _traded_for_a_while(seed)
        lost += await _lose_holdings(run)
        flatten_id = await _flatten(run, PLATFORM_SCOPE)
        for _ in range(2):
            await drain_a_while(run, ROUND)
        flatten = _of_flatten(run, flatten_id)
        if flatten.status is FlattenStatus.FLAT:
            found += not_flat(run.store, run.venues, flatten)
        await finish(run)
    assert lost > CHUNK // 4, "a drill in which nothing is lost proves little"
    return found


async def _lose_holdings(run: Run) -> int:
    """Every account's, and what they were reserved for: as if it had never traded."""
    documents = run.store.documents(EXPOSURES)
    run.world.undisturbed = True
    for key, data in documents.items():
        found = run.store.peek(Ref(EXPOSURES, key))
        assert found is not None
        empty = data | {"holdings": {}, "reservations": {}}
        await run.store.commit([Update(found.ref, empty, found.version)])
    run.world.undisturbed = False
    return sum(bool(data["holdings"]) for data in documents.values())


@pytest.mark.parametrize("first", range(FIRST_SEED, FIRST_SEED + POINTS, CHUNK))
async def test_flatten_drill_when_somebody_resumes_first_then_nothing_more_is_closed(
    first: int,
) -> None:
    given_up = 0
    for seed in range(first, first + CHUNK):
        run = await _traded_for_a_while(seed)
        flatten_id = await _flatten(run, PLATFORM_SCOPE)
        soon = timedelta(milliseconds=Random(seed).randrange(8_000))
        await run.world.run_until(run.world.now() + soon)
        was_flat = _of_flatten(run, flatten_id).status is FlattenStatus.FLAT
        run.world.undisturbed = True
        wish = StateWish(state=TradingState.ACTIVE, scope=PLATFORM_SCOPE, reason="", by="operator")
        with suppress(DeniedError):  # an order is UNRESOLVED
            await change_state(wish, store=run.store, clock=run.world, settings=some_settings())
        run.world.undisturbed = False
        for _ in range(3):  # what was planned before may still go
            await drain_a_while(run, ROUND)
        closings = _closings(run)
        for _ in range(4):
            await drain_a_while(run, ROUND)

        assert run.seen == [], f"seed {seed}"
        if _state(run) is TradingState.ACTIVE:
            ended = _of_flatten(run, flatten_id).status
            assert ended is (FlattenStatus.FLAT if was_flat else FlattenStatus.ABANDONED)
            assert _closings(run) == closings, f"seed {seed}"
            given_up += not was_flat
        await finish(run)
    assert given_up > 2, "a drill in which every flatten was quicker proves little"


def _closings(run: Run) -> int:
    intents = run.store.documents(ORDER_INTENTS).values()
    return sum(each["plan"]["purpose"] == OrderPurpose.FLATTEN for each in intents)


def _state(run: Run) -> TradingState | None:
    found = run.store.peek(state_ref(PLATFORM_SCOPE))
    return TradingState(found.data["state"]) if found else None


def _positions(run: Run) -> Iterator[bool]:
    for venue in run.venues.values():
        for entry in venue.ledger:
            yield bool(venue.quantity(entry.order.account_id, entry.order.symbol))


def _open_parents(run: Run, scope: Scope) -> list[str]:
    """Of the platform's; narrower ones leave the others' alone."""
    if scope != PLATFORM_SCOPE:
        return []
    return [
        key
        for key, data in run.store.documents(PARENT_ORDERS).items()
        if not ParentStatus(data["status"]).is_terminal
    ]
