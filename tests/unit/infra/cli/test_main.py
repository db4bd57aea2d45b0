import subprocess
import sys

import pytest

from common.errors import ConfigurationError, InvalidInputError
from infra.cli.commands import emulators as emulators_command
from infra.cli.main import COMMANDS, main


def test_help_when_asked_then_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    told = capsys.readouterr().out
    assert all(name in told for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_help_when_asked_then_is_there(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert f"sapphire {command}" in capsys.readouterr().out


def test_version_when_asked_then_is_the_settings_version(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from common.config import VERSION

    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"sapphire {VERSION}\n"


def test_help_when_asked_then_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from infra.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'pydantic', 'httpx', 'rich', 'fastapi', 'grpc', 'asyncio'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("error", [ConfigurationError("gcloud is missing"), InvalidInputError("x")])
def test_main_when_a_command_raises_ours_then_says_it_and_exits_2(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: object) -> int:
        raise error

    monkeypatch.setattr(emulators_command, "run", fail)
    assert main(["emulators"]) == 2
    told = capsys.readouterr()
    assert told.err == f"sapphire: {error}\n"
    assert told.out == ""


def test_main_when_interrupted_then_exits_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(emulators_command, "run", interrupt)
    assert main(["emulators"]) == 130


@pytest.mark.parametrize(
    "line", [["run", "--port", "70000"], ["run", "--speed", "0"], ["backtest"], ["nonsense"], []]
)
def test_main_when_the_line_is_wrong_then_exits_2(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(line)
    assert exit_.value.code == 2
    assert "usage: sapphire" in capsys.readouterr().err


def test_run_when_max_speed_without_a_replay_then_explains(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "--speed", "max"]) == 2
    assert "--speed max needs --replay" in capsys.readouterr().err
