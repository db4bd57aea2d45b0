"""What every secret store asks of names, versions and values: Secret Manager's own rules."""

import re

from common.errors import InvalidInputError

VALUE_BYTES_MAX = 65_536
_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def check_secret(name: str, version: str | None = None) -> None:
    """Raises InvalidInputError; an alias such as "latest" is no version."""
    if not _NAME.fullmatch(name):
        raise InvalidInputError("must be 1 to 200 of A-Z a-z 0-9 _ -", where="secret name")
    if version is not None and not _VERSION.fullmatch(version):
        raise InvalidInputError("must be a number such as 1", where=f"version of secret {name}")


def check_value(name: str, value: bytes) -> None:
    if not 0 < len(value) <= VALUE_BYTES_MAX:
        raise InvalidInputError(
            f"must have 1 to {VALUE_BYTES_MAX} bytes", where=f"value of secret {name}"
        )
