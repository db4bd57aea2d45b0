"""One reading for all who ask the same at the same time, rendered once."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from pydantic_core import to_json
from starlette.responses import Response

from common.ports import DocumentStore
from common.wire import JsonObject

T = TypeVar("T")


def json_bytes(content: JsonObject) -> bytes:
    """UTF-8 without spaces, five times as fast as the standard library writes it."""
    return to_json(content, inf_nan_mode="null")


def as_json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


class _Reading(Generic[T]):
    """`answered` once nobody waits for it any more."""

    def __init__(self) -> None:
        self.task: asyncio.Task[T] | None = None
        self.waiting = 0
        self.answered = asyncio.Event()


@dataclass(slots=True)
class _Turns(Generic[T]):
    """`under_way` has begun, and takes nobody more; `next_up` begins when it is answered."""

    under_way: _Reading[T] | None = None
    next_up: _Reading[T] | None = None


class Together(Generic[T]):
    """For an answer that costs much and does not depend on who asks.

    A request never gets what was read before it came: it joins the next reading, which begins
    when the one under way has been answered. So there are two at a time at most, however many ask,
    and a person who has just written sees it.
    """

    def __init__(self) -> None:
        self._turns: WeakKeyDictionary[
            asyncio.AbstractEventLoop, WeakKeyDictionary[DocumentStore, _Turns[T]]
        ] = WeakKeyDictionary()

    async def read(self, store: DocumentStore, read: Callable[[], Awaitable[T]]) -> T:
        """What `read`, or another one of the same that begins from now on, returns or raises.

        It goes on for the others when one who waits for it gives up.
        """
        stores = self._turns.setdefault(asyncio.get_running_loop(), WeakKeyDictionary())
        turns = stores.setdefault(store, _Turns())
        reading = turns.next_up
        if reading is None or reading.task is None:
            reading = turns.next_up = _Reading()
            reading.task = asyncio.create_task(_take_turn(turns, reading, read))
        reading.waiting += 1
        try:
            return await asyncio.shield(reading.task)
        finally:
            reading.waiting -= 1
            if reading.task.done():
                _close_if_answered(turns, reading)


async def _take_turn(turns: _Turns[T], reading: _Reading[T], read: Callable[[], Awaitable[T]]) -> T:
    """Answers go out first: to read again before that would keep those people waiting for it."""
    if turns.under_way is not None:
        await turns.under_way.answered.wait()
    turns.under_way, turns.next_up = reading, None
    try:
        return await read()
    finally:
        _close_if_answered(turns, reading)  # all have given up, or the last of them does it


def _close_if_answered(turns: _Turns[T], reading: _Reading[T]) -> None:
    """What was read is kept no longer than somebody waits for it."""
    if not reading.waiting:
        turns.under_way = None
        reading.answered.set()
