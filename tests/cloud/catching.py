"""The tests that take a tree, by name, and what they say of a wrong one."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from tests.cloud import test_data, test_delivery, test_functions, test_graph, test_terraform
from tests.cloud.planting import Plant, planted
from tests.cloud.tree import Tree
from tools.plan.faults import PlanError

MODULES = (test_terraform, test_functions, test_delivery, test_data, test_graph)
TreeTest = Callable[[Tree], None]


def tree_tests() -> dict[str, TreeTest]:
    """Every test of MODULES that takes a tree and nothing else."""
    return {
        name: test
        for module in MODULES
        for name, test in vars(module).items()
        if name.startswith("test_") and [*inspect.signature(test).parameters] == ["tree"]
    }


def fails(test: TreeTest, tree: Tree) -> bool:
    """Whether the test says that something is wrong; a tree that cannot be read is wrong too."""
    try:
        test(tree)
    except (AssertionError, PlanError):
        return True
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    plant: Plant
    caught: bool  # by the test that it names
    sound: bool  # that test passes while nothing is planted

    @property
    def survived(self) -> bool:
        return not (self.caught and self.sound)


class Judge:
    """Of plants in the repository's own tree."""

    def __init__(self) -> None:
        self._sound = Tree()
        self._passes: dict[str, bool] = {}

    def judge(self, plant: Plant) -> Verdict:
        """Raises NoLongerFitsError, and KeyError: there is no test of that name."""
        test = tree_tests()[plant.caught_by]
        if plant.caught_by not in self._passes:
            self._passes[plant.caught_by] = not fails(test, self._sound)
        with planted(plant) as tree:
            caught = fails(test, tree)
        return Verdict(plant=plant, caught=caught, sound=self._passes[plant.caught_by])
