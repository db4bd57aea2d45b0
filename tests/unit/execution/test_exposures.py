"""The totals: always the sum over all exposures, and never two orders past a limit together."""

import asyncio
import math
import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from common.books import EXPOSURES
from common.contention import retry_on_conflict
from common.documents import Stored, load
from common.domain.exposure import Exposure, Reservation
from common.domain.instrument import Venue
from common.domain.order import OrderSide
from common.domain.scope import PLATFORM_SCOPE, Scope, agent_scope, venue_scope
from common.errors import ConflictError, TransientError
from common.execution.exposures import exposure_writes
from common.how.last_look import LastLook
from common.how.limit_documents import limits_ref
from common.how.risk_totals import ScopeTotals, read_totals, totals_refs
from common.how.worst_case import at_risk, notionals
from common.ports import Create, Increment, Ref, Update
from common.wire import from_document, to_document
from infra.local.store.memory import MemoryStore
from tests.builders import NOON
from tests.unit.how.risk_desk import SETTINGS, d, some_limits

HL, GMX = Venue.HYPERLIQUID, Venue.GMX
AGENTS = {"dep_1": "one", "dep_2": "one", "dep_3": "two"}


def reservation(
    quantity: object, *, price: object = 3000, venue: Venue = HL, **changes: Any
) -> Reservation:
    fields: dict[str, Any] = {"symbol": "ETH", "side": OrderSide.BUY, **changes}
    return Reservation(venue=venue.value, quantity=d(quantity), price=d(price), **fields)


async def stored(store: MemoryStore, deployment_id: str) -> Stored[Exposure] | None:
    return await load(store, Exposure, Ref(EXPOSURES, deployment_id))


async def change(store: MemoryStore, after: Exposure) -> None:
    before = await stored(store, after.deployment_id)
    agent = AGENTS[after.deployment_id]
    await store.commit(await exposure_writes(store, before, after, book="v3", agent_id=agent))


async def totals_of(store: MemoryStore, scope: Scope) -> ScopeTotals:
    return read_totals(await store.get_many(totals_refs(scope, NOON)))


def figures(store: MemoryStore, scope: Scope) -> tuple[int, int]:
    """Of the documents, as a checker reads them."""
    documents = [store.peek(ref) for ref in totals_refs(scope, NOON)]
    found = read_totals(documents)
    assert not found.problem
    return found.gross_cents, found.open_orders


def sums(store: MemoryStore, scope: Scope) -> tuple[int, int]:
    """Of the exposures themselves, without anything that the totals are made from."""
    gross = orders = 0
    for deployment_id, data in store.contents().get(EXPOSURES, {}).items():
        exposure = from_document(Exposure, data)
        if scope.name.startswith("v3:") and scope.name != f"v3:{AGENTS[deployment_id]}":
            continue
        for venue in Venue:
            if scope.kind == "venue" and scope.name != venue.value:
                continue
            worst = notionals(exposure).items()
            cents = sum(each for key, each in worst if key.startswith(f"{venue.value}|")) * 100
            gross += math.ceil(cents)
            orders += sum(
                each.at_venue and each.venue == venue for each in exposure.reservations.values()
            )
    return gross, orders


SCOPES = (
    PLATFORM_SCOPE,
    venue_scope(HL),
    venue_scope(GMX),
    agent_scope("v3", "one"),
    agent_scope("v3", "two"),
)


# ------------------------------------------------------------------------------------- the writes
async def test_writes_when_an_order_is_reserved_then_every_scope_grows_by_it() -> None:
    store = MemoryStore()
    after = Exposure.empty("dep_1").reserve("int_1", reservation("0.5", price="3000.001"))
    writes = await exposure_writes(store, None, after, book="v3", agent_id="one")
    assert isinstance(writes[0], Create)
    assert writes[0].data == to_document(after)
    increments = [(write.ref.id, write.by) for write in writes if isinstance(write, Increment)]
    assert sorted(increments) == [
        ("agent:v3:one", 150_001),
        ("orders:agent:v3:one", 1),
        ("orders:platform", 1),
        ("orders:venue:HYPERLIQUID", 1),
        ("platform", 150_001),
        ("venue:HYPERLIQUID", 150_001),
    ]
    await store.commit(writes)
    assert await totals_of(store, PLATFORM_SCOPE) == ScopeTotals(150_001, 1)
    assert await totals_of(store, venue_scope(GMX)) == ScopeTotals()


async def test_writes_when_nothing_of_the_figures_changes_then_the_exposure_alone() -> None:
    store = MemoryStore()
    before = Exposure.empty("dep_1").reserve("int_1", reservation(1))
    await change(store, before)
    found = await stored(store, "dep_1")
    same = await exposure_writes(store, found, before, book="v3", agent_id="one")
    assert [type(write) for write in same] == [Update]
    moved = before.release("int_1").reserve("int_2", reservation(1))
    assert len(await exposure_writes(store, found, moved, book="v3", agent_id="one")) == 1


async def test_writes_when_an_order_goes_to_another_venue_then_both_venues_change_alone() -> None:
    store = MemoryStore()
    await change(store, Exposure.empty("dep_1").reserve("int_1", reservation(1)))
    await change(store, Exposure.empty("dep_1").reserve("int_1", reservation(1, venue=GMX)))
    assert figures(store, venue_scope(HL)) == (0, 0)
    assert figures(store, venue_scope(GMX)) == (300_000, 1)
    assert figures(store, PLATFORM_SCOPE) == (300_000, 1)


async def test_writes_when_the_exposure_was_changed_meanwhile_then_nothing_is_written() -> None:
    store = MemoryStore()
    await change(store, Exposure.empty("dep_1").reserve("int_1", reservation(1)))
    old = await stored(store, "dep_1")
    await change(store, Exposure.empty("dep_1").reserve("int_2", reservation(2)))
    late = await exposure_writes(store, old, Exposure.empty("dep_1"), book="v3", agent_id="one")
    before = store.contents()
    with pytest.raises(ConflictError):
        await store.commit(late)
    assert store.contents() == before


async def test_writes_when_two_deployments_are_the_first_then_neither_conflicts() -> None:
    store = MemoryStore()

    async def interleave(operation: str, argument: Any) -> None:
        await asyncio.sleep(0)

    store.before = store.after = interleave
    await asyncio.gather(
        *(change(store, Exposure.empty(name).reserve("int_1", reservation(1))) for name in AGENTS)
    )
    assert figures(store, PLATFORM_SCOPE) == (900_000, 3)


async def test_writes_when_the_store_does_not_answer_then_nothing_is_written() -> None:
    store = MemoryStore()
    after = Exposure.empty("dep_1").reserve("int_1", reservation(1))

    async def fail(operation: str, argument: Any) -> None:
        if operation == "commit":
            raise TransientError("no store")

    store.before = fail
    with pytest.raises(TransientError):
        await exposure_writes(store, None, after, book="v3", agent_id="one")
    assert EXPOSURES not in store.contents()


# ------------------------------------------------------------------------- totals = sum, always
_quantity = st.decimals("0.00001", "20", places=5)
_price = st.decimals("0.0001", "99999", places=4)
_deployment = st.sampled_from(sorted(AGENTS))
_venue = st.sampled_from([HL, GMX])


class Totals(RuleBasedStateMachine):
    """Everything that changes an exposure, and commits that fail before, or answer nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryStore()

    def _change(self, deployment_id: str, step: Any, fault: str) -> None:
        async def commit() -> None:
            before = await stored(self.store, deployment_id)
            exposure = before.value if before else Exposure.empty(deployment_id)
            agent = AGENTS[deployment_id]
            writes = await exposure_writes(
                self.store, before, step(exposure), book="v3", agent_id=agent
            )
            if fault == "crash before":
                return
            if fault == "lost race":
                other = exposure.reserve("int_other", reservation("0.1", price="12.345"))
                await change(self.store, other)
                with pytest.raises(ConflictError):
                    await self.store.commit(writes)
                return
            await self.store.commit(writes)

        asyncio.run(commit())

    _fault = st.sampled_from(["none", "none", "none", "crash before", "lost race"])

    @rule(
        deployment_id=_deployment,
        number=st.integers(0, 3),
        side=st.sampled_from(OrderSide),
        quantity=_quantity,
        price=_price,
        venue=_venue,
        at_venue=st.booleans(),
        fault=_fault,
    )
    def reserve(
        self,
        *,
        deployment_id: str,
        number: int,
        side: OrderSide,
        quantity: Decimal,
        price: Decimal,
        venue: Venue,
        at_venue: bool,
        fault: str,
    ) -> None:
        wanted = reservation(quantity, price=price, venue=venue, side=side, at_venue=at_venue)
        self._change(deployment_id, lambda each: each.reserve(f"int_{number}", wanted), fault)

    @rule(deployment_id=_deployment, number=st.integers(0, 3), fault=_fault)
    def release(self, deployment_id: str, number: int, fault: str) -> None:
        self._change(deployment_id, lambda each: each.release(f"int_{number}"), fault)

    @rule(
        deployment_id=_deployment,
        quantity=st.decimals("-20", "20", places=5),
        price=_price,
        venue=_venue,
        fault=_fault,
    )
    def fill(
        self, *, deployment_id: str, quantity: Decimal, price: Decimal, venue: Venue, fault: str
    ) -> None:
        held = {"venue": venue.value, "symbol": "ETH", "signed_qty": quantity, "price": price}
        self._change(deployment_id, lambda each: each.hold(**held), fault)

    @invariant()
    def totals_are_the_sums_over_all_exposures(self) -> None:
        for scope in SCOPES:
            assert figures(self.store, scope) == sums(self.store, scope), scope


Totals.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTotals = Totals.TestCase


# ------------------------------------------------------------------------ two orders and a limit
@dataclass(frozen=True)
class Race:
    """Deployments that each want to buy, at once, under a limit of the platform."""

    store: MemoryStore
    dice: random.Random

    async def interleave(self, operation: str, argument: Any) -> None:
        for _ in range(self.dice.randrange(5)):
            await asyncio.sleep(0)

    async def order(self, deployment_id: str, quantity: Decimal) -> bool:
        """Write ahead, look again, and let go where the gate refuses: whether it was sent."""
        await self.put(deployment_id, lambda each: each.reserve("int_1", reservation(quantity)))
        look = LastLook(
            book="v3",
            agent_id=AGENTS[deployment_id],
            deployment_id=deployment_id,
            venue=HL,
            at=NOON,
        )
        documents = await self.store.get_many(look.refs)
        if look.refusal(documents, adds=True, settings=SETTINGS) is None:
            return True
        await self.put(deployment_id, lambda each: each.release("int_1"))
        return False

    async def put(self, deployment_id: str, step: Any) -> None:
        async def once() -> None:
            before = await stored(self.store, deployment_id)
            await change(
                self.store, step(before.value if before else Exposure.empty(deployment_id))
            )

        await retry_on_conflict(once, what=deployment_id)


@settings(max_examples=150, deadline=None)
@given(
    quantities=st.lists(st.decimals("0.1", "3", places=1), min_size=2, max_size=3),
    seed=st.integers(0, 2**32),
    limit=st.sampled_from([6000, 9000]),
)
async def test_reservations_when_together_above_the_limit_then_they_never_both_pass_the_gate(
    quantities: list[Decimal], seed: int, limit: int
) -> None:
    store = MemoryStore()
    limits = some_limits(total={"max_exposure": d(limit)})
    await store.commit([Create(limits_ref(PLATFORM_SCOPE), to_document(limits))])
    race = Race(store, random.Random(seed))
    store.before = store.after = race.interleave
    names = sorted(AGENTS)[: len(quantities)]
    orders = zip(names, quantities, strict=True)
    sent = await asyncio.gather(*(race.order(name, quantity) for name, quantity in orders))
    out = sum((q for q, gone in zip(quantities, sent, strict=True) if gone), Decimal(0))
    assert out * 3000 <= limit
    if sum(quantities) * 3000 <= limit:
        assert all(sent)
    store.before = store.after = None
    left = (int(out * 300_000), sum(sent))
    assert figures(store, PLATFORM_SCOPE) == sums(store, PLATFORM_SCOPE) == left


def test_at_risk_when_summed_by_hand_then_the_checkers_own_sum_is_the_same() -> None:
    exposure = Exposure.empty("dep_1").reserve("int_1", reservation("0.333", price="3000.0001"))
    store = MemoryStore()
    asyncio.run(change(store, exposure))
    found = at_risk(exposure, notionals(exposure))[HL]
    assert (found.gross_cents, found.open_orders) == sums(store, venue_scope(HL)) == (99_901, 1)
