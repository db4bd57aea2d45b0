"""The preflight of a runtime: what it asks outside, and what it makes of the settings."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from common.config import Settings, SwarmSettings, TelegramSettings
from common.domain.instrument import Venue
from common.reporting.preflight_ports import PreflightLine
from infra.bootstrap import Runtime, build
from infra.feeds.simulated import SimulatedFeed
from infra.local.bus.delivery import DeliveryPolicy
from infra.local.bus.embedded import BUS_FILE, EmbeddedBus
from infra.local.exchanges.telegram.exchange import CHAT_ID, TOKEN
from infra.local.store.memory import MemoryStore
from infra.preflight import ask_time, hopeless, preflight_of
from infra.telegram.messenger import TelegramMessenger
from tests.builders import NOON, a_message
from tests.fakes.clock import FakeClock
from tests.fakes.messenger import RecordingMessenger
from tests.fakes.publisher import RecordingPublisher
from tests.standins.serving import JsonStandIn, serving
from tests.standins.telegram import Telegram

LIVE = Settings(mode="live", network="testnet", feed="live")


class Dated(JsonStandIn):
    """Answers with `status` and the Date headers that it is told to."""

    def __init__(self, *dates: str, status: int = 404) -> None:
        super().__init__()
        self.dates = dates
        self.status = status

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = [(b"date", text.encode()) for text in self.dates]
        start = {"type": "http.response.start", "status": self.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": b"x" * 10})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize("status", [200, 302, 404, 503])
async def test_time_when_anything_answers_then_its_date_counts(
    clock: FakeClock, status: int
) -> None:
    async with serving(Dated(http_date(NOON), status=status)) as url:
        told = await ask_time([("Telegram", url)], clock)

    assert told is not None
    assert (told.source, told.moment) == ("Telegram", NOON)
    assert told.asked_at == told.answered_at == NOON


async def test_time_when_a_server_in_front_tells_its_own_then_the_last_one_counts(
    clock: FakeClock,
) -> None:
    later = NOON + timedelta(days=1)
    async with serving(Dated(http_date(NOON), http_date(later))) as url:
        told = await ask_time([("a venue", url)], clock)
    assert told is not None
    assert told.moment == later


async def test_time_when_the_first_is_silent_then_the_next_one_tells(clock: FakeClock) -> None:
    async with serving(Dated("yesterday")) as odd, serving(Dated(http_date(NOON))) as good:
        sources = [("nobody", "http://127.0.0.1:1"), ("no URL", "x"), ("odd", odd), ("good", good)]
        told = await ask_time(sources, clock)
    assert told is not None
    assert told.source == "good"


async def test_time_when_nobody_tells_then_none(clock: FakeClock) -> None:
    assert await ask_time([("nobody", "http://127.0.0.1:1")], clock) is None
    assert await ask_time([], clock) is None


def test_hopeless_when_on_mainnet_then_drift_alone() -> None:
    assert hopeless(replace(LIVE, network="mainnet")) == {Venue.DRIFT}


def test_hopeless_when_on_testnet_then_what_has_none_too() -> None:
    assert hopeless(LIVE) == {Venue.DRIFT, Venue.SPOT, Venue.SYMPHONY}
    with_stand_in = replace(LIVE, venue_urls={Venue.SYMPHONY: "http://127.0.0.1:1"})
    assert hopeless(with_stand_in) == {Venue.DRIFT, Venue.SPOT}


def paper(data_dir: Path, **changes: Any) -> Settings:
    swarm = SwarmSettings(symbols=("ETH",), interval="1m")
    return replace(Settings(data_dir=str(data_dir), swarm=swarm, api_token="t"), **changes)


def runtime_of(settings: Settings, **more: Any) -> Runtime:
    clock = FakeClock()
    runtime = build(
        settings,
        clock=clock,
        store=MemoryStore(),
        publisher=RecordingPublisher(),
        make_feed=lambda: SimulatedFeed(7, clock, settings.swarm.interval),
    )
    return replace(runtime, **more)


async def lines_of(runtime: Runtime, **more: Any) -> dict[str, PreflightLine]:
    return {line.name: line for line in await preflight_of(runtime, **more)}


async def test_preflight_when_on_paper_then_only_the_limits_are_missing(tmp_path: Path) -> None:
    lines = await lines_of(runtime_of(paper(tmp_path)))

    assert [name for name, line in lines.items() if not line.ok] == ["limits"]
    assert lines["telegram"].detail == "not set: not needed on paper"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
async def telegram() -> AsyncIterator[tuple[Telegram, TelegramMessenger]]:
    server = Telegram(TOKEN)
    async with serving(server) as url:
        messenger = TelegramMessenger(api_url=url, chat_id="42", token=TOKEN, clock=FakeClock())
        yield server, messenger
        await messenger.aclose()


async def test_preflight_when_telegram_is_set_then_asked_and_nothing_is_sent(
    tmp_path: Path, telegram: tuple[Telegram, TelegramMessenger]
) -> None:
    server, messenger = telegram
    lines = await lines_of(runtime_of(paper(tmp_path), make_messenger=lambda: messenger))

    assert lines["telegram"].detail == "@sapphire_stand_in_bot writes to You"
    assert [path.rpartition("/")[2] for path, _ in server.requests] == ["getMe", "getChat"]
    assert server.texts == []


async def test_preflight_when_the_messenger_is_another_then_it_counts_as_set(
    tmp_path: Path,
) -> None:
    runtime = runtime_of(paper(tmp_path), make_messenger=RecordingMessenger)
    assert (await lines_of(runtime))["telegram"].ok


async def test_preflight_when_live_then_the_time_is_telegram_s_own(tmp_path: Path) -> None:
    async with serving(Dated(http_date(NOON - timedelta(seconds=30)))) as url:
        telegram = TelegramSettings(api_url=url, chat_id=CHAT_ID)
        settings = replace(
            paper(tmp_path, mode="live", network="testnet", feed="live", telegram=telegram),
            venue_urls={Venue.HYPERLIQUID: "http://127.0.0.1:1"},
        )
        lines = await lines_of(runtime_of(settings))

    assert lines["clock"].detail.startswith("29.5 s ahead of Telegram")


@pytest.mark.parametrize("running", [True, False])
async def test_preflight_when_the_bus_has_dead_letters_then_only_the_recent_count(
    tmp_path: Path, running: bool
) -> None:
    clock = FakeClock()
    bus = EmbeddedBus(tmp_path / BUS_FILE, clock=clock, delivery=DeliveryPolicy(max_attempts=1))

    async def refuse(*_: object) -> int:
        return 500

    message = a_message()
    bus.subscribe(message.topic, "fan_out-signal-created", refuse)
    await bus.start()
    await bus.publish([message])
    await bus.idle()
    clock.advance(7200)
    await bus.publish([a_message(message_id="msg_2")])
    await bus.idle()
    await bus.stop()

    runtime = replace(runtime_of(paper(tmp_path)), clock=clock)
    line = (await lines_of(runtime, running=running))["messages"]

    assert line.ok is not running
    assert "1 dead within the hour, the last: fan_out-signal-created: HTTP 500" in line.detail
