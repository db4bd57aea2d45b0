"""10,000 random parent orders with faults: the children's sum is the parent or there is a reason,
never above, and every one ends.
"""

from collections import Counter

import pytest

from common.domain.parent_order import ExecAlgorithm, ParentStatus
from tests.unit.execution.algorithms.exchange import Run

WORKED = [each for each in ExecAlgorithm if each is not ExecAlgorithm.MARKET]
RUNS = 10_000 // len(WORKED)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", WORKED)
def test_parents_when_driven_through_faults_then_all_end_and_add_up(
    algorithm: ExecAlgorithm,
) -> None:
    seen: Counter[str] = Counter()
    for seed in range(RUNS):
        try:
            run = Run(algorithm, seed, overfills=seed % 10 == 0).drive()
        except AssertionError as error:
            raise AssertionError(f"{algorithm} with seed {seed}") from error
        seen += run.seen
    # Nothing of this was proven by faults that never came.
    ends = [status for status in ParentStatus if status.is_terminal]
    assert all(seen[status] >= 5 for status in ends), seen
    faults = ("ticks missed", "clock back", "unresolved", "late fill", "PAUSED")
    assert all(seen[fault] >= 20 for fault in faults), seen
