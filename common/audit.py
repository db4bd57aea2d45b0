"""Audit rows: created in the same commit as what they tell of, never changed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime

from common.books import AUDIT
from common.domain.identifiers import digest, prefixed_id
from common.domain.moment import iso
from common.ports import Create, Ref
from common.wire import JsonObject, canonical_json

_request: ContextVar[Mapping[str, str]] = ContextVar("sapphire_audit_request", default={})  # noqa: B039 - nobody can change it: it is read, and replaced


@contextmanager
def asked_by(name: str, principal_id: str) -> Iterator[None]:
    """Rows made inside also say whose request they come from; the name only where they name nobody.

    So no act that the API comes to know can be left without it. Empty texts: nobody's request,
    as work that is only begun by one.
    """
    facts = {"by": name, "principal": principal_id} if principal_id else {}
    token = _request.set(facts)
    try:
        yield
    finally:
        _request.reset(token)


def audit_write(
    action: str,
    subject_id: str,
    *,
    at: datetime,
    step: str | int,
    facts: Mapping[str, object],
    previous: str = "",
) -> Create:
    """`step` tells apart rows of one subject and action; the same step is the same row.

    Facts are kept as text, so that a row reads the same for ever. `previous` is the hash of the
    row before it in the chain of one order effect, whose head the intent holds: a row that is
    changed or taken out later no longer fits.
    """
    row: JsonObject = {
        "action": action,
        "subject_id": subject_id,
        "step": str(step),
        "at": iso(at),
        "facts": {name: str(value) for name, value in {**_request.get(), **facts}.items()},
        "previous": previous,
    }
    row["hash"] = row_hash(row)
    return Create(Ref(AUDIT, prefixed_id("aud", action, subject_id, step)), row)


def row_hash(row: JsonObject) -> str:
    """Over everything in the row but the hash itself."""
    return digest(canonical_json({key: value for key, value in row.items() if key != "hash"}))


def head_after(row: Create) -> str:
    """The chain's head once this row is written."""
    return str(row.data["hash"])
