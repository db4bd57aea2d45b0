"""Calls and events of contracts, by their signatures.

A signature is written as the ABI hashes it: `closeTradeMarket(uint16,uint8,uint16,uint192,uint32)`,
structs as tuples in parentheses.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from common.errors import InvalidInputError

_PANICS = {0x01: "assertion failed", 0x11: "overflow", 0x12: "division by zero", 0x32: "index"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a contract: what a transaction carries beside nonce, gas and fees."""

    to: str  # address
    data: bytes
    value: int = 0  # wei


@dataclass(frozen=True, slots=True)
class Revert:
    """Why a contract refused. `name` is its error's (ExposureLimits) or "" where it is text."""

    name: str
    text: str


@lru_cache(maxsize=512)
def topic(signature: str) -> bytes:
    """The 32 bytes that stand first in the topics of an event."""
    from eth_utils.crypto import keccak

    return keccak(text=signature)


def selector(signature: str) -> bytes:
    """The 4 bytes that a call of the function, or the error, begins with."""
    return topic(signature)[:4]


@lru_cache(maxsize=512)
def argument_types(signature: str) -> tuple[str, ...]:
    """`f(uint256,(address,uint32))` -> ("uint256", "(address,uint32)")."""
    inner = signature[signature.index("(") + 1 : -1]
    types, depth, start = [], 0, 0
    for place, letter in enumerate(inner):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            types.append(inner[start:place])
            start = place + 1
    return (*types, inner[start:]) if inner else ()


def encode_call(signature: str, *arguments: object) -> bytes:
    """Selector and arguments.

    Raises InvalidInputError: an argument does not fit its type. Nothing is cut to fit.
    """
    from eth_abi.abi import encode
    from eth_abi.exceptions import EncodingError

    try:
        return selector(signature) + encode(argument_types(signature), arguments)
    except (EncodingError, ValueError) as error:
        raise InvalidInputError(type(error).__name__, where=signature) from None


def decode(types: Sequence[str], data: bytes, where: str) -> tuple[Any, ...]:
    """Raises InvalidInputError: the data does not hold these types."""
    from eth_abi.abi import decode as abi_decode
    from eth_abi.exceptions import DecodingError

    try:
        return abi_decode(types, data)
    except (DecodingError, OverflowError, ValueError) as error:
        kind = type(error).__name__
        raise InvalidInputError(f"not {','.join(types)}: {kind}", where=where) from None


def decode_call(signature: str, data: bytes) -> tuple[Any, ...]:
    """The arguments of a call. Raises InvalidInputError: it calls something else."""
    if data[:4] != selector(signature):
        raise InvalidInputError("another function", where=signature)
    return decode(argument_types(signature), data[4:], signature)


def revert_of(data: bytes, errors: Iterable[str] = ()) -> Revert:
    """What the data of a revert says: Error(string), Panic(uint256) or one of `errors`."""
    try:
        if data[:4] == selector("Error(string)"):
            return Revert("", str(decode(("string",), data[4:], "revert")[0])[:200])
        if data[:4] == selector("Panic(uint256)"):
            code = int(decode(("uint256",), data[4:], "revert")[0])
            return Revert("Panic", _PANICS.get(code, f"code {code:#x}"))
        for signature in errors:
            if data[:4] == selector(signature):
                arguments = decode_call(signature, data)
                name = signature[: signature.index("(")]
                return Revert(name, f"{name}({', '.join(str(item) for item in arguments)})"[:200])
    except InvalidInputError:
        return Revert("", f"an error that cannot be read, 0x{data[:4].hex()}")
    return Revert("", f"error 0x{data[:4].hex()}" if data else "without a reason")
