"""What the deployments of this mode need: their keys, and the venues that they name."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import ceil

from common.books import BOOKS, VENUE_MARKETS, Book
from common.config import OPERATOR
from common.documents import load
from common.domain.agent import KEYED_VENUES, Deployment, DeploymentStatus, KeyCode, KeyStatus
from common.domain.instrument import InstrumentTable, Venue
from common.errors import RateLimitedError
from common.ports import ExecutionVenue, Query, Ref, Where
from common.reporting.preflight_ports import (
    PreflightLine,
    PreflightPorts,
    counted,
    green,
    red,
    said,
)
from common.where.breaker import BreakerStatus, would_admit
from common.where.breakers import Breakers
from common.wire import from_document

PAGE = 1000
KEYS_TODO = (
    "PENDING: wait for `execute` to check it. KEY_INVALID: rotate it"
    " (sapphire seal --key-version N, then POST /api/v3/agents/keys/rotate)"
)
TABLE_FRESH = timedelta(seconds=60)
"""So long a stored table says that the venue answers: our own requests are counted."""
TABLE_AGE_MAX = timedelta(minutes=20)
"""`fetch_market` loads one anew after 15 minutes: an older one says nothing, even unasked."""
RETRY_AFTER_S = 10.0  # where nobody says how long to wait
_WHAT_READY_SAYS = (
    "keys open and fit their address; whether the venue knows them shows with the first order"
)
_SHOWN = 3


@dataclass(slots=True)
class Fleet:
    """Every active deployment of this mode, counted; memory does not grow with them."""

    deployments: int = 0
    ready: int = 0  # keys
    revoked: int = 0  # by their users: nothing is signed with them, and that is meant
    pending: int = 0
    invalid: int = 0
    faulty: list[str] = field(default_factory=list)  # the first of those, in words
    venues: Counter[Venue] = field(default_factory=Counter)

    @property
    def keys(self) -> int:
        return self.ready + self.pending + self.invalid

    def add(self, deployment: Deployment) -> None:
        self.deployments += 1
        self.venues.update(deployment.enabled_venues)
        for venue in deployment.enabled_venues:
            if venue in KEYED_VENUES:
                self._add_key(deployment, venue)

    def _add_key(self, deployment: Deployment, venue: Venue) -> None:
        key = deployment.venue_keys.get(venue)
        if key is not None and key.status is KeyStatus.READY:
            self.ready += 1
            return
        if key is not None and key.code == KeyCode.REVOKED:
            self.revoked += 1
            return
        if key is not None and key.status is KeyStatus.PENDING:
            self.pending += 1
        else:
            self.invalid += 1
        if len(self.faulty) < _SHOWN:
            found = "none" if key is None else f"{key.status}{f' ({key.code})' if key.code else ''}"
            self.faulty.append(f"{deployment.deployment_id} {venue} {found}")


async def read_fleet(ports: PreflightPorts) -> Fleet:
    """The operator's own deployment counts once it has a key: live, it trades nothing without."""
    fleet = Fleet()
    for book in BOOKS.values():
        query: Query | None = _active(book, paper=not ports.live)
        while query is not None:
            page = await ports.store.query(query)
            for document in page.documents:
                deployment = from_document(Deployment, document.data)
                if not _keyless_operator(ports, deployment):
                    fleet.add(deployment)
            query = replace(query, cursor=page.next_cursor) if page.next_cursor else None
            await asyncio.sleep(0)  # an embedded store answers at once: let the others run too
    return fleet


def _keyless_operator(ports: PreflightPorts, deployment: Deployment) -> bool:
    return ports.live and deployment.deployment_id == OPERATOR and not deployment.venue_keys


def _active(book: Book, *, paper: bool) -> Query:
    where = (
        Where("status", "==", DeploymentStatus.ACTIVE.value),
        Where("paper", "==", paper),
    )
    return Query(book.deployments, where, limit=PAGE)


def keys_line(ports: PreflightPorts, fleet: Fleet) -> PreflightLine:
    """Red when none of them may sign: one user's bad key trades nothing, and stops nobody else.

    Before the start nobody checks keys: a pending one waits, and may come to be READY.
    """
    if not ports.live:
        return green("keys", "not needed on paper")
    if not fleet.deployments:
        return green("keys", "no deployment yet")
    wrong = fleet.invalid + (fleet.pending if ports.running else 0)
    hopeful = fleet.ready + (0 if ports.running else fleet.pending)
    told = f"{wrong} of {counted(fleet.keys, 'key')} not READY: {_faulty(fleet)}" if wrong else ""
    if wrong and not hopeful:
        return red("keys", told, KEYS_TODO)
    unchecked = fleet.pending and not ports.running
    notes = [
        f"{counted(fleet.ready, 'key')} of {counted(fleet.deployments, 'deployment')} READY",
        f"{fleet.pending} to be checked once it runs" if unchecked else "",
        f"{told} (nothing is signed with these)" if told else "",
        f"{fleet.revoked} revoked by their users" if fleet.revoked else "",
        _WHAT_READY_SAYS if fleet.ready else "",
    ]
    return green("keys", "; ".join(filter(None, notes)))


def _faulty(fleet: Fleet) -> str:
    more = fleet.invalid + fleet.pending - len(fleet.faulty)
    return ", ".join(fleet.faulty) + (f" and {more} more" if more else "")


def venue_name(venue: Venue) -> str:
    return f"venue {venue.label}"


async def check_venue(ports: PreflightPorts, venue: Venue, used_by: int) -> PreflightLine:
    """Set up here, answering, and its breaker lets orders through. Asked once a minute at most."""
    name = venue_name(venue)
    named = f"named by {counted(used_by, 'deployment')}"
    refusal = ports.refusals.get(venue)
    if refusal is not None:
        if venue in ports.hopeless:
            return green(name, f"left out: {said(refusal)}; {named}")
        return red(name, f"{said(refusal)}; {named}", "set what is missing, and start again")
    adapter = ports.make_venues().get(venue)
    if adapter is None:
        return red(name, f"not connected here; {named}", f"start with {venue} among the venues")
    breaker = await _breaker_text(ports, venue)
    try:
        table = await _table(ports, adapter)
    except RateLimitedError as error:
        wait = ceil(error.retry_after_s or RETRY_AFTER_S)
        return red(name, f"{said(str(error))}; {named}", f"wait {wait} s, and ask again")
    if not table.pair_count:
        return red(name, f"lists nothing that can be traded; {named}", venue_todo(venue))
    detail = f"{table.pair_count} pairs ({table.source}), {breaker.detail}; {named}"
    return PreflightLine(name=name, ok=breaker.ok, detail=detail, todo=breaker.todo)


async def _table(ports: PreflightPorts, adapter: ExecutionVenue) -> InstrumentTable:
    """What the venue lists now, or listed within the minute; within `TABLE_AGE_MAX` while we must
    not ask it.
    """
    stored = await load(ports.store, InstrumentTable, Ref(VENUE_MARKETS, adapter.venue))
    age = ports.clock.now() - stored.value.refreshed_at if stored else None
    if stored is not None and age is not None and age < TABLE_FRESH:
        return stored.value
    try:
        return await adapter.load_instruments()
    except RateLimitedError:
        if stored is None or age is None or age > TABLE_AGE_MAX:
            raise
        return stored.value


async def _breaker_text(ports: PreflightPorts, venue: Venue) -> PreflightLine:
    """Only an order closes a breaker, so one that would let the next order try is as good as
    closed: while trading is halted, it could never close.
    """
    settings = ports.settings.breaker
    breaker = (await Breakers(ports.store, ports.clock, settings).read([venue]))[venue]
    if breaker.status is BreakerStatus.CLOSED:
        return green("breaker", "breaker CLOSED")
    why = f" ({said(breaker.reason)})" if breaker.reason else ""
    state = f"breaker {breaker.status}{why}"
    if would_admit(breaker, now=ports.clock.now(), settings=settings):
        return green("breaker", f"{state}, the next order tries it")
    seconds = int(max(settings.open_for, settings.probe_timeout).total_seconds())
    todo = f"see why the venue failed; within {seconds} s the breaker lets an order try it again"
    return red("breaker", state, todo)


def venue_todo(venue: Venue) -> str:
    return (
        f"see whether {venue.label} works and can be reached from here;"
        f" {venue}_API_URL, when set, must be its address"
    )
