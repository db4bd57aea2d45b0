"""The value of a Terraform expression."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tools.plan.faults import PlanError
from tools.plan.functions import call
from tools.plan.nodes import (
    Binary,
    Call,
    Conditional,
    Expression,
    For,
    GetAttribute,
    Index,
    Literal,
    Name,
    ObjectOf,
    Splat,
    Template,
    TupleOf,
    Unary,
)
from tools.plan.values import (
    SetOf,
    Symbol,
    Value,
    elements,
    kind_of,
    known,
    number,
    pairs,
    text,
    truth,
)


class Roots(Protocol):
    """What the first names of references stand for."""

    def root(self, name: str) -> Value:
        """Raises PlanError: nothing of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The roots of a module, and nearer names: each, count, those of `for` and of `dynamic`."""

    roots: Roots
    near: Mapping[str, Value] = field(default_factory=dict)

    def root(self, name: str) -> Value:
        return self.near[name] if name in self.near else self.roots.root(name)

    def with_names(self, names: Mapping[str, Value]) -> "Scope":
        return Scope(roots=self.roots, near={**self.near, **names})


def evaluate(node: Expression, scope: Scope) -> Value:
    """Raises PlanError: an unknown name, key or function, or a wrong kind of value."""
    match node:
        case Literal():
            return node.value
        case Name():
            return scope.root(node.name)
        case Template():
            return _template(node, scope)
        case GetAttribute():
            return part_of(evaluate(node.of, scope), node.name)
        case Index():
            return part_of(evaluate(node.of, scope), evaluate(node.key, scope))
        case TupleOf():
            return [evaluate(item, scope) for item in node.items]
        case ObjectOf():
            return {_key(key, scope): evaluate(item, scope) for key, item in node.items}
        case Conditional():
            chosen = truth(evaluate(node.condition, scope))
            return evaluate(node.when_true if chosen else node.when_false, scope)
        case _:
            return _compound(node, scope)


def _compound(node: Expression, scope: Scope) -> Value:
    match node:
        case For():
            return _for(node, scope)
        case Call():
            return _call(node, scope)
        case Splat():
            return _splat(node, scope)
        case Unary(operator="!"):
            return not truth(evaluate(node.operand, scope))
        case Unary():
            return -number(evaluate(node.operand, scope))
        case Binary():
            return _binary(node, scope)
    raise PlanError(f"{type(node).__name__} is not evaluated here")


def _template(node: Template, scope: Scope) -> Value:
    parts = [part if isinstance(part, str) else evaluate(part, scope) for part in node.parts]
    joined = "".join(text(part) for part in parts)
    return joined if known(parts) else Symbol(joined)


def _key(node: Expression, scope: Scope) -> str:
    key = evaluate(node, scope)
    if isinstance(key, Symbol):
        raise PlanError(f"a key that only the apply knows: {key}")
    return text(key)


def part_of(value: Value, key: Value) -> Value:
    """`value.key` or `value[key]`."""
    if isinstance(value, Mapping):
        name = text(key)
        if name in value:
            return value[name]
        raise PlanError(f"there is no {name!r} among {', '.join(map(str, value)) or 'nothing'}")
    if isinstance(value, SetOf):
        raise PlanError("a set has no numbered elements")
    if isinstance(value, list):
        place = int(number(key))
        if 0 <= place < len(value):
            return value[place]
        raise PlanError(f"there is no element {place} of {len(value)}")
    if isinstance(value, Symbol):
        return Symbol(f"<{value.strip('<>')}.{text(key)}>")
    attribute = getattr(value, "attribute", None)
    if attribute is None:
        raise PlanError(f"{kind_of(value)} has no {text(key)!r}")
    found: Value = attribute(text(key))
    return found


def _for(node: For, scope: Scope) -> Value:
    source = evaluate(node.source, scope)
    items: list[Value] = []
    table: dict[str, Value] = {}
    for key, value in pairs(source):
        names = dict(
            zip(node.names, (key, value) if len(node.names) > 1 else (value,), strict=True)
        )
        inner = scope.with_names(names)
        if node.condition is not None and not truth(evaluate(node.condition, inner)):
            continue
        made = evaluate(node.value, inner)
        if node.key is None:
            items.append(made)
            continue
        name = _key(node.key, inner)
        if node.grouped:
            group = table.setdefault(name, [])
            if isinstance(group, list):
                group.append(made)
        elif name in table:
            raise PlanError(f"two elements of a for expression have the key {name!r}")
        else:
            table[name] = made
    return items if node.key is None else table


def _call(node: Call, scope: Scope) -> Value:
    if node.function == "try":
        return _try(node, scope)
    if node.function == "can":
        return _can(node, scope)
    arguments = [evaluate(argument, scope) for argument in node.arguments]
    if node.spread:
        arguments = [*arguments[:-1], *elements(arguments[-1])]
    return call(node.function, arguments)


def _try(node: Call, scope: Scope) -> Value:
    for argument in node.arguments[:-1]:
        try:
            return evaluate(argument, scope)
        except PlanError:
            continue
    return evaluate(node.arguments[-1], scope)


def _can(node: Call, scope: Scope) -> bool:
    try:
        evaluate(node.arguments[0], scope)
    except PlanError:
        return False
    return True


def _splat(node: Splat, scope: Scope) -> Value:
    source = evaluate(node.of, scope)
    if source is None:
        return []
    out: list[Value] = []
    for value in source if isinstance(source, list) else [source]:
        found = value
        for step in node.steps:
            found = part_of(found, step if isinstance(step, str) else evaluate(step, scope))
        out.append(found)
    return out


def _binary(node: Binary, scope: Scope) -> Value:
    left = evaluate(node.left, scope)
    if node.operator == "&&":
        return truth(left) and truth(evaluate(node.right, scope))
    if node.operator == "||":
        return truth(left) or truth(evaluate(node.right, scope))
    right = evaluate(node.right, scope)
    if node.operator in {"==", "!="}:
        return _compared(left, right, wanted=node.operator == "==")
    return _computed(node.operator, number(left), number(right))


def _compared(left: Value, right: Value, *, wanted: bool) -> Value:
    if known(left) and known(right):
        same = isinstance(left, bool) == isinstance(right, bool) and left == right
        return same == wanted
    if not _may_be_same(left, right):
        return not wanted
    return Symbol(f"<whether {left} is {right}>")


def _may_be_same(left: Value, right: Value) -> bool:
    """Whether the unknown parts of one can make it the other."""
    if isinstance(right, Symbol):
        left, right = right, left
    if not isinstance(left, Symbol) or isinstance(right, Symbol) or not isinstance(right, str):
        return right is not None
    pattern = ".+".join(re.escape(part) for part in re.split(r"<[^<>]*>", left))
    return re.fullmatch(pattern, right, re.DOTALL) is not None


def _computed(operator: str, left: float, right: float) -> Value:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return int(left / right) if left % right == 0 else left / right
        case "%":
            return left % right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right
