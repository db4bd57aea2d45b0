"""An indicator's memory as plain JSON values: numbers, None and lists of them, in field order.

Floats are written by `repr`, the shortest text that reads back to the same float, so a state that
was stored and read again goes on exactly as if it had never left memory.
"""

from dataclasses import fields, is_dataclass
from typing import Any

from common.errors import InvalidInputError

_SCALARS = (int, float, type(None))


def dump(indicator: object) -> list[Any]:
    """Every field in order; indicators inside become lists inside."""
    values: list[Any] = []
    for field in fields(indicator):  # type: ignore[arg-type]  # any dataclass instance
        value = getattr(indicator, field.name)
        if is_dataclass(value):
            values.append(dump(value))
        else:
            values.append(list(value) if isinstance(value, list) else value)
    return values


def restore(indicator: object, values: object) -> None:
    """Put what `dump` wrote back into a fresh indicator of the same shape.

    Raises:
        InvalidInputError: another number of fields, or a value of another kind.
    """
    where = type(indicator).__name__
    names = [field.name for field in fields(indicator)]  # type: ignore[arg-type]  # as above
    if not isinstance(values, list) or len(values) != len(names):
        raise InvalidInputError("not a state of this version", code="INVALID_STATE", where=where)
    for name, value in zip(names, values, strict=True):
        current = getattr(indicator, name)
        if is_dataclass(current):
            restore(current, value)
            continue
        if isinstance(current, list) != isinstance(value, list):
            raise InvalidInputError("wrong kind", code="INVALID_STATE", where=f"{where}.{name}")
        parts = value if isinstance(value, list) else [value]
        if not all(type(part) in _SCALARS for part in parts):
            raise InvalidInputError("not a number", code="INVALID_STATE", where=f"{where}.{name}")
        setattr(indicator, name, value)
