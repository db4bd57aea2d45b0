"""One `sapphire emulators`: both emulators, until SIGINT or SIGTERM."""

import asyncio
import signal
import sys

from infra.local.emulators import Emulators


def run_emulators() -> int:
    """Raises ConfigurationError when gcloud, Java or an emulator is missing."""
    return asyncio.run(_run())


async def _run() -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    print("starting the Firestore and Pub/Sub emulators ...", file=sys.stderr, flush=True)
    async with Emulators() as emulators:
        for name, value in emulators.env.items():
            print(f"export {name}={value}")
        print("# running; Ctrl-C stops both and drops what they hold", flush=True)
        await stop.wait()
    return 0
