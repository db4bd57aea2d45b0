"""Which agents a trade's result belongs to.

A closing fill's realised result (before commissions) is credited to the signals that opened the
quantity it closes, in proportion to how much each of them opened. Every agent that voted for such
a signal's direction is credited with the whole of the signal's result: agents agree, they do not
share. Trades whose opening lies before the fills at hand are left out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from common.domain.money import ZERO
from common.domain.order import FillRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRecord:
    """`closed` and `wins` count signals that realised something."""

    trades: int
    closed: int
    wins: int
    pnl: Decimal

    @property
    def win_rate(self) -> Decimal:
        """0..1; 0 while nothing is closed."""
        return Decimal(self.wins) / self.closed if self.closed else ZERO


@dataclass(slots=True)
class _Lot:
    """A position's open quantity by the signal that opened it, and its sign."""

    sign: int = 0
    opened: dict[str, Decimal] = field(default_factory=dict)

    @property
    def quantity(self) -> Decimal:
        return sum(self.opened.values(), ZERO)


def results_by_signal(fills: Iterable[FillRecord]) -> dict[str, Decimal]:
    """The realised result of every signal that opened something; `fills` oldest first."""
    lots: dict[str, _Lot] = {}
    results: dict[str, Decimal] = {}
    for record in fills:
        lot = lots.setdefault(record.position_id, _Lot())
        _book(lot, record, results)
    return results


def _book(lot: _Lot, record: FillRecord, results: dict[str, Decimal]) -> None:
    sign, quantity = record.fill.side.sign, record.fill.last_qty
    held = lot.quantity
    if held and sign != lot.sign:
        closed = min(held, quantity)
        for signal_id, opened in lot.opened.items():
            share = record.realized_pnl * opened / held
            results[signal_id] = results.get(signal_id, ZERO) + share
        left = (held - closed) / held
        lot.opened = {key: value * left for key, value in lot.opened.items() if left}
        quantity -= closed
    elif not held and record.realized_pnl != 0:
        return  # it closes what was opened before the first fill at hand
    if quantity:
        lot.sign = sign
        lot.opened[record.signal_id] = lot.opened.get(record.signal_id, ZERO) + quantity
        results.setdefault(record.signal_id, ZERO)


def agent_records(
    agents: Sequence[str], fills: Sequence[FillRecord], supporters: Mapping[str, Sequence[str]]
) -> dict[str, AgentRecord]:
    """By agent. `supporters`: for each signal, the agents that voted for its direction."""
    executed = {record.signal_id for record in fills}
    results = results_by_signal(fills)
    records = {}
    for agent in agents:
        backed = [signal for signal in executed if agent in supporters.get(signal, ())]
        credited = [results[signal] for signal in backed if results.get(signal)]
        records[agent] = AgentRecord(
            trades=len(backed),
            closed=len(credited),
            wins=sum(result > 0 for result in credited),
            pnl=sum(credited, ZERO),
        )
    return records
