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
from common.domain.signal import PositionSide, SignalRecord, SignalStatus
from common.domain.vote import Action, Stance, Verdict, Vote
from common.text import price, quantity
from common.what.swarm.cycle import ACTED, STANDING
from common.what.swarm.roster import NAMES
from infra.cli.live_state import SIGNALS_SHOWN, LiveState
from infra.cli.text import clock_time, full_time, gain, money

_NARROW = 112  # columns below which the page keeps to what fits in 80
_SHORT_NAMES = {agent: name.split()[0] for agent, name in NAMES.items()}
_ACTION_STYLE = {Action.BUY: "green", Action.SELL: "red", Action.HOLD: "dim"}
_STATUS_STYLE = {
    "EXECUTED": "green",
    "PARTIAL": "yellow",
    "SKIPPED": "yellow",
    "DENIED": "yellow",
    "EXPIRED": "yellow",
    "FAILED": "red",
}
_POSITION_ROWS = 11
_FIXED_LINES = 14  # heading 2, panels 3 + 2 + 3, footer 3, and one for the cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """What stays the same while the view runs."""

    badge: str  # SIMULATED, LIVE PRICES, REPLAY
    feed: str
    url: str
    token_file: str
    orders: str = "PAPER"  # or that they are real, and where


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The terminal's size. A page that did not fit would lose its end: profit and loss."""

    width: int
    height: int

    @property
    def narrow(self) -> bool:
        return self.width < _NARROW

    def rows(self, state: LiveState) -> tuple[int, int]:
        """How many rows of signals and of positions fit below the decisions."""
        free = self.height - _FIXED_LINES - len(state.marks) - bool(state.missing)
        signals = max(2, min(SIGNALS_SHOWN, free // 2))
        return signals, max(2, min(_POSITION_ROWS, free - signals))


_AMPLE = Room(width=130, height=60)


def render(
    state: LiveState | None, heading: Heading, progress: str, room: Room = _AMPLE
) -> RenderableType:
    if state is None:
        return Group(_header(heading, "starting", ""), Text("  waiting for the first tick"))
    signals, positions = room.rows(state)
    return Group(
        _header(heading, full_time(state.now), state.trading_state),
        _decisions(state, room),
        _signals(state.signals[:signals], signals, room),
        _positions(state, positions, room),
        _footer(state, heading, progress, room),
    )


def _header(heading: Heading, clock: str, trading_state: str) -> RenderableType:
    line = Text(" SAPPHIRE ", style="bold")
    style = "black on green" if heading.orders == "PAPER" else "bold white on red"
    line.append(f" {heading.orders} ", style=style)
    line.append(" ")
    line.append(f" {heading.badge} ", style="black on yellow")
    line.append(f"  {clock}  ")
    style = "green" if trading_state == "ACTIVE" else "bold red"
    line.append(trading_state, style=style)
    detail = Text(f" {heading.feed} · {heading.url}", style="dim")
    return Group(line, detail)


def _table(room: Room, *, header: bool = True) -> Table:
    padding = (0, 1, 0, 0) if room.narrow else (0, 1)
    return Table(
        box=None,
        padding=padding,
        pad_edge=not room.narrow,
        show_header=header,
        header_style="dim",
    )


def _panel(body: RenderableType, title: str, room: Room) -> Panel:
    padding = (0, 0) if room.narrow else (0, 1)
    return Panel(body, title=title, title_align="left", border_style="dim", padding=padding)


def _decisions(state: LiveState, room: Room) -> RenderableType:
    titles = _SHORT_NAMES if room.narrow else NAMES
    table = _table(room)
    table.add_column("symbol", min_width=6)
    table.add_column("last", justify="right", min_width=12, no_wrap=True)
    for agent in NAMES:
        table.add_column(titles[agent], min_width=9, no_wrap=True)
    table.add_column("consensus", min_width=15, no_wrap=True)
    for symbol, mark in state.marks.items():
        decision = state.decisions.get(symbol)
        cells = [_vote(decision, agent) for agent in NAMES]
        table.add_row(Text(symbol, style="bold"), price(mark), *cells, _consensus(decision))
    body: RenderableType = table
    if state.missing:
        missing = Text(f" {state.missing}", style="red", no_wrap=True, overflow="ellipsis")
        body = Group(table, missing)
    return _panel(body, "decisions", room)


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
    if consensus.reason.startswith((STANDING, ACTED)):
        word = f"{'BUY' if consensus.score > 0 else 'SELL'} stands"
    style = f"bold {_ACTION_STYLE[consensus.action]}" if acted else "dim"
    return Text(f"{word} {consensus.score:+.2f}", style=style)


def _signals(records: Sequence[SignalRecord], rows: int, room: Room) -> RenderableType:
    table = _table(room, header=False)
    for min_width in (8, 4, 6, 9, 11, 30):
        table.add_column(min_width=min_width, no_wrap=True, overflow="ellipsis")
    for record in records:
        side = "BUY" if record.signal.side is PositionSide.LONG else "SELL"
        table.add_row(
            Text(clock_time(record.signal.created_at), style="dim"),
            Text(side, style=_ACTION_STYLE[Action(side)]),
            record.signal.symbol,
            Text(record.status.value, style=_STATUS_STYLE.get(record.status.value, "cyan")),
            Venue(record.final_venue).label if record.final_venue else "–",
            Text(record.reason if room.narrow else _reason(record), style="dim"),
        )
    for _ in range(rows - len(records)):
        table.add_row("")
    return _panel(table, "signals", room)


def _reason(record: SignalRecord) -> str:
    """A denial with its code: the figures alone do not say which limit they broke."""
    denied = record.status is SignalStatus.DENIED
    return f"{record.reason_code}: {record.reason}" if denied else record.reason


def _positions(state: LiveState, rows: int, room: Room) -> RenderableType:
    table = _table(room)
    table.add_column("position", min_width=16, no_wrap=True)
    names = ["quantity", "entry", "mark", "unrealised", "realised"]
    for name in names if room.narrow else [*names, "fees"]:
        table.add_column(name, justify="right", min_width=9 if room.narrow else 11, no_wrap=True)
    several = len({item.deployment_id for item in state.positions}) > 1 and not room.narrow
    if several:
        table.add_column("deployment", no_wrap=True, overflow="ellipsis")
    shown = sorted(state.positions, key=lambda item: item.signed_qty == 0)  # flat ones last
    hidden = 0 if len(shown) <= rows else len(shown) - rows + 1
    for item in shown[: len(shown) - hidden]:
        cells: list[RenderableType] = [
            f"{item.symbol} {Venue(item.venue).label}",
            quantity(item.signed_qty),
            price(item.avg_px_open),
            price(item.mark) if item.mark is not None else "–",
            _colored(gain(item.unrealized_pnl)),
            _colored(gain(item.realized_pnl)),
            *([] if room.narrow else [money(item.commissions)]),
            *([Text(item.deployment_id, style="dim")] if several else []),
        ]
        table.add_row(*cells)
    if hidden:
        table.add_row(Text(f"and {hidden} more", style="dim"))
    if not state.positions:
        table.add_row(Text("none yet", style="dim"))
    return _panel(table, "positions", room)


def _colored(text: str) -> Text:
    return Text(text, style={"+": "green", "-": "red"}.get(text[0], ""))


def _footer(state: LiveState, heading: Heading, progress: str, room: Room) -> RenderableType:
    realized = sum((item.realized_pnl for item in state.positions), ZERO)
    unrealized = sum((item.unrealized_pnl for item in state.positions), ZERO)
    fees = sum((item.commissions for item in state.positions), ZERO)
    result = Text.assemble(
        (" P&L ", "dim"),
        _colored(gain(realized + unrealized - fees)),
        (f" after {money(fees)} fees on {money(state.capital)}", "dim"),
        (f" · {state.fills} {'fill' if state.fills == 1 else 'fills'} · {progress}", "dim"),
    )
    result.no_wrap, result.overflow = True, "ellipsis"
    keys = Text(
        f" Ctrl-C stops · {heading.url}/docs · token in {heading.token_file}",
        style="dim",
        no_wrap=True,
        overflow="ellipsis",
    )
    return Group(result, _breakers(state, room), keys)


def _breakers(state: LiveState, room: Room) -> RenderableType:
    """Where there is no room for all of them, those that are not closed."""
    told = {
        venue: status
        for venue, status in state.breakers.items()
        if status != "CLOSED" or not room.narrow
    }
    words = [
        Text(f" {venue} {status}", style="dim" if status == "CLOSED" else "bold red")
        for venue, status in told.items()
    ]
    return Columns([Text(" breakers", style="dim"), *(words or [Text(" CLOSED", style="dim")])])


def terminal() -> Console:
    """rich itself obeys NO_COLOR."""
    return Console(highlight=False)
