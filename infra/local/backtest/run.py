"""The same pipeline over recorded candles, in memory; then the account that it would have had."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from common.config import Settings
from common.domain.market import INTERVAL_MS
from common.domain.order import FillRecord
from common.reporting.performance import (
    Performance,
    TradeFigures,
    performance,
    trade_figures,
)
from infra.local.backtest.history import (
    AgentFigures,
    account_equity,
    hold_equity,
    read_history,
)
from infra.local.replay import ReplayDriver, warm_up_before
from infra.local.stack.assembly import LocalStack
from infra.local.stack.checks import BooksCheck
from infra.local.stack.embedded import EmbeddedBackend
from infra.local.stack.figures import RunFigures, collect_figures
from infra.local.stack.options import Recording

_PUSH_TOKEN = "in-memory backtest"  # noqa: S105 - nothing outside this process can reach it


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestResult:
    starting_equity: Decimal
    figures: RunFigures
    check: BooksCheck
    trades: tuple[FillRecord, ...]  # oldest first
    agents: dict[str, AgentFigures]
    account: Performance
    trade_figures: TradeFigures
    buy_and_hold: Performance  # equal shares of every symbol, bought at the first close, no fees
    buy_and_hold_ending: Decimal
    ticks: int
    elapsed_s: float

    @property
    def ending_equity(self) -> Decimal:
        """Exactly start + realised + unrealised - fees; the paper venues charge no funding."""
        figures = self.figures
        made = figures.realized_pnl + figures.unrealized_pnl
        return self.starting_equity + made - figures.commissions


async def backtest(
    settings: Settings,
    recording: Recording,
    *,
    ticks: int | None,
    on_start: Callable[[ReplayDriver], None],
) -> BacktestResult:
    """Raises what a tick raises; nothing is kept then."""
    backend = EmbeddedBackend(None, clock=recording.clock, in_order=True)
    stack = LocalStack(
        settings=settings,
        clock=recording.clock,
        backend=backend,
        make_feed=lambda: recording.feed,
        push_token=_PUSH_TOKEN,
    )
    driver = ReplayDriver(
        pipeline=stack,
        store=backend.store,
        feed=recording.feed,
        clock=recording.clock,
        interval=settings.swarm.interval,
        run_key="backtest",
        ticks=ticks,
        warm_up=warm_up_before(
            ticks, recording.feed.tick_count, history=settings.swarm.history_candles
        ),
    )
    started = time.perf_counter()
    await driver.prepare()
    await stack.start()
    on_start(driver)
    try:
        await driver.run(asyncio.Event())
        return await _result(settings, stack, driver, started)
    finally:
        await stack.stop()


async def _result(
    settings: Settings, stack: LocalStack, driver: ReplayDriver, started: float
) -> BacktestResult:
    store = stack.runtime.store
    history = await read_history(store)
    start = settings.default_capital
    bar_ms = INTERVAL_MS[settings.swarm.interval]
    equity = account_equity(history, start, timedelta(milliseconds=bar_ms))
    held = hold_equity(history, start)
    result = BacktestResult(
        starting_equity=start,
        figures=await collect_figures(store),
        check=await stack.check(),
        trades=history.trades,
        agents=history.agents(),
        account=performance(equity, bar_ms=bar_ms),
        trade_figures=trade_figures([trade.realized_pnl for trade in history.trades]),
        buy_and_hold=performance(held, bar_ms=bar_ms),
        buy_and_hold_ending=held[-1],
        ticks=driver.total,
        elapsed_s=time.perf_counter() - started,
    )
    if equity[-1] != result.ending_equity:
        result.check.problems.append(
            f"cash and holdings come to {equity[-1]}, the positions to {result.ending_equity}"
        )
    return result
