"""The result of a backtest: one JSON object for programs, a table for people."""

from decimal import Decimal
from typing import Any

from common.domain.moment import iso
from common.domain.money import ZERO, plain
from common.domain.order import FillRecord
from common.reporting.performance import Performance
from infra.cli.run_summary import driven, summary_lines
from infra.cli.text import gain, money
from infra.local.backtest.run import BacktestResult

FUNDING = ZERO  # the paper venues charge none


def report_object(result: BacktestResult) -> dict[str, Any]:
    """Money as decimal strings; start + realized + unrealized - fees + funding = end, exactly."""
    figures = result.figures
    return {
        "starting_equity": plain(result.starting_equity),
        "ending_equity": plain(result.ending_equity),
        "realized_pnl": plain(figures.realized_pnl),
        "unrealized_pnl": plain(figures.unrealized_pnl),
        "fees": plain(figures.commissions),
        "funding": plain(FUNDING),
        "decisions": figures.decisions,
        "decisions_sha256": figures.decisions_digest,
        "signals": {name: sum(reasons.values()) for name, reasons in figures.signals.items()},
        "signal_reasons": figures.signals,
        "trades": [_trade(trade) for trade in result.trades],
        "symbols": _symbols(result),
        "agents": {
            name: {
                "votes": agent.votes,
                "abstained": agent.abstained,
                "vetoed": agent.vetoed,
                "agreed": agent.agreed,
                "disagreed": agent.disagreed,
            }
            for name, agent in result.agents.items()
        },
        "metrics": _metrics(result),
        "check": {"ok": result.check.ok, "problems": result.check.problems},
        "ticks": result.ticks,
        "elapsed_seconds": round(result.elapsed_s, 3),
    }


def _trade(record: FillRecord) -> dict[str, str]:
    fill = record.fill
    return {
        "trade_id": fill.trade_id,
        "client_order_id": fill.client_order_id,
        "signal_id": record.signal_id,
        "venue": fill.venue.value,
        "symbol": fill.symbol,
        "side": fill.side.value,
        "quantity": plain(fill.last_qty),
        "price": plain(fill.last_px),
        "fee": plain(fill.commission),
        "realized_pnl": plain(record.realized_pnl),
        "ts": iso(fill.ts_event),
    }


def _symbols(result: BacktestResult) -> dict[str, dict[str, Any]]:
    symbols: dict[str, dict[str, Any]] = {}
    for symbol in sorted({item.symbol for item in result.figures.positions}):
        held = [item for item in result.figures.positions if item.symbol == symbol]
        symbols[symbol] = {
            "trades": sum(trade.fill.symbol == symbol for trade in result.trades),
            "quantity": _total([item.signed_qty for item in held]),
            "realized_pnl": _total([item.realized_pnl for item in held]),
            "unrealized_pnl": _total([item.unrealized_pnl for item in held]),
            "fees": _total([item.commissions for item in held]),
        }
    return symbols


def _total(values: list[Decimal]) -> str:
    return plain(sum(values, ZERO))


def _metrics(result: BacktestResult) -> dict[str, Any]:
    trades = result.trade_figures
    return {
        "strategy": {
            **_performance(result.account),
            "closing_trades": trades.closed,
            "win_rate": trades.win_rate,
            "profit_factor": trades.profit_factor,
        },
        "buy_and_hold": {
            **_performance(result.buy_and_hold),
            "ending_equity": plain(result.buy_and_hold_ending.quantize(Decimal("1e-8"))),
        },
    }


def _performance(figures: Performance) -> dict[str, float | None]:
    return {
        "total_return": figures.total_return,
        "max_drawdown": figures.max_drawdown,
        "sharpe": figures.sharpe,
        "sortino": figures.sortino,
    }


def report_lines(result: BacktestResult) -> list[str]:
    ticks = driven(result.ticks, result.elapsed_s)
    lines = summary_lines(result.figures, result.check, ticks=ticks)
    lines += [
        "",
        f"equity           {money(result.starting_equity)} -> {money(result.ending_equity)}"
        f"  ({gain(result.ending_equity - result.starting_equity)})",
        "",
        f"{'':<18}{'strategy':>12}{'buy and hold':>14}",
    ]
    strategy, held = _performance(result.account), _performance(result.buy_and_hold)
    for name, percent in (
        ("total_return", True),
        ("max_drawdown", True),
        ("sharpe", False),
        ("sortino", False),
    ):
        label = name.replace("_", " ")
        cells = f"{_figure(strategy[name], percent):>12}{_figure(held[name], percent):>14}"
        lines.append(f"{label:<18}{cells}")
    trades = result.trade_figures
    lines.append(f"{'win rate':<18}{_figure(trades.win_rate, True):>12}")
    lines.append(f"{'profit factor':<18}{_figure(trades.profit_factor, False):>12}")
    return lines


def _figure(value: float | None, percent: bool) -> str:
    if value is None:
        return "–"
    return f"{value:.2%}" if percent else f"{value:.2f}"
