"""The simulated bus keeps what no fault may break: nothing comes before its time."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from starlette.requests import Request
from starlette.responses import Response

from common.config import Settings
from infra.bootstrap import build
from infra.gcp.envelope import open_push, parse_body
from infra.local.store.memory import MemoryStore
from tests.builders import a_message
from tests.fakes.verifier import OpenVerifier
from tests.simulation.bus import SimBus
from tests.simulation.world import START, FaultRates, World


@pytest.mark.parametrize("seed", range(20))
async def test_sim_bus_when_messages_are_for_later_then_none_comes_before_its_time(
    seed: int,
) -> None:
    world = World(seed, FaultRates(duplicate=0.3, delay=0.2, pause=0.1))
    bus = SimBus(world)
    bus.runtime = build(
        Settings(), clock=world, store=MemoryStore(), publisher=bus, verifier=OpenVerifier()
    )
    came: list[tuple[str, datetime]] = []

    async def entry_point(request: Request) -> Response:
        push = open_push(parse_body(await request.body()))
        came.append((push.attributes["id"], world.now()))
        return Response(status_code=204)

    bus.subscribe("signal-created", "reader", entry_point)
    due = {f"msg_{n}": START + timedelta(seconds=n) for n in range(-2, 8)}
    messages = [
        replace(a_message(message_id=name), deliver_at=deliver_at)
        for name, deliver_at in due.items()
    ]
    world.start(bus.publish(messages))
    await world.run_until(START + timedelta(hours=1))
    await world.close()

    assert {name for name, _ in came} == set(due)
    assert bus.pending == 0
    assert [(name, at) for name, at in came if at < due[name]] == []
