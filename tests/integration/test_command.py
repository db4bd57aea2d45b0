"""The command line from outside: how it starts, stops, refuses and reports."""

import json
import signal
import socket
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.integration.command import Running, environment, sapphire, value_of
from tests.shared_data import shared_path

HEADER = "open_time_ms,open,high,low,close,volume\n"
BAR = "1760874900000,10,11,9,10,5\n"
NEXT = "1760875200000,10,11,9,10,5\n"


def simulated(tmp_path: Path, *more: str) -> Running:
    return Running("run", "--port", "0", "--data-dir", "state", *more, cwd=tmp_path)


def known(token: str) -> dict[str, str]:
    return environment(SAPPHIRE_API_TOKEN=token)


def url_and_token(command: Running) -> tuple[str, str]:
    url = command.read_until("  API     ").split()[1]
    return url, command.read_until("  token   ").split()[1]


@pytest.mark.slow
def test_run_when_simulated_then_trades_at_once_and_stops_cleanly(tmp_path: Path) -> None:
    command = simulated(tmp_path)
    url, token = url_and_token(command)
    command.read_until("  trade     ")
    headers = {"authorization": f"Bearer {token}"}

    health = httpx.get(f"{url}/health", trust_env=False).json()
    fills = httpx.get(f"{url}/api/history", headers=headers, trust_env=False).json()["fills"]
    told = sapphire("status", "--data-dir", "state", cwd=tmp_path)
    as_json = sapphire("status", "--json", "--url", url, cwd=tmp_path / "state", env=known(token))
    refused = sapphire("status", "--url", url, cwd=tmp_path, env=known("wrong"))
    second = sapphire("run", "--port", "0", "--data-dir", "state", cwd=tmp_path)
    code, seconds = command.stop(signal.SIGTERM)

    assert health["status"] == "healthy"
    assert fills
    assert told.returncode == 0, told.stderr
    assert "healthy" in told.stdout
    assert json.loads(as_json.stdout)["state"]["state"] == "ACTIVE"
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "refuses our token: set SAPPHIRE_API_TOKEN" in refused.stderr
    assert (second.returncode, second.stdout) == (2, "")
    assert "another Sapphire" in second.stderr
    assert (code, seconds < 5) == (0, True)
    assert "state is kept in state" in command.lines[-1]
    assert "SIMULATED" in command.lines[0]


@pytest.mark.slow
def test_run_when_started_again_then_goes_on_with_the_same_state(tmp_path: Path) -> None:
    first = simulated(tmp_path, "--ticks", "3")
    assert first.wait() == 0, "\n".join(first.lines)
    second = simulated(tmp_path, "--ticks", "2")
    assert second.wait() == 0, "\n".join(second.lines)

    def decisions(command: Running) -> int:
        return int(value_of(command.lines, "decisions ").split()[0])

    assert decisions(second) > decisions(first) >= 3 * 6
    assert any(line.startswith("check ok") for line in second.lines)


def test_run_when_the_seed_differs_from_the_state_then_refuses(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    origin = {"feed": "simulated", "interval": "1m", "seed": 7}
    (tmp_path / "state" / "origin.json").write_text(json.dumps(origin))

    done = sapphire("run", "--port", "0", "--data-dir", "state", "--seed", "8", cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr.startswith("sapphire: state holds the state of another run (")
    assert "seed 7" in done.stderr


def test_run_when_the_port_is_taken_then_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = sapphire("run", "--port", port, cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"sapphire: port {port} is already in use: stop the other program or choose another "
        "with --port\n"
    )


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("", "BTC_5m.csv"),
        (HEADER, "BTC_5m.csv:1"),
        (HEADER.replace(",volume", ""), "BTC_5m.csv:1"),
        (HEADER + NEXT + BAR, "BTC_5m.csv:3"),
        (HEADER + BAR + BAR, "BTC_5m.csv:3"),
        (HEADER + BAR.replace(",10,11", ",NaN,11"), "BTC_5m.csv:2"),
        (HEADER + BAR + NEXT.replace("1760875200000", "1760875500000"), "BTC_5m.csv:3"),
    ],
    ids=["empty", "no rows", "missing column", "unsorted", "duplicated", "NaN", "gap"],
)
def test_replay_when_a_file_is_bad_then_names_file_and_line(
    tmp_path: Path, content: str, place: str
) -> None:
    (tmp_path / "BTC_5m.csv").write_text(content)

    done = sapphire("run", "--replay", ".", "--port", "0", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert place in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_replay_when_run_twice_then_prints_the_same_digest(tmp_path: Path) -> None:
    line = ("run", "--replay", shared_path("data/replay"), "--ticks", "60", "--port", "0")
    first = sapphire(*line, cwd=tmp_path)
    second = sapphire(*line, cwd=tmp_path)

    for done in (first, second):
        assert done.returncode == 0, done.stderr
        assert "check ok" in done.stdout
    digests = [value_of(done.stdout.splitlines(), "decisions sha256") for done in (first, second)]
    assert digests[0] == digests[1]
    assert "ticks            60 in" in second.stdout, "the second began anew"


@pytest.mark.slow
@pytest.mark.slow
def test_replay_when_the_bus_is_in_chaos_then_decides_and_trades_the_same(tmp_path: Path) -> None:
    data = shared_path("data/replay")
    line = ("run", "--replay", data, "--ticks", "60", "--port", "0", "--data-dir")
    calm = sapphire(*line, "calm", cwd=tmp_path)
    rough = sapphire(*line, "rough", "--chaos", "5", cwd=tmp_path)
    refused = sapphire("run", "--chaos", "5", "--backend", "emulator", cwd=tmp_path)

    for name in ("decisions sha256", "signals ", "fills ", "realised P&L"):
        told = value_of(calm.stdout.splitlines(), name)
        assert value_of(rough.stdout.splitlines(), name) == told
    assert "check ok" in rough.stdout
    assert (refused.returncode, "knob of the embedded bus" in refused.stderr) == (2, True)


def test_replay_when_its_data_dir_is_complete_then_tells_the_same_and_how_to_run_again(
    tmp_path: Path,
) -> None:
    """A kill between the last tick and the summary must not lose the summary."""
    data = shared_path("data/replay")
    line = ("run", "--replay", data, "--ticks", "3", "--port", "0", "--data-dir", "state")
    first = sapphire(*line, cwd=tmp_path)

    again = sapphire(*line, cwd=tmp_path)
    fewer = sapphire(*(part if part != "3" else "2" for part in line), cwd=tmp_path)

    assert (first.returncode, again.returncode) == (0, 0)
    told = [value_of(done.stdout.splitlines(), "decisions sha256") for done in (first, again)]
    assert told[0] == told[1]
    assert "ticks            3, all run before: delete the state" in again.stdout
    assert fewer.returncode == 2
    assert "has run 3 ticks already, more than the 2 asked for" in fewer.stderr


@pytest.mark.slow
def test_replay_when_interrupted_then_stops_and_continues(tmp_path: Path) -> None:
    data = shared_path("data/replay")
    line = ("run", "--replay", data, "--ticks", "80", "--port", "0")
    command = Running(*line, "--speed", "3000", cwd=tmp_path)
    command.read_until("  state   ")
    code, seconds = command.stop(signal.SIGINT)
    rest = sapphire(*line, cwd=tmp_path)

    assert (code, seconds < 5) == (0, True)
    assert any("replay stopped after tick" in text for text in command.lines)
    assert rest.returncode == 0, rest.stderr
    assert "decisions        480" in rest.stdout


@pytest.mark.slow
def test_backtest_when_asked_for_json_then_the_account_adds_up_exactly(tmp_path: Path) -> None:
    data = shared_path("data/replay")
    done = sapphire("backtest", "--replay", data, "--ticks", "150", "--json", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    money = {
        name: Decimal(told[name])
        for name in (
            "starting_equity",
            "ending_equity",
            "realized_pnl",
            "unrealized_pnl",
            "fees",
            "funding",
        )
    }
    assert money["ending_equity"] == (
        money["starting_equity"]
        + money["realized_pnl"]
        + money["unrealized_pnl"]
        - money["fees"]
        + money["funding"]
    )
    assert told["decisions"] == 150 * 6
    assert len(told["trades"]) > 5
    assert sum(Decimal(trade["fee"]) for trade in told["trades"]) == money["fees"]
    assert told["check"] == {"ok": True, "problems": []}
    assert set(told["metrics"]) == {"strategy", "buy_and_hold"}
    assert not (tmp_path / ".sapphire").exists()


def test_status_when_nothing_runs_then_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    done = sapphire("status", cwd=tmp_path, env=environment(SAPPHIRE_PORT=port))

    assert done.returncode == 2
    assert done.stderr == (
        f"sapphire: no Sapphire answers at http://127.0.0.1:{port}: start it with `make run` "
        "or `sapphire run`\n"
    )


@pytest.mark.slow
def test_decision_when_replayed_by_its_id_then_is_identical(tmp_path: Path) -> None:
    data = shared_path("data/replay")
    line = ("run", "--replay", data, "--ticks", "52", "--port", "0", "--data-dir", "state")
    assert sapphire(*line, cwd=tmp_path).returncode == 0
    tick = "fetch_market:20251020T085500"
    from common.what.swarm.cycle import decision_id

    named = decision_id("swarm", tick, "BTC")
    done = sapphire("replay", named, "--data-dir", "state", cwd=tmp_path)
    absent = sapphire("replay", "dec_nothing", "--data-dir", "state", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "identical" in done.stdout
    assert absent.returncode == 2
    assert "no decision dec_nothing in state" in absent.stderr


@pytest.mark.parametrize("name", ["SAPPHIRE_PORT", "SAPPHIRE_INTERVAL", "SAPPHIRE_MODE"])
def test_run_when_the_environment_is_wrong_then_names_the_variable(
    tmp_path: Path, name: str
) -> None:
    done = sapphire("run", cwd=tmp_path, env=environment(**{name: "live"}))

    assert done.returncode == 2
    assert name in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_run_when_killed_and_started_again_then_the_books_still_balance(tmp_path: Path) -> None:
    first = simulated(tmp_path)
    first.read_until("  trade     ")
    first.kill()
    second = simulated(tmp_path, "--ticks", "2")

    assert second.wait() == 0, "\n".join(second.lines)
    assert any(line.startswith("check ok") for line in second.lines)
    assert int(value_of(second.lines, "fills ").split()[0]) >= 1


@pytest.mark.parametrize("line", [("emulators",), ("run", "--backend", "emulator", "--port", "0")])
def test_emulators_when_gcloud_is_missing_then_one_sentence_names_it(
    tmp_path: Path, line: tuple[str, ...]
) -> None:
    done = sapphire(*line, cwd=tmp_path, env=environment(PATH=str(tmp_path)))

    assert done.returncode == 2
    assert "sapphire: the Google Cloud CLI is missing: install gcloud" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_backtest_when_read_by_people_then_compares_with_buy_and_hold(tmp_path: Path) -> None:
    data = shared_path("data/replay")
    done = sapphire("backtest", "--replay", data, "--symbols", "BTC", "--ticks", "60", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    for text in ("check ok", "equity", "buy and hold", "total return", "win rate", "sharpe"):
        assert text in done.stdout
