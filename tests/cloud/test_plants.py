"""Every planted misconfiguration is caught by the test that it names."""

import pytest

from tests.cloud.catching import Judge, tree_tests
from tests.cloud.planting import Edit, NoLongerFitsError, Plant, planted
from tests.cloud.plants import PLANTS
from tests.cloud.test_terraform import (
    test_everything_on_when_expanded_then_no_resource_is_left_out as left_out,
)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_plant_when_the_tree_holds_it_then_its_test_catches_it(plant: Plant, judge: Judge) -> None:
    verdict = judge.judge(plant)
    assert verdict.caught, f"{plant.name} survives {plant.caught_by}"
    assert verdict.sound, f"{plant.caught_by} fails without it, too"


def test_plants_when_counted_then_at_least_twenty_and_one_for_each_test_of_the_tree() -> None:
    assert len({plant.name for plant in PLANTS}) == len(PLANTS) >= 20
    named = {plant.caught_by for plant in PLANTS}
    assert set(tree_tests()) - named == {left_out.__name__}


def test_plant_when_its_text_is_gone_then_told() -> None:
    plant = Plant(name="x", caught_by="x", edits=(Edit("pipeline.yaml", "no such text", ""),))
    with pytest.raises(NoLongerFitsError, match=r"x: 0 times in pipeline\.yaml"), planted(plant):
        pass
