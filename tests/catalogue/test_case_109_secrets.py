"""Case 109: a secret that is absent, empty, disabled or ends with a newline stops what needs it."""

from dataclasses import replace

import pytest

from common.books import NOTIFICATIONS
from common.config import Settings, TelegramSettings
from common.errors import ConfigurationError
from common.notifications import notification_writes
from infra.bootstrap import Runtime, build
from infra.secret_settings import SecretText
from infra.telegram.late_messenger import LateMessenger
from tests.builders import a_notification, a_tick
from tests.fakes.clock import FakeClock
from tests.fakes.secrets import MemorySecrets
from tests.functions.harness import Bench, body_of, framework_app, push_of

VALUES: dict[str, bytes | None] = {
    "absent or disabled": None,
    "empty": b"",
    "a newline": b"\n",
    "ends with a newline": b"123:abc\n",
    "ends with a newline of Windows": b"123:abc\r\n",
    "spaces": b"123 abc",
    "not text": b"\xff\xfe",
}


def secrets_with(value: bytes | None) -> MemorySecrets:
    secrets = MemorySecrets()
    secrets.values["telegram-bot-token"] = [value]
    return secrets


@pytest.mark.parametrize("name", VALUES)
async def test_case_109_when_a_secret_is_of_no_use_then_who_needs_it_fails_and_others_run(
    name: str,
) -> None:
    bench = Bench()
    secrets = secrets_with(VALUES[name])
    text = SecretText(
        "TELEGRAM_BOT_TOKEN_SECRET", "telegram-bot-token:1", lambda: secrets, bench.clock
    )
    telegram = TelegramSettings(chat_id="42")
    messenger = LateMessenger(telegram, text.read, bench.clock)
    runtime = replace(bench.runtime(), make_messenger=lambda: messenger)
    writes, message = notification_writes(a_notification())
    await bench.store.commit(writes)

    refused = await bench.post(framework_app("notify"), push_of(message), runtime=runtime)

    assert (refused.status_code, refused.json()) == (500, {"code": "CONFIGURATION"})
    assert (await bench.only(NOTIFICATIONS)).data["delivery"] == "PENDING"
    ticked = body_of(a_tick("relay", scheduled_at=bench.clock.now()))
    assert (await bench.post(framework_app("relay"), ticked, runtime=runtime)).status_code == 204


@pytest.mark.parametrize("name", VALUES)
async def test_case_109_when_the_api_token_is_of_no_use_then_nobody_signs_in_with_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = secrets_with(VALUES[name])
    monkeypatch.setattr("infra.bootstrap.secret_store", lambda _: secrets)
    settings = Settings(api_token_secret="telegram-bot-token:1")
    runtime: Runtime = build(settings, clock=FakeClock(), store=Bench().store)

    with pytest.raises(ConfigurationError, match=r"^SAPPHIRE_API_TOKEN_SECRET names "):
        await runtime.read_api_token()
