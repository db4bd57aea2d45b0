"""What can go wrong between us and a venue, and which requests it strikes.

A test hands an exchange's server one of

    FaultSchedule([FaultRule(Fault(FaultKind.LOST_ANSWER), operation="order")])  # the first order
    SeededFaults(7, {Fault(FaultKind.LATE, delay_s=20): 0.1}, operations={"order"})
    FaultFunction(lambda operation, key: Fault(FaultKind.DOWN) if key == "0x01" else None)

Each is asked once per request, `faults.next(operation, key)`, and remembers what it did in `fired`.
An operation is the venue's own word for the request (Hyperliquid: "order", "orderStatus"; each
exchange's docstring lists its words); the key is the client order id where the request names one,
else the venue's own order id or "".

A timeout is an event here, never a wait: in process the client gets httpx.ReadTimeout at once, over
a socket the connection closes without an answer.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from random import Random
from typing import Protocol

from common.domain.identifiers import digest


class FaultKind(StrEnum):
    """`lands`: was the request processed? Fixed for most kinds, a choice where it says so."""

    # The request
    DOWN = "DOWN"  # the connection is refused; nothing was sent
    LOST_REQUEST = "LOST_REQUEST"  # times out; swallowed, never processed
    LOST_ANSWER = "LOST_ANSWER"  # times out; processed
    LATE = "LATE"  # times out; processed `delay_s` later on the exchange's clock
    TWICE = "TWICE"  # the network delivers it twice; the second answer is the one that arrives
    # The HTTP answer
    SERVER_ERROR = "SERVER_ERROR"  # `status` with an HTML body; processed if `lands`
    RATE_LIMITED = "RATE_LIMITED"  # 429, with Retry-After if `retry_after_s`
    REDIRECT = "REDIRECT"  # 307 to `location`; processed if `lands`
    TRUNCATED = "TRUNCATED"  # processed; the JSON ends in its middle
    EMPTY = "EMPTY"  # processed; 200 without a body
    HUGE = "HUGE"  # processed; the right JSON, then blanks up to `size` bytes
    ENDLESS = "ENDLESS"  # processed; a body that never ends
    # What the answer says
    ORDER_ERROR = "ORDER_ERROR"  # 200; the venue's own form of a refused order, saying `message`
    NO_EFFECT = "NO_EFFECT"  # 200 and it says ok, and nothing happened
    MISSING_FIELD = "MISSING_FIELD"  # processed; every field named `field` is gone
    RENAMED_FIELD = "RENAMED_FIELD"  # processed; every field named `field` has another name
    NULL_FIELD = "NULL_FIELD"  # processed; every field named `field` is null
    NAN_FIELD = "NAN_FIELD"  # processed; every field named `field` is "NaN"
    # What others see of it
    READ_LAG = "READ_LAG"  # processed and answered; queries do not see it for `delay_s`
    PARTIAL_FILL = "PARTIAL_FILL"  # only `fraction` of the order finds a counterparty
    FILLS_SHUFFLED = "FILLS_SHUFFLED"  # (a query) its lists of records come in another order
    FILLS_REPEATED = "FILLS_REPEATED"  # (a query) each record of its lists comes twice


_NEVER_LANDS = frozenset({FaultKind.DOWN, FaultKind.LOST_REQUEST, FaultKind.RATE_LIMITED})
_MAY_LAND = frozenset({FaultKind.SERVER_ERROR, FaultKind.REDIRECT})


@dataclass(frozen=True, slots=True)
class Fault:
    """One misfortune. Only the fields its kind mentions are read."""

    kind: FaultKind
    lands: bool = False
    delay_s: float = 0.0  # of the exchange's clock
    status: int = 502
    retry_after_s: int | None = None
    fraction: Decimal = Decimal("0.5")  # of the order's size
    message: str = "Order rejected by the stand-in."
    field: str | None = None  # None: every field that holds a scalar
    size: int = 10_000_000  # bytes
    location: str = "https://elsewhere.invalid/"

    def __post_init__(self) -> None:
        if self.delay_s < 0 or not 0 <= self.fraction <= 1:
            raise ValueError(f"{self.kind}: delay_s must be >= 0 and fraction between 0 and 1")

    @property
    def reaches(self) -> bool:
        """Is the request processed at once?"""
        if self.kind in _MAY_LAND:
            return self.lands
        return self.kind not in _NEVER_LANDS and self.kind is not FaultKind.LATE


class Faults(Protocol):
    """Asked once per request; None lets it pass."""

    fired: Counter[FaultKind]

    def next(self, operation: str, key: str) -> Fault | None: ...


class NoFaults:
    """Everything works."""

    def __init__(self) -> None:
        self.fired: Counter[FaultKind] = Counter()

    def next(self, operation: str, key: str) -> Fault | None:
        del operation, key
        return None


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Strikes `times` matching requests after letting `skip` of them pass; times=None: all."""

    fault: Fault
    operation: str | None = None
    key: str | None = None
    skip: int = 0
    times: int | None = 1

    def matches(self, operation: str, key: str) -> bool:
        return self.operation in {None, operation} and self.key in {None, key}


@dataclass(slots=True)
class FaultSchedule:
    """Rules in order; the first that strikes wins, and later rules do not count that request.

    So rules for the same operation strike one request after the other.
    """

    rules: Sequence[FaultRule]
    fired: Counter[FaultKind] = field(default_factory=Counter)
    _seen: Counter[int] = field(default_factory=Counter)

    def next(self, operation: str, key: str) -> Fault | None:
        for number, rule in enumerate(self.rules):
            if not rule.matches(operation, key):
                continue
            turn = self._seen[number] - rule.skip
            self._seen[number] += 1
            if turn >= 0 and (rule.times is None or turn < rule.times):
                self.fired[rule.fault.kind] += 1
                return rule.fault
        return None


class SeededFaults:
    """Draws at the given rates (each 0..1, their sum at most 1).

    What strikes is a pure function of the seed, the operation, the key and how often that pair was
    asked before, so a run repeats however its tasks interleave.
    """

    def __init__(
        self,
        seed: int,
        rates: Mapping[Fault, float],
        *,
        operations: Collection[str] | None = None,
    ) -> None:
        if sum(rates.values()) > 1 or any(rate < 0 for rate in rates.values()):
            raise ValueError("the rates of a draw lie between 0 and 1 and sum to 1 at most")
        self.fired: Counter[FaultKind] = Counter()
        self._seed = seed
        self._rates = dict(rates)
        self._operations = operations
        self._asked: Counter[tuple[str, str]] = Counter()

    def next(self, operation: str, key: str) -> Fault | None:
        if self._operations is not None and operation not in self._operations:
            return None
        turn = self._asked[operation, key]
        self._asked[operation, key] += 1
        draw = Random(digest("exchange-fault", self._seed, operation, key, turn)).random()
        for fault, rate in self._rates.items():
            if draw < rate:
                self.fired[fault.kind] += 1
                return fault
            draw -= rate
        return None


class FaultFunction:
    """Asks a function of (operation, key)."""

    def __init__(self, function: Callable[[str, str], Fault | None]) -> None:
        self.fired: Counter[FaultKind] = Counter()
        self._function = function

    def next(self, operation: str, key: str) -> Fault | None:
        fault = self._function(operation, key)
        if fault is not None:
            self.fired[fault.kind] += 1
        return fault
