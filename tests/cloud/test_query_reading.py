"""Queries are read from source, with every choice that they have; what cannot be read is told."""

import logging
from pathlib import Path

import pytest

from common.books import BOOKS
from common.ports import Page, Query
from infra.local.store.memory import MemoryStore
from tests.shared_data import REPOSITORY
from tests.simulation.scenario import run
from tools.plan.queries.collect import collect
from tools.plan.queries.shape import Shape

SEED = 1  # of the simulation
IMPORTS = "from common.ports import Query, Where\nfrom common.documents import every\n"


def shapes_of(folder: Path, body: str) -> set[Shape]:
    _write(folder, body)
    collected = collect(folder)
    assert collected.unread == ()
    return {asked.shape for asked in collected.asked}


def _write(folder: Path, body: str) -> None:
    path = folder / "functions" / "one" / "handler.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(IMPORTS + body, encoding="utf-8")


def test_query_when_written_out_then_its_shape(tmp_path: Path) -> None:
    body = (
        "def f():\n"
        '    return Query("c", (Where("a", "==", 1), Where("b", "in", ()), Where("t", "<", 2)),\n'
        '                 order_by="t", descending=True, limit=3)\n'
    )
    assert shapes_of(tmp_path, body) == {
        Shape(
            collection="c",
            equal=frozenset({"a", "b"}),
            spans=frozenset({"t"}),
            order_by="t",
            descending=True,
        )
    }


@pytest.mark.parametrize(
    "body",
    [
        'W = Where("a", "==", 1)\nC = "c"\n\ndef f():\n    return Query(C, (W,))\n',
        'def f():\n    where = (Where("a", "==", 1),)\n    return Query("c", where=where)\n',
        'def f(w):\n    return Query("c", (w,))\n\ndef g():\n    return f(Where("a", "==", 1))\n',
        'def f(*w):\n    return Query("c", (*w,))\n\ndef g():\n    return f(Where("a", "==", 1))\n',
        'def f(c):\n    return every(store, c, Where("a", "==", 1))\n\ndef g():\n    f(c="c")\n',
    ],
)
def test_query_when_its_parts_stand_elsewhere_then_followed(tmp_path: Path, body: str) -> None:
    assert shapes_of(tmp_path, body) == {Shape(collection="c", equal=frozenset({"a"}))}


def test_query_when_it_has_choices_then_every_one(tmp_path: Path) -> None:
    body = (
        "def f(x):\n"
        '    where = (Where("a", "==", x),) if x else ()\n'
        '    return Query("c", where, order_by="t" if x else None)\n'
    )
    assert shapes_of(tmp_path, body) == {
        Shape(collection="c", equal=equal, order_by=order)
        for equal in (frozenset[str](), frozenset({"a"}))
        for order in (None, "t")
    }


def test_query_when_over_a_book_then_over_both(tmp_path: Path) -> None:
    assert shapes_of(tmp_path, "def f(book):\n    return Query(book.signals)\n") == {
        Shape(collection=book.signals) for book in BOOKS.values()
    }


@pytest.mark.parametrize(
    "body",
    [
        "def f(c):\n    return Query(c)\n",
        "from x import C\n\ndef f():\n    return Query(C)\n",
        'def f(w):\n    return Query("c", tuple(w))\n\ndef g():\n    f([])\n',
        'def f():\n    w = ()\n    w += (Where("a", "==", 1),)\n    return Query("c", w)\n',
        'def f(q):\n    return replace(q, where=())\n\nQ = Query("c")\n',
        'def f():\n    return Query("c", (Where(path(), "==", 1),))\n',
    ],
)
def test_query_when_it_cannot_be_told_then_its_place(tmp_path: Path, body: str) -> None:
    _write(tmp_path, body)
    (unread,) = collect(tmp_path).unread
    assert unread.startswith("functions/one/handler.py:")


def test_query_of_another_library_when_found_then_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "functions" / "api.py"
    path.parent.mkdir(parents=True)
    path.write_text('from fastapi import Query\nX = Query(default="x")\n', encoding="utf-8")
    assert collect(tmp_path).asked == ()


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (Shape(collection="c", spans=frozenset({"a"})), "does not order by"),
        (Shape(collection="c", equal=frozenset({"a"}), order_by="a"), "always the same"),
        (Shape(collection="c", descending=True), "without an order"),
    ],
)
def test_shape_when_firestore_refuses_it_then_why(shape: Shape, reason: str) -> None:
    assert shape.refused is not None
    assert reason in shape.refused


def shape_of(query: Query) -> Shape:
    return Shape(
        collection=query.collection,
        equal=frozenset(each.path for each in query.where if each.op in {"==", "in"}),
        spans=frozenset(each.path for each in query.where if each.op not in {"==", "in"}),
        order_by=query.order_by,
        descending=query.descending,
    )


async def test_queries_when_the_pipeline_runs_then_each_was_read_from_the_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: set[Shape] = set()
    plain = MemoryStore.query

    async def query(store: MemoryStore, query: Query) -> Page:
        asked.add(shape_of(query))
        return await plain(store, query)

    monkeypatch.setattr(MemoryStore, "query", query)
    monkeypatch.setattr(logging.getLogger("sapphire"), "level", logging.CRITICAL)
    await run(SEED)
    read = {each.shape for each in collect(REPOSITORY).asked}
    assert asked - read == set()
    assert len(asked) > 10
