"""One `sapphire preflight`: of the running server, or of what the next start would run on."""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.config import Settings
from common.errors import SapphireError, TransientError
from common.reporting.preflight import red_lines
from common.reporting.preflight_ports import PreflightLine
from common.wire import from_document, to_document
from infra.bootstrap import Runtime
from infra.cli.lines import width_of
from infra.cli.live_view import terminal
from infra.cli.offline_runtime import close, opened, own_settings, server_for
from infra.cli.preflight_view import preflight_lines
from infra.cli.running_server import Server, ServerClient
from infra.preflight import preflight_of

_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    of: str  # whose preflight it is
    mode: str
    lines: tuple[PreflightLine, ...]


def run_preflight_command(arguments: argparse.Namespace) -> int:
    """0 all green, 1 not.

    Raises:
        ConfigurationError: the environment, or the data directory, is no use.
        InvalidInputError: it is not clear which server is meant.
        UnauthenticatedError: our token is missing or wrong.
    """
    settings = own_settings(arguments)
    server = server_for(arguments, settings)
    with _waiting(as_json=arguments.json):
        told = _of_server(server) if server is not None else asyncio.run(_of_store(settings))
    red = red_lines(told.lines)
    if arguments.json:
        lines = [to_document(line) for line in told.lines]
        print(json.dumps({"ok": not red, "mode": told.mode, "of": told.of, "lines": lines}))
    else:
        _print(told)
    return 1 if red else 0


def _waiting(*, as_json: bool) -> AbstractContextManager[object]:
    """What a terminal shows meanwhile: venues may take their time."""
    if as_json or width_of(sys.stdout) is None:
        return nullcontext()
    return terminal().status("asking the store, the venues and Telegram ...")


def _of_server(server: Server) -> _Told:
    with ServerClient(server, timeout_s=_PATIENCE_S) as client:
        answer = client.get("/api/ops/preflight")
    return _Told(of=server.url, mode=str(answer["mode"]), lines=tuple(_lines(answer["lines"])))


def _lines(documents: Iterable[dict[str, Any]]) -> list[PreflightLine]:
    try:
        return [from_document(PreflightLine, document) for document in documents]
    except SapphireError:
        raise TransientError("the server is of another version: its lines cannot be read") from None


async def _of_store(settings: Settings) -> _Told:
    """Writes nothing but the store's own probe."""
    async with opened(settings) as runtime:
        lines = await preflight_of(runtime, running=False)
        await _close_outside(runtime)
    data_dir = Path(settings.data_dir)
    of = f"{data_dir}, where no server runs" if settings.store == "sqlite" else settings.store
    return _Told(of=of, mode=settings.mode, lines=lines)


async def _close_outside(runtime: Runtime) -> None:
    """What the checks have asked; what could not be made then cannot be made now either."""
    try:
        await close(runtime.make_feed(), runtime.make_messenger(), *runtime.make_venues().values())
    except SapphireError:
        return


def _print(told: _Told) -> None:
    console = terminal()
    console.print(f"Sapphire preflight of {told.of} ({told.mode})\n", soft_wrap=True, markup=False)
    for line in preflight_lines(told.lines, mode=told.mode, width=width_of(sys.stdout)):
        console.print(line, soft_wrap=True)
