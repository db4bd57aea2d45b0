"""The venues and what they list."""

from fastapi import APIRouter

from common.domain.instrument import InstrumentTable, Venue
from common.domain.moment import iso
from common.errors import NotFoundError
from common.where.breakers import Breakers
from common.wire import JsonObject, to_document
from infra.venues.availability import live_refusal
from infra.web.requests import RecordId, RuntimeOf, StrictRoute

router = APIRouter(tags=["venues"], route_class=StrictRoute)


@router.get("/api/venues")
async def summary(runtime: RuntimeOf) -> JsonObject:
    """Every venue in order of priority: its live pair count, and why it cannot trade live."""
    instruments, venues = runtime.make_instruments(), runtime.settings.venues
    breakers = await Breakers(runtime.store, runtime.clock, runtime.settings.breaker).read(venues)
    return {
        "venues": [
            {
                **_head(venue, await instruments.table(venue)),
                "breaker": breakers[venue].status.value,
                "live_refusal": live_refusal(venue, runtime.settings),
            }
            for venue in venues
        ]
    }


@router.get("/api/venues/{id}")
async def table(id: RecordId, runtime: RuntimeOf) -> JsonObject:  # noqa: A002 - the path's word
    """One venue with all of its instruments."""
    if id not in {venue.value for venue in runtime.settings.venues}:
        raise NotFoundError("no such venue", code="VENUE_NOT_FOUND")
    found = await runtime.make_instruments().table(Venue(id))
    listed = [to_document(item) for item in found.instruments] if found else []
    refusal = live_refusal(Venue(id), runtime.settings)
    return {**_head(Venue(id), found), "live_refusal": refusal, "instruments": listed}


def _head(venue: Venue, found: InstrumentTable | None) -> JsonObject:
    return {
        "venue": venue.value,
        "name": venue.label,
        "pair_count": found.pair_count if found else None,
        "source": found.source if found else None,
        "refreshed_at": iso(found.refreshed_at) if found else None,
    }
