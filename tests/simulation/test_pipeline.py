"""The whole pipeline under faults, seed by seed. `SEEDS=` sets how many, 200 by default."""

import logging
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from common.books import ORDER_INTENTS
from common.domain.order import IntentStatus, OrderPurpose
from tests.simulation.checkers import violations
from tests.simulation.found import FOUND_BY
from tests.simulation.plants import PLANTS, Plant, seeds_for
from tests.simulation.scenario import FAULTS, run
from tests.simulation.world import QUIET

SEEDS = int(os.environ.get("SEEDS", "200"))
CHUNK = 50
MUTANT_SEEDS = 250
FOUND_SEEDS = 400
KINDS = 10  # some seeds are of one kind: every tenth has dead venues, say
RARE = {
    "overfilled",
    "cancel_fails",
    "second_copy",
    "fenced",
    "stop_sticks",
}  # not in every chunk of seeds


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """Thousands of planted faults would each be logged as an error."""
    log = logging.getLogger("sapphire")
    before = log.level
    log.setLevel(logging.CRITICAL)
    yield
    log.setLevel(before)


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
async def test_pipeline_when_everything_fails_then_the_invariants_hold(first: int) -> None:
    fired: Counter[str] = Counter()
    filled = 0
    for seed in range(first, min(first + CHUNK, SEEDS)):
        result = await run(seed)
        broken = violations(result)
        assert not broken, f"seed {seed} (SEEDS={seed + 1} repeats it): {broken[:5]}"
        fired += result.world.fired
        filled += sum(len(venue.ledger) for venue in result.venues.values())
    assert filled > 5 * CHUNK, "a simulation that hardly trades proves nothing"
    if SEEDS - first >= CHUNK:
        common = [name for name in FAULTS if name not in RARE]
        silent = [name for name in common if not fired[name]]
        assert not silent, f"faults that never struck prove nothing: {silent}"


@pytest.mark.parametrize("seed", FOUND_BY)
async def test_pipeline_when_a_seed_once_found_a_bug_then_it_stays_mended(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the bug put back in, it or another of its kind sees it again."""
    assert violations(await run(seed)) == []
    plant = FOUND_BY[seed]
    plant(monkeypatch)
    for other in range(seed, seed + FOUND_SEEDS, KINDS):
        if violations(await run(other)):
            return
    pytest.fail(f"{plant.__name__} lived through {FOUND_SEEDS // KINDS} seeds")


async def test_pipeline_when_nothing_fails_then_every_routed_signal_is_executed() -> None:
    result = await run(7, QUIET)
    assert violations(result) == []
    plans = result.store.documents(ORDER_INTENTS).values()
    whole = [
        data["status"]
        for data in plans
        if data["plan"]["purpose"] == OrderPurpose.ENTRY and not data["plan"]["parent_order_id"]
    ]
    assert set(whole) == {IntentStatus.FILLED}


async def test_simulation_when_a_seed_is_repeated_then_the_trace_is_the_same() -> None:
    first, second = await run(11), await run(11)
    assert first.world.trace == second.world.trace
    assert first.store.contents() == second.store.contents()


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
async def test_checkers_when_a_defect_is_planted_then_they_see_it(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    seeds = seeds_for(plant, MUTANT_SEEDS)
    for seed in seeds:
        if violations(await run(seed)):
            return
    pytest.fail(f"{plant.__name__} lived through {len(seeds)} seeds")
