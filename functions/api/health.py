"""Whether the chain runs: read from the store, and kept for a moment so that it answers at once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from common.books import MARKET_SNAPSHOTS
from common.config import VERSION, Settings
from common.domain.instrument import Venue
from common.domain.moment import from_iso
from common.errors import TransientError
from common.how.limits import price_age_max
from common.how.trading_state import read_state
from common.ports import Clock, DocumentStore, Ref
from common.where.breaker import Breaker, BreakerStatus
from common.where.breakers import Breakers
from common.wire import JsonObject

KEPT_S = 2.0


@dataclass(slots=True)
class _Reading:
    store: DocumentStore
    taken_at: float
    components: JsonObject
    config: JsonObject


class Health:
    """One for each process; a reading of the store is good for `KEPT_S` seconds."""

    def __init__(self) -> None:
        self._started_at = time.monotonic()
        self._reading: _Reading | None = None

    async def report(self, *, store: DocumentStore, clock: Clock, settings: Settings) -> JsonObject:
        now, last = time.monotonic(), self._reading
        if last is None or last.store is not store or now - last.taken_at >= KEPT_S:
            components = await _read(store, clock, settings)
            last = self._reading = _Reading(store, now, components, _config(settings))
        components = last.components
        running = components["store"] == "ok" and components["market_data"] == "fresh"
        return {
            "status": "healthy" if running else "degraded",
            "version": VERSION,
            "orchestrator": {
                "running": running,
                "uptime_seconds": round(time.monotonic() - self._started_at, 3),
                "config": last.config,
                "components": components,
            },
        }


def _config(settings: Settings) -> JsonObject:
    swarm = settings.swarm
    return {
        "mode": settings.mode,
        "feed": settings.feed,
        "interval": swarm.interval,
        "symbols": list(swarm.symbols),
        "venues": [venue.value for venue in settings.venues],
    }


async def _read(store: DocumentStore, clock: Clock, settings: Settings) -> JsonObject:
    refs = [Ref(MARKET_SNAPSHOTS, symbol) for symbol in settings.swarm.symbols]
    try:
        snapshots = await store.get_many(refs)
        state = await read_state(store)
        breakers = await Breakers(store, clock, settings.breaker).read(settings.venues)
    except TransientError:
        return {"store": "unreachable", "market_data": "unknown", "trading": "unknown"}
    observed = [from_iso(item.data["observed_at"]) for item in snapshots if item is not None]
    return {
        "store": "ok",
        "market_data": _freshness(observed, clock.now(), settings),
        "trading": state.value,
        "breakers_open": _open(breakers),
    }


def _freshness(observed: list[datetime], now: datetime, settings: Settings) -> str:
    if not observed:
        return "none yet"
    age_max = price_age_max(settings.swarm.interval, settings.limits)
    return "fresh" if now - max(observed) <= age_max else "stale"


def _open(breakers: Mapping[Venue, Breaker]) -> list[str]:
    return [
        venue.value for venue, breaker in breakers.items() if breaker.status is BreakerStatus.OPEN
    ]
