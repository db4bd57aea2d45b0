"""SW-16: one line of the preflight, and what its checks are given."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from common.config import Settings
from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.ports import Clock, DocumentStore, MarketFeed, Venues
from common.redaction import redact

_TEXT_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightLine:
    """One check: `detail` says what was found, `todo` what to do about it (empty where ok)."""

    name: str
    ok: bool
    detail: str
    todo: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeTold:
    """What time it was outside, in whole seconds, between two moments of our own clock."""

    source: str
    moment: UtcDatetime
    asked_at: UtcDatetime
    answered_at: UtcDatetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightPorts:
    """What `make_...` makes is made inside the check that needs it, so that its trouble is its own.

    `running` says that the functions run: what only they can mend is red then. `refusals` are the
    venues that cannot be traded with these settings, `hopeless` those that no setting would help.
    `check_messenger` returns who writes to whom, or None where no messenger is set up.
    `dead_letters` returns a text for each message that nobody took since then, the newest last.
    """

    settings: Settings
    clock: Clock
    store: DocumentStore
    running: bool
    make_feed: Callable[[], MarketFeed]
    make_venues: Callable[[], Venues]
    refusals: Mapping[Venue, str]
    hopeless: frozenset[Venue]
    check_messenger: Callable[[], Awaitable[str | None]]
    told_time: Callable[[], Awaitable[TimeTold | None]]
    dead_letters: Callable[[datetime], Awaitable[Sequence[str]]]

    @property
    def live(self) -> bool:
        return self.settings.mode == "live"


def green(name: str, detail: str) -> PreflightLine:
    return PreflightLine(name=name, ok=True, detail=detail)


def red(name: str, detail: str, todo: str) -> PreflightLine:
    return PreflightLine(name=name, ok=False, detail=detail, todo=todo)


def said(text: str) -> str:
    """What somebody else wrote, fit to be shown: one line, printable, bounded, no secret in it."""
    shown = "".join(sign if sign.isprintable() else " " for sign in redact(text))
    return " ".join(shown.split())[:_TEXT_MAX]


def counted(number: int, what: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def day_and_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
