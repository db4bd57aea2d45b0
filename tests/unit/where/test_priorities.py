"""V3-07, VP-02: whose order of venues counts."""

from collections.abc import Mapping

import pytest

from common.books import V2, V3
from common.documents import create
from common.domain.instrument import Venue
from common.domain.routing import RoutingMode
from common.ports import Create, Ref
from common.where.priorities import RoutingConfig, RoutingPreference, routing_preference
from infra.local.store.memory import MemoryStore
from tests.builders import AGENT_ID, DEPLOYMENT_ID, NOON, a_deployment

HL, OSTIUM, GMX = Venue.HYPERLIQUID, Venue.OSTIUM, Venue.GMX


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ({}, (HL, OSTIUM)),
        ({AGENT_ID: (OSTIUM, HL)}, (OSTIUM, HL)),
        ({AGENT_ID: (OSTIUM, HL), DEPLOYMENT_ID: (HL,)}, (HL,)),
        ({DEPLOYMENT_ID: (GMX, OSTIUM)}, (GMX, OSTIUM)),
    ],
)
async def test_routing_preference_when_configured_then_as_its_own_else_as_its_agents(
    configured: Mapping[str, tuple[Venue, ...]], expected: tuple[Venue, ...]
) -> None:
    store = MemoryStore()
    for subject, venues in configured.items():
        config = RoutingConfig(subject_id=subject, venues=venues, updated_at=NOON)
        await store.commit([create(Ref("venue_routing_config_v3", subject), config)])

    assert (await routing_preference(store, V3, a_deployment())).venues == expected
    assert (await routing_preference(store, V2, a_deployment())).venues == (HL, OSTIUM)


async def test_routing_preference_when_a_mode_is_configured_then_it_comes_with_the_venues() -> None:
    store = MemoryStore()
    config = RoutingConfig(
        subject_id=AGENT_ID, venues=(GMX,), updated_at=NOON, mode=RoutingMode.SPLIT
    )
    await store.commit([create(Ref("venue_routing_config_v3", AGENT_ID), config)])

    found = await routing_preference(store, V3, a_deployment())

    assert found == RoutingPreference((GMX,), RoutingMode.SPLIT)


async def test_routing_preference_when_older_than_modes_then_by_priority() -> None:
    store = MemoryStore()
    old = {"subject_id": AGENT_ID, "venues": ["GMX"], "updated_at": "2026-01-02T03:04:05.000Z"}
    await store.commit([Create(Ref("venue_routing_config_v3", AGENT_ID), old)])

    found = await routing_preference(store, V3, a_deployment())

    assert found == RoutingPreference((GMX,), RoutingMode.PRIORITY)
