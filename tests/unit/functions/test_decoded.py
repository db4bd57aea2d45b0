"""Records decoded before are given again, for as long as their documents are the same."""

import pytest

from common.domain.position import Position
from common.errors import InvalidInputError
from common.ports import Document, Ref
from common.wire import JsonObject, to_document
from functions.api.decoded import Decoded
from infra.local.store.memory import MemoryStore
from tests.builders import a_position


def a_document(position_id: str, version: str = "1", **changes: object) -> Document:
    data: JsonObject = to_document(a_position(position_id, **changes))
    return Document(Ref("positions", position_id), data, version)


def test_all_when_nothing_changed_then_the_same_objects_in_the_order_asked() -> None:
    decoded, store = Decoded(Position), MemoryStore()
    first = decoded.all(store, [a_document("a"), a_document("b")])

    again = decoded.all(store, [a_document("b"), a_document("a")])

    assert [each.position_id for each in again] == ["b", "a"]
    assert (again[0] is first[1], again[1] is first[0]) == (True, True)


def test_all_when_one_changed_then_it_alone_is_decoded_again() -> None:
    decoded, store = Decoded(Position), MemoryStore()
    first = decoded.all(store, [a_document("a"), a_document("b")])

    again = decoded.all(store, [a_document("a", "2", fill_count=9), a_document("b")])

    assert again[0].fill_count == 9
    assert again[1] is first[1]


def test_all_when_the_same_ids_stand_elsewhere_then_nothing_is_mixed_up() -> None:
    decoded, store, other = Decoded(Position), MemoryStore(), MemoryStore()
    decoded.all(store, [a_document("a", fill_count=1)])
    v2 = Document(Ref("positions_v2", "a"), a_document("a", fill_count=2).data, "1")

    assert decoded.all(other, [a_document("a", fill_count=3)])[0].fill_count == 3
    assert [p.fill_count for p in decoded.all(store, [a_document("a", fill_count=1), v2])] == [1, 2]


def test_all_when_one_was_left_out_once_then_it_is_not_kept() -> None:
    decoded, store = Decoded(Position), MemoryStore()
    (first,) = decoded.all(store, [a_document("a")])
    decoded.all(store, [])

    (again,) = decoded.all(store, [a_document("a")])

    assert again == first
    assert again is not first


def test_all_when_one_cannot_be_read_then_refused_and_what_was_known_stays() -> None:
    decoded, store = Decoded(Position), MemoryStore()
    (first,) = decoded.all(store, [a_document("a")])
    broken = Document(Ref("positions", "b"), {"position_id": "b"}, "1")

    with pytest.raises(InvalidInputError):
        decoded.all(store, [a_document("a"), broken])
    assert decoded.all(store, [a_document("a")])[0] is first
