import json

import pytest

from tests.shared_data import REPOSITORY
from tools.lock import read_lock
from tools.sbom import APPLICATION, bill, main

PINS = read_lock(REPOSITORY / "requirements.txt")


def test_bill_when_made_then_it_names_every_pin_with_its_hashes() -> None:
    components = bill(PINS)["components"]
    assert [(each["name"], each["version"]) for each in components] == [
        (pin.name, pin.version) for pin in PINS
    ]
    for component, pin in zip(components, PINS, strict=True):
        hashes = component["externalReferences"][0]["hashes"]
        assert [each["content"] for each in hashes] == list(pin.hashes)
        assert component["purl"] == f"pkg:pypi/{pin.name}@{pin.version}"


def test_bill_when_made_then_its_dependencies_are_a_graph_that_reaches_everything() -> None:
    graph = {each["ref"]: each["dependsOn"] for each in bill(PINS)["dependencies"]}
    assert set(graph) == {APPLICATION, *(f"pkg:pypi/{pin.name}@{pin.version}" for pin in PINS)}
    reached: set[str] = set()
    waiting = [APPLICATION]
    while waiting:
        ref = waiting.pop()
        if ref not in reached:
            reached.add(ref)
            waiting += graph[ref]
    assert reached == set(graph)


def test_bill_when_the_lock_is_the_same_then_so_is_its_serial_number() -> None:
    assert bill(PINS) == bill(read_lock(REPOSITORY / "requirements.txt"))
    assert bill(PINS)["serialNumber"] != bill(PINS[1:])["serialNumber"]


def test_command_when_run_then_it_prints_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    document = json.loads(capsys.readouterr().out)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
