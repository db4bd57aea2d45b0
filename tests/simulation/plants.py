"""Every defect that is planted on purpose."""

from collections.abc import Callable

import pytest

from tests.simulation.how_mutants import HOW_MUTANTS
from tests.simulation.mutants import MUTANTS
from tests.simulation.order_mutants import ORDER_MUTANTS
from tests.simulation.recovery_mutants import RECOVERY_MUTANTS

Plant = Callable[[pytest.MonkeyPatch], None]
PLANTS: tuple[Plant, ...] = MUTANTS + ORDER_MUTANTS + RECOVERY_MUTANTS + HOW_MUTANTS
TRIED_FIRST = {
    "orders_without_expiry": 222,
    "halt_read_too_early": 156,
    "difference_booked_at_once": 43,
    "read_lag_forgotten": 29,
    "resent_where_not_deduplicated": 24,
    "fence_forgotten": 24,
}
"""A seed that saw the rarer ones, to save the search for it; any other seed is as good."""


def seeds_for(plant: Plant, count: int) -> list[int]:
    """Of which one must see the plant. What a seed meets shifts with every step of the product."""
    first = TRIED_FIRST.get(plant.__name__)
    return list(range(count)) if first is None else [first, *range(count)]
