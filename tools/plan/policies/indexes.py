"""Firestore's indexes: those that the code's queries need, and documents that end by themselves."""

from collections.abc import Iterator

from common.indexes import EXPIRING, INDEXES, Index
from infra.document_rules import EXPIRY_FIELD
from tools.plan.finding import Finding
from tools.plan.instances import Instance
from tools.plan.plan import Plan, finding
from tools.plan.queries.collect import collect

INDEX = "google_firestore_index"
FIELD = "google_firestore_field"


def built(plan: Plan) -> list[Index]:
    """What Terraform has Firestore build."""
    return [_read(each) for each in plan.of(INDEX)]


def _read(each: Instance) -> Index:
    fields = [(str(block.get("field_path")), block.get("order")) for block in each.blocks("fields")]
    *equal, (last, order) = fields or [("", None)]
    return Index(
        str(each.get("collection")), tuple(path for path, _ in equal), last, order == "DESCENDING"
    )


def every_query_served(plan: Plan) -> list[Finding]:
    """Firestore refuses a query without its composite index, and only then is it noticed."""
    collected = collect(plan.root)
    there = built(plan)
    found = [
        Finding(where=each.partition(": ")[0], what="query", message=f"cannot be told: {each}")
        for each in collected.unread
    ]
    for asked in collected.asked:
        shape = asked.shape
        if shape.refused:
            found.append(Finding(where=asked.where, what=str(shape), message=shape.refused))
        elif shape.needs_index and not any(shape.served_by(index) for index in there):
            message = "Terraform builds no index for it (common/indexes.py, tools/indexes.py)"
            found.append(Finding(where=asked.where, what=str(shape), message=message))
    if not collected.asked:
        found.append(Finding(where="common", what="query", message="no query was found at all"))
    return found


def declared_built(plan: Plan) -> list[Finding]:
    """The composite ones of common/indexes.py, and no other: each costs at every write."""
    wanted = {_plain(index) for index in INDEXES if index.composite}
    made = {_plain(index): each for index, each in zip(built(plan), plan.of(INDEX), strict=True)}
    missing = [
        Finding(where="common/indexes.py", what=str(index), message="Terraform builds it not")
        for index in sorted(wanted - set(made), key=str)
    ]
    extra = [each for index, each in made.items() if index not in wanted]
    return missing + [finding(each, "common/indexes.py knows it not") for each in extra]


def _plain(index: Index) -> tuple[object, ...]:
    return (index.collection, frozenset(index.equal), index.order_by, index.descending)


def documents_end(plan: Plan) -> list[Finding]:
    """Each expiring collection has its TTL, and nothing asks by the time, which has no index."""
    made = {
        str(each.get("collection"))
        for each in plan.of(FIELD)
        if each.get("field") == EXPIRY_FIELD and "ttl_config" in each.configured()
    }
    found = [
        Finding(where="common/indexes.py", what=collection, message="Terraform sets no TTL")
        for collection in sorted(set(EXPIRING) - made)
    ]
    found += [
        Finding(where="terraform", what=collection, message="has a TTL that the code knows not")
        for collection in sorted(made - set(EXPIRING))
    ]
    return [*found, *_asked_by_expiry(plan)]


def _asked_by_expiry(plan: Plan) -> Iterator[Finding]:
    for asked in collect(plan.root).asked:
        paths = {*asked.shape.equal, *asked.shape.spans, asked.shape.order_by}
        if EXPIRY_FIELD in paths:
            message = f"asks by {EXPIRY_FIELD}, which has no index"
            yield Finding(where=asked.where, what=str(asked.shape), message=message)
