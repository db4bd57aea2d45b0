"""A `Query` as SQL. Names stand in the text, for SQLite to match its indexes; values are bound.

Names are safe in the text because `document_rules` only lets letters, digits and _:- through.
"""

from collections.abc import Sequence
from typing import cast

from common.indexes import INDEXES, Index
from common.ports import Query, Where
from infra.document_rules import Scalar, decode_cursor
from infra.local.store.sqlite_file import json_expression, json_type_expression

_JSON_TYPES: dict[type, str] = {str: "('text')", int: "('integer')", bool: "('true', 'false')"}
_INDEXES: dict[str, list[Index]] = {}
for _index in INDEXES:
    _INDEXES.setdefault(_index.collection, []).append(_index)

Sql = tuple[str, list[object]]


def page_sql(query: Query) -> Sql:
    """Rows (id, version, data, order value); one more than the limit tells that more follow."""
    conditions, values = _conditions(query)
    start = decode_cursor(query)
    if start is not None:
        condition, bound = _after(query, *start)
        conditions.append(condition)
        values += bound
    direction = "DESC" if query.descending else "ASC"
    order, keys = "NULL", f"id {direction}"
    if query.order_by is not None:
        order = json_expression(query.order_by)
        keys = f"{order} {direction}, {keys}"
    text = (
        f"SELECT id, version, data, {_order_value(query)} FROM documents{_indexed_by(query)} "  # noqa: S608 - names are checked, values bound
        f"WHERE {' AND '.join(conditions)} ORDER BY {keys} LIMIT ?"
    )
    return text, [*values, query.limit + 1]


def count_sql(query: Query) -> Sql:
    conditions, values = _conditions(query)
    return (
        f"SELECT count(*) FROM documents{_indexed_by(query)} WHERE {' AND '.join(conditions)}",  # noqa: S608 - as above
        values,
    )


def _indexed_by(query: Query) -> str:
    """Name the declared index: SQLite keeps no statistics here and would walk the primary key."""
    equal = {where.path for where in query.where if _is_equality(where)}
    sorted_by = {where.path for where in query.where if where.op not in {"==", "in"}}
    sorted_by.add(query.order_by or "")
    best, best_score = "", 0
    for index in _INDEXES.get(query.collection, ()):
        if equal.issuperset(index.equal):
            score = 2 * len(index.equal) + (index.order_by in sorted_by)
            if score > best_score:
                best, best_score = f' INDEXED BY "{index.name}"', score
    return best


def _is_equality(where: Where) -> bool:
    """Values of several types become an OR, which no index serves."""
    if where.op == "in":
        return len({type(value) for value in cast("Sequence[object]", where.value)}) == 1
    return where.op == "=="


def _order_value(query: Query) -> str:
    """As JSON text, which keeps true apart from 1."""
    if query.order_by is None:
        return "'null'"
    path = json_expression(query.order_by)
    kind = json_type_expression(query.order_by)
    return (
        f"CASE {kind} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE json_quote({path}) END"
    )


def _conditions(query: Query) -> tuple[list[str], list[object]]:
    conditions = [f"collection = '{query.collection}'"]
    values: list[object] = []
    for where in query.where:
        condition, bound = _where(where)
        conditions.append(condition)
        values += bound
    if query.order_by is not None:  # Firestore leaves out documents without the field
        conditions.append(f"{json_type_expression(query.order_by)} IS NOT NULL")
    return conditions, values


def _where(where: Where) -> Sql:
    """A value only ever matches its own type: json_extract alone takes true for 1."""
    if where.op == "in":
        return _one_of(where)
    operator = "=" if where.op == "==" else where.op
    kind = _JSON_TYPES[type(where.value)]
    path = json_expression(where.path)
    return f"({path} {operator} ? AND {json_type_expression(where.path)} IN {kind})", [where.value]


def _one_of(where: Where) -> Sql:
    wanted = cast("Sequence[object]", where.value)
    path, kind = json_expression(where.path), json_type_expression(where.path)
    groups: list[str] = []
    values: list[object] = []
    for python_type, json_types in _JSON_TYPES.items():
        of_type = [value for value in wanted if type(value) is python_type]
        if of_type:
            marks = ", ".join("?" * len(of_type))
            groups.append(f"({path} IN ({marks}) AND {kind} IN {json_types})")
            values += of_type
    return f"({' OR '.join(groups)})", values


def _after(query: Query, value: Scalar, document_id: str) -> Sql:
    """The rows behind a page's end. SQLite sorts null first, as Firestore does."""
    operator = "<" if query.descending else ">"
    if query.order_by is None:
        return f"id {operator} ?", [document_id]
    path = json_expression(query.order_by)
    if value is None:
        behind = "" if query.descending else f" OR {path} IS NOT NULL"
        return f"(({path} IS NULL AND id {operator} ?){behind})", [document_id]
    behind = f" OR {path} IS NULL" if query.descending else ""
    return f"(({path}, id) {operator} (?, ?){behind})", [value, document_id]
