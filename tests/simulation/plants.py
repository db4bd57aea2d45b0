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
    "orders_without_expiry": 228,
    "ended_orders_reopened": 157,
    "parent_rest_not_reserved": 108,
    "messages_not_counted": 92,
    "read_lag_forgotten": 82,
    "resent_where_not_deduplicated": 79,
    "halt_read_too_early": 43,
    "breaker_not_asked": 30,
    "exposure_limit_not_checked": 25,
    "totals_not_counted": 24,
}
"""A seed that saw the rarer ones, to save the search for it; any other seed is as good."""

RARE = 4
"""Times as many seeds for those: what a seed meets shifts with every step of the product, and a
search that ends too early calls a checker blind that is not.
"""


def seeds_for(plant: Plant, count: int) -> list[int]:
    """Of which one must see the plant."""
    first = TRIED_FIRST.get(plant.__name__)
    return list(range(count)) if first is None else [first, *range(RARE * count)]
