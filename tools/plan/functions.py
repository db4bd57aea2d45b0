"""Terraform's functions, as far as this repository uses them."""

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from yaml import YAMLError

from tools.plan.documents import load_yaml
from tools.plan.faults import PlanError
from tools.plan.values import (
    SetOf,
    Symbol,
    Value,
    elements,
    known,
    mapping,
    number,
    set_of,
    text,
)

Function = Callable[..., Value]


def call(name: str, arguments: Sequence[Value]) -> Value:
    """The result; it is a Symbol where it is text made of one.

    Raises PlanError: no such function here, or arguments that it does not take.
    """
    function = _FUNCTIONS.get(name)
    if function is None:
        raise PlanError(f"the function {name}() is not known to the plan")
    try:
        result = function(*arguments)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, YAMLError) as error:
        raise PlanError(f"{name}(): {error}") from None
    return _marked(result) if name in _OF_TEXT and not known(list(arguments)) else result


def _marked(result: Value) -> Value:
    if isinstance(result, list):
        return [_marked(each) for each in result]
    return Symbol(result) if isinstance(result, str) else result


def _format(pattern: str, *arguments: Value) -> str:
    waiting = list(arguments)

    def replaced(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        value = waiting.pop(0)
        if found[0] == "%s":
            return text(value)
        if found[0] == "%q":
            return json.dumps(text(value))
        return found[0] % int(number(value))

    result = re.sub(r"%%|%[sq]|%0?\d*d", replaced, text(pattern))
    if waiting:
        raise PlanError("format() has arguments left over")
    return result


def _lookup(table: Value, key: Value, *default: Value) -> Value:
    found = mapping(table)
    if key in found:
        return found[text(key)]
    if default:
        return default[0]
    raise PlanError(f"lookup() finds no {key!r}")


def _merge(*maps: Value) -> Value:
    return {key: value for each in maps if each is not None for key, value in mapping(each).items()}


def _flatten(value: Value) -> list[Value]:
    out: list[Value] = []
    for each in elements(value):
        out += _flatten(each) if isinstance(each, list) else [each]
    return out


def _length(value: Value) -> int:
    return len(value) if isinstance(value, str) else len(elements(value))


def _one(value: Value) -> Value:
    items = elements(value)
    if len(items) > 1:
        raise PlanError("one() takes a list of at most one element")
    return items[0] if items else None


def _distinct(value: Value) -> list[Value]:
    out: list[Value] = []
    for each in elements(value):
        if each not in out:
            out.append(each)
    return out


def _coalesce(*values: Value) -> Value:
    for value in values:
        if value is not None and value != "":
            return value
    raise PlanError("coalesce() finds nothing")


def _setproduct(*sets: Value) -> Value:
    return [list(each) for each in itertools.product(*(elements(value) for value in sets))]


def _replace(where: Value, what: Value, by: Value) -> str:
    pattern = text(what)
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        return re.sub(pattern[1:-1], re.sub(r"\$(\d)", r"\\\1", text(by)), text(where))
    return text(where).replace(pattern, text(by))


def _substr(value: Value, start: Value, length: Value) -> str:
    first, count = int(number(start)), int(number(length))
    whole = text(value)
    return whole[first:] if count < 0 else whole[first : first + count]


def _regex(pattern: Value, value: Value) -> Value:
    found = re.search(text(pattern), text(value))
    if found is None:
        raise PlanError(f"regex() finds no {pattern!r}")
    if found.groupdict():
        return found.groupdict()
    return list(found.groups()) if found.groups() else found[0]


def _file(path: Value) -> str:
    place = Path(text(path))
    if not place.is_file():
        raise PlanError(f"there is no file {place.name}")
    return place.read_text(encoding="utf-8")


def _hashed(path: Value, encode: Callable[[bytes], str]) -> str:
    """What is built before the apply, such as the source zip, may be missing here."""
    place = Path(text(path))
    if not place.is_file():
        return Symbol(f"<hash of {place.name}>")
    return encode(hashlib.sha256(place.read_bytes()).digest())


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _sorted(value: Value) -> list[Value]:
    return sorted((text(each) for each in elements(value)), key=str)


def _jsondecode(value: Value) -> Value:
    decoded: Value = json.loads(text(value))
    return decoded


def _in(collection: Value, value: Value) -> bool:
    return value in elements(collection)


def _keys(value: Value) -> list[Value]:
    return [*sorted(mapping(value))]


def _all(value: Value) -> bool:
    return all(each in (True, "true") for each in elements(value))


def _any(value: Value) -> bool:
    return any(each in (True, "true") for each in elements(value))


def _joined(separator: Value, *lists: Value) -> str:
    return text(separator).join(text(each) for part in lists for each in elements(part))


def _element(value: Value, place: Value) -> Value:
    items = elements(value)
    return items[int(number(place)) % len(items)]


def _tolist(value: Value) -> Value:
    return list(elements(value))


def _tomap(value: Value) -> Value:
    return dict(mapping(value))


def _plain(value: Value) -> Value:
    if isinstance(value, Mapping):
        return {key: _plain(value[key]) for key in sorted(value)}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def _jsonencode(value: Value) -> str:
    return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False)


def _subtract(first: Value, *others: Value) -> SetOf:
    gone = [each for other in others for each in elements(other)]
    return set_of(each for each in elements(first) if each not in gone)


_FUNCTIONS: dict[str, Function] = {
    "abs": lambda value: abs(number(value)),
    "alltrue": _all,
    "anytrue": _any,
    "base64encode": lambda value: _base64(text(value).encode()),
    "basename": lambda path: Path(text(path)).name,
    "ceil": lambda value: int(-(-number(value) // 1)),
    "coalesce": _coalesce,
    "compact": lambda value: [each for each in elements(value) if each not in (None, "")],
    "concat": lambda *lists: [each for part in lists for each in elements(part)],
    "contains": _in,
    "distinct": _distinct,
    "element": _element,
    "endswith": lambda value, end: text(value).endswith(text(end)),
    "file": _file,
    "filebase64sha256": lambda path: _hashed(path, _base64),
    "fileexists": lambda path: Path(text(path)).is_file(),
    "filesha256": lambda path: _hashed(path, bytes.hex),
    "flatten": _flatten,
    "floor": lambda value: int(number(value) // 1),
    "format": _format,
    "join": _joined,
    "jsondecode": _jsondecode,
    "jsonencode": _jsonencode,
    "keys": _keys,
    "length": _length,
    "lookup": _lookup,
    "lower": lambda value: text(value).lower(),
    "max": lambda *values: max(number(value) for value in values),
    "merge": _merge,
    "min": lambda *values: min(number(value) for value in values),
    "one": _one,
    "range": lambda *bounds: list(range(*(int(number(bound)) for bound in bounds))),
    "regex": _regex,
    "replace": _replace,
    "reverse": lambda value: list(reversed(elements(value))),
    "setproduct": _setproduct,
    "setsubtract": _subtract,
    "setunion": lambda *sets: set_of(each for part in sets for each in elements(part)),
    "sha256": lambda value: hashlib.sha256(text(value).encode()).hexdigest(),
    "slice": lambda value, start, end: list(elements(value))[int(number(start)) : int(number(end))],
    "sort": _sorted,
    "split": lambda separator, value: text(value).split(text(separator)),
    "startswith": lambda value, start: text(value).startswith(text(start)),
    "strcontains": lambda value, part: text(part) in text(value),
    "substr": _substr,
    "sum": lambda value: sum(number(each) for each in elements(value)),
    "title": lambda value: text(value).title(),
    "tobool": lambda value: value if value is None else value in (True, "true"),
    "tolist": _tolist,
    "tomap": _tomap,
    "tonumber": lambda value: None if value is None else number(value),
    "toset": lambda value: set_of(elements(value)),
    "tostring": lambda value: None if value is None else text(value),
    "trim": lambda value, letters: text(value).strip(text(letters)),
    "trimprefix": lambda value, start: text(value).removeprefix(text(start)),
    "trimspace": lambda value: text(value).strip(),
    "trimsuffix": lambda value, end: text(value).removesuffix(text(end)),
    "upper": lambda value: text(value).upper(),
    "values": lambda value: list(elements(mapping(value))),
    "yamldecode": lambda value: load_yaml(text(value)),
    "zipmap": lambda names, values: dict(zip(elements(names), elements(values), strict=True)),
}
_OF_TEXT = frozenset(
    {
        "base64encode",
        "basename",
        "format",
        "join",
        "jsondecode",
        "jsonencode",
        "lower",
        "regex",
        "replace",
        "sha256",
        "split",
        "substr",
        "title",
        "tostring",
        "trim",
        "trimprefix",
        "trimspace",
        "trimsuffix",
        "upper",
        "yamldecode",
    }
)
"""Functions whose text is unknown where an argument's is; the others hand their values on."""
