"""Live trading in one process: the whole stack by its own settings, the venues on sockets."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.books import FILLS, V3
from common.config import SwarmSettings, load_settings
from common.documents import every
from common.domain.instrument import Venue
from common.domain.order import FillRecord
from common.domain.position import Position
from common.how.limit_documents import default_limits
from common.wire import JsonObject, from_document
from infra.cli.limits_fields import all_of
from infra.feeds.registry import make_feed
from infra.keys.address import address_of
from infra.local.clock import ManualClock
from infra.local.exchanges.candles import QuietCandles
from infra.local.exchanges.hyperliquid.assets import Listing
from infra.local.exchanges.hyperliquid.exchange import HyperliquidExchange
from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.telegram.beside import BesideVenue
from infra.local.exchanges.telegram.exchange import CHAT_ID, TOKEN, TelegramExchange
from infra.local.stack.assembly import LocalStack
from infra.local.stack.embedded import EmbeddedBackend
from infra.local.stack.server import LoopServer, bind
from infra.telegram.messenger import TelegramMessenger
from tests.builders.keys import a_private_key
from tests.functions.api_client import agent_body
from tests.integration.command import COMMAND, PATIENCE_S, environment
from tests.integration.harness import API_TOKEN, Api
from tests.integration.hyperliquid_floor import META, SPOT_META

WEDNESDAY = datetime(2025, 10, 22, 15, 0, tzinfo=UTC)
MASTER = "0x" + "a1" * 20
MARKS = {"BTC": Decimal(100_000), "ETH": Decimal(3000)}
AGENTS = [address_of(a_private_key(number)) for number in range(3)]
VENUES = (Venue.HYPERLIQUID, Venue.OSTIUM, Venue.DRIFT)
PUSH_TOKEN = "push-token-of-a-test"


class LiveTown:
    """Everything of live trading but the venue, which stands in on a port of its own.

    Prices are always Hyperliquid's, so its stand-in is always there. `environ` sets more than what
    live mode needs, such as another venue's address. With `telegram` people are told through its
    stand-in, and `people` holds what they were told.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        venues: tuple[Venue, ...] = VENUES,
        environ: Mapping[str, str] | None = None,
        clock: ManualClock | None = None,
        telegram: bool = False,
    ) -> None:
        self.data_dir = data_dir
        self.clock = clock or ManualClock(WEDNESDAY)
        self.exchange = HyperliquidExchange(
            Listing.of(META, SPOT_META), marks=MARKS, candles=QuietCandles(MARKS, self.clock)
        )
        self.exchange.deposit(MASTER, "10000")
        self.venue = ExchangeServer(self.exchange, clock=self.clock)
        self.people = TelegramExchange()
        both = BesideVenue(self.venue, ExchangeServer(self.people, clock=self.clock))
        self._listening = LoopServer(both, bind(0))
        self._environ = pytest.MonkeyPatch()
        if telegram:
            self._environ.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
            self._environ.setenv("TELEGRAM_CHAT_ID", CHAT_ID)  # commands in processes of their own
            told = {
                "TELEGRAM_API_URL": self._listening.url,
                "TELEGRAM_BOT_TOKEN": TOKEN,
                "TELEGRAM_CHAT_ID": CHAT_ID,
            }
            environ = {**told, **(environ or {})}
        self.url = self._listening.url
        settings = load_settings(
            {
                "SAPPHIRE_MODE": "live",
                "SAPPHIRE_NETWORK": "testnet",
                "SAPPHIRE_FEED": "live",
                "SAPPHIRE_DATA_DIR": str(data_dir),
                "SAPPHIRE_API_TOKEN": API_TOKEN,
                "HYPERLIQUID_API_URL": self.url,
                **(environ or {}),
            }
        )
        swarm = SwarmSettings(symbols=("ETH",), interval="1m", history_candles=1)  # stays silent
        self.settings = replace(settings, venues=venues, swarm=swarm)
        self.backend = EmbeddedBackend(None, clock=self.clock, in_order=True)
        self.feed = make_feed(self.settings, self.clock)
        self.stack = LocalStack(
            settings=self.settings,
            clock=self.clock,
            backend=self.backend,
            make_feed=lambda: self.feed,
            push_token=PUSH_TOKEN,
        )
        self.api = Api(self.stack)
        self.agent_id = ""
        self.deployment_id = ""

    async def start(self) -> None:
        await self._listening.start()
        await self.stack.start()
        limits = all_of(default_limits(self.settings.limits, self.clock.now()))
        set_by = {"scope": "platform", "reason": "a test", "by": "Ada"}
        await self.api.post("/api/ops/limits", {**limits, **set_by})
        await self.stack.run_job("fetch_market", self.clock.now())
        await self.stack.idle()
        made = await self.api.post("/api/v3/agents/create", agent_body())
        self.agent_id = str(made["agent_id"])

    async def stop(self) -> None:
        await self.api.close()
        await self.stack.stop()
        for venue in self.stack.runtime.make_venues().values():
            await venue.close()  # type: ignore[attr-defined]  # every live venue has it
        await self.feed.aclose()  # type: ignore[attr-defined]  # the live feed has it
        messenger = self.stack.runtime.make_messenger()
        if isinstance(messenger, TelegramMessenger):
            await messenger.aclose()
        await self._listening.stop()
        self._environ.undo()

    async def pass_time(self, seconds: float = 5) -> None:
        """Later, with a new look at the market and one at every open order."""
        self.clock.advance_to(self.clock.now() + timedelta(seconds=seconds))
        for job in ("fetch_market", "relay", "settle"):
            await self.stack.run_job(job, self.clock.now())
        await self.stack.idle()

    async def sealed(
        self, number: int, *, version: int = 1, venue: str = "hyperliquid"
    ) -> JsonObject:
        """What `sapphire seal` prints for the key that is piped in."""
        named = ["--agent", self.agent_id, "--wallet", MASTER, "--venue", venue]
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *("seal", *named, "--key-version", str(version), "--data-dir", str(self.data_dir)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment(),
        )
        async with asyncio.timeout(PATIENCE_S):
            out, error = await process.communicate(a_private_key(number).reveal().hex().encode())
        assert process.returncode == 0, error.decode()
        fields: JsonObject = json.loads(out)
        return fields

    async def deploy(self, number: int = 0) -> None:
        """With the key of an agent that the master has approved; READY afterwards."""
        self.approve(number)
        body = await self.deployment(number)
        made = await self.api.post("/api/v3/agents/deploy", body)
        self.deployment_id = str(made["deployment_id"])
        await self.stack.idle()
        assert await self.key_status() == "READY"

    async def deployment(self, number: int = 0) -> JsonObject:
        return {
            "agent_id": self.agent_id,
            "user_wallet": MASTER,
            "capital": "10000",
            **await self.sealed(number),
        }

    def approve(self, number: int) -> None:
        name = f"agent {number}"
        self.exchange.approve_agent(MASTER, AGENTS[number], self.clock.now(), name=name)

    async def key_status(self) -> str:
        told = await self.api.get(f"/api/v3/deployments/{self.deployment_id}")
        return str(told["keys"]["HYPERLIQUID"]["status"])

    async def rotate(self, number: int, version: int) -> None:
        subject = {"deployment_id": self.deployment_id, "venue": "HYPERLIQUID"}
        fields = await self.sealed(number, version=version)
        await self.api.post("/api/v3/agents/keys/rotate", {**subject, **fields})
        await self.stack.idle()

    async def signal(self, book: str = "/v3", **changes: Any) -> JsonObject:
        """Send one for 600 dollars of ETH, let it end, and return what the API says of it."""
        body: JsonObject = {
            "agent_id": self.agent_id,
            "token_symbol": "ETH",
            "side": "LONG",
            "size_model": {"type": "fixed", "value": "600"},
            "confidence": "0.9",
            **changes,
        }
        made = await self.api.post(f"/api{book}/signals/generate", body)
        await self.stack.idle()
        return await self.api.get(f"/api{book}/signals/{made['id']}")

    async def records(self, collection: str) -> list[JsonObject]:
        return [item.data async for item in every(self.stack.runtime.store, collection)]

    async def fills(self) -> list[FillRecord]:
        return [from_document(FillRecord, data) for data in await self.records(FILLS)]

    async def position(self) -> Decimal:
        held = [from_document(Position, data) for data in await self.records(V3.positions)]
        return sum((each.signed_qty for each in held), Decimal(0))

    def sent(self) -> int:
        """How many orders came in at the venue."""
        return sum(operation.name == "order" for operation, _ in self.venue.requests)

    async def assert_books_are_the_venue_s(self) -> None:
        ours = {
            (each.fill.trade_id, each.fill.last_qty, each.fill.last_px, each.fill.commission)
            for each in await self.fills()
        }
        theirs = self.exchange.fills(MASTER)
        assert ours == {(str(each.tid), each.size, each.price, each.fee) for each in theirs}
        assert len(ours) == len(theirs) == len(await self.fills())
        assert await self.position() == self.exchange.position(MASTER, "ETH")
        check = await self.stack.check()
        assert check.ok, check.line()
