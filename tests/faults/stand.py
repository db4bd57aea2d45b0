"""One venue to trade at: the adapter, what it lists, and the stand-in's own word on what filled."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from common.domain.instrument import Venue
from common.domain.money import ZERO
from common.domain.order import VenueCandidate
from common.ports import ExecutionVenue
from infra.local.exchanges.faults import Fault, FaultRule, FaultSchedule
from infra.local.exchanges.server import ExchangeServer
from infra.local.store.memory import MemoryStore
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """`fills` is the oracle: the signed quantity of each execution, as the venue itself has it."""

    venue: ExecutionVenue
    candidate: VenueCandidate  # of a BUY
    symbol: str
    mark: Decimal
    clock: FakeClock
    store: MemoryStore
    fills: Callable[[], list[Decimal]]
    strike: Callable[[Fault], bool]  # False: there is no such misfortune at this venue
    pass_time: Callable[[], None]
    another: Callable[[], ExecutionVenue] | None = None  # the adapter as a new process has it
    server: ExchangeServer | None = None  # None: there is none, on paper
    accounts: FakeAccounts | None = None

    @property
    def name(self) -> Venue:
        return self.venue.venue

    def reopen(self) -> ExecutionVenue:
        """The same adapter where it keeps nothing of an order in memory."""
        return self.another() if self.another else self.venue

    def filled(self) -> Decimal:
        return sum(self.fills(), ZERO)


MakeStand = Callable[[], Awaitable[Stand]]


def strike_at(server: ExchangeServer, sends: str, asks: tuple[str, ...]) -> Callable[[Fault], bool]:
    """The fault meets the first request that sends the order; what only queries can show meets the
    first of each query.
    """

    def strike(fault: Fault) -> bool:
        words = asks if fault.kind.value.startswith("FILLS_") else (sends,)
        rules = [FaultRule(fault, operation=word) for word in words]
        server.faults = FaultSchedule(rules)
        return bool(rules)

    return strike
