"""What a command works on when no server runs: the data directory that the next start would use."""

import argparse
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from inspect import isawaitable
from pathlib import Path

from common.config import Settings, load_settings
from common.errors import InvalidInputError
from infra.bootstrap import Runtime, build
from infra.cli.running_server import Server, find_server, running_servers
from infra.cli.session_options import live_data_dir
from infra.local.stack.server_files import kept_token


def own_settings(
    arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> Settings:
    """As `sapphire run` would have them, with its data directory and the token kept there.

    Raises ConfigurationError, naming every bad variable at once.
    """
    settings = load_settings({"SAPPHIRE_INTERVAL": "1m", **environ})
    data_dir = arguments.data_dir or _usual_data_dir(settings)
    token = settings.api_token or kept_token(data_dir)
    return replace(settings, data_dir=str(data_dir), api_token=token)


def server_for(arguments: argparse.Namespace, settings: Settings) -> Server | None:
    """The server that `settings` mean: named, or on their data directory; paper settings take any.

    Raises:
        InvalidInputError: several run on this machine, and it is not clear which is meant.
    """
    if arguments.url is not None:
        return find_server(arguments)
    running = running_servers(arguments)
    own = [server for server in running if server.data_dir == Path(settings.data_dir)]
    if own or not running or settings.mode == "live":
        return own[0] if own else None
    if len(running) > 1:
        urls = ", ".join(server.url for server in running)
        raise InvalidInputError(f"several Sapphires run here ({urls}): name one with --url")
    return running[0]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Runtime]:
    """The runtime of `settings`, in this event loop; its store and its bus are closed again."""
    runtime = build(settings)
    try:
        yield runtime
    finally:
        await close(runtime.store, runtime.publisher)


async def close(*adapters: object) -> None:
    """Each in its own word for it; what has none holds nothing open."""
    for adapter in adapters:
        words = (getattr(adapter, word, None) for word in ("aclose", "close", "stop"))
        let_go = next((word for word in words if word is not None), None)
        if let_go is not None and isawaitable(done := let_go()):
            await done


def _usual_data_dir(settings: Settings) -> Path:
    if settings.mode == "live":
        return live_data_dir(settings)
    root = Path(settings.data_dir)
    return root / "live" if settings.feed == "live" else root
