"""What people see: the page of a terminal, and the lines elsewhere."""

import io
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from rich.console import Console

from common.books import DECISIONS, FILLS, MARKET_SNAPSHOTS, V3
from common.config import Settings, SwarmSettings
from common.documents import create
from common.domain.decision import Decision, DecisionInputs
from common.domain.events import MarketUpdated, NotificationRaised, OrderPlanned, SignalCreated
from common.domain.instrument import OrderType
from common.domain.order import OrderSide
from common.domain.signal import SignalStatus
from common.domain.vote import Action, Consensus, Stance, Verdict, Vote
from common.ports import Ref
from common.what.swarm.cycle import STANDING, decision_id
from infra.bootstrap import Runtime, build
from infra.cli.live_state import LiveReader, LiveState
from infra.cli.live_view import Heading, Room, render
from infra.cli.plain_view import PlainView
from infra.local.stack.figures import PositionFigures
from infra.local.stack.observed_publisher import ObservedPublisher
from infra.local.stack.seed_agents import seed_agents
from infra.local.store.memory import MemoryStore
from tests.builders import (
    NOON,
    SIGNAL_ID,
    a_fill_record,
    a_message,
    a_notification,
    a_plan,
    a_position,
    a_signal,
    a_signal_record,
    a_snapshot,
)
from tests.fakes.clock import FakeClock
from tests.fakes.publisher import RecordingPublisher
from tests.fakes.verifier import OpenVerifier

TICK_ID = "fetch_market:20260115T120000"
HEADING = Heading(
    badge="SIMULATED MARKET",
    feed="SIMULATED market, seed 7",
    url="http://127.0.0.1:8080",
    token_file=".sapphire/api-token",
)


def a_decision(symbol: str = "ETH", **changes: Any) -> Decision:
    votes = (
        Vote(
            agent="quant_alpha",
            stance=Stance.VOTED,
            action=Action.BUY,
            confidence=Decimal("0.8"),
            reasons=("RSI 28 is oversold",),
        ),
        Vote(
            agent="risk_guardian",
            stance=Stance.VETOED,
            action=Action.HOLD,
            confidence=Decimal(1),
            reasons=("too wild",),
        ),
    )
    decision = Decision(
        decision_id=decision_id("swarm", TICK_ID, symbol),
        agent_id="swarm",
        tick_id=TICK_ID,
        symbol=symbol,
        inputs=DecisionInputs(
            snapshot=a_snapshot(symbol),
            indicator_state=None,
            weights={"quant_alpha": Decimal("0.35")},
            threshold_act=Decimal("0.6"),
            threshold_hold=Decimal("0.4"),
            code_version="0.1.0",
        ),
        features={},
        votes=votes,
        consensus=Consensus(
            score=Decimal("0.71"),
            action=Action.BUY,
            verdict=Verdict.ACT,
            voters=("quant_alpha",),
            reason="above 0.60",
        ),
        signal_id=SIGNAL_ID,
        decided_at=NOON,
    )
    return replace(decision, **changes)


def a_runtime(store: MemoryStore) -> Runtime:
    return build(
        Settings(swarm=SwarmSettings(symbols=("ETH", "BTC"))),
        clock=FakeClock(),
        store=store,
        publisher=RecordingPublisher(),
        verifier=OpenVerifier(),
    )


def drawn(
    state: LiveState | None,
    *,
    progress: str = "12 cycles",
    color: bool = False,
    width: int = 130,
    height: int = 60,
) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        record=True,
        highlight=False,
    )
    room = Room(width=width, height=height)
    console.print(render(state, HEADING, progress, room))
    return console.export_text(styles=color)


def market(**failed: str) -> MarketUpdated:
    return MarketUpdated(
        tick_id=TICK_ID, snapshots=(a_snapshot("ETH"), a_snapshot("BTC")), failed=failed
    )


async def a_full_store() -> tuple[MemoryStore, ObservedPublisher]:
    store = MemoryStore()
    await seed_agents(store, Settings(), now=NOON)
    fill = a_fill_record()
    record = a_signal_record(
        a_signal(),
        status=SignalStatus.EXECUTED,
        reason_code="FILLED",
        reason="Filled 0.3333 ETH",
        final_venue="HYPERLIQUID",
    )
    position = a_position(signed_qty=Decimal("0.3333"), open_cost=Decimal(1000))
    await store.commit(
        [
            create(Ref(DECISIONS, a_decision().decision_id), a_decision()),
            create(Ref(V3.signals, SIGNAL_ID), record),
            create(Ref(FILLS, "fill_1"), fill),
            create(Ref(V3.positions, position.position_id), position),
            create(Ref(MARKET_SNAPSHOTS, "ETH"), a_snapshot("ETH")),
        ]
    )
    events = ObservedPublisher(RecordingPublisher())
    await events.publish([a_message(market(WIF="no answer"), message_id="m1"), a_message()])
    return store, events


async def test_page_when_all_is_known_then_shows_prices_votes_signals_and_money() -> None:
    store, events = await a_full_store()
    state = await LiveReader(a_runtime(store), events).read()
    page = drawn(state)

    for text in (
        "PAPER",
        "SIMULATED MARKET",
        "2026-01-15 12:00:00 UTC",
        "ACTIVE",
        "3,000.00",
        "BUY 0.80",
        "VETO",
        "BUY +0.71",
        "no price of WIF: no answer",
        "EXECUTED",
        "Hyperliquid",
        "Filled 0.3333 ETH",
        "0.3333",
        "on $10,000.00",
        "1 fill ·",
        "12 cycles",
        "Ostium CLOSED",
        "http://127.0.0.1:8080/docs",
    ):
        assert text in page, text


async def test_page_when_a_signal_stands_then_says_so_and_not_hold() -> None:
    store, events = await a_full_store()
    state = await LiveReader(a_runtime(store), events).read()
    standing = replace(
        a_decision().consensus,
        score=Decimal("-0.80"),
        action=Action.HOLD,
        verdict=Verdict.HOLD,
        reason=f"{STANDING}: SELL was signalled and still stands",
    )
    page = drawn(replace(state, decisions={"ETH": a_decision(consensus=standing)}))

    assert "SELL stands -0.80" in page
    assert "HOLD -0.80" not in page


async def test_page_when_drawn_twice_then_keeps_its_height() -> None:
    store, events = await a_full_store()
    reader = LiveReader(a_runtime(store), events)
    full = await reader.read()
    bare = replace(full, signals=(), decisions={})

    assert drawn(full).count("\n") == drawn(bare).count("\n")


def test_page_when_orders_are_real_then_says_so_instead_of_paper() -> None:
    console = Console(width=100, file=io.StringIO(), no_color=True)
    console.print(render(None, replace(HEADING, orders="LIVE ORDERS, testnet"), ""))
    assert isinstance(console.file, io.StringIO)
    page = console.file.getvalue()
    assert "LIVE ORDERS, testnet" in page
    assert "PAPER" not in page
    assert "PAPER" in drawn(None)


def test_page_when_nothing_is_known_yet_then_says_that_it_waits() -> None:
    assert "waiting for the first tick" in drawn(None)


async def test_page_when_the_terminal_is_small_then_nothing_of_it_is_lost() -> None:
    store, events = await a_full_store()
    state = await LiveReader(a_runtime(store), events).read()
    one = state.positions[0]
    many = replace(
        state,
        marks={name: Decimal("0.00000665812") for name in ("A", "B", "C", "D", "E", "PEPE")},
        positions=(replace(one, signed_qty=Decimal(0), symbol="FLAT"), *(one,) * 8),
    )
    page = drawn(many, progress="tick 1,064 of 1,000,000, 1,010 ticks/s", width=80, height=24)

    assert page.rstrip("\n").count("\n") < 24
    assert all(len(line) <= 80 for line in page.splitlines())
    for text in ("0.00000665812", "on $10,000.00", "and ", "Ctrl-C stops"):
        assert text in page, text
    assert "FLAT" not in page  # what is open comes first


async def test_page_when_there_are_several_deployments_then_says_whose_each_position_is() -> None:
    store, events = await a_full_store()
    state = await LiveReader(a_runtime(store), events).read()
    one = state.positions[0]
    both = (one, replace(one, deployment_id="dep_other"))

    assert "dep_other" in drawn(replace(state, positions=both))
    assert one.deployment_id not in drawn(state)


async def test_page_when_there_is_no_colour_then_has_no_escapes() -> None:
    store, events = await a_full_store()
    state = await LiveReader(a_runtime(store), events).read()

    assert "\x1b[" not in drawn(state)
    assert "\x1b[" in drawn(state, color=True)


async def test_page_when_there_are_many_positions_then_counts_the_hidden() -> None:
    store, events = await a_full_store()
    state = await LiveReader(a_runtime(store), events).read()
    one = PositionFigures(
        venue="GMX",
        symbol="ETH",
        deployment_id="dep_1",
        signed_qty=Decimal(-1),
        avg_px_open=Decimal(3000),
        mark=None,
        realized_pnl=Decimal("-12.3"),
        unrealized_pnl=Decimal(0),
        commissions=Decimal("0.5"),
    )
    page = drawn(replace(state, positions=(one,) * 12, trading_state="HALTED"))

    assert "and 2 more" in page
    assert "HALTED" in page
    assert "-$12.30" in page


async def test_reader_when_a_tick_is_still_being_decided_then_keeps_the_last_decision() -> None:
    store, events = await a_full_store()
    reader = LiveReader(a_runtime(store), events)
    await reader.read()
    later = replace(market(), tick_id="fetch_market:20260115T120100")
    await events.publish([a_message(later, message_id="m2")])

    state = await reader.read()

    assert state.decisions["ETH"].tick_id == TICK_ID
    assert state.cycles == 2


async def test_observer_when_a_message_is_published_again_then_counts_once() -> None:
    events = ObservedPublisher(RecordingPublisher())
    heard: list[object] = []
    events.listener = heard.append

    await events.publish([a_message(market(), message_id="m1")])
    await events.publish([a_message(market(), message_id="m1")])

    assert (events.market_updates, len(heard)) == (1, 1)


async def test_lines_when_things_happen_then_each_has_one() -> None:
    store, _ = await a_full_store()
    lines: list[str] = []
    view = PlainView(a_runtime(store), lines.append, ticks_shown=True)

    view.on_event(market(WIF="no answer", DOGE="no answer"))
    view.on_event(SignalCreated(book="v3", signal_id=SIGNAL_ID))
    view.on_event(OrderPlanned(plan=a_plan(), attempt=1))
    view.on_event(NotificationRaised(notification=a_notification(text="two\nlines")))
    await view.refresh()
    await view.refresh()

    assert lines == [
        "12:00:00  tick      ETH 3,000.00 BTC 3,000.00 no price of DOGE, WIF: no answer",
        "12:00:00  route     BUY 0.3333 ETH -> Hyperliquid near 3,000.00",
        "12:00:00  trade     two lines",
        "12:00:00  signal    sig_1 BUY ETH EXECUTED FILLED: Filled 0.3333 ETH",
    ]


@pytest.mark.parametrize(
    ("kind", "side", "line"),
    [
        (
            OrderType.STOP_MARKET,
            OrderSide.SELL,
            "stop      SELL 0.3333 ETH at Hyperliquid if it falls",
        ),
        (
            OrderType.STOP_MARKET,
            OrderSide.BUY,
            "stop      BUY 0.3333 ETH at Hyperliquid if it rises",
        ),
        (
            OrderType.MARKET_IF_TOUCHED,
            OrderSide.SELL,
            "profit    SELL 0.3333 ETH at Hyperliquid if it rises",
        ),
        (
            OrderType.MARKET_IF_TOUCHED,
            OrderSide.BUY,
            "profit    BUY 0.3333 ETH at Hyperliquid if it falls",
        ),
    ],
)
async def test_lines_when_an_order_rests_until_a_price_comes_then_it_does_not_read_as_a_trade(
    kind: OrderType, side: OrderSide, line: str
) -> None:
    lines: list[str] = []
    view = PlainView(a_runtime(MemoryStore()), lines.append, ticks_shown=False)
    plan = a_plan(order_type=kind, side=side, trigger_price=Decimal(97_510))
    view.on_event(OrderPlanned(plan=plan, attempt=1))
    assert lines == [f"12:00:00  {line} to 97,510.00"]


async def test_lines_when_a_replay_races_then_leaves_out_the_ticks() -> None:
    store, _ = await a_full_store()
    lines: list[str] = []
    view = PlainView(a_runtime(store), lines.append, ticks_shown=False)

    view.on_event(market())
    view.on_event(SignalCreated(book="v3", signal_id="sig_unknown"))
    await view.refresh()

    assert lines == []
