"""Audit rows: created once, as text, never changed."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common.audit import asked_by, audit_write, head_after, row_hash
from common.books import AUDIT
from common.errors import ConflictError
from infra.local.store.memory import MemoryStore
from tests.builders import NOON


def test_audit_write_when_made_then_a_row_of_text() -> None:
    row = audit_write(
        "order-sending", "0xab", at=NOON, step=2, facts={"quantity": Decimal("1.50"), "venue": None}
    )

    assert row.ref.collection == AUDIT
    assert row.data == {
        "action": "order-sending",
        "subject_id": "0xab",
        "step": "2",
        "at": "2026-01-15T12:00:00.000000Z",
        "facts": {"quantity": "1.50", "venue": "None"},
        "previous": "",
        "hash": row_hash(row.data),
    }


def test_audit_write_when_the_step_is_the_same_then_the_row_is_whenever_it_is_written() -> None:
    later = NOON + timedelta(hours=1)
    one = audit_write("a", "s", at=NOON, step="x", facts={})

    assert audit_write("a", "s", at=later, step="x", facts={"b": 1}).ref == one.ref
    others = [
        audit_write("b", "s", at=NOON, step="x", facts={}),
        audit_write("a", "t", at=NOON, step="x", facts={}),
        audit_write("a", "s", at=NOON, step="y", facts={}),
    ]
    assert len({one.ref.id, *(row.ref.id for row in others)}) == 4


async def test_audit_write_when_committed_twice_then_the_first_stands() -> None:
    store = MemoryStore()
    await store.commit([audit_write("a", "s", at=NOON, step=1, facts={"told": "first"})])
    with pytest.raises(ConflictError):
        await store.commit([audit_write("a", "s", at=NOON, step=1, facts={"told": "second"})])

    (row,) = store.contents()[AUDIT].values()
    assert row["facts"] == {"told": "first"}


def test_row_hash_when_anything_but_the_hash_is_altered_then_it_no_longer_fits() -> None:
    row = audit_write("a", "s", at=NOON, step=1, facts={"quantity": "1"}, previous="ab")

    assert row.data["hash"] == head_after(row) == row_hash(row.data)
    assert row_hash({**row.data, "hash": "x"}) == head_after(row)
    altered: list[dict[str, object]] = [
        {"facts": {"quantity": "2"}},
        {"at": "2026-01-15T12:00:01.000000Z"},
        {"previous": "ac"},
        {"subject_id": "t"},
        {"action": "b"},
        {"step": "2"},
        {"more": ""},
    ]
    assert all(row_hash({**row.data, **change}) != head_after(row) for change in altered)


def test_chain_when_a_row_is_taken_out_then_the_next_one_names_what_is_missing() -> None:
    first = audit_write("a", "s", at=NOON, step=1, facts={})
    second = audit_write("a", "s", at=NOON, step=2, facts={}, previous=head_after(first))
    third = audit_write("a", "s", at=NOON, step=3, facts={}, previous=head_after(second))

    assert [row.data["previous"] for row in (first, second, third)] == [
        "",
        head_after(first),
        head_after(second),
    ]
    assert third.data["previous"] != head_after(first)


def test_audit_write_when_made_within_a_request_then_it_names_who_asked() -> None:
    with asked_by("Ada", "tok_1"):
        row = audit_write("a", "s", at=NOON, step=1, facts={"reason": "x"})
        told = audit_write("a", "s", at=NOON, step=1, facts={"by": "Grace"})
        with asked_by("", ""):
            within = audit_write("a", "s", at=NOON, step=1, facts={})
    after = audit_write("a", "s", at=NOON, step=1, facts={})

    assert row.data["facts"] == {"by": "Ada", "principal": "tok_1", "reason": "x"}
    assert told.data["facts"] == {"by": "Grace", "principal": "tok_1"}
    assert within.data["facts"] == after.data["facts"] == {}
    assert row.data["hash"] == row_hash(row.data)
