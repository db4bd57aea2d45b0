"""One pair of emulators for the whole test run; tests/conftest.py makes the fixture known."""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.errors import ConfigurationError
from infra.local.emulators import Emulators


@pytest.fixture(scope="session")
def emulators() -> Iterator[Emulators]:
    """Running emulators, shared: use a project or collections of your own.

    Skips where gcloud, Java or an emulator is missing, and fails when CI=true: in CI a silent skip
    would look like a pass.
    """
    running = started(Emulators(project="sapphire-test"))
    try:
        yield running
    finally:
        _run(running.stop())


def started(emulators: Emulators) -> Emulators:
    """Start them, or skip or fail the calling test."""
    try:
        _run(emulators.start())
    except ConfigurationError as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
    return emulators


def _run(work: Coroutine[None, None, None]) -> None:
    """On a loop of its own, in a thread: an asynchronous fixture may ask for the emulators too."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
