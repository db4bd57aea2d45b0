"""Ethereum's hexadecimal, read strictly. Every refusal is an InvalidInputError with its field."""

import re

from common.errors import InvalidInputError

_QUANTITY = re.compile(r"0x(?:0|[1-9a-f][0-9a-f]{0,63})", re.ASCII)
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*", re.ASCII)


def to_int(value: object, where: str) -> int:
    """A quantity: `0x0` or without leading zeros, at most 256 bits."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value.lower()):
        raise InvalidInputError("not a hexadecimal quantity", where=where)
    return int(value, 16)


def to_bytes(value: object, where: str, *, size: int | None = None) -> bytes:
    """Data: `0x` and whole bytes; exactly `size` of them where it is given."""
    if not isinstance(value, str) or not _DATA.fullmatch(value):
        raise InvalidInputError("not hexadecimal data", where=where)
    data = bytes.fromhex(value[2:])
    if size is not None and len(data) != size:
        raise InvalidInputError(f"{len(data)} bytes, not {size}", where=where)
    return data


def to_address(value: object, where: str) -> str:
    """20 bytes, as text in lower case."""
    return "0x" + to_bytes(value, where, size=20).hex()


def to_hash(value: object, where: str) -> str:
    """32 bytes, as text in lower case."""
    return "0x" + to_bytes(value, where, size=32).hex()
