"""The messenger against a stand-in of Telegram's Bot API."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from common.config import Settings, TelegramSettings
from common.errors import (
    ConfigurationError,
    RateLimitedError,
    RejectedError,
    SapphireError,
    TransientError,
)
from common.ports import Clock
from infra.bootstrap import build
from infra.local.clock import ManualClock, ScaledClock, SystemClock
from infra.local.store.memory import MemoryStore
from infra.telegram.messenger import TelegramMessenger, cut, joined, make_messenger
from tests.builders import NOON, a_notification
from tests.fakes.clock import FakeClock
from tests.fakes.publisher import RecordingPublisher
from tests.standins.serving import Fault, serving
from tests.standins.telegram import Telegram, refusal

TOKEN = "123456:s3cret-Token_x"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server() -> Telegram:
    return Telegram(TOKEN)


@pytest.fixture
async def messenger(server: Telegram, clock: FakeClock) -> AsyncIterator[TelegramMessenger]:
    async with serving(server) as url:
        messenger = make_messenger(TelegramSettings(api_url=f"{url}/", chat_id="42"), TOKEN, clock)
        assert messenger is not None
        yield messenger
        await messenger.aclose()


async def test_send_when_several_then_they_arrive_as_one_plain_message(
    messenger: TelegramMessenger, server: Telegram
) -> None:
    await messenger.send([a_notification(text="Bought <b>ETH</b> *now*"), a_notification(text="x")])

    assert server.texts == ["Bought <b>ETH</b> *now*\n\nx"]
    (_, body) = server.requests[0]
    assert "parse_mode" not in body


async def test_send_when_nothing_is_to_say_then_calls_nobody(
    messenger: TelegramMessenger, server: Telegram
) -> None:
    await messenger.send([])
    await messenger.send([a_notification(text=" \n")])

    assert server.requests == []


async def test_send_when_more_than_a_message_holds_then_sends_more_a_second_apart(
    messenger: TelegramMessenger, server: Telegram, clock: FakeClock
) -> None:
    texts = [f"{number} " + "x" * 1500 for number in range(5)]

    await messenger.send([a_notification(text=text) for text in texts])

    assert len(server.texts) == 3
    assert "\n\n".join(server.texts).split("\n\n") == texts
    assert clock.sleeps == [1.0, 1.0]


async def test_send_when_called_in_a_burst_then_one_call_a_second(
    messenger: TelegramMessenger, server: Telegram, clock: FakeClock
) -> None:
    await asyncio.gather(*(messenger.send([a_notification(text=str(n))]) for n in range(4)))
    clock.advance(0.4)
    await messenger.send([a_notification(text="late")])

    assert len(server.texts) == 5
    assert clock.sleeps == [1.0, 1.0, 1.0, 0.6]


async def test_send_when_told_to_wait_then_waits_that_long_and_sends_once(
    messenger: TelegramMessenger, server: Telegram, clock: FakeClock
) -> None:
    server.faults.append(refusal(429, "Too Many Requests: retry after 5", retry_after=5))

    await messenger.send([a_notification(text="x")])

    assert server.texts == ["x"]
    assert clock.sleeps == [5.0]


@pytest.mark.parametrize(
    ("faults", "calls", "wait"),
    [
        ([refusal(429, "Too Many Requests", retry_after=2)] * 4, 4, 2.0),
        ([refusal(429, "Too Many Requests", retry_after=3600)], 1, 3600.0),
        ([refusal(429, "Too Many Requests")], 1, None),
        ([Fault(429, b"<html>")], 1, None),
    ],
)
async def test_send_when_told_to_wait_too_often_or_too_long_then_rate_limited(
    messenger: TelegramMessenger,
    server: Telegram,
    faults: list[Fault],
    calls: int,
    wait: float | None,
) -> None:
    server.faults.extend(faults)

    with pytest.raises(RateLimitedError) as caught:
        await messenger.send([a_notification()])

    assert caught.value.retry_after_s == wait
    assert len(server.requests) == calls
    assert server.texts == []


@pytest.mark.parametrize(
    ("fault", "error", "words"),
    [
        (Fault(500, b"oops"), TransientError, "HTTP 500"),
        (Fault(200, b"<html>"), TransientError, "HTTP 200 without a confirmation"),
        (Fault(200, b"[]"), TransientError, "without a confirmation"),
        (Fault(200, b'{"ok": false}'), TransientError, "without a confirmation"),
        (refusal(400, "Bad Request: chat not found"), RejectedError, "chat not found"),
        (refusal(401, "Unauthorized"), RejectedError, "TELEGRAM_401: Unauthorized"),
        (refusal(403, "Forbidden: bot was blocked by the user"), RejectedError, "was blocked"),
        (Fault(404, b""), RejectedError, "TELEGRAM_404: no description"),
        (Fault(302, headers={"location": "http://127.0.0.1:1"}), RejectedError, "TELEGRAM_302"),
    ],
)
async def test_send_when_refused_or_failed_then_error_says_which(
    messenger: TelegramMessenger,
    server: Telegram,
    fault: Fault,
    error: type[SapphireError],
    words: str,
) -> None:
    server.faults.append(fault)

    with pytest.raises(error, match=words) as caught:
        await messenger.send([a_notification()])

    assert type(caught.value) is error
    assert TOKEN not in str(caught.value)
    assert len(server.requests) == 1


async def test_send_when_telegram_hangs_or_is_away_then_transient_without_the_token(
    server: Telegram, clock: FakeClock
) -> None:
    server.faults.append(Fault(hang=True))
    async with serving(server) as url, httpx.AsyncClient(timeout=0.1) as client:
        messenger = TelegramMessenger(
            api_url=url, chat_id="42", token=TOKEN, clock=clock, client=client
        )
        with pytest.raises(TransientError, match="ReadTimeout") as slow:
            await messenger.send([a_notification()])
    async with httpx.AsyncClient(timeout=1) as client:
        messenger = TelegramMessenger(
            api_url=url, chat_id="42", token=TOKEN, clock=clock, client=client
        )
        with pytest.raises(TransientError, match="ConnectError") as away:
            await messenger.send([a_notification()])

    for caught in (slow, away):
        assert caught.value.__suppress_context__
        assert TOKEN not in str(caught.value)


async def test_send_when_the_url_is_none_then_a_person_must_act(clock: FakeClock) -> None:
    for url in ("ftp://127.0.0.1", "nonsense", "http://[::1"):
        messenger = TelegramMessenger(api_url=url, chat_id="42", token=TOKEN, clock=clock)
        with pytest.raises(ConfigurationError, match="TELEGRAM_API_URL") as caught:
            await messenger.send([a_notification()])
        assert TOKEN not in str(caught.value)
        await messenger.aclose()


async def test_send_when_everything_is_logged_then_the_token_is_not(
    messenger: TelegramMessenger, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        await messenger.send([a_notification()])

    assert "/bot***/sendMessage" in caplog.text
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(messenger)


def test_cut_when_text_is_too_long_then_ends_at_a_line() -> None:
    lines = [f"line {number}" for number in range(1000)]

    text = cut("\n".join(lines))

    assert 4000 < len(text) <= 4096
    *kept, ellipsis = text.split("\n")
    assert ellipsis == "…"
    assert kept == lines[: len(kept)]


@pytest.mark.parametrize("text", ["x" * 5000, "😀" * 3000, "x" + "😀" * 3000])
def test_cut_when_there_is_no_line_then_ends_where_it_must(text: str) -> None:
    short = cut(text)

    assert short.endswith("\n…")
    assert text.startswith(short.removesuffix("\n…"))
    assert 4090 < len(short.encode("utf-16-le")) // 2 <= 4096


def test_joined_when_it_just_fits_then_one_message_else_two() -> None:
    assert len(joined(["x" * 2000, "y" * 2094])) == 1
    assert len(joined(["x" * 2000, "y" * 2095])) == 2
    assert joined(["x" * 4096]) == ["x" * 4096]


@pytest.mark.parametrize(("token", "chat_id"), [(None, "42"), ("", "42"), (TOKEN, None)])
def test_make_when_token_or_chat_is_missing_then_there_is_no_channel(
    token: str | None, chat_id: str | None
) -> None:
    assert make_messenger(TelegramSettings(chat_id=chat_id), token, FakeClock()) is None


@pytest.mark.parametrize("token", ["s3cret token", "s3cret/../x", "s3crét", "x" * 201])
def test_make_when_token_cannot_be_one_then_a_person_must_act(token: str) -> None:
    with pytest.raises(ConfigurationError, match="TELEGRAM_BOT_TOKEN") as caught:
        make_messenger(TelegramSettings(chat_id="42"), token, FakeClock())
    assert token not in str(caught.value)


@pytest.mark.parametrize("clock", [ScaledClock(NOON, 60), ManualClock(NOON)])
def test_build_when_the_clock_is_not_real_then_telegram_is_paced_in_real_time(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
    settings = Settings(telegram=TelegramSettings(chat_id="42"))
    runtime = build(settings, clock=clock, store=MemoryStore(), publisher=RecordingPublisher())
    messenger = runtime.make_messenger()
    assert isinstance(messenger, TelegramMessenger)
    assert isinstance(messenger._clock, SystemClock)


async def test_check_when_all_is_well_then_says_who_writes_to_whom_and_sends_nothing(
    messenger: TelegramMessenger, server: Telegram, clock: FakeClock
) -> None:
    assert await messenger.check() == "@sapphire_stand_in_bot writes to You"
    assert [path.rpartition("/")[2] for path, _ in server.requests] == ["getMe", "getChat"]
    assert (server.texts, clock.sleeps) == ([], [])


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ([refusal(401, "Unauthorized")], RejectedError),
        ([None, refusal(400, "Bad Request: chat not found")], RejectedError),
        ([Fault(502, b"<html>")], TransientError),
        ([refusal(429, "Too Many Requests", retry_after=5)], RateLimitedError),
    ],
)
async def test_check_when_telegram_refuses_then_raises_at_once(
    messenger: TelegramMessenger,
    server: Telegram,
    faults: list[Fault | None],
    expected: type[SapphireError],
) -> None:
    server.faults.extend(faults)
    with pytest.raises(expected) as raised:
        await messenger.check()
    assert TOKEN not in str(raised.value)


@pytest.mark.parametrize(
    ("bot", "chat", "says"),
    [
        ({"username": "b\x1b[31m_bot"}, {"title": "Ops"}, "@b[31m_bot writes to Ops"),
        ({}, {"title": 5, "first_name": "Ann"}, "@somebody writes to Ann"),
        ([], None, "@somebody writes to somebody"),
        ({"username": "b" * 500}, {"first_name": ""}, f"@{'b' * 128} writes to somebody"),
    ],
)
async def test_check_when_the_names_are_odd_then_one_printable_line(
    messenger: TelegramMessenger, server: Telegram, bot: object, chat: object, says: str
) -> None:
    for result in (bot, chat):
        server.faults.append(Fault(body=json.dumps({"ok": True, "result": result}).encode()))
    assert await messenger.check() == says
