"""SW-16: the preflight of a runtime. What is asked outside is bounded and changes nothing there."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from common.config import FURTHER, Settings
from common.domain.instrument import ALL_VENUES, Venue
from common.ports import Clock
from common.reporting.preflight import run_preflight
from common.reporting.preflight_ports import PreflightLine, PreflightPorts, TimeTold
from infra.bootstrap import Runtime
from infra.outside.cloud import guarding_transport
from infra.venues.availability import live_refusal, live_refusals

if TYPE_CHECKING:
    import httpx

ASK_TIME_S = 2.5
TIMES_ASKED = 3


async def preflight_of(runtime: Runtime, *, running: bool = True) -> tuple[PreflightLine, ...]:
    """Every line. `running`: whether the functions run, or the start is still to come."""
    settings = runtime.settings

    async def check_messenger() -> str | None:
        from infra.telegram.late_messenger import LateMessenger
        from infra.telegram.messenger import TelegramMessenger

        messenger = runtime.make_messenger()
        if isinstance(messenger, TelegramMessenger | LateMessenger):
            return await messenger.check()
        return None if messenger is None else "a messenger of its own"

    async def told_time() -> TimeTold | None:
        return await ask_time(_sources(settings), runtime.clock)

    async def dead_letters(since: datetime) -> Sequence[str]:
        return await _dead_letters(settings, runtime.clock, since)

    return await run_preflight(
        PreflightPorts(
            settings=settings,
            clock=runtime.clock,
            store=runtime.store,
            running=running,
            make_feed=runtime.make_feed,
            make_venues=runtime.make_venues,
            refusals=live_refusals(settings),
            hopeless=hopeless(settings),
            check_messenger=check_messenger,
            told_time=told_time,
            dead_letters=dead_letters,
        )
    )


def hopeless(settings: Settings) -> frozenset[Venue]:
    """The venues that stay refused on this network even with all their variables set."""
    everything = replace(
        settings,
        further_urls={**dict.fromkeys(FURTHER, "https://set.example"), "SPOT_TOKEN_LIST": ""},
        api_key_secrets=dict.fromkeys(ALL_VENUES, "set:1"),
    )
    return frozenset(venue for venue in ALL_VENUES if live_refusal(venue, everything) is not None)


async def ask_time(sources: Sequence[tuple[str, str]], clock: Clock) -> TimeTold | None:
    """What the first of `sources` (label, address) that answers says; all are asked at once."""
    import httpx

    transport = guarding_transport(httpx.Limits())
    async with httpx.AsyncClient(
        timeout=ASK_TIME_S, follow_redirects=False, transport=transport
    ) as client:
        answers = await asyncio.gather(
            *(_ask_one(client, label, url, clock) for label, url in sources)
        )
    return next((told for told in answers if told is not None), None)


async def _ask_one(
    client: "httpx.AsyncClient", label: str, url: str, clock: Clock
) -> TimeTold | None:
    """The quickest of a few answers: the first one pays for the connection too."""
    answers = [await _ask_once(client, label, url, clock) for _ in range(TIMES_ASKED)]
    told = [answer for answer in answers if answer is not None]
    return min(told, key=lambda answer: answer.answered_at - answer.asked_at, default=None)


async def _ask_once(
    client: "httpx.AsyncClient", label: str, url: str, clock: Clock
) -> TimeTold | None:
    """Any answer will do, a refusal too: its Date is all that counts."""
    import httpx

    asked_at = clock.now()
    try:
        dates = (await client.head(url)).headers.get_list("date")
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    answered_at = clock.now()
    moment = _moment(dates[-1]) if dates else None  # a server in front puts its own before it
    if moment is None:
        return None
    return TimeTold(source=label, moment=moment, asked_at=asked_at, answered_at=answered_at)


def _moment(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def _sources(settings: Settings) -> list[tuple[str, str]]:
    """Telegram, the source of the prices, then the venues that have an address of their own."""
    from infra.feeds.hyperliquid import API_URL, TESTNET_URL

    prices = TESTNET_URL if settings.network == "testnet" else API_URL
    venues = {Venue.HYPERLIQUID: prices, **settings.venue_urls}
    bots = f"{settings.telegram.api_url.rstrip('/')}/bot"  # no token in it
    telegram = [("Telegram", bots)] if settings.telegram.chat_id else []
    return telegram + [(venue.label, url) for venue, url in venues.items()]


async def _dead_letters(settings: Settings, clock: Clock, since: datetime) -> list[str]:
    """Of the embedded bus, from its own file; Pub/Sub keeps its own under a topic."""
    from infra.local.bus.embedded import BUS_FILE, EmbeddedBus

    path = Path(settings.data_dir) / BUS_FILE
    if settings.bus != "embedded" or not path.exists():
        return []
    bus = EmbeddedBus(path, clock=clock)
    try:
        dead = bus.dead_letters()
    finally:
        await bus.stop()
    return [f"{each.subscription}: {each.reason}" for each in dead if each.dead_at >= since]
