"""`make simulate`: SEEDS runs of the whole pipeline, the planted defects, and the figures.

Exits 1 when an invariant breaks, a planted defect lives, or a fault struck too rarely.
"""

import asyncio
import logging
import os
import sys
import time
from collections import Counter

import pytest

from tests.simulation.checkers import violations
from tests.simulation.plants import PLANTS, Plant, seeds_for
from tests.simulation.scenario import FAULTS, run

SEEDS = int(os.environ.get("SEEDS", "2000"))
STRIKES_MIN = 100
MUTANT_SEEDS = 400


async def _seeds(progress: bool) -> tuple[list[str], Counter[str], int]:
    broken: list[str] = []
    fired: Counter[str] = Counter()
    steps = 0
    for seed in range(SEEDS):
        result = await run(seed)
        found = violations(result)
        if found:
            broken.append(f"seed {seed}: {found[0]} (and {len(found) - 1} more)")
        fired += result.world.fired
        steps += result.world.steps
        if progress and seed % 20 == 0:
            print(f"\r{seed} of {SEEDS} seeds, {len(broken)} broken", end="", file=sys.stderr)
    if progress:
        print("\r\033[K", end="", file=sys.stderr)
    return broken, fired, steps


async def _lives(plant: Plant) -> bool:
    """Whether no seed sees the planted defect."""
    patch = pytest.MonkeyPatch()
    try:
        plant(patch)
        for seed in seeds_for(plant, MUTANT_SEEDS):
            if violations(await run(seed)):
                return False
        return True
    finally:
        patch.undo()


def main() -> int:
    logging.getLogger("sapphire").setLevel(logging.CRITICAL)
    progress = sys.stderr.isatty()
    started = time.process_time()
    broken, fired, steps = asyncio.run(_seeds(progress))
    cpu_s = time.process_time() - started
    lines = [f"{name} {fired[name]}" for name in FAULTS]
    print("faults fired: " + ", ".join(lines))
    rare = [name for name in FAULTS if fired[name] < STRIKES_MIN] if SEEDS >= 2000 else []
    alive = [plant.__name__ for plant in PLANTS if asyncio.run(_lives(plant))]
    for line in [*broken[:20], *(f"planted and not seen: {name}" for name in alive)]:
        print(line)
    for name in rare:
        print(f"{name} struck fewer than {STRIKES_MIN} times")
    print(
        f"{SEEDS} seeds, {steps} events ({steps // max(SEEDS, 1)} a seed), {len(broken)} broken,"
        f" {len(PLANTS) - len(alive)} of {len(PLANTS)} planted defects seen, {cpu_s:.0f} s of one"
        f" core for the seeds"
    )
    return 1 if broken or alive or rare else 0


if __name__ == "__main__":
    sys.exit(main())
