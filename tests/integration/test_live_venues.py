"""Every other venue through the same wiring, with the variables that `sapphire exchange` prints."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.books import V2
from common.domain.instrument import Venue
from common.domain.money import ZERO
from common.domain.position import Position
from common.wire import from_document
from infra.cli.exchange_session import variables_of
from infra.local.clock import ManualClock
from infra.local.exchanges.local_runs import StandIn, Wish, open_stand_in
from infra.local.exchanges.server import ExchangeServer
from infra.local.stack.server import LoopServer, bind
from tests.integration.live_town import AGENTS, MASTER, WEDNESDAY, LiveTown

KEYED = {"aster": "aster", "gmx": "gmx", "ostium": "ostium", "uniswap": "spot"}
"""Stand-ins whose venue takes a key, by the name that `sapphire seal` has for the venue."""

SIZED_IN_MONEY = {"gmx", "ostium", "symphony"}
"""These take dollars, not tokens: bought at a better price than the bound they hold a little less
than was asked for, never more.
"""


def signed(fills: list[Any], quantity: Callable[[Any], Decimal]) -> Decimal:
    """The position that a stand-in's own fills add up to."""
    return sum((quantity(each) * (1 if each.side == "BUY" else -1) for each in fills), ZERO)


@asynccontextmanager
async def at_venue(name: str, data_dir: Path) -> AsyncIterator[tuple[LiveTown, StandIn]]:
    clock = ManualClock(WEDNESDAY)
    wish = Wish(wallet=MASTER, agents=tuple(AGENTS[:1]) if name in KEYED else ())
    stand_in = open_stand_in(name, wish, clock)
    server = LoopServer(ExchangeServer(stand_in.exchange, clock=clock), bind(0))
    await server.start()
    environ = await variables_of(stand_in, server.url, data_dir)
    venues = (Venue.HYPERLIQUID, stand_in.venue)
    town = LiveTown(data_dir, venues=venues, environ=environ, clock=clock)
    await town.start()
    try:
        yield town, stand_in
    finally:
        await town.stop()
        await server.stop()


async def deploy(town: LiveTown, name: str, venue: Venue) -> None:
    """An agent that trades at this venue alone, with a key where one signs there."""
    agent = await town.api.post(
        "/api/agents/create", {"creator_wallet": MASTER, "name": "Bob", "venue": "MULTI"}
    )
    town.agent_id = str(agent["agent_id"])
    keys = await town.sealed(0, venue=KEYED[name]) if name in KEYED else {}
    body = {
        "agent_id": town.agent_id,
        "user_wallet": MASTER,
        "capital": "10000",
        "enabled_venues": [venue.value],
    }
    await town.api.post("/api/agents/deploy", {**body, **keys})
    await town.stack.idle()


@pytest.mark.parametrize("name", ["aster", "gmx", "ostium", "uniswap", "symphony"])
async def test_signal_when_live_at_a_venue_then_our_books_are_the_venue_s(
    name: str, tmp_path: Path
) -> None:
    async with at_venue(name, tmp_path) as (town, stand_in):
        await deploy(town, name, stand_in.venue)

        signal = await town.signal(book="")
        for _ in range(8):
            await town.pass_time()

        shown = await town.api.get(f"/api/signals/{signal['id']}")
        whole = "PARTIAL" if name in SIZED_IN_MONEY else "EXECUTED"
        assert (shown["status"], shown["final_venue"]) == (whole, stand_in.venue.value), shown
        theirs = stand_in.exchange.fills()  # type: ignore[attr-defined]  # each stand-in's oracle
        total = signed(theirs, lambda each: each.qty if hasattr(each, "qty") else each.quantity)
        held = [from_document(Position, data) for data in await town.records(V2.positions)]
        assert sum((position.signed_qty for position in held), ZERO) == total
        assert Decimal("0.196") < total <= Decimal("0.2")
        ours = [record.fill.trade_id for record in await town.fills()]
        assert sorted(ours) == sorted(each.trade_id for each in theirs)
        check = await town.stack.check()
        assert check.ok, check.line()
