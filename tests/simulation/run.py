"""One run, while it is on and when it is finished."""

from dataclasses import dataclass, field

from common.domain.instrument import Venue
from common.wire import JsonObject
from infra.local.store.memory import MemoryStore
from tests.simulation.bus import SimBus
from tests.simulation.messenger import SimMessenger
from tests.simulation.venue import SimVenue
from tests.simulation.watch import Watch
from tests.simulation.world import World

Contents = dict[str, dict[str, JsonObject]]


@dataclass(slots=True)
class Run:
    """The store, the venues' own ledgers, and what was seen on the way."""

    seed: int
    world: World
    store: MemoryStore
    venues: dict[Venue, SimVenue]
    bus: SimBus
    messenger: SimMessenger
    watch: Watch
    flattens: list[str] = field(default_factory=list)  # that were asked for
    before_replay: Contents | None = None  # None: nothing was delivered again
    after_replay: Contents | None = None

    @property
    def seen(self) -> list[str]:
        """Each broken invariant, starting with its number."""
        return self.watch.seen

    @property
    def orders_sent(self) -> int:
        return sum(len(times) for times in self.watch.sent_at.values())
