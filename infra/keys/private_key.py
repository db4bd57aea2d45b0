"""Bytes that nothing can print: a private key, and the key that seals private keys."""

import hmac
from collections.abc import Callable
from typing import NoReturn, Self, TypeVar

from common.errors import DeniedError

T = TypeVar("T")
KEY_BYTES = 32


class HiddenBytes:
    """32 bytes behind `reveal`. No repr, str, format, pickle, copy or traceback shows them.

    Python can neither wipe nor lock memory: to hold one for a short time is all the protection
    there is against whoever can read the process. Call `reveal` inside the expression that uses
    the bytes: a local variable that holds them would show in a traceback with locals.
    """

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes) -> None:
        """Raises ValueError, without the value: not 32 bytes."""
        if len(value) != KEY_BYTES:
            del value
            raise ValueError(f"must be {KEY_BYTES} bytes")
        self._bytes = bytes(value)

    def reveal(self) -> bytes:
        return self._bytes

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: hidden>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:  # dataclasses.asdict copies what it finds
        return self

    def __reduce_ex__(self, _: object) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not to be written anywhere")

    def __eq__(self, other: object) -> bool:
        """In constant time."""
        if not isinstance(other, HiddenBytes):
            return NotImplemented
        return hmac.compare_digest(self._bytes, other._bytes)

    __hash__ = None  # type: ignore[assignment]  # a hash of a key would be printable


class PrivateKey(HiddenBytes):
    """A secp256k1 private key, which signs for one address."""

    __slots__ = ()


class KeyEncryptionKey(HiddenBytes):
    """The AES-256 key that venue keys are sealed with."""

    __slots__ = ()


def leaving_no_trace(work: Callable[[], T], *, code: str, what: str) -> T:
    """The result of `work`, which handles a key inside code of others.

    What it raises is dropped with its frames, whose variables hold the key; only the name of its
    class is told.

    Raises:
        DeniedError: `code`, saying `what` failed.
    """
    name = ""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - told below, outside this block, where no frame of it is left
        name = type(error).__name__
    raise DeniedError(code, f"{what} failed ({name})")
