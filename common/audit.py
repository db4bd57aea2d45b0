"""Audit rows: created in the same commit as what they tell of, never changed."""

from collections.abc import Mapping
from datetime import datetime

from common.books import AUDIT
from common.domain.identifiers import prefixed_id
from common.domain.moment import iso
from common.ports import Create, Ref
from common.wire import JsonObject


def audit_write(
    action: str, subject_id: str, *, at: datetime, step: str | int, facts: Mapping[str, object]
) -> Create:
    """`step` tells apart rows of one subject and action; the same step is the same row.

    Facts are kept as text, so that a row reads the same for ever.
    """
    row: JsonObject = {
        "action": action,
        "subject_id": subject_id,
        "step": str(step),
        "at": iso(at),
        "facts": {name: str(value) for name, value in facts.items()},
    }
    return Create(Ref(AUDIT, prefixed_id("aud", action, subject_id, step)), row)
