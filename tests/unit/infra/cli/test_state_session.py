"""halt, reduce, resume: what is asked of the server, and what a person reads."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from common.books import TRADING_STATE, V2, VENUE_MARKETS, WATCHED_SYMBOLS
from common.documents import create, every
from common.domain.instrument import Venue
from common.domain.scope import PLATFORM_SCOPE
from common.ports import Create, Ref
from infra.cli.main import main
from infra.cli.state_session import state_sentence
from infra.local.stack.server_files import api_token, write_server_note
from infra.local.store.sqlite import STORE_FILE, SqliteStore
from tests.builders import a_position, an_instrument_table
from tests.unit.infra.cli.stub_server import StubServer, problem

AT = "2026-01-15T12:00:00.000000Z"


def record(state: str = "HALTED", **changes: Any) -> dict[str, Any]:
    usual = {"scope": "platform", "epoch": 2, "reason": "news", "changed_by": "Ada"}
    return {**usual, "state": state, "changed_at": AT, "until": None, **changes}


def posted(server: StubServer) -> list[tuple[str, Any]]:
    return [(path, body) for method, path, body in server.asked if method == "POST"]


def asked_for(server: StubServer) -> list[tuple[str, Any]]:
    return [(path, body) for _, path, body in server.asked]


@pytest.mark.parametrize(
    ("verb", "state", "says"),
    [
        ("halt", "HALTED", "no order is sent"),
        ("reduce", "REDUCING", "only orders that make positions smaller"),
        ("resume", "ACTIVE", "orders are sent again"),
    ],
)
def test_change_when_it_holds_then_one_sentence_and_what_follows(
    server: StubServer, capsys: pytest.CaptureFixture[str], verb: str, state: str, says: str
) -> None:
    server.on("POST", f"/api/ops/{verb}", (200, record(state)))

    code = main([verb, "--url", server.url, "--reason", "news", "--by", "Ada"])

    told = capsys.readouterr()
    assert (code, told.err) == (0, "")
    first, second = told.out.splitlines()
    assert first == f"Trading is {state}, by Ada at 2026-01-15 12:00:00 UTC: news"
    assert says in second
    wish = {"scope": "platform", "reason": "news", "by": "Ada"}
    assert posted(server) == [(f"/api/ops/{verb}", wish)]


def test_change_when_nobody_says_who_or_why_then_the_user_s_name_and_a_plain_reason(
    server: StubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "grace")
    server.on("POST", "/api/ops/halt", (200, record()))

    assert main(["halt", "--url", server.url]) == 0

    [(_, wish)] = asked_for(server)
    assert wish == {"scope": "platform", "reason": "halted by hand", "by": "grace"}


@pytest.mark.parametrize("given", [["--by", " "], []])
def test_change_when_nobody_s_name_is_known_then_exit_2_and_nothing_is_asked(
    server: StubServer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    given: list[str],
) -> None:
    def nobody() -> str:
        raise KeyError("no such user")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert main(["halt", "--url", server.url, *given]) == 2
    assert "--by: say who you are" in capsys.readouterr().err
    assert server.asked == []


@pytest.mark.parametrize(
    ("given", "scope"),
    [
        (["--venue", "gmx"], "venue:GMX"),
        (["--agent", "agt_1"], "agent:v3:agt_1"),
        (["--agent", "agt_1", "--book", "v2"], "agent:v2:agt_1"),
        (["--deployment", "dep_1"], "deployment:dep_1"),
        (["--symbol", "btc"], "symbol:BTC"),
    ],
)
def test_change_when_a_part_is_named_then_its_scope_is_sent(
    server: StubServer, capsys: pytest.CaptureFixture[str], given: list[str], scope: str
) -> None:
    server.on("POST", "/api/ops/halt", (200, record(scope=scope)))
    assert main(["halt", "--url", server.url, *given]) == 0
    [(_, wish)] = posted(server)
    assert wish["scope"] == scope
    assert f"HALTED for {scope.replace(':', ' ', 1)}, by Ada" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--venue", "binance"], "--venue: there are hyperliquid, ostium"),
        (["--venue", "multi"], "--venue: there are"),
        (["--book", "v2"], "--book: it is an agent's"),
        (["--symbol", "B/C"], "--symbol: not a name"),
        (["--agent", ""], "--agent: not a name"),
        (["--deployment", "../x"], "--deployment: not a name"),
    ],
)
def test_change_when_the_part_is_none_then_exit_2_and_nothing_is_asked(
    server: StubServer, capsys: pytest.CaptureFixture[str], given: list[str], says: str
) -> None:
    assert main(["halt", "--url", server.url, *given]) == 2
    told = capsys.readouterr()
    assert (told.out, says in told.err) == ("", True), told.err
    assert server.asked == []


def test_change_when_two_parts_are_named_then_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["halt", "--venue", "gmx", "--symbol", "BTC"])
    assert exit_.value.code == 2


@pytest.mark.parametrize(
    ("code", "todo"),
    [
        ("UNRESOLVED_ORDERS", "/api/ops/unresolved"),
        ("PREFLIGHT_FAILED", "`sapphire preflight`"),
        ("FOUR_EYES", "somebody else resumes"),
        ("SOMETHING_NEW", ""),
    ],
)
def test_change_when_refused_then_exit_1_with_the_code_and_what_to_do(
    server: StubServer, capsys: pytest.CaptureFixture[str], code: str, todo: str
) -> None:
    server.on("POST", "/api/ops/resume", (409, problem(409, code, "2 of them")))

    assert main(["resume", "--url", server.url]) == 1

    told = capsys.readouterr()
    assert told.out == ""
    first, second, *rest = told.err.splitlines()
    assert (first, second) == (f"refused: {code}", "  2 of them")
    assert bool(rest) is bool(todo)
    assert todo in "".join(rest)


def test_change_when_refused_and_json_is_wanted_then_one_object(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("POST", "/api/ops/resume", (409, problem(409, "FOUR_EYES", "Ada halted it")))
    assert main(["resume", "--url", server.url, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["refused"], told["detail"]) == ("FOUR_EYES", "Ada halted it")


def test_change_when_json_is_wanted_then_the_server_s_own_record(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("POST", "/api/ops/halt", (200, record()))
    assert main(["halt", "--url", server.url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == record()


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ((401, problem(401, "UNAUTHENTICATED", "x")), "refuses our token: set SAPPHIRE_API_TOKEN"),
        ((422, {**problem(422, "INVALID_FIELD", "too long"), "where": "body.by"}), "body.by: INV"),
        ((404, problem(404, "DEPLOYMENT_NOT_FOUND", "no such")), "DEPLOYMENT_NOT_FOUND: no such"),
        ((503, problem(503, "STORE_UNAVAILABLE", "try again")), "503 STORE_UNAVAILABLE: try again"),
        ((502, b"<html>"), "answered 502"),
        ((200, b"<html>"), "is not a Sapphire server"),
        ((200, [1]), "is not a Sapphire server"),
    ],
)
def test_change_when_the_server_answers_otherwise_then_exit_2_and_one_sentence(
    server: StubServer, capsys: pytest.CaptureFixture[str], reply: Any, says: str
) -> None:
    server.on("POST", "/api/ops/halt", reply)
    assert main(["halt", "--url", server.url]) == 2
    told = capsys.readouterr()
    assert (told.out, says in told.err) == ("", True), told.err
    assert told.err.count("\n") == 1


def test_resume_when_parts_are_still_stopped_then_each_is_named(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [
        record(scope="venue:GMX", reason="thin"),
        record("ACTIVE", scope="symbol:BTC"),
        record("REDUCING", scope="deployment:dep_1", changed_by="Bob"),
    ]
    server.on("POST", "/api/ops/resume", (200, record("ACTIVE")))
    server.on("GET", "/api/ops/state", (200, {**record("ACTIVE"), "scopes": parts}))

    assert main(["resume", "--url", server.url, "--reason", "news", "--by", "Ada"]) == 0

    assert capsys.readouterr().out.splitlines()[1:] == [
        "  orders are sent again",
        "  still stopped, each until it is resumed by itself:",
        "    venue GMX HALTED (thin, by Ada)",
        "    deployment dep_1 REDUCING (news, by Bob)",
    ]


def test_resume_when_a_part_is_meant_then_no_other_is_asked_about(server: StubServer) -> None:
    server.on("POST", "/api/ops/resume", (200, record("ACTIVE", scope="venue:GMX")))
    assert main(["resume", "--url", server.url, "--venue", "gmx"]) == 0
    assert [path for _, path, _ in server.asked] == ["/api/ops/resume"]


def listing(server: StubServer, *, watched: str = "", held: str = "", listed: str = "") -> None:
    """A server at which one symbol each is watched, held and listed."""
    config = {"symbols": [watched], "venues": ["GMX"]}
    server.on("GET", "/health", (200, {"orchestrator": {"config": config}}))
    server.on("GET", "/api/portfolio/positions", (200, {"positions": [{"symbol": held}]}))
    server.on("GET", "/api/venues/GMX", (200, {"instruments": [{"symbol": listed}]}))


@pytest.mark.parametrize(
    ("known", "warned"),
    [({"watched": "WIF"}, False), ({"held": "WIF"}, False), ({"listed": "WIF"}, False), ({}, True)],
    ids=str,
)
def test_halt_when_its_symbol_is_nobody_s_then_it_stands_with_a_warning(
    server: StubServer, capsys: pytest.CaptureFixture[str], known: dict[str, str], warned: bool
) -> None:
    server.on("POST", "/api/ops/halt", (200, record(scope="symbol:WIF")))
    listing(server, **known)

    assert main(["halt", "--symbol", "wif", "--url", server.url]) == 0

    told = capsys.readouterr()
    assert "HALTED for symbol WIF" in told.out
    assert ("warning: no venue lists WIF" in told.err) is warned


def test_halt_when_nobody_can_say_whether_the_symbol_is_one_then_no_warning(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("POST", "/api/ops/halt", (200, record(scope="symbol:WIF")))
    server.on("GET", "/health", (200, {"status": "of another version"}))
    assert main(["halt", "--symbol", "WIF", "--url", server.url]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--agent", "agt_typo"], "no such agent"),
        (["--deployment", "dep_typo"], "no such deployment"),
    ],
)
def test_offline_halt_when_the_part_does_not_exist_then_exit_2_and_nothing_stands(
    here: Path, capsys: pytest.CaptureFixture[str], given: list[str], says: str
) -> None:
    assert main(["halt", "--offline", *given]) == 2
    told = capsys.readouterr()
    assert (told.out, says in told.err) == ("", True), told.err
    assert states_of(here) == {}


@pytest.mark.parametrize(
    ("symbol", "known", "warned"),
    [
        ("BTC", "nowhere", False),  # it is among the symbols of the swarm
        ("FOOBAR", "nowhere", True),
        ("FOOBAR", "listed", False),
        ("FOOBAR", "watched", False),
        ("FOOBAR", "held", False),
    ],
)
def test_offline_halt_when_its_symbol_is_nobody_s_then_it_stands_with_a_warning(
    here: Path, capsys: pytest.CaptureFixture[str], symbol: str, known: str, warned: bool
) -> None:
    (here / ".sapphire").mkdir()
    asyncio.run(_put(here, known, symbol))

    assert main(["halt", "--offline", "--symbol", symbol]) == 0

    assert ("warning: no venue lists FOOBAR" in capsys.readouterr().err) is warned
    assert states_of(here)[f"symbol:{symbol}"]["state"] == "HALTED"


async def _put(here: Path, known: str, symbol: str) -> None:
    places: dict[str, tuple[Ref, object]] = {
        "listed": (Ref(VENUE_MARKETS, "GMX"), an_instrument_table(Venue.GMX, symbols=(symbol,))),
        "held": (Ref(V2.positions, "pos_1"), a_position(symbol=symbol)),
    }
    store = SqliteStore(here / ".sapphire" / STORE_FILE)
    try:
        if known == "watched":
            await store.commit([Create(Ref(WATCHED_SYMBOLS, symbol), {"until": AT})])
        elif known in places:
            ref, value = places[known]
            await store.commit([create(ref, value)])
    finally:
        store.close()


def states_of(here: Path) -> dict[str, Any]:
    async def read() -> dict[str, Any]:
        store = SqliteStore(here / ".sapphire" / STORE_FILE)
        try:
            return {each.ref.id: each.data async for each in every(store, TRADING_STATE)}
        finally:
            store.close()

    return asyncio.run(read())


def test_halt_when_nothing_answers_then_exit_2_and_how_to_start_halted(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["halt", "--url", "http://127.0.0.1:1"]) == 2
    told = capsys.readouterr().err
    assert "no Sapphire answers at http://127.0.0.1:1" in told
    assert "--offline has the next start halted" in told
    assert not (here / ".sapphire").exists()


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", ""])
def test_change_when_the_address_is_none_then_exit_2(
    here: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert main(["resume", "--url", url]) == 2
    assert capsys.readouterr().err.startswith("sapphire: ")


def test_change_when_a_server_runs_here_then_found_with_its_token(
    server: StubServer, here: Path
) -> None:
    server.on("POST", "/api/ops/halt", (200, record()))
    token = api_token(here / ".sapphire", None)
    write_server_note(here / ".sapphire", server.url)
    assert main(["halt"]) == 0
    assert server.tokens == [f"Bearer {token}"]


def test_change_when_several_servers_run_here_then_exit_2_until_one_is_named(
    server: StubServer, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("POST", "/api/ops/halt", (200, record()))
    root = here / ".sapphire"
    write_server_note(root, "http://127.0.0.1:1")
    write_server_note(root / "trading-testnet", server.url)
    (root / "trading-testnet" / "sapphire.sqlite").touch()

    assert main(["halt"]) == 2
    assert f"(http://127.0.0.1:1, {server.url}): name one with --url" in capsys.readouterr().err
    assert server.asked == []
    assert main(["halt", "--url", server.url]) == 0
    assert main(["halt", "--data-dir", str(root / "trading-testnet")]) == 0


def test_offline_halt_when_no_server_runs_then_it_stands_in_the_store_once(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["halt", "--offline", "--reason", "first", "--json", "--by"]
    assert main([*line, "Ada"]) == 0
    assert main([*line, "Bob"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == second
    assert (first["state"], first["epoch"], first["changed_by"]) == ("HALTED", 1, "Ada")
    assert (here / ".sapphire" / "sapphire.sqlite").exists()
    assert not (here / ".sapphire" / "bus.sqlite").exists()


def test_offline_halt_when_told_to_people_then_says_where_it_stands(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["halt", "--offline", "--venue", "gmx", "--data-dir", "state"]) == 0
    told = capsys.readouterr().out
    assert "Trading is HALTED for venue GMX" in told
    assert "no server runs: it stands in state" in told


def test_offline_halt_when_a_server_runs_on_the_store_then_exit_2(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_server_note(here / ".sapphire", "http://127.0.0.1:1")
    assert main(["halt", "--offline"]) == 2
    assert "leave --offline out" in capsys.readouterr().err
    assert main(["halt", "--offline", "--url", "http://127.0.0.1:1"]) == 2


def test_sentence_when_somebody_else_has_stopped_it_before_then_says_already() -> None:
    wish = {"scope": "platform", "reason": "more news", "by": "Bob"}
    told = state_sentence(record(), PLATFORM_SCOPE, wish)
    assert told == "Trading is already HALTED, by Ada at 2026-01-15 12:00:00 UTC: news"


def test_note_when_its_process_is_gone_then_no_server(here: Path) -> None:
    (here / ".sapphire").mkdir()
    note = {"url": "http://127.0.0.1:1", "pid": 2**22 + os.getpid()}
    (here / ".sapphire" / "server.json").write_text(json.dumps(note))
    assert main(["reduce", "--url", "http://127.0.0.1:2"]) == 2


@pytest.mark.parametrize(("kind", "held"), [("token", "HALTED"), ("built-in", "already HALTED")])
def test_change_when_the_server_keeps_our_own_name_then_it_is_not_already_so(
    server: StubServer, capsys: pytest.CaptureFixture[str], kind: str, held: str
) -> None:
    """A token of one's own acts in its own name, whatever --by says."""
    server.on("POST", "/api/ops/halt", (200, record(changed_by="Ada")))
    server.on("GET", "/api/access/me", (200, {"kind": kind, "name": "Ada"}))
    assert main(["halt", "--url", server.url, "--reason", "news", "--by", "root"]) == 0
    assert capsys.readouterr().out.startswith(f"Trading is {held}, by Ada")
