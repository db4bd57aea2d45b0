"""One venue to trade at: the adapter, what it lists, and the stand-in's own word on what filled."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.market import INTERVAL_MS, Candle, MarketSnapshot
from common.domain.moment import to_ms
from common.domain.money import ZERO
from common.domain.order import VenueCandidate
from common.ports import ExecutionVenue
from infra.local.exchanges.faults import Fault, FaultRule, FaultSchedule
from infra.local.exchanges.server import ExchangeServer
from infra.local.store.memory import MemoryStore
from tests.builders import a_snapshot
from tests.fakes.accounts import FakeAccounts
from tests.fakes.clock import FakeClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """`fills` is the oracle: the signed quantity of each execution, as the venue itself has it."""

    venue: ExecutionVenue
    table: InstrumentTable
    candidate: VenueCandidate  # of a BUY
    symbol: str
    mark: Decimal
    clock: FakeClock
    store: MemoryStore
    fills: Callable[[], list[Decimal]]
    strike: Callable[[Fault], bool]  # False: there is no such misfortune at this venue
    strike_cancel: Callable[[Fault], bool] | None = None  # None: nothing rests there
    move: Callable[[Decimal], None] | None = None  # the venue's own mark; None: no stop rests there
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

    @property
    def instrument(self) -> Instrument:
        found = self.table.find(self.symbol)
        assert found is not None, self.symbol
        return found

    def quote(self, mark: Decimal | None = None) -> MarketSnapshot:
        """The mark as it stands in the store for the whole course: candles of a day age slowly."""
        mark = self.mark if mark is None else mark
        flat = Candle(
            open_time_ms=to_ms(self.clock.now()) - INTERVAL_MS["1d"],
            open=mark,
            high=mark,
            low=mark,
            close=mark,
            volume=Decimal(100),
        )
        return a_snapshot(
            self.symbol,
            interval="1d",
            candles=(flat,),
            mark=mark,
            observed_at=self.clock.now(),
        )

    def filled(self) -> Decimal:
        return sum(self.fills(), ZERO)


MakeStand = Callable[[], Awaitable[Stand]]


def strike_at(
    server: ExchangeServer, sends: tuple[str, ...], asks: tuple[str, ...]
) -> Callable[[Fault], bool]:
    """The fault meets the next request that sends the order, by whichever of its words; what only
    queries can show meets the next of each query.
    """

    def strike(fault: Fault) -> bool:
        words = asks if fault.kind.value.startswith("FILLS_") else sends
        rules = [FaultRule(fault, operation=word) for word in words]
        server.faults = FaultSchedule(rules)
        return bool(rules)

    return strike
