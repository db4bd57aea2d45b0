"""preflight on the command line: of a server, of a store, on any terminal; and the live gate."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text

from common.books import ORDER_INTENTS, RISK_LIMITS
from common.config import LimitSettings, Settings, SwarmSettings
from common.documents import create
from common.domain.instrument import Venue
from common.domain.order import IntentStatus
from common.errors import TransientError
from common.how.limit_documents import default_limits
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Ref
from common.reporting.preflight_ports import PreflightLine
from infra.bootstrap import Runtime, build
from infra.cli.main import main
from infra.cli.offline_runtime import close
from infra.cli.preflight_gate import Gate, preflight_gate
from infra.cli.preflight_view import preflight_lines
from infra.feeds.simulated import SimulatedFeed
from infra.local.stack.server_files import write_server_note
from infra.local.store.memory import MemoryStore
from tests.builders import NOON, an_intent
from tests.fakes.clock import FakeClock
from tests.fakes.messenger import RecordingMessenger
from tests.fakes.publisher import RecordingPublisher
from tests.unit.infra.cli.stub_server import StubServer

PATH = "/api/ops/preflight"
GREEN = {"name": "mode", "ok": True, "detail": "paper", "todo": ""}
RED = {"name": "limits", "ok": False, "detail": "none are set", "todo": "set them"}


def answer(*lines: dict[str, Any], mode: str = "paper") -> tuple[int, dict[str, Any]]:
    return 200, {"ok": all(line["ok"] for line in lines), "mode": mode, "lines": list(lines)}


def test_preflight_when_a_server_is_all_green_then_exit_0(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("GET", PATH, answer(GREEN, mode="live"))
    assert main(["preflight", "--url", server.url]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [
        f"Sapphire preflight of {server.url} (live)",
        "",
        "  ok    mode  paper",
        "",
        "all 1 checks are green: live trading may begin",
    ]


@pytest.mark.parametrize(
    ("state", "mode", "last"),
    [
        (
            "HALTED since 2026-01-15 12:00:00 UTC by ann: news",
            "live",
            "all 2 checks are green: live trading may begin once `sapphire resume` is given",
        ),
        (
            "REDUCING since 2026-01-15 12:00:00 UTC by ann",
            "live",
            "all 2 checks are green: live trading may begin once `sapphire resume` is given",
        ),
        (
            "HALTED: none was ever set",  # the first start sets ACTIVE
            "live",
            "all 2 checks are green: live trading may begin",
        ),
        (
            "ACTIVE since 2026-01-15 12:00:00 UTC by ann; venue GMX HALTED",
            "live",
            "all 2 checks are green: live trading may begin",
        ),
        (
            "HALTED since 2026-01-15 12:00:00 UTC by ann",
            "paper",
            "all 2 checks are green for paper; SAPPHIRE_MODE=live checks what real money needs",
        ),
    ],
)
def test_view_when_all_is_green_then_the_last_line_says_what_is_left_to_do(
    state: str, mode: str, last: str
) -> None:
    lines = [
        PreflightLine(name="mode", ok=True, detail=mode),
        PreflightLine(name="trading state", ok=True, detail=state),
    ]
    assert preflight_lines(lines, mode=mode, width=None)[-1].plain == last


def test_preflight_when_a_line_is_red_then_exit_1_and_what_to_do_below_it(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("GET", PATH, answer(GREEN, RED, mode="live"))
    assert main(["preflight", "--url", server.url]) == 1
    told = capsys.readouterr().out
    assert "  FAIL  limits  none are set\n                -> set them\n" in told
    assert "1 of 2 checks failed: nothing trades live until all are green" in told


def test_preflight_when_json_is_wanted_then_one_object(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("GET", PATH, answer(GREEN, RED))
    assert main(["preflight", "--url", server.url, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["mode"], told["of"]) == (False, "paper", server.url)
    assert told["lines"] == [GREEN, RED]


def test_preflight_when_the_server_s_lines_are_odd_then_exit_2(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("GET", PATH, (200, {"ok": True, "mode": "paper", "lines": [{"name": "x"}]}))
    assert main(["preflight", "--url", server.url]) == 2
    assert "of another version" in capsys.readouterr().err


def test_preflight_when_no_server_runs_then_of_the_store_that_the_next_start_would_have(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preflight"]) == 1
    told = capsys.readouterr().out
    assert "Sapphire preflight of .sapphire, where no server runs (paper)" in told
    assert "  FAIL  limits " in told
    assert [path.name for path in (here / ".sapphire").iterdir()] == ["sapphire.sqlite"]
    assert main(["limits", "set", "--by", "Ada"]) == 0
    assert main(["preflight"]) == 0


def test_preflight_when_a_server_runs_here_then_it_is_asked(server: StubServer, here: Path) -> None:
    server.on("GET", PATH, answer(GREEN))
    write_server_note(here / ".sapphire", server.url)
    assert main(["preflight"]) == 0
    assert [path for _, path, _ in server.asked] == [PATH]


def test_preflight_when_live_is_set_then_no_paper_server_answers_for_it(
    server: StubServer, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    write_server_note(here / ".sapphire", server.url)
    monkeypatch.setenv("SAPPHIRE_MODE", "live")
    monkeypatch.setenv("SAPPHIRE_NETWORK", "testnet")
    monkeypatch.setenv("SAPPHIRE_FEED", "live")
    monkeypatch.setenv("HYPERLIQUID_API_URL", "http://127.0.0.1:1")

    assert main(["preflight", "--json"]) == 1

    told = json.loads(capsys.readouterr().out)
    assert told["mode"] == "live"
    assert told["of"] == ".sapphire/trading-testnet, where no server runs"
    assert {line["name"] for line in told["lines"] if not line["ok"]} == {
        "prices",
        "limits",
        "telegram",
    }
    assert server.asked == []


@pytest.mark.parametrize("environ", [{"SAPPHIRE_MODE": "live"}, {"SAPPHIRE_STORE": "paper"}])
def test_preflight_when_the_environment_is_wrong_then_exit_2(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environ: dict[str, str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main(["preflight"]) == 2
    assert capsys.readouterr().err.startswith("sapphire: ")


def test_view_when_the_terminal_is_wide_then_what_belongs_together_hangs_together() -> None:
    lines = [PreflightLine(name="keys", ok=False, detail="word " * 30, todo="mend " * 30)]
    shown = [text.plain for text in preflight_lines(lines, mode="paper", width=80)]
    assert shown[0].startswith("  FAIL  keys  word word")
    assert all(line.startswith(" " * 14) for line in shown[1:-2])
    assert any(line.startswith(" " * 14 + "-> mend") for line in shown)
    assert max(map(len, shown)) < 80


@pytest.mark.parametrize("width", [40, 60, 75])
def test_view_when_the_terminal_is_narrow_then_details_stand_below_their_names(width: int) -> None:
    lines = [PreflightLine(name="unresolved orders", ok=True, detail="word " * 30)]
    shown = [text.plain for text in preflight_lines(lines, mode="paper", width=width)]
    assert shown[0] == "  ok    unresolved orders"
    details = shown[1 : shown.index("")]
    assert all(line.startswith(" " * 8 + "word") for line in details)
    assert max(map(len, shown)) < width


def test_view_when_coloured_then_the_marks_alone() -> None:
    lines = [
        PreflightLine(name="mode", ok=True, detail="paper"),
        PreflightLine(name="keys", ok=False, detail="none", todo="seal one"),
    ]
    first, second, todo, *_ = preflight_lines(lines, mode="paper", width=None)
    assert [span.style for span in first.spans] == ["green"]
    assert [span.style for span in second.spans] == ["bold red"]
    assert (first.style, second.style, todo.style) == ("", "", "yellow")
    assert isinstance(first, Text)


# --------------------------------------------------------------------------------------- the gate
class Start:
    """A live start on a store of its own; all is in order unless a test spoils it."""

    def __init__(self, tmp_path: Path) -> None:
        self.store = MemoryStore()
        self.clock = FakeClock()
        self.settings = Settings(
            mode="live",
            network="testnet",
            feed="live",
            data_dir=str(tmp_path),
            swarm=SwarmSettings(symbols=("ETH",), interval="1m"),
            venue_urls={Venue.HYPERLIQUID: "http://127.0.0.1:1"},
        )

    async def put(self, *records: tuple[Ref, object]) -> None:
        await self.store.commit([create(ref, value) for ref, value in records])

    async def limits(self) -> None:
        limits = replace(default_limits(LimitSettings(), NOON), changed_by="ann")
        await self.put((Ref(RISK_LIMITS, "platform"), limits))

    async def state(self, state: TradingState, *, until: datetime | None = None) -> None:
        record = TradingStateRecord(
            state=state, epoch=1, reason="x", changed_by="ann", changed_at=NOON, until=until
        )
        await self.put((PLATFORM, record))

    async def unresolved(self) -> None:
        intent = an_intent(status=IntentStatus.UNRESOLVED)
        await self.put((Ref(ORDER_INTENTS, intent.plan.intent_id), intent))

    def runtime(self, **more: Any) -> Runtime:
        runtime = build(
            self.settings,
            clock=self.clock,
            store=self.store,
            publisher=RecordingPublisher(),
            make_feed=lambda: SimulatedFeed(7, self.clock, "1m"),
        )
        return replace(runtime, **{"make_messenger": RecordingMessenger, **more})


@pytest.fixture
def start(tmp_path: Path) -> Start:
    return Start(tmp_path)


async def test_gate_when_on_paper_then_nothing_is_asked(start: Start) -> None:
    start.settings = replace(start.settings, mode="paper")
    assert await preflight_gate(start.runtime()) == Gate(False)
    assert start.store.contents() == {}


async def test_gate_when_all_is_green_then_it_lets_the_first_start_pass(start: Start) -> None:
    await start.limits()
    assert await preflight_gate(start.runtime()) == Gate(False)


async def test_gate_when_something_is_red_then_it_refuses_with_what_to_do(start: Start) -> None:
    gate = await preflight_gate(start.runtime(make_messenger=lambda: None))
    assert gate.refuses
    assert gate.lines[0] == "live trading does not start: the preflight is not all green"
    assert [line.split(":")[0] for line in gate.lines if "FAIL" in line] == [
        "  FAIL  limits",
        "  FAIL  telegram",
    ]
    assert all("->" in gate.lines[place + 1] for place in (1, 3))
    assert "--offline" not in "".join(gate.lines)


async def test_gate_when_only_a_running_one_could_mend_it_then_refused_until_halted(
    start: Start,
) -> None:
    await start.limits()
    await start.unresolved()
    never_set = await preflight_gate(start.runtime())
    await start.state(TradingState.HALTED)
    halted = await preflight_gate(start.runtime())

    assert never_set.refuses
    assert "sapphire halt --offline" in never_set.lines[-1]
    assert not halted.refuses
    assert "starting HALTED" in halted.lines[0]
    assert "unresolved orders" in halted.lines[1]


@pytest.mark.parametrize("state", [TradingState.ACTIVE, TradingState.REDUCING])
async def test_gate_when_trading_is_not_halted_then_an_unresolved_order_refuses_the_start(
    start: Start, state: TradingState
) -> None:
    await start.limits()
    await start.unresolved()
    await start.state(state)
    assert (await preflight_gate(start.runtime())).refuses


async def test_gate_when_the_halt_ends_by_itself_then_it_refuses(start: Start) -> None:
    await start.limits()
    await start.unresolved()
    await start.state(TradingState.HALTED, until=NOON + timedelta(hours=1))
    assert (await preflight_gate(start.runtime())).refuses


async def test_gate_when_halted_but_not_set_up_then_it_refuses_all_the_same(start: Start) -> None:
    await start.unresolved()
    await start.state(TradingState.HALTED)
    assert (await preflight_gate(start.runtime())).refuses


async def test_gate_when_the_store_is_down_then_it_refuses(start: Start) -> None:
    async def fail(operation: str, argument: object) -> None:
        raise TransientError("no store")

    start.store.before = fail
    assert (await preflight_gate(start.runtime())).refuses


async def test_close_when_adapters_differ_then_each_in_its_own_word() -> None:
    closed: list[str] = []

    class Aclosing:
        async def aclose(self) -> None:
            closed.append("aclose")

    class Closing:
        def close(self) -> None:
            closed.append("close")

    class Stopping:
        async def stop(self) -> None:
            closed.append("stop")

    await close(Aclosing(), Closing(), Stopping(), object(), None)
    assert closed == ["aclose", "close", "stop"]
