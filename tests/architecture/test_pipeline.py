"""The flow is written once: folders, entry points, pipeline.yaml and the README agree."""

import ast
import re
from pathlib import Path

import main
from common.domain.events import EVENT_TYPES
from infra.pipeline import load_pipeline
from tests.builders import TOPIC_OF
from tests.shared_data import REPOSITORY

FUNCTIONS = REPOSITORY / "functions"
README = REPOSITORY / "README.md"
ADRS = REPOSITORY / "docs" / "adr"
ADR_INDEX = ADRS / "README.md"


def function_folders() -> set[str]:
    return {path.parent.name for path in FUNCTIONS.glob("*/main.py")}


def test_pipeline_when_read_then_its_functions_are_the_entry_points_in_order() -> None:
    assert tuple(load_pipeline().functions) == main.ENTRY_POINTS


def test_folders_when_listed_then_they_are_the_entry_points() -> None:
    folders = {
        path.name
        for path in FUNCTIONS.iterdir()
        if path.is_dir() and any(path.glob("*.py")) and path.name != "__pycache__"
    }
    assert folders == set(main.ENTRY_POINTS)
    assert function_folders() == set(main.ENTRY_POINTS)


def test_entry_point_when_its_event_is_annotated_then_pipeline_triggers_it_so() -> None:
    pipeline = load_pipeline()
    for name in function_folders() - {"api"}:
        spec = pipeline.functions[name]
        triggered = {pipeline.topics[topic].event for topic in spec.topics}
        triggered |= {"Tick"} if spec.schedules else set()
        assert _annotated_events(FUNCTIONS / name / "main.py", name) == triggered, name


def _annotated_events(path: Path, name: str) -> set[str]:
    tree = ast.parse(path.read_text())
    function = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name == name
    )
    annotation = function.args.args[0].annotation
    assert annotation is not None
    return {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}


def test_topics_when_the_tests_name_them_then_as_the_pipeline_does() -> None:
    pipeline = load_pipeline()
    assert {event: pipeline.topic_of(event) for event in EVENT_TYPES} == TOPIC_OF


def test_readme_when_it_lists_the_functions_then_they_are_the_entry_points_in_order() -> None:
    rows = re.findall(r"^\|\s*`(\w+)`\s*\|", README.read_text(), re.MULTILINE)
    listed = [name for name in rows if name in main.ENTRY_POINTS]
    assert tuple(listed) == main.ENTRY_POINTS


def test_adrs_when_they_exist_then_an_index_names_every_one() -> None:
    pages = {path.name for path in ADRS.glob("[0-9]*.md")}
    index = ADR_INDEX.read_text()
    assert pages
    assert set(re.findall(r"\b\d[\w-]*\.md\b", index)) == pages
