"""Settings that are secrets: named in the environment as NAME:VERSION, read where first needed."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from common.errors import ConfigurationError, InvalidInputError, NotFoundError
from common.ports import Clock, SecretStore

KEPT_FOR = timedelta(minutes=5)
"""A version's value never changes. That it was disabled holds after this long."""


class SecretText:
    """One text in the secret store, kept in memory for `KEPT_FOR`.

    Fails closed: what is missing, empty or not the text that was meant is a ConfigurationError at
    every read, and no failure is remembered.
    """

    def __init__(
        self, variable: str, place: str, make_secrets: Callable[[], SecretStore], clock: Clock
    ) -> None:
        """`variable` is named in errors, `place` (NAME:VERSION, the variable's value) never is."""
        self._variable = variable
        self._name, _, self._version = place.partition(":")
        self._make_secrets = make_secrets
        self._clock = clock
        self._kept: tuple[str, datetime] | None = None
        self._reading = asyncio.Lock()

    async def read(self) -> str:
        """Printable ASCII without spaces.

        Raises:
            ConfigurationError: the version is missing, disabled or empty, has a newline at its end
                or another sign that no token has, or our account may not read it.
            TransientError: the secret store does not answer.
        """
        async with self._reading:
            now = self._clock.now()
            if self._kept is not None and timedelta(0) <= now - self._kept[1] < KEPT_FOR:
                return self._kept[0]
            self._kept = None
            text = self._checked(await self._access())
            self._kept = text, now
            return text

    async def _access(self) -> bytes:
        try:
            return await self._make_secrets().access(self._name, self._version)
        except NotFoundError:
            raise self._wrong("names a version that is missing or disabled") from None
        except InvalidInputError:
            raise self._wrong("must be NAME:VERSION of a secret, with a number") from None

    def _checked(self, value: bytes) -> str:
        if not value:
            raise self._wrong("names an empty version")
        if value.rstrip(b"\r\n") != value:
            raise self._wrong("names a version that ends with a newline: add one without (printf)")
        text = value.decode("ascii", errors="replace")
        if not all("!" <= sign <= "~" for sign in text):
            raise self._wrong("names a version with spaces or signs that no token has")
        return text

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self._variable} {what}")
