import json
from collections.abc import Sequence

import pytest

from infra.cli import doctor_session
from infra.cli.commands.doctor import CHECKS as NAMED
from infra.cli.main import main
from infra.doctor.examine import CHECKS
from infra.doctor.line import Line, fine, missing
from infra.doctor.target import Target


class Asked:
    """Stands in for the questions; remembers what was asked for."""

    def __init__(self, patch: pytest.MonkeyPatch, *lines: Line) -> None:
        self.lines = list(lines)
        self.target: Target | None = None
        self.names: Sequence[str] = ()
        patch.setattr(doctor_session, "_of_cloud", self._of_cloud)
        patch.setattr(doctor_session, "examine_machine", lambda: self.lines)

    async def _of_cloud(self, target: Target, names: Sequence[str]) -> list[Line]:
        self.target, self.names = target, names
        return self.lines


GOOD = fine("project", "sapphire-demo, number 1")
BAD = missing("billing", "no billing account is linked", "gcloud billing projects link P")


def test_doctor_when_something_is_missing_then_its_command_and_exit_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked(monkeypatch, GOOD, BAD)
    assert main(["doctor", "--project", "sapphire-demo", "--region", "us-east1"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["ok", "project", "sapphire-demo,", "number", "1"]
    assert said[1].split()[:2] == ["MISSING", "billing"]
    assert said[2].strip() == "-> gcloud billing projects link P"
    assert said[-1].strip() == "sapphire-demo: 1 of 2 lines need something"
    assert asked.target is not None
    assert (asked.target.project, asked.target.region) == ("sapphire-demo", "us-east1")


def test_doctor_when_nothing_is_missing_then_exit_0(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = Asked(monkeypatch, GOOD)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "sapphire-demo")
    assert main(["doctor", "--only", "functions, database"]) == 0
    assert "nothing is missing" in capsys.readouterr().out
    assert asked.names == ["functions", "database"]


def test_doctor_when_asked_for_json_then_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Asked(monkeypatch, BAD)
    assert main(["doctor", "--local", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["of"] == "this machine"
    assert told["lines"] == [
        {"name": BAD.name, "ok": False, "detail": BAD.detail, "todo": BAD.todo}
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give --project"),
        (["--project", "P"], "'P' cannot be a project's id"),
        (["--project", "a-project; rm"], "cannot be a project's id"),
        (["--project", "sapphire-demo", "--region", "eu"], "'eu' is no region"),
        (["--project", "sapphire-demo", "--only", "weather"], "'weather' is none of project"),
    ],
)
def test_doctor_when_it_is_not_clear_what_to_look_at_then_exit_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    Asked(monkeypatch)
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    assert main(["doctor", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_doctor_when_its_help_names_the_checks_then_they_are_these() -> None:
    assert NAMED.split(", ") == list(CHECKS)
