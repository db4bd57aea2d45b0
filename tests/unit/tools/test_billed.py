"""What the counting ports count, held to Firestore's and Pub/Sub's rules of billing."""

from common.ports import Create, Delete, Query, Ref, Update, Where
from infra.local.store.memory import MemoryStore
from tests.builders import NOON
from tools.billed import BilledStore, Counts, document_bytes, index_bytes

ONE, TWO = Ref("things", "one"), Ref("things", "two")


def counting() -> tuple[BilledStore, Counts]:
    counts = Counts()
    counts.counting = True
    return BilledStore(MemoryStore(), counts), counts


def of(counts: Counts) -> dict[str, int]:
    return dict(counts.functions["outside"])


async def test_reads_when_documents_are_missing_then_each_is_billed_all_the_same() -> None:
    store, counts = counting()
    await store.get(ONE)
    await store.get_many([ONE, TWO, ONE])
    assert of(counts) == {"calls": 2, "reads": 3}


async def test_query_when_nothing_is_found_then_one_read_and_when_cut_one_more() -> None:
    store, counts = counting()
    await store.query(Query("things"))
    assert of(counts)["reads"] == 1
    await store.commit([Create(ONE, {"a": 1}), Create(TWO, {"a": 1})])
    await store.query(Query("things", (Where("a", "==", 1),), limit=1))
    assert of(counts)["reads"] == 3
    assert await store.count(Query("things")) == 2
    assert of(counts)["reads"] == 4


async def test_commit_when_it_writes_and_deletes_then_by_document_and_expiry() -> None:
    store, counts = counting()
    await store.commit([Create(ONE, {"a": 1}, expires_at=NOON), Create(TWO, {"a": 1})])
    stored = await store.get(TWO)
    assert stored is not None
    await store.commit([Update(TWO, {"a": 2}, stored.version), Delete(ONE)])
    found = of(counts)
    assert (found["writes"], found["deletes"], found["expiring"]) == (3, 1, 1)
    assert found["written_bytes"] == 3 * document_bytes(ONE, {"a": 1})


async def test_paper_when_its_collections_are_touched_then_counted_apart() -> None:
    store, counts = counting()
    await store.get(Ref("paper_orders", "one"))
    assert of(counts) == {"paper_reads": 1}


async def test_counts_when_not_counting_then_nothing() -> None:
    store, counts = counting()
    counts.counting = False
    await store.get(ONE)
    assert counts.functions == {}


def test_bytes_when_measured_by_hand_then_as_the_rules_of_storage_say() -> None:
    """Name: 7 + 4 + 16. Fields: "text" 5 + 6, "n" 2 + 8, "yes" 4 + 1, "m.k" 2 + 2 + 3. And 32."""
    data = {"text": "hello", "n": 7, "yes": True, "m": {"k": "ab"}}
    assert document_bytes(ONE, data) == (7 + 4 + 16) + (11 + 10 + 5 + 7) + 32


def test_index_when_a_field_is_a_list_then_one_entry_a_member_and_long_values_are_cut() -> None:
    plain = index_bytes(ONE, {"a": 1})
    assert index_bytes(ONE, {"a": [1, 2]}) == plain
    assert index_bytes(ONE, {"a": "x" * 9000}) == index_bytes(ONE, {"a": "x" * 1499})
