"""Who asks the same at once shares a reading, and nobody gets what was read before they came."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from common.errors import TransientError
from functions.api.together import Together
from infra.local.store.memory import MemoryStore


class Shelf:
    """A reading that a test lets go on; it returns the number that stood there as it began."""

    def __init__(self) -> None:
        self.value = 0
        self.begun = 0
        self.error: Exception | None = None
        self._go_on = asyncio.Event()

    async def read(self) -> int:
        self.begun += 1
        seen = self.value
        await self._go_on.wait()
        self._go_on.clear()
        if self.error is not None:
            raise self.error
        return seen

    async def let_go(self, *, until: Callable[[], bool]) -> None:
        self._go_on.set()
        await turn_until(until)


async def turn_until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - turns of the loop, which take no time
            await asyncio.sleep(0)


def asking(
    count: int, together: Together[int], store: MemoryStore, shelf: Shelf
) -> list["asyncio.Task[int]"]:
    return [asyncio.create_task(together.read(store, shelf.read)) for _ in range(count)]


async def test_read_when_many_ask_at_once_then_one_reading_answers_all() -> None:
    together, store, shelf = Together[int](), MemoryStore(), Shelf()

    asked = asking(16, together, store, shelf)
    await turn_until(lambda: shelf.begun == 1)
    await shelf.let_go(until=lambda: all(task.done() for task in asked))

    assert [task.result() for task in asked] == [0] * 16
    assert shelf.begun == 1


async def test_read_when_one_asks_after_a_change_then_it_sees_the_change() -> None:
    """However many ask meanwhile, there are two readings."""
    together, store, shelf = Together[int](), MemoryStore(), Shelf()
    early = asking(3, together, store, shelf)
    await turn_until(lambda: shelf.begun == 1)

    shelf.value = 7
    late = asking(5, together, store, shelf)
    for _ in range(20):
        await asyncio.sleep(0)
    assert shelf.begun == 1  # the next begins when the first is answered

    await shelf.let_go(until=lambda: shelf.begun == 2)
    assert [task.result() for task in early] == [0, 0, 0]  # answered before it began
    await shelf.let_go(until=lambda: all(task.done() for task in late))
    assert [task.result() for task in late] == [7] * 5
    assert shelf.begun == 2


async def test_read_when_it_fails_then_all_of_them_hear_it_and_the_next_tries_again() -> None:
    together, store, shelf = Together[int](), MemoryStore(), Shelf()
    shelf.error = TransientError("the store is away")
    asked = asking(3, together, store, shelf)
    await turn_until(lambda: shelf.begun == 1)
    await shelf.let_go(until=lambda: all(task.done() for task in asked))
    for task in asked:
        with pytest.raises(TransientError):
            task.result()

    shelf.error = None
    (again,) = asking(1, together, store, shelf)
    await turn_until(lambda: shelf.begun == 2)
    await shelf.let_go(until=again.done)
    assert again.result() == 0


async def test_read_when_the_first_gives_up_then_the_others_are_answered() -> None:
    together, store, shelf = Together[int](), MemoryStore(), Shelf()
    first, second = asking(2, together, store, shelf)
    await turn_until(lambda: shelf.begun == 1)

    first.cancel()
    await turn_until(first.done)
    await shelf.let_go(until=second.done)

    assert second.result() == 0
    assert shelf.begun == 1


async def test_read_when_all_give_up_then_who_comes_later_is_not_kept_waiting() -> None:
    together, store, shelf = Together[int](), MemoryStore(), Shelf()
    (gone,) = asking(1, together, store, shelf)
    await turn_until(lambda: shelf.begun == 1)
    gone.cancel()
    (later,) = asking(1, together, store, shelf)
    await turn_until(gone.done)

    await shelf.let_go(until=lambda: shelf.begun == 2)
    await shelf.let_go(until=later.done)

    assert later.result() == 0


async def test_read_when_stores_differ_then_nothing_is_shared() -> None:
    together, shelf = Together[int](), Shelf()
    one, other = MemoryStore(), MemoryStore()

    asked = asking(1, together, one, shelf) + asking(1, together, other, shelf)
    await turn_until(lambda: shelf.begun == 2)
    await shelf.let_go(until=lambda: any(task.done() for task in asked))
    await shelf.let_go(until=lambda: all(task.done() for task in asked))

    assert shelf.begun == 2


def test_read_when_a_loop_has_ended_then_nothing_of_it_is_kept() -> None:
    together = Together[Any]()
    loops = []

    async def ask() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        store = MemoryStore()

        async def read() -> bytes:
            return b"large"

        assert await together.read(store, read) == b"large"

    asyncio.run(ask())
    gc.collect()

    assert [loop() for loop in loops] == [None]
