"""Typed documents, the outbox's two writes, and the two books."""

from decimal import Decimal

import pytest

from common.books import BOOKS, OUTBOX, V2, V3, book_named
from common.documents import create, load, load_many, put
from common.domain.position import Position
from common.errors import ConflictError, InvalidInputError
from common.outbox import outbox_clear, outbox_write
from common.ports import Create, Ref, Update
from common.wire import decode_message
from infra.local.store.memory import MemoryStore
from tests.builders import a_message, a_position

REF = Ref(V3.positions, "pos_1")


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def test_load_when_absent_then_none(store: MemoryStore) -> None:
    assert await load(store, Position, REF) is None
    assert await load_many(store, Position, [REF]) == [None]


async def test_put_when_absent_then_created_else_compared_and_set(store: MemoryStore) -> None:
    first = put(None, REF, a_position())
    await store.commit([first])
    stored = await load(store, Position, REF)
    assert stored is not None
    second = put(stored, REF, a_position(signed_qty=Decimal(2)))
    await store.commit([second])

    assert (type(first), type(second)) == (Create, Update)
    (again,) = await load_many(store, Position, [REF])
    assert again is not None
    assert again.value.signed_qty == 2
    with pytest.raises(ConflictError):
        await store.commit([stored.update(a_position())])
    with pytest.raises(ConflictError):
        await store.commit([create(REF, a_position())])


async def test_load_many_when_some_are_missing_then_in_the_order_asked(
    store: MemoryStore,
) -> None:
    await store.commit([create(REF, a_position())])

    found = await load_many(store, Position, [Ref(V3.positions, "no"), REF])

    assert [stored.ref if stored else None for stored in found] == [None, REF]


async def test_load_when_the_document_is_of_another_shape_then_invalid_input(
    store: MemoryStore,
) -> None:
    await store.commit([Create(REF, {"position_id": "pos_1"})])
    with pytest.raises(InvalidInputError, match="Position"):
        await load(store, Position, REF)


async def test_outbox_when_written_and_cleared_then_the_message_was_whole(
    store: MemoryStore,
) -> None:
    message = a_message()
    await store.commit([outbox_write(message)])
    row = await store.get(Ref(OUTBOX, message.message_id))
    assert row is not None
    assert decode_message(row.data) == message

    await store.commit([outbox_clear(message)])
    await store.commit([outbox_clear(message)])
    assert store.contents() == {}


def test_books_when_compared_then_no_collection_is_in_both() -> None:
    """V3-01: ids never cross."""
    names = [
        {
            book.agents,
            book.deployments,
            book.signals,
            book.deliveries,
            book.positions,
            book.routing_history,
            book.routing_config,
        }
        for book in (V2, V3)
    ]
    assert names[0].isdisjoint(names[1])
    assert len(names[1]) == 7
    assert BOOKS == {"v2": V2, "v3": V3}


def test_book_named_when_unknown_then_invalid_input() -> None:
    assert book_named("v3") is V3
    with pytest.raises(InvalidInputError, match="book: no book 'v4'"):
        book_named("v4")
