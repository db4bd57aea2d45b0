"""The system on paper that the requests are sent to, and the requests."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch
from urllib.parse import urlencode

import httpx

from common.config import Settings, SwarmSettings
from common.how.trading_state import TradingState
from functions.api.routes import trading
from tests.functions.api_client import Api
from tests.functions.api_examples import seed_examples
from tests.functions.town import Town

_NOT_OURS = frozenset({"authorization", "host", "content-length", "transfer-encoding"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A request; `body` None is none at all."""

    method: str
    path: str  # percent-encoded
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    body: bytes | None

    @property
    def url(self) -> str:
        query = urlencode(dict(self.query), doseq=True, errors="surrogatepass")
        return f"{self.path}?{query}" if query else self.path


class Stand:
    """A town with the records that the examples speak of; each request is worked off at once."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._dir = TemporaryDirectory()
        # A caller who waits for an order's end would wait for a clock that nobody turns.
        self._patches = (patch.object(trading, "POLLS", 2), patch.object(trading, "PAUSE_S", 0.0))

    def __enter__(self) -> Self:
        for each in self._patches:
            each.start()
        self._api = self._runner.run(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._runner.close()
        for each in self._patches:
            each.stop()
        self._dir.cleanup()

    async def _open(self) -> Api:
        settings = Settings(swarm=SwarmSettings(symbols=("BTC", "ETH")), rate_per_minute=1_000_000)
        town = await Town(settings=settings).open()
        api = town.prompt_api(Path(self._dir.name))
        await seed_examples(api, "{intent_id}")
        return api

    def send(self, shot: Shot) -> httpx.Response:
        return self._runner.run(self._send(shot))

    async def _send(self, shot: Shot) -> httpx.Response:
        if shot.method != "GET":
            await self._api.set_state(TradingState.ACTIVE)  # whatever the last one has made of it
        headers = {
            name: value for name, value in shot.headers.items() if name.lower() not in _NOT_OURS
        }
        return await self._api.call(shot.method, shot.url, content=shot.body, headers=headers)
