import os
import re
from pathlib import Path

import pytest

from tests.shared_data import REPOSITORY
from tools import run_checkov

SKIP = re.compile(r"#\s*checkov:skip=(CKV2?_[A-Z]+_[0-9]+):?(.*)")


def test_skips_when_the_hcl_has_some_then_each_says_why() -> None:
    found = [
        (path.name, match[1], match[2].strip())
        for path in sorted((REPOSITORY / "terraform").rglob("*.tf"))
        for match in SKIP.finditer(path.read_text())
    ]
    assert found
    assert [each for each in found if len(each[2].split()) < 4] == []


class Machine:
    """An environment whose checkov prints what a test says."""

    def __init__(self, folder: Path) -> None:
        self.venv = folder / ".venv-checkov"
        self.lock = folder / "requirements-checkov.txt"
        (self.venv / "bin").mkdir(parents=True)
        self.lock.touch()

    def says(self, text: str, code: int) -> None:
        python = self.venv / "bin" / "python"
        python.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
        python.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_checkov_when_it_finds_nothing_then_its_figures_alone(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.says("\nPassed checks: 44, Failed checks: 0, Skipped checks: 9\n\nCheck: x", 0)
    assert run_checkov.run(machine.lock, machine.venv) == 0
    assert capsys.readouterr().out == (
        "checkov: Passed checks: 44, Failed checks: 0, Skipped checks: 9\n"
    )


def test_checkov_when_it_finds_something_then_all_it_says_and_1(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.says("Passed checks: 4, Failed checks: 1\n\nCheck: CKV_GCP_83\n\tFAILED for: x", 1)
    assert run_checkov.run(machine.lock, machine.venv) == 1
    assert "FAILED for: x" in capsys.readouterr().out


def test_checkov_when_it_ends_well_and_checked_nothing_then_that_is_a_failure(
    machine: Machine,
) -> None:
    machine.says("", 0)
    assert run_checkov.run(machine.lock, machine.venv) == 1


def test_environment_when_the_lock_is_newer_than_it_then_installed_again(machine: Machine) -> None:
    assert not run_checkov.installed(machine.lock, machine.venv)
    stamp = machine.venv / ".installed-checkov"
    stamp.touch()
    assert run_checkov.installed(machine.lock, machine.venv)
    os.utime(stamp, (1, 1))
    assert not run_checkov.installed(machine.lock, machine.venv)


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_checkov_when_it_cannot_be_installed_then_skipped_aloud_and_in_ci_a_failure(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    ci: str,
    code: int,
) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "install.py").write_text("raise SystemExit(1)\n")
    monkeypatch.setattr(run_checkov, "ROOT", tmp_path)
    monkeypatch.setattr(run_checkov, "installed", lambda: False)
    monkeypatch.setenv("CI", ci)
    assert run_checkov.main() == code
    assert "SKIPPED" in capsys.readouterr().out
