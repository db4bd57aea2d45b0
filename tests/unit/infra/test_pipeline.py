from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import ConfigurationError
from infra.pipeline import PIPELINE_FILE, load_pipeline, read_pipeline


@pytest.fixture
def content() -> dict[str, Any]:
    loaded = yaml.safe_load(PIPELINE_FILE.read_text())
    assert isinstance(loaded, dict)
    return deepcopy(loaded)


def test_load_when_the_file_is_ours_then_it_answers_who_is_called_by_what() -> None:
    pipeline = load_pipeline()

    assert pipeline.subscribers("market-updated") == ("decide",)
    assert ("settle", "* * * * *") in pipeline.scheduled()
    assert pipeline.topic_of("OrderPlanned") == "order-planned"
    assert pipeline.functions["decide"].topics == ("market-updated",)
    assert pipeline.functions["api"].topics == ()
    assert pipeline.delivery.max_attempts == 10


def test_load_when_called_twice_then_it_is_read_once() -> None:
    assert load_pipeline() is load_pipeline()


def function(content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    content["functions"]["decide"] |= changes
    return content


def without(mapping: dict[str, Any], *path: str) -> None:
    for name in path[:-1]:
        mapping = mapping[name]
    del mapping[path[-1]]


DAMAGE: dict[str, tuple[Any, str]] = {
    "unknown key of a function": (lambda c: function(c, retries=3), "retries"),
    "unknown key at the top": (lambda c: c.update(extra=1), "extra"),
    "unknown secrets access": (
        lambda c: function(c, secrets={"telegram-bot-token": "write"}),
        "secrets",
    ),
    "unknown secret": (
        lambda c: function(c, secrets={"nothing": "read"}),
        "decide names the unknown secret nothing",
    ),
    "later without publishing": (
        lambda c: function(c, later=["order-planned"]),
        "decide delivers order-planned later and does not publish it",
    ),
    "unknown outside": (lambda c: function(c, outside=["rumours"]), "outside"),
    "no reason for its size": (lambda c: function(c, why=" "), "decide does not say why"),
    "missing key": (lambda c: without(c, "functions", "decide", "timeout_s"), "timeout_s"),
    "missing delivery": (lambda c: without(c, "delivery", "max_attempts"), "max_attempts"),
    "number is text": (lambda c: function(c, memory_mb="much"), "memory_mb"),
    "unknown subscription": (
        lambda c: function(c, triggers=[{"topic": "nowhere"}]),
        "decide names the unknown topic nowhere",
    ),
    "unknown publication": (
        lambda c: function(c, publishes=["signal-created", "nowhere"]),
        "decide names the unknown topic nowhere",
    ),
    "no trigger": (lambda c: function(c, triggers=[]), "decide has no trigger"),
    "two triggers in one": (
        lambda c: function(c, triggers=[{"topic": "market-updated", "schedule": "* * * * *"}]),
        "not one of topic, schedule and http",
    ),
    "empty trigger": (lambda c: function(c, triggers=[{}]), "not one of topic"),
    "bad schedule": (lambda c: function(c, triggers=[{"schedule": "hourly"}]), "'hourly'"),
    "no instances": (lambda c: function(c, max_instances=0), "decide has a limit"),
    "no concurrency": (lambda c: function(c, concurrency=0), "decide has a limit"),
    "no cpu": (lambda c: function(c, cpu=0), "decide has a limit"),
    "several at once on a part of a cpu": (
        lambda c: function(c, concurrency=2),
        "decide takes several requests at once, which needs a whole cpu",
    ),
    "event without a topic": (lambda c: without(c, "topics", "order-unknown"), "exactly once"),
    "event twice": (
        lambda c: c["topics"].update({"again": {"event": "OrderPlanned"}}),
        "exactly once",
    ),
    "unknown event": (
        lambda c: c["topics"].update({"order-unknown": {"event": "Nonsense"}}),
        "exactly once",
    ),
    "nobody listens": (
        lambda c: function(c, triggers=[{"schedule": "* * * * *"}]),
        "nobody subscribes to market-updated",
    ),
    "nobody speaks": (
        lambda c: [spec.update(publishes=[]) for spec in c["functions"].values()],
        "nobody publishes market-updated",
    ),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_read_when_the_content_is_damaged_then_the_error_names_it(
    content: dict[str, Any], name: str
) -> None:
    damage, message = DAMAGE[name]
    damage(content)

    with pytest.raises(ConfigurationError, match=message):
        read_pipeline(content)


def test_read_when_two_things_are_wrong_then_both_are_named(content: dict[str, Any]) -> None:
    function(content, triggers=[{"topic": "nowhere"}], max_instances=0)

    with pytest.raises(ConfigurationError, match="nowhere") as raised:
        read_pipeline(content)
    assert "a limit" in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", "- a", "just text", "a: [", "a: !!python/object:os.system {}"]
)
def test_load_when_the_file_is_no_pipeline_then_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match=r"pipeline\.yaml"):
        load_pipeline(path)


def test_load_when_there_is_no_file_then_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_pipeline(tmp_path / "pipeline.yaml")
