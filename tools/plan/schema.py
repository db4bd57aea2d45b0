"""Every resource, attribute and block against the provider's schema, as far as we use it."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tools.plan.finding import Finding
from tools.plan.instances import META
from tools.plan.nodes import Block, Body, Expression, Literal, ObjectOf
from tools.plan.plan import Plan
from tools.plan.source import Source

TABLE_FILE = Path(__file__).with_name("provider_schema.json")
Fields = Mapping[str, Mapping[str, Any]]
"""By name: whether it is required, and, where it is a block, the fields inside."""

DATA_SOURCES: Mapping[str, Fields] = {"google_project": {"project_id": {"required": False}}}


@cache
def provider_table() -> Mapping[str, Any]:
    """`provider_version`, and `resources`: a type's fields by its name."""
    table: Mapping[str, Any] = json.loads(TABLE_FILE.read_text(encoding="utf-8"))
    return table


def schema_findings(plan: Plan) -> list[Finding]:
    """Unknown types, unknown, missing and misplaced attributes and blocks; another provider."""
    return [each for source in plan.sources().values() for each in _source(source)]


def _source(source: Source) -> Iterator[Finding]:
    for (kind, name), block in source.resources().items():
        yield from _declared(block, f"{kind}.{name}", provider_table()["resources"].get(kind))
    for (kind, name), block in source.resources("data").items():
        yield from _declared(block, f"data.{kind}.{name}", DATA_SOURCES.get(kind))
    yield from _versions(source)


def _declared(block: Block, address: str, fields: Fields | None) -> Iterator[Finding]:
    where = str(block.place)
    if fields is None:
        message = "no type of provider_schema.json (python -m tools.plan.cut_schema)"
        yield Finding(where=where, what=address, message=message)
        return
    for message, place in _body(block.body, fields, top=True, start=where):
        yield Finding(where=place, what=address, message=message)


def _body(body: Body, fields: Fields, *, top: bool, start: str) -> Iterator[tuple[str, str]]:
    for attribute in body.attributes:
        if top and attribute.name in META:
            continue
        field = fields.get(attribute.name)
        if field is None:
            yield f"there is no attribute {attribute.name}", str(attribute.place)
        elif "block" in field and not field.get("attribute"):
            yield f"{attribute.name} is a block: no = before its brace", str(attribute.place)
    for block in body.blocks:
        yield from _nested(block, fields, top=top)
    given = {each.name for each in body.attributes}
    given |= {block.labels[0] if block.kind == "dynamic" else block.kind for block in body.blocks}
    for name, field in fields.items():
        if field["required"] and name not in given:
            yield f"{name} is required", start


def _nested(block: Block, fields: Fields, *, top: bool) -> Iterator[tuple[str, str]]:
    if top and block.kind in META | {"provisioner", "connection"}:
        return
    dynamic = block.kind == "dynamic"
    kind = block.labels[0] if dynamic else block.kind
    field = fields.get(kind)
    if field is None:
        yield f"there is no block {kind}", str(block.place)
    elif "block" not in field:
        yield f"{kind} is an attribute: it needs a =", str(block.place)
    else:
        for inner in block.body.blocks_of("content") if dynamic else (block,):
            yield from _body(inner.body, field["block"], top=False, start=str(inner.place))


def _versions(source: Source) -> Iterator[Finding]:
    """The provider is pinned to the version that the table is of."""
    pinned = provider_table()["provider_version"]
    found = [
        inner
        for block in source.of("terraform")
        for inner in block.body.blocks_of("required_providers")
    ]
    if not found:
        message = "no required_providers: any version of the provider would do"
        yield Finding(where=source.shown, what="terraform", message=message)
    for block in found:
        google = block.body.attribute("google")
        if google is None or _version(google.value) != pinned:
            message = f"the provider google must be pinned to {pinned}"
            yield Finding(where=str(block.place), what="terraform", message=message)


def _version(node: Expression) -> object:
    for key, value in node.items if isinstance(node, ObjectOf) else ():
        if key == Literal("version") and isinstance(value, Literal):
            return value.value
    return None
