"""flatten: asks first, follows to the end, and lets the server go on when it is left."""

import io
import json
import sys
from typing import Any

import pytest

from infra.cli import flatten_session
from infra.cli.main import main
from tests.unit.infra.cli.stub_server import StubServer, problem

ID = "flt_1"
PATH = f"/api/ops/flattens/{ID}"


def flatten(status: str, rounds: int = 0, *remaining: str) -> tuple[int, dict[str, Any]]:
    told = {"flatten_id": ID, "scope": "platform", "status": status, "rounds": rounds}
    return 200, {**told, "remaining": list(remaining)}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it waited; no time passes but what the waits take."""
    taken: list[float] = []
    monkeypatch.setattr(flatten_session, "_wait", taken.append)
    monkeypatch.setattr(flatten_session, "_now", lambda: sum(taken))
    return taken


@pytest.fixture
def begun(server: StubServer, waits: list[float]) -> StubServer:
    server.on("GET", "/health", (200, {"orchestrator": {"config": {"mode": "live"}}}))
    server.on("POST", "/api/ops/flatten", (202, flatten("CLOSING")[1]))
    return server


class Keyboard(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Keyboard:
    keyboard = Keyboard()
    monkeypatch.setattr(sys, "stdin", keyboard)
    return keyboard


def types(keyboard: Keyboard, text: str) -> None:
    keyboard.write(text)
    keyboard.seek(0)


def posts(server: StubServer) -> list[Any]:
    return [body for method, _, body in server.asked if method == "POST"]


def test_flatten_when_flat_in_the_end_then_exit_0_with_each_change_on_the_way(
    begun: StubServer, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    begun.on(
        "GET",
        PATH,
        flatten("CLOSING", 1, "dep_1 GMX ETH 2", "dep_1 GMX BTC 1"),
        flatten("CLOSING", 1, "dep_1 GMX ETH 2", "dep_1 GMX BTC 1"),
        flatten("CLOSING", 2, "dep_1 GMX ETH 2"),
        flatten("FLAT", 3),
    )

    code = main(["flatten", "--yes", "--url", begun.url, "--reason", "news", "--by", "Ada"])

    told = capsys.readouterr()
    assert code == 0
    assert told.out.splitlines() == [
        "FLAT: every venue says that nothing is left.",
        "  Trading there stays halted; `sapphire resume` trades again.",
    ]
    assert told.err.splitlines() == [
        "CLOSING  cancels and closes; venues not asked yet",
        "CLOSING  2 things left; venues asked 1 time",
        "CLOSING  1 thing left; venues asked 2 times",
        "FLAT     0 things left; venues asked 3 times",
    ]
    assert posts(begun) == [{"scope": "platform", "reason": "news", "by": "Ada"}]
    assert waits == [1.0] * 4


def test_flatten_when_stuck_then_exit_1_and_what_remains(
    begun: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    left = [f"dep_{number} GMX ETH 2" for number in range(25)]
    begun.on("GET", PATH, flatten("STUCK", 9, *left))

    assert main(["flatten", "--yes", "--symbol", "ETH", "--url", begun.url]) == 1

    told = capsys.readouterr().out
    assert told.startswith("STUCK: a person must look at the venue.")
    assert "  dep_0 GMX ETH 2\n" in told
    assert "  dep_20 GMX ETH 2\n" not in told
    assert "  and 5 more\n" in told
    assert f"sapphire flatten --follow {ID}" in told


def test_flatten_when_it_takes_more_than_five_minutes_then_exit_1_and_it_goes_on(
    begun: StubServer, waits: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    begun.on("GET", PATH, flatten("CLOSING", 2, "dep_1 GMX ETH 2"))

    assert main(["flatten", "--yes", "--url", begun.url]) == 1

    assert sum(waits) == 300
    told = capsys.readouterr().out
    assert told.startswith("Still closing after 5 minutes. The server goes on.")
    assert "  dep_1 GMX ETH 2\n" in told


def test_flatten_when_the_server_is_away_for_a_moment_then_asked_again(
    begun: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    begun.on("GET", PATH, (502, b"<html>"), (503, problem(503, "BUSY", "x")), flatten("FLAT", 1))
    assert main(["flatten", "--yes", "--url", begun.url]) == 0
    assert "asking again: " in capsys.readouterr().err


def test_flatten_when_interrupted_then_the_server_goes_on_and_it_says_so(
    begun: StubServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(flatten_session, "_wait", interrupt)
    assert main(["flatten", "--yes", "--url", begun.url]) == 130
    told = capsys.readouterr()
    assert told.out == ""
    assert "the server goes on until all is flat" in told.err
    assert f"sapphire flatten --follow {ID}" in told.err


def test_flatten_when_followed_again_then_nothing_is_begun(
    begun: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    begun.on("GET", PATH, flatten("CLOSING", 4, "dep_1 GMX ETH 2"), flatten("FLAT", 5))
    assert main(["flatten", "--follow", ID, "--url", begun.url, "--json"]) == 0
    told = capsys.readouterr()
    assert (json.loads(told.out)["status"], told.err) == ("FLAT", "")
    assert posts(begun) == []
    assert main(["flatten", "--follow", "../x", "--url", begun.url]) == 2


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("YES \n", 0), ("y\n", 2), ("", 2)])
def test_flatten_when_a_person_is_asked_then_only_yes_begins_it(
    begun: StubServer,
    typed: Keyboard,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    code: int,
) -> None:
    begun.on("GET", PATH, flatten("FLAT", 1))
    types(typed, answer)

    assert main(["flatten", "--venue", "gmx", "--url", begun.url]) == code

    told = capsys.readouterr().err
    assert f"Close every position of venue GMX at {begun.url} (LIVE, with real money)?" in told
    assert len(posts(begun)) == (1 if code == 0 else 0)


def test_flatten_when_nobody_is_there_to_ask_then_exit_2_without_yes(
    begun: StubServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    assert main(["flatten", "--url", begun.url]) == 2
    assert "say so with --yes" in capsys.readouterr().err
    assert posts(begun) == []


def test_flatten_when_refused_then_exit_1(
    begun: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = (409, problem(409, "TRADING_HALTED", "the platform is halted"))
    begun.on("POST", "/api/ops/flatten", refused)
    assert main(["flatten", "--yes", "--symbol", "ETH", "--url", begun.url]) == 1
    assert "refused: TRADING_HALTED" in capsys.readouterr().err


def test_progress_when_on_a_terminal_then_one_line_in_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    progress = flatten_session._Progress(quiet=False, width=30)
    progress.show(flatten("CLOSING", 1, "x" * 10)[1])
    progress.show(flatten("FLAT", 2)[1])
    progress.end()
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert told.count("\r\x1b[K") == 2
    assert all(len(line) <= 29 for line in told.strip("\n").split("\r\x1b[K"))


def test_flatten_when_something_halted_keeps_its_positions_then_it_says_so_at_once(
    begun: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {**flatten("CLOSING")[1], "halted": ["symbol:ETH", "venue:GMX"]}
    begun.on("POST", "/api/ops/flatten", (202, told))
    begun.on("GET", PATH, flatten("FLAT", 1))

    main(["flatten", "--yes", "--url", begun.url, "--by", "ada"])

    assert "halted, so what is there stays open: symbol:ETH, venue:GMX" in capsys.readouterr().err
