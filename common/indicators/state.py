"""An indicator's memory as plain JSON values: numbers, None and lists of them, in field order.

Floats are written by `repr`, the shortest text that reads back to the same float, so a state that
was stored and read again goes on exactly as if it had never left memory.
"""

from typing import TYPE_CHECKING, Any

from common.errors import InvalidInputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_SCALARS = frozenset({int, float, type(None)})
_PLAIN = _SCALARS | {list}


def dump(indicator: "DataclassInstance") -> list[Any]:
    """Every field in order; indicators inside become lists inside."""
    values: list[Any] = []
    for name in indicator.__dataclass_fields__:
        value = getattr(indicator, name)
        kind = type(value)
        if kind is list:
            values.append(value.copy())
        else:
            values.append(value if kind in _SCALARS else dump(value))
    return values


def restore(indicator: "DataclassInstance", values: object) -> None:
    """Put what `dump` wrote back into a fresh indicator of the same shape.

    Raises:
        InvalidInputError: another number of fields, or a value of another kind.
    """
    names = indicator.__dataclass_fields__
    if not isinstance(values, list) or len(values) != len(names):
        raise _damaged(indicator, "")
    for name, value in zip(names, values, strict=True):
        kind = type(getattr(indicator, name))
        if kind not in _PLAIN:
            restore(getattr(indicator, name), value)
            continue
        if kind is list:
            fits = type(value) is list and _SCALARS.issuperset(map(type, value))
        else:
            fits = type(value) in _SCALARS
        if not fits:
            raise _damaged(indicator, name)
        setattr(indicator, name, value)


def _damaged(indicator: object, name: str) -> InvalidInputError:
    where = type(indicator).__name__ + (f".{name}" if name else "")
    return InvalidInputError("not a state of this version", code="INVALID_STATE", where=where)
