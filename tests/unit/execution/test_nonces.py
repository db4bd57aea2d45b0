"""Nonces: unique and rising, whoever takes them and whatever the clock does."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.books import SIGNER_NONCES
from common.contention import TRIES
from common.domain.moment import to_ms
from common.errors import ConflictError, TransientError
from common.execution.nonces import Nonces
from infra.local.store.memory import MemoryStore
from tests.builders import NOON
from tests.fakes.clock import FakeClock

SIGNER = "0xAb" + "0" * 38


async def test_take_when_asked_twice_in_one_millisecond_then_two_numbers_near_the_clock() -> None:
    nonces = Nonces(MemoryStore(), FakeClock())

    assert await nonces.take("ASTER", SIGNER) == to_ms(NOON)
    assert await nonces.take("ASTER", SIGNER) == to_ms(NOON) + 1


async def test_take_when_in_microseconds_then_near_the_clocks() -> None:
    clock = FakeClock(NOON + timedelta(microseconds=7))
    nonces = Nonces(MemoryStore(), clock)

    assert await nonces.take("ASTER", SIGNER, unit="us") == to_ms(NOON) * 1000 + 7


async def test_take_when_the_clock_moves_on_then_so_does_the_number() -> None:
    clock = FakeClock()
    nonces = Nonces(MemoryStore(), clock)
    await nonces.take("ASTER", SIGNER)
    clock.advance(2)

    assert await nonces.take("ASTER", SIGNER) == to_ms(NOON) + 2000


async def test_take_when_the_address_is_written_otherwise_then_it_is_the_same_signer() -> None:
    store = MemoryStore()
    nonces = Nonces(store, FakeClock())

    first = await nonces.take("ASTER", SIGNER.lower())

    assert await nonces.take("ASTER", SIGNER.upper().replace("0X", "0x")) == first + 1
    assert list(store.contents()[SIGNER_NONCES]) == [f"ASTER:{SIGNER.lower()}"]


async def test_take_when_another_venue_or_signer_then_its_own_numbers() -> None:
    nonces = Nonces(MemoryStore(), FakeClock())
    taken = [
        await nonces.take("ASTER", SIGNER),
        await nonces.take("HYPERLIQUID", SIGNER),
        await nonces.take("ASTER", "0x" + "1" * 40),
    ]
    assert taken == [to_ms(NOON)] * 3


class Yielding(MemoryStore):
    """A store whose answers take a turn of the loop, so that takers overtake each other."""

    def __init__(self) -> None:
        super().__init__()
        self.before = self._turn
        self.turns = 0

    async def _turn(self, operation: str, argument: object) -> None:
        self.turns += 1
        for _ in range(self.turns % 3):
            await asyncio.sleep(0)


async def test_take_when_fifty_take_at_once_and_the_clock_steps_back_then_unique_and_rising() -> (
    None
):
    """Two instances; whoever is out of tries is told so, and asks again."""
    store, clock = Yielding(), FakeClock()
    instances = (Nonces(store, clock), Nonces(store, clock))
    last_seen: list[int] = []

    async def taker(number: int) -> int:
        if number % 7 == 0:
            clock.advance(-5)
        while True:
            at_least = max(last_seen, default=0)
            try:
                taken = await instances[number % 2].take("ASTER", SIGNER)
            except TransientError:
                continue
            assert taken > at_least
            last_seen.append(taken)
            return taken

    taken = await asyncio.gather(*(taker(number) for number in range(50)))

    assert len(set(taken)) == 50
    assert max(taken) == store.contents()[SIGNER_NONCES][f"ASTER:{SIGNER.lower()}"]["last"]
    assert max(taken) < to_ms(NOON) + 200


@given(steps=st.lists(st.floats(min_value=-3600, max_value=3600), max_size=30))
def test_take_when_the_clock_jumps_about_then_every_number_is_above_the_last(
    steps: list[float],
) -> None:
    async def run() -> list[int]:
        clock = FakeClock()
        nonces = Nonces(MemoryStore(), clock)
        taken = []
        for step in steps:
            clock.advance(step)
            taken.append(await nonces.take("ASTER", SIGNER))
        return taken

    taken = asyncio.run(run())
    assert taken == sorted(set(taken))


async def test_take_when_contended_to_the_end_then_transient_and_no_number() -> None:
    store = MemoryStore()
    tries: list[int] = []

    async def lose(operation: str, argument: object) -> None:
        if operation == "commit":
            tries.append(1)
            raise ConflictError("taken", collection=SIGNER_NONCES, document_id="x")

    store.before = lose
    with pytest.raises(TransientError, match="the nonce of 0xAb0"):
        await Nonces(store, FakeClock()).take("ASTER", SIGNER)
    assert len(tries) == TRIES
    assert SIGNER_NONCES not in store.contents()
