"""Every defect that is planted on purpose."""

from collections.abc import Callable

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.order_mutants import ORDER_MUTANTS
from tests.simulation.recovery_mutants import RECOVERY_MUTANTS

Plant = Callable[[pytest.MonkeyPatch], None]
PLANTS: tuple[Plant, ...] = MUTANTS + ORDER_MUTANTS + RECOVERY_MUTANTS
