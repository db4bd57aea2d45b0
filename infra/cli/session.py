"""One `sapphire run`: opens the data directory, starts the stack, shows it, stops it cleanly."""

import asyncio
import secrets
import shutil
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from common.books import MARKET_SNAPSHOTS
from common.documents import every
from common.domain.moment import from_iso
from common.errors import ConfigurationError
from common.ports import Clock, MarketFeed
from infra.cli.preflight_gate import preflight_gate
from infra.cli.screen import make_screen
from infra.cli.session_drive import Drive, replay_drive, schedule_drive
from infra.cli.session_log import log_to
from infra.local.clock import ScaledClock, SystemClock
from infra.local.replay import read_progress
from infra.local.stack.assembly import Backend, LocalStack
from infra.local.stack.lock import DataDirLock
from infra.local.stack.options import StackOptions, claim_data_dir
from infra.local.stack.server import bind
from infra.local.stack.server_files import api_token, remove_server_note, write_server_note
from infra.local.store.sqlite import STORE_FILE, SqliteStore

_STOP_WITHIN_S = 4.5


def run_session(options: StackOptions) -> int:
    """The exit code. Raises SapphireError before anything runs: what is wrong, in one sentence."""
    lock = DataDirLock(options.data_dir)
    lock.acquire()
    try:
        return asyncio.run(_run(options))
    finally:
        lock.release()


async def _run(options: StackOptions) -> int:
    listening = bind(options.port)
    await _prepare_data_dir(options)
    log_to(options.data_dir / "sapphire.log", quiet=options.recording is not None)
    token = api_token(options.data_dir, options.settings.api_token)
    settings = replace(options.settings, api_token=token, data_dir=str(options.data_dir))
    clock = await _clock(options)
    stack = LocalStack(
        settings=settings,
        clock=clock,
        backend=await _backend(options, clock),
        make_feed=lambda: _feed(options, clock),
        push_token=secrets.token_urlsafe(24),
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        drive = _drive(stack, options)
        await drive.prepare()
        gate = await preflight_gate(stack.runtime)
        if gate.lines:
            print("\n".join(gate.lines), file=sys.stderr, flush=True)
        if gate.refuses:
            return 2
        await stack.start()
        await stack.serve(listening)
        write_server_note(options.data_dir, stack.url)
        return await _shown(stack, drive, options, token, stop)
    finally:
        remove_server_note(options.data_dir)
        with suppress(TimeoutError):
            await asyncio.wait_for(stack.stop(), _STOP_WITHIN_S)
        listening.close()


async def _shown(
    stack: LocalStack, drive: Drive, options: StackOptions, token: str, stop: asyncio.Event
) -> int:
    screen = make_screen(stack, options)
    screen.begin(token)
    showing = asyncio.create_task(screen.show(drive))
    try:
        code_lines = await _driven(drive, stop, showing)
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
        await screen.end(drive)
    code, lines = code_lines
    for line in lines:
        print(line)
    if stop.is_set():
        print(_farewell(options))
    sys.stdout.flush()
    return code


def _farewell(options: StackOptions) -> str:
    if options.backend == "emulator":
        return "stopped; what the emulators held is gone with them"
    return f"stopped; state is kept in {options.data_dir}, the same command continues"


async def _driven(
    drive: Drive, stop: asyncio.Event, showing: "asyncio.Task[None]"
) -> tuple[int, list[str]]:
    """Drive to the end; a view that fails ends the run instead of hiding it."""
    driving = asyncio.create_task(drive.run(stop))
    done, _ = await asyncio.wait({driving, showing}, return_when=asyncio.FIRST_COMPLETED)
    if showing in done and not driving.done():
        stop.set()
        await driving
        showing.result()
    return await driving


def _drive(stack: LocalStack, options: StackOptions) -> Drive:
    if options.recording is not None:
        return replay_drive(stack, options, options.recording)
    return schedule_drive(stack, options)


async def _backend(options: StackOptions, clock: Clock) -> Backend:
    if options.backend == "emulator":
        from infra.local.stack.emulator import EmulatorBackend

        print("starting the Firestore and Pub/Sub emulators ...", file=sys.stderr, flush=True)
        return await EmulatorBackend.launch(project=options.settings.project)
    from infra.local.bus.faults import BusFaults
    from infra.local.stack.embedded import EmbeddedBackend

    faults = None if options.chaos is None else BusFaults(options.chaos)
    in_order = options.recording is not None
    return EmbeddedBackend(options.data_dir, clock=clock, in_order=in_order, faults=faults)


def _feed(options: StackOptions, clock: Clock) -> MarketFeed:
    if options.recording is not None:
        return options.recording.feed
    from infra.feeds.registry import make_feed

    return make_feed(options.settings, clock, seed=options.seed)


async def _clock(options: StackOptions) -> Clock:
    if options.recording is not None:
        return options.recording.clock
    if options.settings.feed == "live":
        return SystemClock()
    start = datetime.now(UTC)
    if options.backend == "embedded":
        start = max(start, await _last_moment(options.data_dir) or start)
    return ScaledClock(start, options.speed)


async def _last_moment(data_dir: Path) -> datetime | None:
    """Simulated time runs ahead of the wall's: a restart goes on from where it was."""
    store = SqliteStore(data_dir / STORE_FILE)
    try:
        moments = [
            from_iso(document.data["observed_at"])
            async for document in every(store, MARKET_SNAPSHOTS)
        ]
    finally:
        store.close()
    return max(moments, default=None)


async def _prepare_data_dir(options: StackOptions) -> None:
    """Check whose state is there; clear a replay of our own that is complete."""
    claim_data_dir(options)
    if options.recording is None or options.backend != "embedded":
        return
    store = SqliteStore(options.data_dir / STORE_FILE)
    try:
        progress = await read_progress(store)
    finally:
        store.close()
    if progress is None:
        return
    total = min(
        options.ticks or options.recording.feed.tick_count, options.recording.feed.tick_count
    )
    if not options.data_dir_given and progress.complete:
        _clear(options.data_dir)
    elif progress.next_tick > total:
        raise ConfigurationError(
            f"the replay in {options.data_dir} has run {progress.next_tick} ticks already, more "
            f"than the {total} asked for: delete that directory or choose another --data-dir"
        )


def _clear(data_dir: Path) -> None:
    """The document store last: until it is gone, the next start clears again."""
    first = [path for path in data_dir.iterdir() if not _kept_longest(path)]
    last = [path for path in data_dir.iterdir() if path.name.startswith(STORE_FILE)]
    for path in first:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in sorted(last, reverse=True):
        path.unlink()


def _kept_longest(path: Path) -> bool:
    return path.name in {"lock", "api-token", "origin.json"} or path.name.startswith(STORE_FILE)
