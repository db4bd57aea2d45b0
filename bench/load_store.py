"""A store after weeks of trading: 500 open positions, 500 fills, and the decisions behind them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from bench.desk import venue_tables
from common.books import DECISIONS, FILLS, MARKET_SNAPSHOTS, V3, VENUE_MARKETS
from common.config import SwarmSettings
from common.domain.decision import Decision, DecisionInputs
from common.domain.instrument import DEFAULT_PRIORITY
from common.domain.market import MarketSnapshot
from common.domain.order import OrderSide
from common.domain.vote import Action, Consensus, Verdict
from common.how.trading_state import PLATFORM, TradingState, TradingStateRecord
from common.ports import Create, Ref, Write
from common.what.swarm.roster import ROSTER
from common.wire import to_document
from infra.local.store.sqlite import STORE_FILE, SqliteStore
from tests.builders import (
    a_deployment,
    a_fill,
    a_fill_record,
    a_position,
    a_signal,
    a_signal_record,
    a_snapshot,
    a_vote,
    limits_document,
    some_candles,
)

POSITIONS = 500
DEPLOYMENTS = 100  # five positions each
SIGNALS = 250  # of the last 500 fills: one opens, the next one closes
SYMBOLS = SwarmSettings().symbols
_CANDLES = 200
_STATE_LETTERS = 4000  # of a warm decision's indicator state
_WRITES_MAX = 400


async def fill_store(folder: Path) -> None:
    """`sapphire.sqlite` in `folder`."""
    now = datetime.now(UTC).replace(microsecond=0)
    store = SqliteStore(folder / STORE_FILE)
    try:
        tables = await venue_tables(now)
        writes: list[Write] = [
            *_desk(now),
            *(
                Create(Ref(VENUE_MARKETS, venue.value), to_document(table))
                for venue, table in tables.items()
            ),
            *_holdings(),
            *_decided(now),
            *_traded(now),
        ]
        for start in range(0, len(writes), _WRITES_MAX):
            await store.commit(writes[start : start + _WRITES_MAX])
    finally:
        store.close()


def _desk(now: datetime) -> Iterable[Write]:
    state = TradingStateRecord(
        state=TradingState.ACTIVE, epoch=1, reason="", changed_by="bench", changed_at=now
    )
    yield Create(PLATFORM, to_document(state))
    yield limits_document()
    for symbol in SYMBOLS:
        yield Create(Ref(MARKET_SNAPSHOTS, symbol), to_document(_market(symbol, now, _CANDLES)))


def _market(symbol: str, now: datetime, candles: int) -> MarketSnapshot:
    return a_snapshot(symbol, observed_at=now, candles=some_candles(candles, until=now))


def _holdings() -> Iterable[Write]:
    quantity = a_fill().last_qty
    for number in range(DEPLOYMENTS):
        deployment = a_deployment(f"dep_{number:03d}")
        yield Create(Ref(V3.deployments, deployment.deployment_id), to_document(deployment))
    for number in range(POSITIONS):
        position = a_position(
            f"pos_{number:03d}",
            deployment_id=f"dep_{number % DEPLOYMENTS:03d}",
            venue=DEFAULT_PRIORITY[number % len(DEFAULT_PRIORITY)],
            symbol=SYMBOLS[number % len(SYMBOLS)],
            signed_qty=quantity,
            open_cost=quantity * (2900 + number),
            realized_pnl=Decimal(number) / 7,
            commissions=Decimal("0.45"),
            fill_count=3,
        )
        yield Create(Ref(V3.positions, position.position_id), to_document(position))


def _decided(now: datetime) -> Iterable[Write]:
    for number in range(SIGNALS):
        symbol, at = SYMBOLS[number % len(SYMBOLS)], now - timedelta(minutes=5 * number)
        signal = a_signal(
            f"sig_{number:03d}", symbol=symbol, decision_id=f"dec_{number:03d}", created_at=at
        )
        yield Create(Ref(V3.signals, signal.signal_id), to_document(a_signal_record(signal)))
        yield Create(Ref(DECISIONS, f"dec_{number:03d}"), to_document(_decision(number, at)))


def _decision(number: int, at: datetime) -> Decision:
    """As a warm one: the newest candles, and the indicators' state as a text."""
    symbol = SYMBOLS[number % len(SYMBOLS)]
    return Decision(
        decision_id=f"dec_{number:03d}",
        agent_id="swarm",
        tick_id=f"tick_{number:03d}",
        symbol=symbol,
        inputs=DecisionInputs(
            snapshot=_market(symbol, at, 2),
            indicator_state="7" * _STATE_LETTERS,
            weights=dict(SwarmSettings().weights),
            threshold_act=Decimal("0.6"),
            threshold_hold=Decimal("0.4"),
            code_version="bench",
        ),
        features={f"indicator_{name}": "31.41592653589793" for name in range(30)},
        votes=tuple(a_vote(agent.agent_id) for agent in ROSTER),
        consensus=Consensus(
            score=Decimal("0.8"),
            action=Action.BUY,
            verdict=Verdict.ACT,
            voters=tuple(agent.agent_id for agent in ROSTER),
            reason="bench",
        ),
        signal_id=f"sig_{number:03d}",
        decided_at=at,
    )


def _traded(now: datetime) -> Iterable[Write]:
    """Of each signal a fill that opens and one that closes, at a gain or at a loss."""
    for number in range(SIGNALS):
        for side, minutes in ((OrderSide.BUY, 1), (OrderSide.SELL, 0)):
            at = now - timedelta(minutes=5 * number + minutes)
            trade = f"trade-{number:03d}-{side}"
            fill = a_fill(trade, symbol=SYMBOLS[number % len(SYMBOLS)], side=side, ts_event=at)
            record = a_fill_record(
                fill,
                deployment_id=f"dep_{number % DEPLOYMENTS:03d}",
                signal_id=f"sig_{number:03d}",
                position_id=f"closed_{number:03d}",
                realized_pnl=Decimal(number % 7 - 3) if side is OrderSide.SELL else Decimal(0),
                recorded_at=at,
            )
            yield Create(Ref(FILLS, trade), to_document(record))
