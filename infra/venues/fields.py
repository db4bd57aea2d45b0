"""Reads fields of venues' JSON answers: strict, and every refusal names the field."""

from decimal import Decimal
from typing import Any

from common.domain.money import parse_decimal
from common.errors import InvalidInputError

Answer = dict[str, Any]


def as_object(value: object, where: str) -> Answer:
    if not isinstance(value, dict):
        raise InvalidInputError("not a JSON object", where=where)
    return value


def as_list(value: object, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInputError("not a JSON list", where=where)
    return value


def text(answer: Answer, field: str, where: str) -> str:
    value = answer.get(field)
    if not isinstance(value, str) or not value or len(value) > 100:
        raise InvalidInputError("missing or not a short text", where=f"{where}.{field}")
    return value


def whole(answer: Answer, field: str, where: str, *, most: int) -> int:
    """An int in 0..`most`; a bool is none."""
    value = answer.get(field)
    if type(value) is not int or not 0 <= value <= most:
        raise InvalidInputError(f"not a whole number in 0..{most}", where=f"{where}.{field}")
    return value


def decimal(answer: Answer, field: str, where: str) -> Decimal:
    """Decimal text such as `30135.0`; never a float, an exponent, NaN or infinity."""
    try:
        return parse_decimal(answer.get(field))
    except ValueError as error:
        raise InvalidInputError(str(error), where=f"{where}.{field}") from None


def positive(answer: Answer, field: str, where: str) -> Decimal:
    value = decimal(answer, field, where)
    if value <= 0:
        raise InvalidInputError("must be above 0", where=f"{where}.{field}")
    return value


def not_negative(answer: Answer, field: str, where: str) -> Decimal:
    value = decimal(answer, field, where)
    if value < 0:
        raise InvalidInputError("must not be negative", where=f"{where}.{field}")
    return value
