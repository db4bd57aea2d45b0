"""What every document store promises, on every adapter."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from common.errors import ConflictError, InvalidInputError
from common.indexes import INDEXES, Index
from common.ports import (
    Create,
    Delete,
    Document,
    DocumentStore,
    Increment,
    Page,
    Query,
    Ref,
    Update,
    Where,
    Write,
)

REF = Ref("orders", "o-1")
OTHER = Ref("orders", "o-2")


async def put(store: DocumentStore, ref: Ref, data: dict[str, Any]) -> Document:
    await store.commit([Create(ref, data)])
    return await read(store, ref)


async def read(store: DocumentStore, ref: Ref) -> Document:
    document = await store.get(ref)
    assert document is not None
    return document


async def put_all(store: DocumentStore, collection: str, rows: dict[str, dict[str, Any]]) -> None:
    await store.commit([Create(Ref(collection, key), data) for key, data in rows.items()])


async def ids(store: DocumentStore, query: Query) -> list[str]:
    page = await store.query(query)
    assert page.next_cursor is None
    return [document.ref.id for document in page.documents]


# ------------------------------------------------------------------------------------- documents
async def test_get_when_absent_then_none(store: DocumentStore) -> None:
    assert await store.get(REF) is None


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"n": 0, "big": 2**63 - 1, "small": -(2**63), "past_float": 2**53 + 1},
        {"text": "", "unicode": "naïve 価格 🚀 \u0000 \U0010ffff", "quote": "a'b\"c\\d`e"},
        {"none": None, "yes": True, "no": False, "one": 1, "zero": 0},
        {"empty": {}, "list": [], "deep": {"a": {}, "b": [], "c": [{}, {"d": []}]}},
        json.loads('{"a":' * 19 + "{}" + "}" * 19),
        {"list": [1, "two", None, True, {"three": [3]}], "odd": {"a.b": 1, "c d": 2, "`": 3}},
    ],
    ids=["nothing", "integers", "text", "scalars", "empties", "20-deep", "nested"],
)
async def test_create_when_read_back_then_the_same(
    store: DocumentStore, data: dict[str, Any]
) -> None:
    document = await put(store, REF, data)
    assert document.data == data
    assert repr(sorted_repr(document.data)) == repr(sorted_repr(data))  # True is not 1
    assert document.ref == REF


def sorted_repr(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, sorted_repr(value[key])) for key in sorted(value)]
    return [sorted_repr(member) for member in value] if isinstance(value, list) else value


async def test_read_data_when_changed_by_the_reader_then_the_store_keeps_its_own(
    store: DocumentStore,
) -> None:
    mine = {"list": [1], "map": {"a": 1}}
    first = await put(store, REF, mine)
    first.data["list"].append(2)
    mine["map"]["a"] = 5  # type: ignore[index]  # the writer's own object, too
    assert (await read(store, REF)).data == {"list": [1], "map": {"a": 1}}


async def test_data_when_read_then_names_are_sorted(store: DocumentStore) -> None:
    document = await put(store, REF, {"b": {"z": 1, "y": 2}, "a": [{"d": 1, "c": 2}]})
    assert list(document.data) == ["a", "b"]
    assert list(document.data["b"]) == ["y", "z"]
    assert list(document.data["a"][0]) == ["c", "d"]


async def test_get_many_when_some_absent_then_in_the_order_asked(store: DocumentStore) -> None:
    refs = [Ref("orders", f"o-{n}") for n in range(20)]
    await store.commit([Create(ref, {"n": n}) for n, ref in enumerate(refs) if n % 3])
    asked = [refs[19], refs[0], refs[7], refs[19], refs[1], Ref("fills", "o-1")]
    found = await store.get_many(asked)
    assert [document and document.ref for document in found] == [
        refs[19],
        None,
        refs[7],
        refs[19],
        refs[1],
        None,
    ]
    assert await store.get_many([]) == []


async def test_create_when_it_expires_then_data_does_not_show_it(store: DocumentStore) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    await store.commit([Create(REF, {"a": 1}, expires_at=moment)])
    document = await read(store, REF)
    assert document.data == {"a": 1}
    await store.commit([Update(REF, {"a": 2}, document.version)])
    assert (await read(store, REF)).data == {"a": 2}


# --------------------------------------------------------------------------------- preconditions
async def test_create_when_present_then_conflict_names_it(store: DocumentStore) -> None:
    await put(store, REF, {"a": 1})
    with pytest.raises(ConflictError) as caught:
        await store.commit([Create(REF, {"a": 2})])
    assert (caught.value.collection, caught.value.document_id) == (REF.collection, REF.id)
    assert (await read(store, REF)).data == {"a": 1}


async def test_create_when_twenty_race_then_one_wins(store: DocumentStore) -> None:
    results = await asyncio.gather(
        *(store.commit([Create(REF, {"winner": n})]) for n in range(20)), return_exceptions=True
    )
    assert results.count(None) == 1
    assert sum(isinstance(result, ConflictError) for result in results) == 19
    assert (await read(store, REF)).data == {"winner": results.index(None)}


async def test_update_when_version_holds_then_replaces_top_level_fields_whole(
    store: DocumentStore,
) -> None:
    data = {"keep": 1, "map": {"a": 1, "b": {"c": 2}}, "list": [1, 2], "gone": {"x": 1}}
    document = await put(store, REF, data)
    update: dict[str, Any] = {"map": {"b": {"d": 3}}, "list": [], "gone": {}, "new": None}
    await store.commit([Update(REF, update, document.version)])
    changed = await read(store, REF)
    assert changed.data == {"keep": 1, **update}
    assert changed.version != document.version


async def test_update_when_version_is_old_then_conflict(store: DocumentStore) -> None:
    document = await put(store, REF, {"a": 1})
    await store.commit([Update(REF, {"a": 2}, document.version)])
    with pytest.raises(ConflictError) as caught:
        await store.commit([Update(REF, {"a": 3}, document.version)])
    assert caught.value.document_id == REF.id
    assert (await read(store, REF)).data == {"a": 2}


async def test_update_when_nothing_changes_then_the_version_still_does(
    store: DocumentStore,
) -> None:
    document = await put(store, REF, {"state": "HALF_OPEN"})
    await store.commit([Update(REF, {"state": "HALF_OPEN"}, document.version)])
    second = await read(store, REF)
    assert second.version != document.version
    await store.commit([Update(REF, {"state": "HALF_OPEN"}, second.version)])
    with pytest.raises(ConflictError):  # two equal claims at one version: one of them loses
        await store.commit([Update(REF, {"state": "HALF_OPEN"}, second.version)])


@pytest.mark.parametrize("version", ["not-a-version", "1", "2026-01-01T00:00:00.000001Z"])
async def test_update_when_version_is_made_up_then_conflict(
    store: DocumentStore, version: str
) -> None:
    await put(store, OTHER, {})
    await put(store, REF, {"a": 1})
    with pytest.raises(ConflictError):
        await store.commit([Update(REF, {"a": 2}, version)])


async def test_update_when_deleted_and_made_again_then_the_old_version_conflicts(
    store: DocumentStore,
) -> None:
    document = await put(store, REF, {"a": 1})
    await store.commit([Delete(REF)])
    await store.commit([Create(REF, {"a": 1})])
    with pytest.raises(ConflictError):
        await store.commit([Update(REF, {"a": 2}, document.version)])


async def test_update_and_increment_when_absent_then_conflict(store: DocumentStore) -> None:
    version = (await put(store, OTHER, {})).version
    for write in (Update(REF, {"a": 1}, version), Increment(REF, "n")):
        with pytest.raises(ConflictError) as caught:
            await store.commit([write])
        assert caught.value.document_id == REF.id
    assert await store.get(REF) is None


async def test_delete_when_unconditional_then_gone_and_no_error_again(
    store: DocumentStore,
) -> None:
    await put(store, REF, {"a": 1})
    await store.commit([Delete(REF)])
    assert await store.get(REF) is None
    await store.commit([Delete(REF)])


async def test_delete_when_version_given_then_it_must_match(store: DocumentStore) -> None:
    document = await put(store, REF, {"a": 1})
    await store.commit([Update(REF, {"a": 2}, document.version)])
    with pytest.raises(ConflictError):
        await store.commit([Delete(REF, document.version)])
    current = await read(store, REF)
    await store.commit([Delete(REF, current.version)])
    assert await store.get(REF) is None
    with pytest.raises(ConflictError):
        await store.commit([Delete(REF, current.version)])


# -------------------------------------------------------------------------------------- atomicity
@pytest.mark.parametrize("position", [0, 2, 4])
async def test_commit_when_one_of_a_mixed_batch_fails_then_nothing_is_written(
    store: DocumentStore, position: int
) -> None:
    kept = await put(store, Ref("orders", "kept"), {"n": 1})
    doomed = await put(store, Ref("orders", "doomed"), {"n": 1})
    await put(store, Ref("orders", "there"), {"n": 1})
    writes: list[Write] = [
        Create(Ref("fills", "new"), {"n": 1}),
        Update(kept.ref, {"n": 2}, kept.version),
        Increment(Ref("orders", "there"), "n"),
        Delete(doomed.ref, doomed.version),
    ]
    await put(store, Ref("audit", "taken"), {"n": 1})
    writes.insert(position, Create(Ref("audit", "taken"), {"n": 2}))
    with pytest.raises(ConflictError) as caught:
        await store.commit(writes)
    assert (caught.value.collection, caught.value.document_id) == ("audit", "taken")
    assert await store.get(Ref("fills", "new")) is None
    assert await store.get(kept.ref) == kept
    assert await store.get(doomed.ref) == doomed
    assert (await read(store, Ref("orders", "there"))).data == {"n": 1}
    await store.commit([write for write in writes if write.ref.id != "taken"])
    assert (await read(store, kept.ref)).data == {"n": 2}
    assert (await read(store, Ref("orders", "there"))).data == {"n": 2}
    assert await store.get(doomed.ref) is None


async def test_commit_when_400_writes_then_all_are_there(store: DocumentStore) -> None:
    writes = [Create(Ref("fills", f"f-{n:03}"), {"n": n}) for n in range(400)]
    await store.commit(writes)
    assert await store.count(Query("fills")) == 400
    with pytest.raises(InvalidInputError):
        await store.commit([Create(Ref("audit", f"a-{n}"), {}) for n in range(401)])
    assert await store.count(Query("audit")) == 0


async def test_commit_when_empty_then_nothing_happens(store: DocumentStore) -> None:
    await store.commit([])
    assert await store.count(Query("orders")) == 0


async def test_commit_when_two_writes_meet_in_one_document_then_refused(
    store: DocumentStore,
) -> None:
    document = await put(store, REF, {"n": 1})
    with pytest.raises(InvalidInputError):
        await store.commit([Increment(REF, "n"), Update(REF, {"m": 1}, document.version)])
    assert (await read(store, REF)) == document


# ------------------------------------------------------------------------------------- increments
async def test_increment_when_path_is_nested_then_makes_what_is_missing(
    store: DocumentStore,
) -> None:
    document = await put(store, REF, {"outcomes": {"FILLED": 2}, "text": "t"})
    for path, by in (
        ("outcomes.FILLED", 1),
        ("outcomes.SKIPPED", 1),
        ("a.b.c", 3),
        ("total", -2),
        ("venues.HYPERLIQUID:BTC-USD", 1),
        ("text", 4),  # no number: Firestore starts again from 0
    ):
        await store.commit([Increment(REF, path, by)])
    changed = await read(store, REF)
    assert changed.data == {
        "outcomes": {"FILLED": 3, "SKIPPED": 1},
        "a": {"b": {"c": 3}},
        "total": -2,
        "venues": {"HYPERLIQUID:BTC-USD": 1},
        "text": 4,
    }
    assert changed.version != document.version


async def test_increment_when_50_at_once_then_exact(store: DocumentStore) -> None:
    await put(store, REF, {"outcomes": {}})
    await asyncio.gather(
        *(store.commit([Increment(REF, "outcomes.EXECUTED", 1 + n % 2)]) for n in range(50))
    )
    assert (await read(store, REF)).data == {"outcomes": {"EXECUTED": 75}}


async def test_compare_and_set_when_two_tasks_contend_then_the_count_is_exact(
    store: DocumentStore,
) -> None:
    await put(store, REF, {"n": 0})

    async def add(times: int) -> None:
        while times:
            document = await read(store, REF)
            await asyncio.sleep(0)  # let the other one read the same version
            try:
                await store.commit([Update(REF, {"n": document.data["n"] + 1}, document.version)])
                times -= 1
            except ConflictError:
                continue

    await asyncio.gather(add(50), add(50))
    assert (await read(store, REF)).data == {"n": 100}


# ---------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    "data",
    [
        {"x": 1.5},
        {"x": float("nan")},
        {"x": {"y": [{"z": 0.0}]}},
        {"x": 2**63},
        {"x": (1, 2)},
        {"x": b"bytes"},
        {"x": datetime(2026, 1, 1, tzinfo=UTC)},
        {"x": [[1]]},
        {"x": "\ud800"},
        {"x": {1: "one"}},
        {"x": {"": 1}},
        {"x": {"__y__": 1}},
        {"a.b": 1},
        {"a b": 1},
        {"__x__": 1},
        {"": 1},
        {"expire_at": "2026"},
        {"write_nonce": "x"},
        {"x": "y" * 1_048_576},
        {"x": [0] * 131_072},
    ],
    ids=lambda value: str(value)[:24].encode("unicode_escape").decode(),
)
async def test_data_when_a_store_could_not_keep_it_then_refused(
    store: DocumentStore, data: dict[str, Any]
) -> None:
    document = await put(store, OTHER, {"a": 1})
    with pytest.raises(InvalidInputError):
        await store.commit([Create(REF, data)])
    with pytest.raises(InvalidInputError):
        await store.commit([Update(OTHER, data, document.version)])
    assert await store.get(REF) is None
    assert await store.get(OTHER) == document


async def test_update_when_the_whole_grows_over_1_mib_then_refused(store: DocumentStore) -> None:
    document = await put(store, REF, {"a": "x" * 600_000})
    with pytest.raises(InvalidInputError):
        await store.commit([Update(REF, {"b": "x" * 600_000}, document.version)])
    assert await store.get(REF) == document


@pytest.mark.parametrize(
    "bad",
    ["", ".", "..", "../x", "a/b", "/", "__x__", "_x", "é", "a b", "a\n", "x" * 1_501, "x" * 129],
    ids=lambda value: repr(value)[:12],
)
async def test_id_when_unsafe_then_refused_everywhere(store: DocumentStore, bad: str) -> None:
    for ref in (Ref("orders", bad), Ref(bad, "o-1")):
        with pytest.raises(InvalidInputError):
            await store.get(ref)
        with pytest.raises(InvalidInputError):
            await store.get_many([REF, ref])
        for write in (
            Create(ref, {}),
            Update(ref, {"a": 1}, "1"),
            Increment(ref, "n"),
            Delete(ref),
        ):
            with pytest.raises(InvalidInputError):
                await store.commit([write])
    with pytest.raises(InvalidInputError):
        await store.query(Query(bad))


async def test_id_when_128_signs_long_then_kept(store: DocumentStore) -> None:
    ref = Ref("orders", "A0_.:-" + "x" * 122)
    assert (await put(store, ref, {"a": 1})).ref == ref


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a b", "a`b", "__x__", "a.'b"])
async def test_path_when_malformed_then_refused(store: DocumentStore, path: str) -> None:
    document = await put(store, REF, {"a": 1})
    with pytest.raises(InvalidInputError):
        await store.commit([Increment(REF, path)])
    for query in (Query("orders", (Where(path, "==", 1),)), Query("orders", order_by=path)):
        with pytest.raises(InvalidInputError):
            await store.query(query)
        with pytest.raises(InvalidInputError):
            await store.count(query)
    assert await store.get(REF) == document


@pytest.mark.parametrize(
    "query",
    [
        Query("orders", limit=0),
        Query("orders", descending=True),
        Query("orders", (Where("a", ">", 1),)),
        Query("orders", (Where("a", ">", 1),), order_by="b"),
        Query("orders", (Where("a", ">", 1), Where("b", ">", 1)), order_by="a"),
        Query("orders", (Where("a", "==", None),)),
        Query("orders", (Where("a", "==", 1.5),)),
        Query("orders", (Where("a", "in", ()),)),
        Query("orders", (Where("a", "in", "text"),)),
        Query("orders", (Where("a", "in", tuple(range(31))),)),
        Query("orders", (Where("a", "!=", 1),)),  # type: ignore[arg-type]  # what is refused
    ],
)
async def test_query_when_no_store_could_answer_then_refused(
    store: DocumentStore, query: Query
) -> None:
    with pytest.raises(InvalidInputError):
        await store.query(query)


# ----------------------------------------------------------------------------------------- queries
ROWS: dict[str, dict[str, Any]] = {
    "a": {"n": 3, "s": "x", "b": True, "in": {"side": "BUY"}},
    "b": {"n": 1, "s": "y", "b": False, "in": {"side": "SELL"}},
    "c": {"n": 2, "s": "x", "b": True, "in": {"side": "BUY"}},
    "d": {"n": "2", "s": "", "b": 1, "in": {"side": True}},
    "e": {"n": None, "s": None, "b": None},
    "f": {"s": "é"},
    "g": {"n": True, "s": "Z", "b": "true", "in": "side"},
}


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ((), "abcdefg"),
        ((Where("n", "==", 2),), "c"),
        ((Where("n", "==", "2"),), "d"),
        ((Where("n", "==", 1),), "b"),  # never true, which SQLite holds for 1
        ((Where("n", "==", True),), "g"),
        ((Where("b", "==", True),), "ac"),
        ((Where("b", "==", False),), "b"),
        ((Where("in.side", "==", "BUY"),), "ac"),
        ((Where("in.side", "==", "BUY"), Where("n", "==", 3)), "a"),
        ((Where("s", "in", ("x", "é")),), "acf"),
        ((Where("n", "in", [1, "2", True]),), "bdg"),
        ((Where("s", "==", "x"), Where("b", "==", True), Where("n", "==", 3)), "a"),
        ((Where("in", "==", '{"side":"BUY"}'),), ""),
        ((Where("missing", "==", 1),), ""),
    ],
)
async def test_query_when_filtered_then_only_values_of_the_same_type_match(
    store: DocumentStore, where: tuple[Where, ...], expected: str
) -> None:
    await put_all(store, "rows", ROWS)
    await put_all(store, "rows_v3", {"z": {"n": 2, "s": "x", "b": True}})
    query = Query("rows", where)
    assert await ids(store, query) == list(expected)
    assert await store.count(replace(query, limit=1)) == len(expected)


@pytest.mark.parametrize(
    ("where", "order_by", "expected"),
    [
        ((Where("n", "<", 3),), "n", "bc"),
        ((Where("n", "<=", 3),), "n", "bca"),
        ((Where("n", ">", 1),), "n", "ca"),
        ((Where("n", ">=", 1),), "n", "bca"),
        ((Where("n", ">", 1), Where("n", "<", 3)), "n", "c"),
        ((Where("b", ">=", False),), "b", "bac"),
        ((Where("s", ">", "x"),), "s", "bf"),
        ((Where("s", "<", "x"),), "s", "dg"),
        ((Where("s", ">=", ""),), "s", "dgacbf"),
        ((Where("s", "==", "x"), Where("b", "==", True), Where("n", ">", 2)), "n", "a"),
        ((Where("s", "in", ["x", "y"]), Where("n", ">=", 1)), "n", "bca"),
    ],
)
async def test_query_when_ranged_then_only_values_of_the_same_type_match(
    store: DocumentStore, where: tuple[Where, ...], order_by: str, expected: str
) -> None:
    await put_all(store, "rows", ROWS)
    query = Query("rows", where, order_by=order_by)
    assert await ids(store, query) == list(expected)
    assert await ids(store, replace(query, descending=True)) == list(reversed(expected))
    assert await store.count(replace(query, limit=1)) == len(expected)


async def test_query_when_ordered_then_ties_go_by_id_and_missing_fields_are_left_out(
    store: DocumentStore,
) -> None:
    rows: dict[str, dict[str, Any]] = {
        "e": {"at": "2026-01-02", "k": 1},
        "d": {"at": "2026-01-01", "k": 1},
        "c": {"at": "2026-01-02", "k": 2},
        "b": {"at": None, "k": 1},
        "a": {"k": 1},
    }
    await put_all(store, "rows", rows)
    assert await ids(store, Query("rows", order_by="at")) == ["b", "d", "c", "e"]
    assert await ids(store, Query("rows", order_by="at", descending=True)) == ["e", "c", "d", "b"]
    assert await store.count(Query("rows", order_by="at")) == 4
    only_k1 = (Where("k", "==", 1),)
    assert await ids(store, Query("rows", only_k1, order_by="at")) == ["b", "d", "e"]
    since = (Where("at", ">=", "2026-01-02"),)
    assert await ids(store, Query("rows", since, order_by="at")) == ["c", "e"]
    assert await ids(store, Query("rows", since, order_by="at", descending=True)) == ["e", "c"]


@pytest.mark.parametrize(
    ("order_by", "descending"),
    [
        (None, False),
        ("group", False),
        ("group", True),
        ("n", False),
        ("n", True),
        ("in.label", False),
        ("in.label", True),
        ("maybe", False),
        ("maybe", True),
    ],
)
async def test_query_when_paged_over_250_documents_then_each_comes_once_in_order(
    store: DocumentStore, order_by: str | None, descending: bool
) -> None:
    rows = [
        {
            "group": f"g{n % 7}",
            "n": (n * 37) % 251,
            "in": {"label": n % 5 == 0},
            "maybe": None if n % 10 == 0 else n % 3,
        }
        for n in range(250)
    ]
    await put_all(store, "rows", {f"r{n:03}": row for n, row in enumerate(rows)})
    query = Query("rows", order_by=order_by, descending=descending, limit=40)
    pages: list[Page] = [await store.query(query)]
    while pages[-1].next_cursor is not None:
        pages.append(await store.query(replace(query, cursor=pages[-1].next_cursor)))
    assert [len(page.documents) for page in pages] == [40] * 6 + [10]
    found = [document for page in pages for document in page.documents]

    def key(document: Document) -> tuple[Any, ...]:
        value: Any = document.data
        for name in (order_by or "").split(".") if order_by else ():
            value = value[name]
        return (0 if order_by is None else (value is not None, value or 0), document.ref.id)

    assert found == sorted(found, key=key, reverse=descending)
    assert len({document.ref.id for document in found}) == 250


async def test_query_when_the_limit_takes_all_then_no_cursor(store: DocumentStore) -> None:
    await put_all(store, "rows", {"a": {"n": 1}, "b": {"n": 2}})
    assert (await store.query(Query("rows", limit=2))).next_cursor is None
    page = await store.query(Query("rows", limit=1))
    assert page.next_cursor is not None
    assert await store.query(Query("empty")) == Page(())


@pytest.mark.parametrize("cursor", ["", "x", "????", "bnVsbA", "W10", "é", "A" * 5000])
async def test_cursor_when_not_ours_then_refused(store: DocumentStore, cursor: str) -> None:
    await put_all(store, "rows", {"a": {"n": 1}})
    with pytest.raises(InvalidInputError):
        await store.query(Query("rows", cursor=cursor))


async def test_cursor_when_of_another_order_then_refused(store: DocumentStore) -> None:
    await put_all(store, "rows", {"a": {"n": 1}, "b": {"n": 2}})
    cursor = (await store.query(Query("rows", order_by="n", limit=1))).next_cursor
    assert cursor is not None
    for query in (Query("rows"), Query("rows", order_by="n", descending=True), Query("orders")):
        with pytest.raises(InvalidInputError):
            await store.query(replace(query, cursor=cursor))
    assert await ids(store, Query("rows", order_by="n", cursor=cursor)) == ["b"]


@pytest.mark.parametrize("index", INDEXES, ids=[index.name for index in INDEXES])
async def test_declared_index_when_queried_then_answers(store: DocumentStore, index: Index) -> None:
    fields: dict[str, Any] = {}
    for path in index.paths:
        *parents, last = path.split(".")
        inner = fields
        for name in parents:
            inner = inner.setdefault(name, {})
        inner[last] = "v"
    await put_all(store, index.collection, {"a": fields, "b": fields, "c": {"x": 1}})
    query = Query(
        index.collection,
        tuple(Where(path, "==", "v") for path in index.equal),
        order_by=index.order_by,
        descending=index.descending,
    )
    expected = ["b", "a"] if index.descending else ["a", "b"]
    assert await ids(store, query) == expected
    assert await store.count(query) == 2
