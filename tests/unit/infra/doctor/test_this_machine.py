import subprocess
import sys
from pathlib import Path

import pytest

from infra.doctor import this_machine
from infra.doctor.this_machine import examine_machine


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with complete locks."""
    for name in ("requirements", "requirements-dev", "requirements-checkov"):
        (tmp_path / f"{name}.in").write_text("# a note\n-r other.in\nPyYAML\ncoverage[toml]\n")
        (tmp_path / f"{name}.txt").write_text("coverage[toml]==7.1 \\\npyyaml==6.0 \\\n")
    return tmp_path


class Told:
    """What the machine has, for a test to say."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.programs = {"terraform", "gcloud", "git"}
        self.terraform = '{"terraform_version": "1.11.4", "platform": "linux_amd64"}'
        self.code = 0
        patch.setattr(this_machine, "which", self._which)
        patch.setattr(subprocess, "run", self._run)

    def _which(self, name: str) -> str | None:
        return f"/bin/{name}" if name in self.programs else None

    def _run(self, command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        assert command == ["/bin/terraform", "version", "-json"]
        return subprocess.CompletedProcess(command, self.code, self.terraform, "")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Told:
    return Told(monkeypatch)


def lacking(root: Path) -> dict[str, tuple[str, str]]:
    return {line.name: (line.detail, line.todo) for line in examine_machine(root) if not line.ok}


def test_machine_when_it_has_all_then_nothing_is_missing(root: Path, machine: Told) -> None:
    assert lacking(root) == {}


@pytest.mark.parametrize("name", ["terraform", "gcloud", "git"])
def test_machine_when_a_program_is_missing_then_where_to_get_it(
    root: Path, machine: Told, name: str
) -> None:
    machine.programs.remove(name)
    detail, todo = lacking(root)[name]
    assert detail == "not on the PATH"
    assert todo.startswith("https://")


@pytest.mark.parametrize(
    ("said", "code", "detail"),
    [
        ('{"terraform_version": "1.6.9"}', 0, "1.6.9: 1.7 is needed"),
        ('{"terraform_version": "0.15.0"}', 0, "0.15.0: 1.7 is needed"),
        ("a shim without a version", 0, "it does not start: 1.7 is needed"),
        ("", 126, "it does not start: 1.7 is needed"),
    ],
)
def test_machine_when_terraform_is_too_old_or_broken_then_said(
    root: Path, machine: Told, said: str, code: int, detail: str
) -> None:
    machine.terraform, machine.code = said, code
    assert lacking(root)["terraform"][0] == detail


def test_machine_when_python_is_newer_than_the_locks_then_said(
    root: Path, machine: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 14, 0, "final", 0))
    assert "3.11 to 3.13" in lacking(root)["python"][0]


def test_machine_when_a_lock_lacks_a_name_then_make_lock(root: Path, machine: Told) -> None:
    with (root / "requirements-dev.in").open("a") as file:
        file.write("Some_New.Package==2.*\n")
    assert lacking(root)["locks"] == (
        "requirements-dev.txt lacks what its .in asks for",
        "make lock",
    )


def test_machine_when_a_lock_is_gone_then_how_to_bring_it_back(root: Path, machine: Told) -> None:
    (root / "requirements.txt").unlink()
    assert lacking(root)["locks"][1] == "git checkout -- requirements.txt"


def test_machine_when_it_is_this_one_then_its_locks_are_complete() -> None:
    assert [line.ok for line in examine_machine() if line.name == "locks"] == [True]
