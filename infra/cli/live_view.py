"""The live view of a terminal: one calm page, drawn twice a second in place."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from common.domain.decision import Decision
from common.domain.instrument import Venue
from common.domain.money import ZERO
from common.domain.signal import PositionSide, SignalRecord
from common.domain.vote import Action, Stance, Verdict, Vote
from infra.cli.live_state import SIGNALS_SHOWN, LiveState
from infra.cli.text import clock_time, full_time, gain, money, price, quantity

AGENTS = ("quant_alpha", "risk_guardian", "sentiment_sage", "degen_hunter")
_TITLES = {
    "quant_alpha": "Quant Alpha",
    "risk_guardian": "Risk Guardian",
    "sentiment_sage": "Sentiment Sage",
    "degen_hunter": "Degen Hunter",
}
_ACTION_STYLE = {Action.BUY: "green", Action.SELL: "red", Action.HOLD: "dim"}
_STATUS_STYLE = {
    "EXECUTED": "green",
    "PARTIAL": "yellow",
    "SKIPPED": "yellow",
    "DENIED": "yellow",
    "EXPIRED": "yellow",
    "FAILED": "red",
}
_POSITIONS_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What stays the same while the view runs."""

    badge: str  # SIMULATED, LIVE PRICES, REPLAY
    feed: str
    url: str
    capital: str


def render(state: LiveState | None, heading: Heading, progress: str) -> RenderableType:
    if state is None:
        return Group(_header(heading, "starting", ""), Text("  waiting for the first tick"))
    return Group(
        _header(heading, full_time(state.now), state.trading_state),
        _decisions(state),
        _signals(state.signals),
        _positions(state),
        _footer(state, heading, progress),
    )


def _header(heading: Heading, clock: str, trading_state: str) -> RenderableType:
    line = Text(" SAPPHIRE ", style="bold")
    line.append(" PAPER ", style="black on green")
    line.append(" ")
    line.append(f" {heading.badge} ", style="black on yellow")
    line.append(f"  {clock}  ")
    style = "green" if trading_state == "ACTIVE" else "bold red"
    line.append(trading_state, style=style)
    detail = Text(f" {heading.feed} · {heading.url}", style="dim")
    return Group(line, detail)


def _decisions(state: LiveState) -> RenderableType:
    table = Table(box=None, pad_edge=True, expand=False, header_style="dim")
    table.add_column("symbol", min_width=7)
    table.add_column("last", justify="right", min_width=12)
    for agent in AGENTS:
        table.add_column(_TITLES[agent], min_width=10)
    table.add_column("consensus", min_width=20)
    for symbol, mark in state.marks.items():
        decision = state.decisions.get(symbol)
        cells = [_vote(decision, agent) for agent in AGENTS]
        table.add_row(Text(symbol, style="bold"), price(mark), *cells, _consensus(decision))
    body: RenderableType = table
    if state.missing:
        body = Group(table, Text(f" {state.missing}", style="red"))
    return Panel(body, title="decisions", title_align="left", border_style="dim")


def _vote(decision: Decision | None, agent: str) -> Text:
    vote = _vote_of(decision, agent)
    if vote is None or vote.stance is Stance.ABSTAINED:
        return Text("–", style="dim")
    if vote.stance is Stance.VETOED:
        return Text("VETO", style="bold red")
    return Text(f"{vote.action.value} {vote.confidence:.2f}", style=_ACTION_STYLE[vote.action])


def _vote_of(decision: Decision | None, agent: str) -> Vote | None:
    votes = () if decision is None else decision.votes
    return next((vote for vote in votes if vote.agent == agent), None)


def _consensus(decision: Decision | None) -> Text:
    if decision is None:
        return Text("…", style="dim")
    consensus = decision.consensus
    acted = consensus.verdict is Verdict.ACT
    word = consensus.action.value if acted else consensus.verdict.value.replace("_", " ")
    style = f"bold {_ACTION_STYLE[consensus.action]}" if acted else "dim"
    return Text(f"{word} {consensus.score:+.2f}", style=style)


def _signals(records: Sequence[SignalRecord]) -> RenderableType:
    table = Table(box=None, pad_edge=True, show_header=False)
    for min_width in (8, 5, 6, 10, 12, 30):
        table.add_column(min_width=min_width, no_wrap=True, overflow="ellipsis")
    for record in records:
        side = "BUY" if record.signal.side is PositionSide.LONG else "SELL"
        table.add_row(
            Text(clock_time(record.signal.created_at), style="dim"),
            Text(side, style=_ACTION_STYLE[Action(side)]),
            record.signal.symbol,
            Text(record.status.value, style=_STATUS_STYLE.get(record.status.value, "cyan")),
            Venue(record.final_venue).label if record.final_venue else "–",
            Text(record.reason, style="dim"),
        )
    for _ in range(SIGNALS_SHOWN - len(records)):
        table.add_row("")
    return Panel(table, title="signals", title_align="left", border_style="dim")


def _positions(state: LiveState) -> RenderableType:
    table = Table(box=None, pad_edge=True, header_style="dim")
    table.add_column("position", min_width=18)
    for name in ("quantity", "entry", "mark", "unrealised", "realised", "fees"):
        table.add_column(name, justify="right", min_width=11)
    for item in state.positions[:_POSITIONS_SHOWN]:
        table.add_row(
            f"{item.symbol} {Venue(item.venue).label}",
            quantity(item.signed_qty),
            price(item.avg_px_open),
            price(item.mark) if item.mark is not None else "–",
            _colored(gain(item.unrealized_pnl)),
            _colored(gain(item.realized_pnl)),
            money(item.commissions),
        )
    hidden = len(state.positions) - _POSITIONS_SHOWN
    if hidden > 0:
        table.add_row(Text(f"and {hidden} more", style="dim"))
    if not state.positions:
        table.add_row(Text("none yet", style="dim"))
    return Panel(table, title="positions", title_align="left", border_style="dim")


def _colored(text: str) -> Text:
    return Text(text, style={"+": "green", "-": "red"}.get(text[0], ""))


def _footer(state: LiveState, heading: Heading, progress: str) -> RenderableType:
    realized = sum((item.realized_pnl for item in state.positions), ZERO)
    unrealized = sum((item.unrealized_pnl for item in state.positions), ZERO)
    fees = sum((item.commissions for item in state.positions), ZERO)
    result = Text.assemble(
        (" P&L ", "dim"),
        _colored(gain(realized + unrealized - fees)),
        (f"  after {money(fees)} fees, on {heading.capital}", "dim"),
        (f" · {state.fills} fills · {progress}", "dim"),
    )
    breakers = [
        Text(f" {venue} {status}", style="dim" if status == "CLOSED" else "bold red")
        for venue, status in state.breakers.items()
    ]
    keys = Text(f" {heading.url}/docs · Ctrl-C stops, state is kept", style="dim")
    return Group(result, Columns([Text(" breakers", style="dim"), *breakers]), keys)


def terminal() -> Console:
    """rich itself obeys NO_COLOR."""
    return Console(highlight=False)
