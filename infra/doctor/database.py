"""Firestore: the database, and the index behind each query of the code."""

from collections.abc import Mapping
from typing import Any

from common.indexes import INDEXES, Index
from infra.doctor.line import Line, fine, missing
from infra.doctor.target import Cloud, Target, found_or_none, listed

_API = "https://firestore.googleapis.com/v1"
Fields = tuple[tuple[str, str], ...]


async def database(cloud: Cloud, target: Target) -> list[Line]:
    url = f"{_API}/projects/{target.project}/databases/(default)"
    found = await found_or_none(cloud, url)
    if found is None:
        return [missing("database", "there is no Firestore database", target.apply)]
    wrong = []
    if found.get("type") != "FIRESTORE_NATIVE":
        wrong.append(f"it is of type {found.get('type')}, not FIRESTORE_NATIVE")
    if found.get("pointInTimeRecoveryEnablement") != "POINT_IN_TIME_RECOVERY_ENABLED":
        wrong.append("point-in-time recovery is off")
    if wrong:
        return [missing("database", "; ".join(wrong), target.apply)]
    guard = "on" if found.get("deleteProtectionState") == "DELETE_PROTECTION_ENABLED" else "off"
    where = found.get("locationId", "an unknown place")
    return [fine("database", f"in {where}, recovery on, delete protection {guard}")]


async def indexes(cloud: Cloud, target: Target) -> list[Line]:
    """Firestore refuses a query whose index is missing or still building."""
    url = f"{_API}/projects/{target.project}/databases/(default)/collectionGroups/-/indexes"
    there = {_identity(each): each.get("state") for each in await listed(cloud, url, "indexes")}
    needed = {index: (index.collection, _fields(index)) for index in INDEXES if index.composite}
    absent = [index.name for index, key in needed.items() if key not in there]
    unready = [index.name for index, key in needed.items() if there.get(key, "READY") != "READY"]
    if absent:
        text = f"{len(absent)} of {len(needed)} are missing, such as {absent[0]}"
        return [missing("indexes", text, target.apply)]
    if unready:
        look = f"gcloud firestore indexes composite list --project={target.project}"
        text = f"{len(unready)} are still being built, such as {unready[0]}: wait"
        return [missing("indexes", text, look)]
    return [fine("indexes", f"{len(needed)} are ready")]


def _fields(index: Index) -> Fields:
    last = "DESCENDING" if index.descending else "ASCENDING"
    return tuple((path, last if path == index.order_by else "ASCENDING") for path in index.paths)


def _identity(answer: Mapping[str, Any]) -> tuple[str, Fields]:
    """Of .../collectionGroups/NAME/indexes/ID; `__name__` is added by Firestore itself."""
    collection = answer["name"].split("/")[-3]
    fields = answer.get("fields", ())
    named = [each for each in fields if each.get("fieldPath") != "__name__"]
    return collection, tuple((each["fieldPath"], each.get("order", "")) for each in named)
