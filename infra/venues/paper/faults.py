"""How a paper venue is told to misbehave, order by order, while it runs.

The plan is the document `paper_faults/{VENUE}`; every instance of the venue reads it before each
call, so writing it (`set_faults`) takes effect at once and `FaultPlan()` ends it. A test may also
give the venue a function. What a rule strikes is a pure function of the plan's seed and the order,
so a run can be repeated. Example, one request in ten that is filled while its answer is lost:

    {"seed": 7, "rules": [{"kind": "LOST_ANSWER", "probability": "0.1"}]}
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from common.domain.identifiers import digest
from common.domain.instrument import Venue
from common.domain.moment import UtcDatetime
from common.domain.money import ONE, Money
from common.domain.order import Order, OrderSide
from common.errors import ConfigurationError, InvalidInputError
from common.ports import Create, Document, DocumentStore, Ref, Update
from common.wire import from_document, to_document

PAPER_FAULTS = "paper_faults"


class FaultKind(StrEnum):
    """What happens to an order (or, the last four, to a call about it)."""

    LOST_REQUEST = "LOST_REQUEST"  # times out; the order never arrives
    LOST_ANSWER = "LOST_ANSWER"  # times out; the order was taken and filled
    LATE = "LATE"  # times out; the order arrives `delay_s` after it was sent
    READ_LAG = "READ_LAG"  # as LOST_ANSWER, and queries do not see it for `delay_s`
    SERVER_ERROR = "SERVER_ERROR"  # answered 503; the order was taken if `lands`
    REJECTED = "REJECTED"  # the venue says no, with `code`
    PART_FILLED = "PART_FILLED"  # only `fraction` of it can fill
    DOWN = "DOWN"  # the connection is refused: every call, nothing was sent
    QUERIES_DOWN = "QUERIES_DOWN"  # query_order and query_position get no answer
    CANCEL_LOST = "CANCEL_LOST"  # a cancel times out; it never arrives
    CANCEL_ANSWER_LOST = "CANCEL_ANSWER_LOST"  # a cancel times out; nothing is left of the order


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """Strikes the orders that match all that is given; None matches every one."""

    kind: FaultKind
    probability: Money = ONE  # 0..1 of the matching orders, chosen by the plan's seed
    symbol: str | None = None
    side: OrderSide | None = None
    account_id: str | None = None
    client_order_id: str | None = None
    attempt: int | None = None  # 1 strikes first attempts only, so that the second gets through
    since: UtcDatetime | None = None
    until: UtcDatetime | None = None
    delay_s: Money = Decimal(0)
    fraction: Money = Decimal("0.5")
    code: str = "INSUFFICIENT_MARGIN"
    lands: bool = False

    def matches(self, order: Order) -> bool:
        wanted = (self.symbol, self.side, self.account_id, self.client_order_id, self.attempt)
        actual = (
            order.symbol,
            order.side,
            order.account_id,
            order.client_order_id,
            order.attempt,
        )
        return all(want in {None, have} for want, have in zip(wanted, actual, strict=True))

    def is_on(self, now: datetime) -> bool:
        return (self.since is None or self.since <= now) and (
            self.until is None or now < self.until
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """The first rule that strikes an order wins."""

    seed: int = 0
    rules: tuple[FaultRule, ...] = ()

    def strikes(self, order: Order, now: datetime) -> FaultRule | None:
        for number, rule in enumerate(self.rules):
            chance = _chance(self.seed, number, order.client_order_id)
            if rule.is_on(now) and rule.matches(order) and chance < rule.probability:
                return rule
        return None

    def cuts_queries(self, now: datetime) -> bool:
        """Is a query that names no order cut off? Only rules for every order do that."""
        kinds = {FaultKind.DOWN, FaultKind.QUERIES_DOWN}
        return any(
            rule.kind in kinds and rule.is_on(now) and rule.probability >= 1 and rule.symbol is None
            for rule in self.rules
        )


Faults = Callable[[Order], FaultRule | None]
NO_FAULTS = FaultPlan()


def _chance(seed: int, number: int, client_order_id: str) -> Decimal:
    return Decimal(int(digest("paper-fault", seed, number, client_order_id)[:15], 16)) / 16**15


def faults_ref(venue: Venue) -> Ref:
    return Ref(PAPER_FAULTS, venue)


def read_plan(document: Document | None) -> FaultPlan:
    """Raises ConfigurationError: a person wrote a plan that does not read."""
    if document is None:
        return NO_FAULTS
    try:
        return from_document(FaultPlan, document.data)
    except InvalidInputError as error:
        raise ConfigurationError(f"paper_faults/{document.ref.id}: {error}") from None


async def set_faults(store: DocumentStore, venue: Venue, plan: FaultPlan) -> None:
    """Make `plan` the venue's. Raises ConflictError when another writes it at the same moment."""
    ref = faults_ref(venue)
    present = await store.get(ref)
    data = to_document(plan)
    await store.commit(
        [Create(ref, data) if present is None else Update(ref, data, present.version)]
    )
