"""The summary that ends a run."""

from collections.abc import Mapping

from common.domain.instrument import Venue
from common.text import price, quantity
from infra.cli.text import gain, money
from infra.local.stack.checks import BooksCheck
from infra.local.stack.figures import PositionFigures, RunFigures


def driven(ticks: int, elapsed_s: float) -> str:
    rate = ticks / elapsed_s if elapsed_s > 0 else 0.0
    return f"{ticks} in {elapsed_s:.1f} s ({rate:.1f} ticks/s)"


def complete_before(ticks: int) -> str:
    return f"{ticks}, all run before: delete the state or choose another --data-dir to run again"


def summary_lines(figures: RunFigures, check: BooksCheck, *, ticks: str) -> list[str]:
    """`ticks` is from `driven` or `complete_before`."""
    lines = [
        f"ticks            {ticks}",
        f"decisions        {figures.decisions}  {_counts(figures.verdicts)}",
        f"signals          {figures.signal_count}",
    ]
    for status, reasons in figures.signals.items():
        lines.append(f"  {status:<14} {sum(reasons.values())}  {_counts(reasons)}")
    lines += [
        f"routing records  {figures.routing_records}",
        f"orders           {sum(figures.orders.values())}  {_counts(figures.orders)}",
        f"fills            {figures.fills}  (traded {money(figures.traded_notional)})",
        f"positions        {len(figures.positions)}",
        *(_position_line(position) for position in figures.positions),
        f"realised P&L     {gain(figures.realized_pnl)}",
        f"unrealised P&L   {gain(figures.unrealized_pnl)}",
        f"fees             {money(figures.commissions)}",
        check.line(),
        f"decisions sha256 {figures.decisions_digest}",
    ]
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _position_line(position: PositionFigures) -> str:
    name = f"{position.symbol} {Venue(position.venue).label}"
    if position.signed_qty == 0:
        return f"  {name:<18} flat, realised {gain(position.realized_pnl)}"
    side = "LONG" if position.signed_qty > 0 else "SHORT"
    mark = price(position.mark) if position.mark is not None else "?"
    return (
        f"  {name:<18} {side:<5} {quantity(abs(position.signed_qty))} at "
        f"{price(position.avg_px_open)}, mark {mark}, {gain(position.unrealized_pnl)}"
    )
