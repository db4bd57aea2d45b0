"""A finished run read back in order of time: marks, trades, votes, and the account's course."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from common.books import DECISIONS, FILLS
from common.documents import every
from common.domain.decision import Decision
from common.domain.money import ZERO
from common.domain.order import FillRecord
from common.domain.vote import Stance, Verdict
from common.ports import DocumentStore
from common.wire import from_document


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFigures:
    """One agent's votes; `agreed` and `disagreed` are its votes on decisions that were acted on."""

    votes: int
    abstained: int
    vetoed: int
    agreed: int
    disagreed: int


@dataclass(frozen=True, slots=True)
class History:
    marks: dict[datetime, dict[str, Decimal]]  # by tick, in order of time
    trades: tuple[FillRecord, ...]  # oldest first
    votes: dict[str, Counter[str]]

    def agents(self) -> dict[str, AgentFigures]:
        return {
            agent: AgentFigures(
                votes=counts["VOTED"],
                abstained=counts["ABSTAINED"],
                vetoed=counts["VETOED"],
                agreed=counts["agreed"],
                disagreed=counts["disagreed"],
            )
            for agent, counts in sorted(self.votes.items())
        }


async def read_history(store: DocumentStore) -> History:
    marks: dict[datetime, dict[str, Decimal]] = {}
    votes: dict[str, Counter[str]] = {}
    async for document in every(store, DECISIONS):
        decision = from_document(Decision, document.data)
        marks.setdefault(decision.decided_at, {})[decision.symbol] = decision.inputs.snapshot.mark
        _count_votes(decision, votes)
    fills = [from_document(FillRecord, item.data) async for item in every(store, FILLS)]
    fills.sort(key=lambda trade: (trade.fill.ts_event, trade.fill.trade_id))
    return History(dict(sorted(marks.items())), tuple(fills), votes)


def _count_votes(decision: Decision, votes: dict[str, Counter[str]]) -> None:
    acted = decision.consensus.verdict is Verdict.ACT
    for vote in decision.votes:
        counts = votes.setdefault(vote.agent, Counter())
        counts[vote.stance.value] += 1
        if acted and vote.stance is Stance.VOTED:
            agreed = vote.action is decision.consensus.action
            counts["agreed" if agreed else "disagreed"] += 1


def account_equity(history: History, start: Decimal, bar: timedelta) -> list[Decimal]:
    """Cash plus holdings at each tick's marks, after the fills of its bar; `start` comes first.

    Made from the fills alone, so it is a second opinion on what the positions say.
    """
    cash = start
    quantities: dict[str, Decimal] = {}
    marks: dict[str, Decimal] = {}
    waiting = iter(history.trades)
    trade = next(waiting, None)
    equity = [start]
    for moment, at_close in history.marks.items():
        marks |= at_close
        while trade is not None and trade.fill.ts_event < moment + bar:
            fill = trade.fill
            signed = fill.last_qty * fill.side.sign
            cash -= signed * fill.last_px + fill.commission
            quantities[fill.symbol] = quantities.get(fill.symbol, ZERO) + signed
            trade = next(waiting, None)
        worth = (quantity * marks[symbol] for symbol, quantity in quantities.items())
        equity.append(cash + sum(worth, ZERO))
    return equity


def hold_equity(history: History, start: Decimal) -> list[Decimal]:
    """Equal shares of every symbol, bought at its first mark and held, without fees."""
    first: dict[str, Decimal] = {}
    marks: dict[str, Decimal] = {}
    for at_close in history.marks.values():
        for symbol, mark in at_close.items():
            first.setdefault(symbol, mark)
    equity = [start]
    if not first:
        return equity
    share = start / len(first)
    for at_close in history.marks.values():
        marks |= at_close
        grown = (marks.get(symbol, price) / price for symbol, price in first.items())
        equity.append(sum((share * factor for factor in grown), ZERO))
    return equity
