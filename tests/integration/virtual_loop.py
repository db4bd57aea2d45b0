"""An event loop whose time is virtual: where there is nothing to do, the next timer is due at once.

Everything that waits by the loop (`asyncio.sleep`, timeouts, `call_later`) takes its whole time on
`loop.time()`, and none of the machine's. Nothing from outside may be waited for.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Hourglass(selectors.DefaultSelector):
    """Turned over instead of waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is left to do, and no timer runs: this would wait for ever")
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._hourglass = _Hourglass()
        super().__init__(self._hourglass)

    def time(self) -> float:
        return self._hourglass.now


def run_virtually(main: Coroutine[Any, Any, T]) -> tuple[T, float]:
    """What `main` returns, and how many virtual seconds it took."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        return runner.run(main), loop.time()
