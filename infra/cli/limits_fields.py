"""`order.max_notional=5000` on the command line, as a change of a limits document."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import get_type_hints

from common.domain.money import parse_decimal
from common.domain.risk_limits import DeploymentLimits, OrderLimits, RiskLimits, TotalLimits
from common.errors import InvalidInputError
from common.wire import JsonObject, to_document

BLOCKS: Mapping[str, type] = {
    "order": OrderLimits,
    "deployment": DeploymentLimits,
    "total": TotalLimits,
}
PATHS = tuple(f"{block}.{each.name}" for block, kind in BLOCKS.items() for each in fields(kind))
_BY_SYMBOL = "order.max_quantity"


def changes_of(texts: Sequence[str]) -> JsonObject:
    """FIELD=VALUE by block and name; FIELD= is None, which takes the limit away.

    Raises:
        InvalidInputError: no such field, or a value that it cannot have; it names each of them.
    """
    changes: JsonObject = {}
    problems: list[InvalidInputError] = []
    for text in texts:
        try:
            _put(changes, text)
        except InvalidInputError as error:
            problems.append(error)
    if len(problems) > 1:
        raise InvalidInputError("; ".join(map(str, problems)))
    if problems:
        raise problems[0]
    return changes


def all_of(limits: RiskLimits) -> JsonObject:
    """Every limit that `limits` sets, as changes to put them in force."""
    blocks = {name: to_document(getattr(limits, name)) for name in BLOCKS}
    return {
        block: {name: value for name, value in values.items() if value not in (None, {})}
        for block, values in blocks.items()
    }


def merged(below: JsonObject, above: JsonObject) -> JsonObject:
    """`above` put over `below`, name by name, and symbol by symbol."""
    found = {block: dict(values) for block, values in below.items()}
    for block, values in above.items():
        for name, value in values.items():
            into = found.setdefault(block, {})
            known = into.get(name)
            if isinstance(value, dict) and isinstance(known, dict):
                into[name] = {**known, **value}
            else:
                into[name] = value
    return found


def _put(changes: JsonObject, text: str) -> None:
    path, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise InvalidInputError(f"{text!r} is not FIELD=VALUE", where="limits set")
    block, _, name = path.partition(".")
    if path.startswith(f"{_BY_SYMBOL}."):
        symbol = path.removeprefix(f"{_BY_SYMBOL}.").upper()
        quantities = changes.setdefault(block, {}).setdefault("max_quantity", {})
        quantities[symbol] = _decimal(path, value) if value else None
        return
    if path == _BY_SYMBOL:
        raise InvalidInputError(f"name the symbol: {_BY_SYMBOL}.BTC=VALUE", where=path)
    if path not in PATHS:
        raise InvalidInputError("no such limit: `sapphire limits show` names them", where=path)
    whole = get_type_hints(BLOCKS[block])[name] == int | None
    read = _whole if whole else _decimal
    changes.setdefault(block, {})[name] = read(path, value) if value else None


def _decimal(path: str, value: str) -> str:
    try:
        return str(parse_decimal(value))
    except ValueError as error:
        raise InvalidInputError(str(error), where=path) from None


def _whole(path: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise InvalidInputError(f"must be a whole number, not {value!r}", where=path)
    return int(value)
