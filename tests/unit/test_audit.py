"""Audit rows: created once, as text, never changed."""

from datetime import timedelta
from decimal import Decimal

import pytest

from common.audit import audit_write
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
