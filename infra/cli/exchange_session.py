"""One `sapphire exchange`: stand-ins of a venue and of Telegram, until SIGINT or SIGTERM."""

import argparse
import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from common.config import load_settings
from common.domain.agent import KEYED_VENUES
from common.domain.money import parse_decimal, plain
from common.errors import InvalidInputError, NotFoundError
from infra.cli.live_view import terminal
from infra.cli.session_options import live_data_dir
from infra.cli.text import clock_time
from infra.local.clock import SystemClock
from infra.local.exchanges.local_runs import PORTS, ApiKey, StandIn, Wish, open_stand_in
from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.telegram.beside import BesideVenue
from infra.local.exchanges.telegram.exchange import CHAT_ID, TOKEN, Sent, TelegramExchange
from infra.local.stack.server import LoopServer, bind

if TYPE_CHECKING:
    from rich.console import Console

_LEAST, _MOST = Decimal("1e-9"), Decimal("1e9")


def run_exchange(arguments: argparse.Namespace) -> int:
    """Raises InvalidInputError or ConfigurationError before anything is served."""
    return asyncio.run(_run(arguments))


async def _run(arguments: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    clock = SystemClock()
    stand_in = open_stand_in(arguments.name, _wish(arguments), clock)
    listening = bind(PORTS[arguments.name] if arguments.port is None else arguments.port)
    console = terminal()
    telegram = TelegramExchange(on_message=lambda sent: _show(sent, console))
    both = BesideVenue(
        ExchangeServer(stand_in.exchange, clock=clock), ExchangeServer(telegram, clock=clock)
    )
    server = LoopServer(both, listening)
    try:
        await server.start()
        data_dir = _data_dir(arguments, stand_in)
        variables = await variables_of(stand_in, server.url, data_dir)
        variables |= telegram_variables(server.url)
        for line in opening_lines(stand_in, server.url, variables, data_dir):
            console.print(line, soft_wrap=True, markup=False)
        await stop.wait()
    finally:
        await server.stop()
        listening.close()
    console.print("stopped; what it held is gone with it")
    return 0


def opening_lines(
    stand_in: StandIn, url: str, variables: dict[str, str], data_dir: Path
) -> Sequence[str]:
    prices = ", ".join(f"{name} {plain(mark)}" for name, mark in stand_in.marks.items())
    accounts = stand_in.accounts or ("none yet",)
    sealed = f"sapphire seal ... --data-dir {data_dir}"
    keys = sealed if stand_in.venue in KEYED_VENUES else "none: no agent signs there"
    return (
        f"Sapphire  a stand-in of {stand_in.venue.label} ({stand_in.network}): no real money",
        f"  address {url}",
        f"  prices  {prices}",
        *(f"  account {account}" for account in accounts),
        f"  funding sapphire exchange ... {stand_in.approval}; --deposit DOLLARS",
        f"  keys    {keys}",
        "  people  what would go to them over Telegram is shown here",
        "",
        *(f"export {name}={value}" for name, value in variables.items()),
        "",
        "# `sapphire preflight` must be all green first; it asks for limits in your name:",
        "# sapphire limits set --reason 'to try it'",
        f"# every other venue is the real one of {stand_in.network}: deploy no key for it",
        "# Ctrl-C stops it and drops what it holds",
    )


def _show(sent: Sent, console: "Console") -> None:
    """A message of the bot, its lines below each other."""
    first, *rest = sent.text.splitlines()
    lines = [f"{clock_time(sent.at)}  telegram  {first}", *(f"{'':20}{line}" for line in rest)]
    for line in lines:
        shown = "".join(sign for sign in line if sign.isprintable())
        console.print(shown, soft_wrap=True, markup=False)


def telegram_variables(url: str) -> dict[str, str]:
    return {
        "TELEGRAM_API_URL": url,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": CHAT_ID,
    }


def _data_dir(arguments: argparse.Namespace, stand_in: StandIn) -> Path:
    """Where `sapphire run` looks for secrets with the variables that are printed."""
    if arguments.data_dir is not None:
        return Path(arguments.data_dir)
    settings = replace(load_settings(os.environ), network=stand_in.network)
    return live_data_dir(settings)


async def variables_of(stand_in: StandIn, url: str, data_dir: Path) -> dict[str, str]:
    """What to set to trade there; the stand-in's API key goes among `data_dir`'s secrets."""
    found = {
        "SAPPHIRE_MODE": "live",
        "SAPPHIRE_NETWORK": stand_in.network,
        "SAPPHIRE_FEED": "live",
        **dict.fromkeys(stand_in.addresses, url),
        **stand_in.fixed,
    }
    if stand_in.api_key is not None:
        found[stand_in.api_key.variable] = await _kept(stand_in.api_key, data_dir)
    return found


async def _kept(api_key: ApiKey, data_dir: Path) -> str:
    """The stand-in's API key among this machine's secrets, as NAME:VERSION."""
    from infra.keys.local_store import LocalSecretStore

    secrets, wanted = LocalSecretStore(data_dir / "secrets"), api_key.value.encode()
    try:
        if await secrets.access(api_key.name, "1") == wanted:
            return f"{api_key.name}:1"
    except NotFoundError:
        pass  # the first time
    return f"{api_key.name}:{await secrets.add(api_key.name, wanted)}"


def _wish(arguments: argparse.Namespace) -> Wish:
    return Wish(
        network=arguments.network,
        marks=_marks(arguments.mark),
        wallet=None if arguments.wallet is None else _address(arguments.wallet, "--wallet"),
        agents=tuple(_address(text, "--agent") for text in arguments.agent),
        deposit=_positive(arguments.deposit, "--deposit"),
    )


def _marks(texts: Sequence[str]) -> dict[str, Decimal]:
    marks: dict[str, Decimal] = {}
    for text in texts:
        symbol, equals, price = text.partition("=")
        if not (symbol and equals):
            raise InvalidInputError(f"{text!r} is not SYMBOL=PRICE", where="--mark")
        if symbol in marks:
            raise InvalidInputError(f"{symbol} is given twice", where="--mark")
        marks[symbol] = _positive(price, f"--mark {symbol}")
    return marks


def _positive(text: str, where: str) -> Decimal:
    try:
        value = parse_decimal(text)
    except ValueError as error:
        raise InvalidInputError(str(error), where=where) from None
    if not _LEAST <= value <= _MOST:
        raise InvalidInputError(f"must be from {_LEAST:f} to {_MOST:f}", where=where)
    return value


def _address(text: str, where: str) -> str:
    from infra.keys.address import parse_address

    try:
        return parse_address(text)
    except ValueError as error:
        raise InvalidInputError(str(error), where=where) from None
