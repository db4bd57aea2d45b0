"""Every boundary of Sapphire on one screen. An adapter inherits nothing; it fits a Protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from common.domain.events import OutboxMessage
from common.domain.instrument import Capabilities, InstrumentTable, Venue
from common.domain.market import MarketSnapshot
from common.domain.moment import UtcDatetime
from common.domain.money import Money
from common.domain.notification import Notification
from common.domain.order import Order, OrderReport, OrderSide, SignedRequest
from common.wire import JsonObject


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware UTC. Real, scaled or driven by a replay."""

    async def sleep(self, seconds: float) -> None:
        """Wait that much of this clock's time; a replayed clock only yields."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A document's address. Ids match `ID_PATTERN`; collections are snake_case plurals."""

    collection: str
    id: str


@dataclass(frozen=True, slots=True)
class Document:
    ref: Ref
    data: JsonObject
    version: str  # opaque; changes with every write of the document


@dataclass(frozen=True, slots=True)
class Create:
    """Fails with ConflictError when it exists. After `expires_at` the store may drop it."""

    ref: Ref
    data: JsonObject
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Replaces the given top-level fields whole; fails with ConflictError unless the version is
    `version`.
    """

    ref: Ref
    data: JsonObject
    version: str


@dataclass(frozen=True, slots=True)
class Increment:
    """Adds `by` to an integer at a dotted path (absent = 0). The document must exist; no
    precondition.
    """

    ref: Ref
    path: str  # outcomes.EXECUTED
    by: int = 1


@dataclass(frozen=True, slots=True)
class Delete:
    """No error when absent; with `version`, fails with ConflictError unless it matches."""

    ref: Ref
    version: str | None = None


Write = Create | Update | Increment | Delete


@dataclass(frozen=True, slots=True)
class Where:
    """A filter on a dotted path. `value` is text, int or bool ("in": a sequence of at most 30)."""

    path: str
    op: Literal["==", "<", "<=", ">", ">=", "in"]
    value: object


@dataclass(frozen=True, slots=True)
class Query:
    """Documents of a collection in order of `order_by` (dotted path; ties by id), or by id.

    A range filter must be on the `order_by` path, and `descending` needs one: Firestore's rules.
    A filter on one field with an order by another needs a row in common/indexes.py.
    """

    collection: str
    where: tuple[Where, ...] = ()
    order_by: str | None = None
    descending: bool = False
    limit: int = 100
    cursor: str | None = None  # a former page's next_cursor


@dataclass(frozen=True, slots=True)
class Page:
    documents: tuple[Document, ...]
    next_cursor: str | None = field(default=None)


class DocumentStore(Protocol):
    """JSON documents with versions. Reads see every commit that was acknowledged before them.

    Every method raises TransientError when the store does not answer.
    """

    async def get(self, ref: Ref) -> Document | None: ...

    async def get_many(self, refs: Sequence[Ref]) -> list[Document | None]:
        """In the order asked; None where there is none."""

    async def commit(self, writes: Sequence[Write]) -> None:
        """All of the writes or none. One write per document, at most 400 writes.

        Raises:
            ConflictError: a precondition did not hold; nothing was written.
            InvalidInputError: an id, a float, or two writes to one document.
            TransientError: the store did not answer. The commit may have been applied: read again.
        """

    async def query(self, query: Query) -> Page: ...

    async def count(self, query: Query) -> int:
        """How many documents match, ignoring limit and cursor."""


class Publisher(Protocol):
    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        """Return once the bus holds all. Raises TransientError otherwise; some may be held."""


class SecretStore(Protocol):
    """Numbered versions; the newest is never assumed."""

    async def add(self, name: str, value: bytes) -> str:
        """Store a new version; return its number as text ("1", "2", ...)."""

    async def access(self, name: str, version: str) -> bytes:
        """Raises NotFoundError when there is no such enabled version."""

    async def disable(self, name: str, version: str) -> None:
        """After this, access raises NotFoundError. Raises NotFoundError when there is none."""


class MarketFeed(Protocol):
    """Where prices come from. `label` names it for people ("simulated market, seed 7")."""

    label: str

    async def snapshot(self, symbol: str, *, candles: int) -> MarketSnapshot:
        """The newest closed candles (up to `candles`), oldest first, with the book and the mark.

        Raises:
            TransientError: the source did not answer; RateLimitedError with its wait.
            NotFoundError: the source does not have the symbol.
            InvalidInputError: the source's answer is not usable (NaN, crossed book, unsorted ...).
        """


class ExecutionVenue(Protocol):
    """One venue. Pure parsing and signing live beside it; this is the wire."""

    venue: Venue
    capabilities: Capabilities

    async def load_instruments(self) -> InstrumentTable:
        """What the venue lists now. Raises TransientError or InvalidInputError; nothing is kept."""

    async def prepare(self, order: Order) -> SignedRequest:
        """Sign the order. It may ask the venue for a quote or a nonce, and trades nothing.

        Raises:
            RejectedError: the venue, or a check of its answer, refuses the order already here.
            TransientError: it cannot be prepared now.
            DeniedError: the account's key is not there or not to be used.
        """

    async def submit(self, order: Order, request: SignedRequest) -> OrderReport:
        """Send exactly `request` once. Returns evidence only.

        Raises:
            RejectedError: the venue proves that it refused.
            TransientError: proven never sent (refused connection).
            OutcomeUnknownError: anything else.
        """

    async def query_order(self, order: Order) -> OrderReport | None:
        """By the order's request key, with its fills; None: the venue says it has no such order.

        Raises TransientError when the venue did not answer: that is not "not found".
        """

    async def query_position(self, *, account_id: str, symbol: str) -> "VenuePosition | None":
        """The venue's own word on the net quantity; None where it holds none.

        Raises TransientError when the venue did not answer: that is not "flat".
        """

    async def query_account(self, *, account_id: str) -> "VenueAccountState":
        """Every position and open order of the account, for reconciliation.

        Raises TransientError when the venue did not answer.
        """

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> "tuple[FundingPayment, ...]":
        """What the account's positions were paid or charged from `since` on, oldest first.

        Told again whenever it is asked for again: `payment_id` dedupes it. Empty where the venue
        has no such payments, or puts them into the price of a position.
        Raises TransientError when the venue did not answer: that is not "nothing".
        """

    async def cancel(self, order: Order) -> OrderReport | None:
        """Cancel what is left; None when the venue has no such order.

        Where `capabilities.cancel_is_a_fence`, an order that never came cannot come after this.
        Raises TransientError when the venue did not answer, or cannot be asked now.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class VenuePosition:
    symbol: str
    signed_qty: str  # decimal text
    avg_px: str | None = None  # decimal text


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOpenOrder:
    """An order that rests at the venue; `client_order_id` is None where it is not one of ours."""

    venue_order_id: str
    client_order_id: str | None
    symbol: str
    side: OrderSide
    left_qty: str  # decimal text


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccountState:
    positions: tuple[VenuePosition, ...]
    open_orders: tuple[VenueOpenOrder, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """What holding one symbol earned or cost at one moment, without any trade."""

    payment_id: str  # the same whenever it is told; no two accounts share one
    venue: Venue
    account_id: str
    symbol: str
    amount: Money  # quote currency; positive was received, negative paid
    ts_event: UtcDatetime


Venues = Mapping[Venue, ExecutionVenue]


class Instruments(Protocol):
    """The venues' instrument tables as last refreshed."""

    async def table(self, venue: Venue) -> InstrumentTable | None:
        """None while the venue's table was never loaded."""


class Messenger(Protocol):
    """How notifications reach a person."""

    async def send(self, notifications: Sequence[Notification]) -> None:
        """Raises RateLimitedError with the wait, TransientError, or RejectedError (blocked, bad
        token).
        """


class TokenVerifier(Protocol):
    """Proves that a push or a scheduled call comes from our own bus or scheduler."""

    async def verify(self, *, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Raises UnauthenticatedError."""
