"""Shows a run: a page in place on a terminal, one line for each event elsewhere."""

import asyncio
import os
import sys
import time
from typing import Protocol

from infra.cli.session_drive import Drive
from infra.local.stack.assembly import LocalStack
from infra.local.stack.options import StackOptions
from infra.local.stack.server_files import TOKEN_FILE

_REFRESH_S = 0.5
_PROGRESS_EVERY_S = 5.0


class Screen(Protocol):
    def begin(self, token: str) -> None: ...

    async def show(self, drive: Drive) -> None:
        """Until cancelled."""

    async def end(self, drive: Drive) -> None:
        """Show where it ended, and let go of the terminal."""


def make_screen(stack: LocalStack, options: StackOptions) -> Screen:
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return _Page(stack, options)
    return _Lines(stack, options)


class _Lines:
    def __init__(self, stack: LocalStack, options: StackOptions) -> None:
        from infra.cli.plain_view import PlainView

        self._stack = stack
        self._options = options
        self._view = PlainView(stack.runtime, _write, ticks_shown=options.recording is None)
        stack.events.listener = self._view.on_event

    def begin(self, token: str) -> None:
        for line in opening_lines(self._stack, self._options, token):
            _write(line)

    async def show(self, drive: Drive) -> None:
        told = time.monotonic()
        while True:
            await asyncio.sleep(_REFRESH_S)
            await self._view.refresh()
            if self._options.recording and time.monotonic() - told >= _PROGRESS_EVERY_S:
                told = time.monotonic()
                _write(f"          progress  {drive.progress()}")

    async def end(self, drive: Drive) -> None:
        del drive  # the summary says it
        await self._view.refresh()
        self._stack.events.listener = None


class _Page:
    def __init__(self, stack: LocalStack, options: StackOptions) -> None:
        from rich.live import Live

        from infra.cli.live_state import LiveReader
        from infra.cli.live_view import Heading, terminal

        self._stack = stack
        self._options = options
        self._reader = LiveReader(stack.runtime, stack.events)
        self._heading = Heading(
            badge=_badge(options),
            feed=stack.runtime.make_feed().label,
            url=stack.url,
            token_file=str(options.data_dir / TOKEN_FILE),
            orders=_orders_go(options),
        )
        self._console = terminal()
        self._live = Live(console=self._console, auto_refresh=False, transient=False)

    def begin(self, token: str) -> None:
        for line in opening_lines(self._stack, self._options, token):
            self._console.print(line, soft_wrap=True)
        self._live.start()

    async def show(self, drive: Drive) -> None:
        while True:
            await self._draw(drive)
            await asyncio.sleep(_REFRESH_S)

    async def _draw(self, drive: Drive) -> None:
        from infra.cli.live_view import Room, render

        state = await self._reader.read() if self._stack.events.market else None
        width, height = self._console.size
        room = Room(width=width, height=height)
        page = render(state, self._heading, drive.progress(), room)
        self._live.update(page, refresh=True)

    async def end(self, drive: Drive) -> None:
        await self._draw(drive)
        self._live.stop()


def opening_lines(stack: LocalStack, options: StackOptions, token: str) -> list[str]:
    return [
        f"Sapphire  {stack.runtime.make_feed().label}",
        f"          {_orders(options)}",
        f"  API     {stack.url}  (documentation at {stack.url}/docs)",
        f"  token   {token}",
        f"  try     curl -H 'Authorization: Bearer {token}' {stack.url}/api/portfolio/positions",
        f"  state   {options.data_dir}",
        "",
    ]


def _orders_go(options: StackOptions) -> str:
    if options.settings.mode == "live":
        return f"LIVE ORDERS, {options.settings.network}"
    return "PAPER"


def _orders(options: StackOptions) -> str:
    if options.settings.mode == "live":
        return f"LIVE TRADING on {options.settings.network}: orders go to the venues"
    return "paper trading: no order leaves this machine"


def _badge(options: StackOptions) -> str:
    if options.recording is not None:
        return "REPLAY"
    return "LIVE PRICES" if options.settings.feed == "live" else "SIMULATED MARKET"


def _write(line: str) -> None:
    print(line, flush=True)
