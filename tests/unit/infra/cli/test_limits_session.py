"""limits: shown and set, on a server and on a store without one."""

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.books import V3
from common.config import LimitSettings
from common.documents import create
from common.domain.risk_limits import DeploymentLimits, OrderLimits, RiskLimits
from common.domain.scope import PLATFORM_SCOPE, venue_scope
from common.errors import InvalidInputError
from common.how.limit_documents import default_limits
from common.ports import Ref
from common.wire import to_document
from infra.cli.limits_fields import PATHS, all_of, changes_of, merged
from infra.cli.limits_view import changes, limits_lines
from infra.cli.main import main
from infra.local.store.sqlite import STORE_FILE, SqliteStore
from tests.builders import NOON, a_deployment, an_agent
from tests.unit.infra.cli.stub_server import StubServer, problem

DEFAULTS = default_limits(LimitSettings(), NOON)
ADA_S = replace(DEFAULTS, version=3, reason="tighter", changed_by="Ada")
PATH = "/api/ops/limits"


def listed(*limits: Any, problem: str = "") -> tuple[int, dict[str, Any]]:
    shown = [{**to_document(each), "problem": problem} for each in limits]
    return 200, {"limits": shown, "defaults": to_document(DEFAULTS), "caps": {}, "effective": {}}


def posted(server: StubServer) -> Any:
    [wish] = [body for method, _, body in server.asked if method == "POST"]
    return wish


# ------------------------------------------------------------------------------------ the fields
def test_fields_when_given_then_by_block_and_exact() -> None:
    assert changes_of(
        [
            "order.max_notional=5000.50",
            "order.max_quantity.btc=2",
            "order.max_quantity.ETH=",
            "deployment.max_open_orders=7",
            "total.max_daily_loss=",
        ]
    ) == {
        "order": {"max_notional": "5000.50", "max_quantity": {"BTC": "2", "ETH": None}},
        "deployment": {"max_open_orders": 7},
        "total": {"max_daily_loss": None},
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("order.max_notional", "is not FIELD=VALUE"),
        ("order.max_notional=1e3", "order.max_notional: must be decimal"),
        ("order.max_notional=NaN", "order.max_notional: must be decimal"),
        ("order.max_quantity=5", "name the symbol"),
        ("order.period_s=1.5", "must be a whole number"),
        ("order.period_s=-1", "must be a whole number"),
        ("order.period_s=" + "9" * 30, "must be a whole number"),
        ("order.nonsense=1", "no such limit"),
        ("nonsense.max_notional=1", "no such limit"),
        ("=1", "no such limit"),
    ],
)
def test_fields_when_one_is_wrong_then_it_is_named(text: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        changes_of([text])


def test_fields_when_two_are_wrong_then_both_are_named() -> None:
    with pytest.raises(InvalidInputError) as caught:
        changes_of(["order.max_notional=NaN", "total.max_exposure=5", "nonsense.x=1"])
    assert "order.max_notional: must be decimal" in str(caught.value)
    assert "nonsense.x: no such limit" in str(caught.value)
    assert "max_exposure" not in str(caught.value)


@pytest.mark.parametrize("verb", ["show", "set"])
def test_limits_when_a_symbol_is_named_then_there_is_no_such_option(
    here: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    with pytest.raises(SystemExit):
        main(["limits", verb, "--symbol", "BTC"])
    assert "--symbol" in capsys.readouterr().err


def test_fields_when_taken_from_limits_then_all_that_they_set_and_back_again() -> None:
    found = all_of(DEFAULTS)
    given = [
        f"{block}.{name}={value}"
        for block, values in found.items()
        for name, value in values.items()
    ]
    assert changes_of(given) == found
    assert {text.split("=")[0] for text in given} < set(PATHS)


def test_merged_when_both_speak_then_the_upper_one_symbol_by_symbol() -> None:
    below = {"order": {"max_notional": "1", "max_quantity": {"BTC": "1", "ETH": "2"}}}
    above = {"order": {"max_quantity": {"ETH": "3"}}, "total": {"max_exposure": "9"}}
    assert merged(below, above) == {
        "order": {"max_notional": "1", "max_quantity": {"BTC": "1", "ETH": "3"}},
        "total": {"max_exposure": "9"},
    }
    assert below["order"]["max_quantity"] == {"BTC": "1", "ETH": "2"}


# ------------------------------------------------------------------------------------- the view
def test_view_when_the_platform_s_then_every_limit_with_what_it_means() -> None:
    lines = limits_lines(PLATFORM_SCOPE, ADA_S, DEFAULTS)
    assert lines[:2] == [
        "Limits of the platform: version 3, by Ada at 2026-01-15 12:00:00 UTC",
        "  why: tighter",
    ]
    assert "  order.max_notional                          25,000  $ an order" in lines
    assert any(line.startswith("  total.max_daily_loss ") and " - " in line for line in lines)
    assert len(lines) == 2 + len(PATHS) - 1  # of max_quantity, which is by symbol, none is set


def test_view_when_a_part_s_then_only_what_it_says() -> None:
    order = replace(DEFAULTS.order, max_quantity={"BTC": Decimal("0.5")})
    lines = limits_lines(venue_scope("GMX"), replace(ADA_S, order=order), None)
    words = [line.split() for line in lines]
    assert ["order.max_quantity.BTC", "0.5", "base", "units", "an", "order"] in words
    assert not any(" - " in line for line in lines)
    assert lines[-1] == "  of all else, those of the platform hold"


@pytest.mark.parametrize(("width", "meant"), [(None, True), (100, True), (99, False), (40, False)])
def test_view_when_narrow_then_without_what_each_means(width: int | None, meant: bool) -> None:
    lines = limits_lines(PLATFORM_SCOPE, ADA_S, None, width=width)
    assert any("$ an order" in line for line in lines) is meant
    assert max(map(len, lines)) <= (100 if meant else 68)


def test_view_when_nothing_is_set_or_nothing_can_be_obeyed_then_says_so() -> None:
    nothing = limits_lines(PLATFORM_SCOPE, None, DEFAULTS)
    assert nothing[0].startswith("No limits are set, so nothing trades.")
    assert len(nothing) > 20
    [own] = limits_lines(venue_scope("GMX"), None, None)
    assert own == "venue GMX has no limits of its own: those of the platform hold"
    broken = limits_lines(PLATFORM_SCOPE, None, DEFAULTS, problem="order: gone")
    assert broken == [
        "The limits of the platform cannot be obeyed, so nothing trades there:",
        "  order: gone",
    ]


def test_changes_when_some_differ_then_before_and_after() -> None:
    total = replace(DEFAULTS.total, max_daily_loss=Decimal(1000), max_open_orders=None)
    assert [line.split() for line in changes(DEFAULTS, replace(DEFAULTS, total=total))] == [
        ["total.max_open_orders", "1,000,000", "->", "-"],
        ["total.max_daily_loss", "-", "->", "1,000"],
    ]
    assert "  order.max_notional                          25,000" in changes(None, DEFAULTS)


def test_view_when_a_limit_is_a_fraction_then_in_percent_too() -> None:
    order = replace(DEFAULTS.order, price_collar=Decimal("0.0025"))
    deployment = replace(DEFAULTS.deployment, max_daily_loss=Decimal("0.05"), max_drawdown=None)
    limits = replace(DEFAULTS, order=order, deployment=deployment)
    words = [" ".join(line.split()) for line in limits_lines(PLATFORM_SCOPE, limits, None)]
    assert "order.price_collar 0.0025 0.25 % of the mark, that a price may be off it" in words
    assert "deployment.max_daily_loss 0.05 5 % of the day's first equity" in words
    assert "deployment.max_drawdown - of the highest equity" in words


# -------------------------------------------------------------------------------- on a server
def own_limits(scope: str, **blocks: Any) -> RiskLimits:
    """Limits of a part that say nothing but `blocks`."""
    empty = RiskLimits(scope=scope, version=1, reason="r", changed_by="Ada", changed_at=NOON)
    return replace(empty, **blocks)


def test_show_when_an_agent_s_then_what_holds_is_the_tightest_of_its_scopes(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    tight = OrderLimits(max_notional=Decimal(500), max_quantity={"BTC": Decimal("0.5")})
    mine = own_limits("agent:v3:agt_1", order=tight)
    server.on("GET", PATH, listed(ADA_S, mine))
    assert main(["limits", "show", "--agent", "agt_1", "--url", server.url]) == 0
    told = capsys.readouterr().out
    own, holds = told.split("What holds for agent v3:agt_1, the tightest of the platform and")
    assert "25,000" not in own
    words = [line.split() for line in holds.splitlines()]
    assert ["order.max_notional", "500", "$", "an", "order"] in words
    assert any(each[:2] == ["deployment.max_exposure", "20,000"] for each in words)
    assert any(each[:2] == ["order.max_quantity.BTC", "0.5"] for each in words)
    assert any(each[:3] == ["total.max_exposure", "(the", "platform)"] for each in words)


@pytest.mark.parametrize("book", ["v3", "v2"])
def test_show_when_a_deployment_s_then_its_agent_s_limits_hold_too(
    server: StubServer, capsys: pytest.CaptureFixture[str], book: str
) -> None:
    agent_s = own_limits(f"agent:{book}:agt_1", deployment=DeploymentLimits(max_open_orders=7))
    server.on("GET", PATH, listed(ADA_S, agent_s))
    path = "/api/v3/deployments/dep_1" if book == "v3" else "/api/deployments/dep_1"
    server.on("GET", path, (200, {"agent_id": "agt_1"}))
    assert main(["limits", "show", "--deployment", "dep_1", "--url", server.url]) == 0
    words = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert ["deployment.max_open_orders", "7"] in words


def test_show_when_the_limits_above_cannot_be_obeyed_then_nothing_trades(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"scope": "platform", "problem": "order.max_notional: Field required"}
    server.on("GET", PATH, (200, {"limits": [told], "defaults": to_document(DEFAULTS)}))
    assert main(["limits", "show", "--venue", "gmx", "--url", server.url]) == 0
    assert "So nothing trades: The limits of the platform cannot be used" in capsys.readouterr().out


def test_show_when_no_server_runs_then_what_holds_for_a_deployment_of_the_store(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["limits", "set", "--by", "Ada"]) == 0
    asyncio.run(_deploy(here))
    agent_s = ["--agent", "agt_1", "deployment.max_open_orders=7"]
    assert main(["limits", "set", *agent_s, "--by", "Ada"]) == 0
    capsys.readouterr()
    assert main(["limits", "show", "--deployment", "dep_1"]) == 0
    words = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert ["deployment.max_open_orders", "7"] in words
    assert main(["limits", "show", "--deployment", "dep_none"]) == 0
    assert "has no limits of its own" in capsys.readouterr().out


async def _deploy(here: Path) -> None:
    store = SqliteStore(here / ".sapphire" / STORE_FILE)
    deployment = a_deployment("dep_1", agent_id="agt_1")
    writes = [
        create(Ref(V3.deployments, "dep_1"), deployment),
        create(Ref(V3.agents, "agt_1"), an_agent("agt_1")),
    ]
    try:
        await store.commit(writes)
    finally:
        store.close()


def test_show_when_a_server_runs_then_what_it_says_of_that_scope(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    gmx = replace(ADA_S, scope="venue:GMX", reason="thin books")
    server.on("GET", PATH, listed(ADA_S, gmx))
    assert main(["limits", "show", "--venue", "gmx", "--url", server.url]) == 0
    assert "why: thin books" in capsys.readouterr().out
    assert main(["limits", "show", "--json", "--url", server.url]) == 0
    assert json.loads(capsys.readouterr().out)["limits"] == to_document(ADA_S)
    assert main(["limits", "show", "--venue", "aster", "--url", server.url]) == 0
    assert "has no limits of its own" in capsys.readouterr().out


def test_show_when_they_cannot_be_obeyed_then_why(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"scope": "platform", "problem": "order.max_notional: Field required"}
    server.on("GET", PATH, (200, {"limits": [told], "defaults": to_document(DEFAULTS)}))
    assert main(["limits", "show", "--url", server.url]) == 0
    assert "order.max_notional: Field required" in capsys.readouterr().out


def test_set_when_a_field_is_named_then_that_alone_is_sent(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    after = replace(ADA_S, version=4, order=replace(ADA_S.order, max_notional=Decimal(5000)))
    server.on("GET", PATH, listed(ADA_S))
    server.on("POST", PATH, (200, to_document(after)))

    line = ["limits", "set", "order.max_notional=5000", "--url", server.url]
    assert main([*line, "--by", "Ada", "--reason", "news"]) == 0

    assert posted(server) == {
        "scope": "platform",
        "order": {"max_notional": "5000"},
        "reason": "news",
        "by": "Ada",
    }
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"Limits of the platform at {server.url}: version 4, by Ada"
    assert [line.split() for line in told[1:]] == [["order.max_notional", "25,000", "->", "5,000"]]


def test_set_when_nothing_is_named_then_all_that_stands_is_taken_over(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("GET", PATH, listed(DEFAULTS))
    server.on("POST", PATH, (200, to_document(ADA_S)))
    assert main(["limits", "set", "--url", server.url, "--by", "Ada"]) == 0
    wish = posted(server)
    assert {name: wish[name] for name in ("order", "deployment", "total")} == all_of(DEFAULTS)
    assert "no figure differs from before" in capsys.readouterr().out


def test_set_when_refused_then_exit_1_and_when_wrong_exit_2(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("GET", PATH, listed(ADA_S))
    server.on("POST", PATH, (409, problem(409, "LIMITS_UNREADABLE", "cannot be mended")))
    line = ["limits", "set", "order.max_notional=1", "--url", server.url, "--by", "Ada"]
    assert main(line) == 1
    assert "refused: LIMITS_UNREADABLE" in capsys.readouterr().err
    above = {**problem(422, "LIMIT_ABOVE_CAP", "at most 5"), "where": "order.max_notional"}
    server.on("POST", PATH, (422, above))
    assert main(line) == 2
    assert "order.max_notional: LIMIT_ABOVE_CAP: at most 5" in capsys.readouterr().err
    server.on("POST", PATH, (200, {"scope": "platform"}))
    assert main(line) == 2
    assert "of another version" in capsys.readouterr().err


# ------------------------------------------------------------------------------ without a server
def test_show_when_there_is_no_store_then_the_defaults_and_none_is_made(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["limits", "show"]) == 0
    assert "No limits are set" in capsys.readouterr().out
    assert list(here.iterdir()) == []


def test_set_when_no_server_runs_then_the_defaults_with_what_is_named_stand_in_the_store(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["limits", "set", "order.max_notional=5000", "order.max_quantity.btc=2"]
    assert main([*line, "--by", "Ada", "--reason", "first", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["version"], first["changed_by"], first["reason"]) == (1, "Ada", "first")
    assert first["order"]["max_notional"] == "5000"
    assert first["order"]["max_quantity"] == {"BTC": "2"}
    assert first["deployment"] == to_document(DEFAULTS.deployment)

    assert main(["limits", "set", "order.max_quantity.btc=", "--by", "Bob", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert (second["version"], second["changed_by"]) == (2, "Bob")
    assert second["order"]["max_quantity"] == {}
    assert second["order"]["max_notional"] == "5000"
    assert main(["limits", "show"]) == 0
    assert "version 2, by Bob" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (["order.max_notional=25001"], "order.max_notional: must be at most 25000"),
        (["order.max_notional=0"], "order.max_notional"),
        (["order.price_collar="], "the platform must have this limit"),
        (["--deployment", "dep_1", "order.max_notional=1"], "no such deployment"),
        (
            ["order.max_notional=25001", "total.max_open_orders=0"],
            "total.max_open_orders: must be above 0",
        ),
        (
            ["order.max_notional=25001", "order.price_collar=0.6"],
            "order.max_notional: must be at most 25000; order.price_collar: must be at most 0.5",
        ),
        (["--venue", "gmx"], "name a limit"),
    ],
)
def test_set_when_nobody_may_set_that_then_exit_2_and_nothing_stands(
    here: Path, capsys: pytest.CaptureFixture[str], fields: list[str], says: str
) -> None:
    assert main(["limits", "set", *fields, "--by", "Ada"]) == 2
    assert says in capsys.readouterr().err
    assert main(["limits", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["limits"] is None
