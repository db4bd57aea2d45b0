"""The bot whose token is a secret: read before each call, so that a rotated one is taken up."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from common.config import TelegramSettings
from common.domain.notification import Notification
from common.errors import ConfigurationError
from common.ports import Clock
from infra.telegram.messenger import TelegramMessenger, make_messenger


class LateMessenger:
    """`Messenger` that is made at the first call, when its token is read."""

    def __init__(
        self, settings: TelegramSettings, read_token: Callable[[], Awaitable[str]], clock: Clock
    ) -> None:
        self._settings = settings
        self._read_token = read_token
        self._clock = clock
        self._token = ""
        self._messenger: TelegramMessenger | None = None
        self._making = asyncio.Lock()

    async def send(self, notifications: Sequence[Notification]) -> None:
        """As the port says.

        Raises:
            ConfigurationError: the secret cannot be read, or is no bot's token.
        """
        await (await self._made()).send(notifications)

    async def check(self) -> str:
        """As `TelegramMessenger.check`."""
        return await (await self._made()).check()

    async def aclose(self) -> None:
        if self._messenger is not None:
            await self._messenger.aclose()

    async def _made(self) -> TelegramMessenger:
        async with self._making:
            token = await self._read_token()
            if self._messenger is None or token != self._token:
                made = make_messenger(self._settings, token, self._clock)
                if made is None:
                    raise ConfigurationError("TELEGRAM_CHAT_ID must be set: whom would it write to")
                await self.aclose()
                self._messenger, self._token = made, token
            return self._messenger
