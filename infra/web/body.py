"""Strict JSON: no duplicate keys, no NaN, bounded depth, and numbers as Decimals, never floats."""

import json
import re
from decimal import Decimal
from typing import NoReturn

from infra.web.problems import Problem

MAX_BYTES = 64 * 1024
MAX_DEPTH = 20
MAX_NUMBER_CHARS = 64

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', re.DOTALL)
"""Strings (which may hold brackets; the closing quote may lack) and brackets, in linear time."""


def parse_json(raw: bytes) -> object:
    """The value of a request body.

    Raises:
        Problem: 400 for no JSON, an ambiguous or a too deep one; 422 for a number out of bounds.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Problem(400, "INVALID_UTF8", "the body is not UTF-8") from None
    _check_depth(text)
    try:
        value: object = json.loads(
            text,
            parse_float=_decimal,
            parse_int=_int,
            parse_constant=_constant,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        detail = f"not JSON at line {error.lineno}, column {error.colno}"
        raise Problem(400, "INVALID_JSON", detail) from None
    return value


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        sign = token.group()
        if sign in {"[", "{"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise Problem(400, "TOO_DEEP", f"JSON may nest {MAX_DEPTH} levels at most")
        elif sign in {"]", "}"}:
            depth -= 1


def _decimal(text: str) -> Decimal:
    _check_length(text)
    return Decimal(text)


def _int(text: str) -> int:
    _check_length(text)
    return int(text)


def _check_length(text: str) -> None:
    if len(text) > MAX_NUMBER_CHARS:
        raise Problem(422, "INVALID_NUMBER", f"numbers have {MAX_NUMBER_CHARS} characters at most")


def _constant(_: str) -> NoReturn:
    raise Problem(422, "INVALID_NUMBER", "NaN and Infinity are not numbers")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Problem(400, "DUPLICATE_KEY", "an object names a key twice")
    return members
