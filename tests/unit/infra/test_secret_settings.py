"""Secrets that settings name. Numbers: the bad-input catalogue."""

from datetime import timedelta

import pytest

from common.config import Settings, TelegramSettings
from common.errors import ConfigurationError, TransientError
from infra.bootstrap import Runtime, build
from infra.local.store.memory import MemoryStore
from infra.secret_settings import KEPT_FOR, SecretText
from infra.telegram.late_messenger import LateMessenger
from tests.builders import a_notification
from tests.fakes.clock import FakeClock
from tests.fakes.publisher import RecordingPublisher
from tests.fakes.secrets import MemorySecrets
from tests.standins.serving import serving
from tests.standins.telegram import Telegram

VARIABLE = "SAPPHIRE_API_TOKEN_SECRET"
TOKEN = "t0k3n-of-the-operator"


class Place:
    def __init__(self, value: bytes | None = TOKEN.encode(), place: str = "a-token:1") -> None:
        self.secrets = MemorySecrets()
        if value is not None:
            self.secrets.values["a-token"] = [value]
        self.clock = FakeClock()
        self.text = SecretText(VARIABLE, place, lambda: self.secrets, self.clock)


async def test_read_when_it_is_fresh_then_the_store_is_asked_once() -> None:
    place = Place()

    assert [await place.text.read() for _ in range(3)] == [TOKEN] * 3
    assert place.secrets.read == [("a-token", "1")]


async def test_read_when_five_minutes_are_over_then_a_disabled_version_is_noticed() -> None:
    place = Place()
    await place.text.read()
    await place.secrets.disable("a-token", "1")

    place.clock.advance(KEPT_FOR.total_seconds() - 1)
    assert await place.text.read() == TOKEN
    place.clock.advance(1)
    with pytest.raises(ConfigurationError, match=f"^{VARIABLE} names a version that is missing"):
        await place.text.read()


async def test_read_when_the_clock_was_set_back_then_nothing_is_kept_for_longer() -> None:
    place = Place()
    await place.text.read()

    place.clock.advance(-timedelta(hours=1).total_seconds())
    await place.text.read()

    assert len(place.secrets.read) == 2


async def test_read_when_the_store_was_down_then_the_next_reading_succeeds() -> None:
    place = Place()
    place.secrets.down = True
    with pytest.raises(TransientError):
        await place.text.read()

    place.secrets.down = False
    assert await place.text.read() == TOKEN


async def test_read_when_it_failed_then_neither_name_nor_value_is_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        await Place(b"s3cret\n").text.read()

    assert "s3cret" not in str(caught.value)
    assert "a-token" not in str(caught.value)


# ------------------------------------------------------------------------------------ the runtime
@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> MemorySecrets:
    """The store of every runtime that is built in the test."""
    secrets = MemorySecrets()
    monkeypatch.setattr("infra.bootstrap.secret_store", lambda _: secrets)
    return secrets


def a_runtime(settings: Settings) -> Runtime:
    return build(settings, clock=FakeClock(), store=MemoryStore(), publisher=RecordingPublisher())


async def test_api_token_when_the_variable_is_set_then_it_wins_over_the_secret(
    secrets: MemorySecrets,
) -> None:
    settings = Settings(api_token="plain", api_token_secret="a-token:1")

    assert await a_runtime(settings).read_api_token() == "plain"
    assert secrets.read == []


async def test_api_token_when_only_the_secret_is_named_then_it_is_read_from_there(
    secrets: MemorySecrets,
) -> None:
    await secrets.add("a-token", TOKEN.encode())
    settings = Settings(api_token_secret="a-token:1")

    runtime = a_runtime(settings)
    assert secrets.read == []
    assert await runtime.read_api_token() == TOKEN


async def test_api_token_when_neither_is_set_then_nobody_can_sign_in() -> None:
    with pytest.raises(ConfigurationError, match="nobody can sign in"):
        await a_runtime(Settings()).read_api_token()


# ---------------------------------------------------------------------------------------- the bot
BOT = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_x"


async def test_messenger_when_its_token_is_a_secret_then_it_is_read_at_the_first_message() -> None:
    secrets = MemorySecrets()
    clock = FakeClock()
    text = SecretText("TELEGRAM_BOT_TOKEN_SECRET", "bot:1", lambda: secrets, clock)
    server = Telegram(BOT)
    async with serving(server) as url:
        messenger = LateMessenger(TelegramSettings(api_url=url, chat_id="42"), text.read, clock)
        with pytest.raises(ConfigurationError, match="TELEGRAM_BOT_TOKEN_SECRET"):
            await messenger.send([a_notification()])
        await secrets.add("bot", BOT.encode())
        await messenger.send([a_notification()])
        await messenger.aclose()

    assert len(server.requests) == 1


async def test_bootstrap_when_the_bots_token_is_a_secret_then_nothing_is_read_to_make_it(
    monkeypatch: pytest.MonkeyPatch, secrets: MemorySecrets
) -> None:
    monkeypatch.delenv("TELEGRAM_BOT_TOKEN", raising=False)
    telegram_settings = TelegramSettings(chat_id="42", bot_token_secret="bot:1")

    messenger = a_runtime(Settings(telegram=telegram_settings)).make_messenger()

    assert isinstance(messenger, LateMessenger)
    assert secrets.read == []
