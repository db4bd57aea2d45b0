"""Type constraints of variables, and values brought into their shape."""

from tools.plan.evaluate import Scope, evaluate
from tools.plan.faults import PlanError
from tools.plan.nodes import Call, Expression, Literal, Name, ObjectOf
from tools.plan.values import Symbol, Value, elements, mapping, number, set_of, text


def converted(value: Value, constraint: Expression, scope: Scope) -> Value:
    """`value` as its type says; null stays null. Raises PlanError: it does not fit."""
    if value is None:
        return None
    match constraint:
        case Name(name="any"):
            return value
        case Name(name="string"):
            return text(value)
        case Name(name="number"):
            return value if isinstance(value, Symbol) else number(value)
        case Name(name="bool"):
            if value not in (True, False, "true", "false"):
                raise PlanError(f"{value!r} is neither true nor false")
            return value in (True, "true")
        case Call(function=kind, arguments=(inner,)):
            return _collection(kind, inner, value, scope)
    raise PlanError(f"a type that the plan does not know: {constraint}")


def _collection(kind: str, inner: Expression, value: Value, scope: Scope) -> Value:
    match kind:
        case "list":
            return [converted(each, inner, scope) for each in elements(value)]
        case "set":
            return set_of(converted(each, inner, scope) for each in elements(value))
        case "map":
            return {key: converted(each, inner, scope) for key, each in mapping(value).items()}
        case "object" if isinstance(inner, ObjectOf):
            return _object(inner, value, scope)
    raise PlanError(f"a type that the plan does not know: {kind}(...)")


def _object(shape: ObjectOf, value: Value, scope: Scope) -> Value:
    given = mapping(value)
    out: dict[str, Value] = {}
    for key, constraint in shape.items:
        name = text(evaluate(key, scope)) if isinstance(key, Literal) else ""
        match constraint:
            case Call(function="optional", arguments=(inner, *default)):
                found = given.get(name)
                if found is None and default:
                    found = evaluate(default[0], scope)
                out[name] = converted(found, inner, scope)
            case _:
                if name not in given:
                    raise PlanError(f"{name} is missing")
                out[name] = converted(given[name], constraint, scope)
    return out
