"""Terraform's values in Python: text, numbers, booleans, null, lists, sets and maps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tools.plan.faults import PlanError

Value = object
"""str, Symbol, int, float, bool, None, list, SetOf, dict, or something with `attribute`."""


class Symbol(str):
    """Text that only `terraform apply` knows exactly: `<project number>`, or text that holds such.

    What can be foretold reads as it will be: the e-mail of a service account of this plan. No
    for_each, count or condition may hang on one, as none may in Terraform.
    """

    __slots__ = ()


class SetOf(list[Value]):
    """Each element once, in order."""


class Lookup(Protocol):
    """Something with named parts: a resource, a module, `var`, `each` ..."""

    def attribute(self, name: str) -> Value:
        """Raises PlanError: it has no such part."""


def set_of(values: Iterable[Value]) -> SetOf:
    found = {str(value): value for value in values}
    return SetOf(found[key] for key in sorted(found))


def known(value: Value) -> bool:
    """Whether nothing of it waits for the apply."""
    if isinstance(value, Mapping):
        return all(known(key) and known(each) for key, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(known(each) for each in value)
    return not isinstance(value, Symbol)


def text(value: Value) -> str:
    """As Terraform converts to a string; a Symbol stays one. Raises PlanError: not convertible."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(int(value)) if value == int(value) else str(value)
    raise PlanError(f"{kind_of(value)} is no text")


def number(value: Value) -> int | float:
    """Raises PlanError: not a number, nor text that is one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise PlanError(f"{kind_of(value)} is no number")
    if isinstance(value, int | float):
        return value
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        raise PlanError(f"{value!r} is no number") from None


def truth(value: Value) -> bool:
    """Raises PlanError: not true or false, or known after the apply only."""
    if isinstance(value, Symbol):
        raise PlanError(f"a condition that only the apply knows: {value}")
    if value in ("true", "false"):
        return value == "true"
    if not isinstance(value, bool):
        raise PlanError(f"{kind_of(value)} is neither true nor false")
    return value


def elements(value: Value) -> Sequence[Value]:
    """Of a list or set, or the values of a map in order of key. Raises PlanError."""
    if isinstance(value, Mapping):
        return [value[key] for key in sorted(value)]
    if isinstance(value, list):
        return value
    raise PlanError(f"{kind_of(value)} is no collection")


def mapping(value: Value) -> Mapping[str, Value]:
    if isinstance(value, Mapping):
        return value
    raise PlanError(f"{kind_of(value)} is no map")


def pairs(value: Value) -> list[tuple[Value, Value]]:
    """What a `for` goes over: (key, value), (number, value), or (value, value) of a set."""
    if isinstance(value, Mapping):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, SetOf):
        return [(each, each) for each in value]
    return list(enumerate(elements(value)))


def kind_of(value: Value) -> str:
    names = {
        bool: "a boolean",
        str: "text",
        Symbol: "text",
        int: "a number",
        float: "a number",
        list: "a list",
        SetOf: "a set",
        dict: "a map",
        type(None): "null",
    }
    return names.get(type(value), "a resource or module")
