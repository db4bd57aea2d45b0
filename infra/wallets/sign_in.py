"""Messages of ERC-4361, Sign-In with Ethereum, read by its grammar and by nothing looser.

https://eips.ethereum.org/EIPS/eip-4361: the lines, their order and their line feeds are what was
signed, so none may be missing, doubled, moved or ended otherwise. What RFC 3986 calls an authority
or a URI is checked as it has them; an empty host is none of a server's.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from common.domain.moment import from_iso
from infra.keys.address import parse_address

CHARACTERS_MAX = 4096

_PERCENT = r"%[0-9A-Fa-f]{2}"
_UNRESERVED = r"A-Za-z0-9\-._~"
_SUB = r"!$&'()*+,;="
_PCHAR = rf"(?:[{_UNRESERVED}{_SUB}:@]|{_PERCENT})"
_NAME = rf"(?:[{_UNRESERVED}{_SUB}]|{_PERCENT})+"
_AUTHORITY = (
    rf"(?:(?:[{_UNRESERVED}{_SUB}:]|{_PERCENT})*@)?(?:\[[0-9A-Fa-f:.]+\]|{_NAME})(?::[0-9]{{0,5}})?"
)
_SCHEME = r"[A-Za-z][A-Za-z0-9+.\-]*"
_SEGMENTS = rf"{_PCHAR}+(?:/{_PCHAR}*)*"
_PATH = rf"(?://{_AUTHORITY}(?:/{_PCHAR}*)*|/(?:{_SEGMENTS})?|{_SEGMENTS}|)"
_URI = rf"{_SCHEME}:{_PATH}(?:\?(?:{_PCHAR}|[/?])*)?(?:\#(?:{_PCHAR}|[/?])*)?"
_MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?:[Zz]|[+\-][0-9]{2}:[0-9]{2})"
)
_MESSAGE = re.compile(
    rf"(?:(?P<scheme>{_SCHEME})://)?(?P<domain>{_AUTHORITY})"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n"
    r"\n"
    rf"(?:(?P<statement>[{_UNRESERVED}{_SUB}:/?\#\[\]@ ]*)\n)?"
    r"\n"
    rf"URI: (?P<uri>{_URI})\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[0-9]{1,78})\n"
    r"Nonce: (?P<nonce>[A-Za-z0-9]{8,})\n"
    rf"Issued At: (?P<issued_at>{_MOMENT})"
    rf"(?:\nExpiration Time: (?P<expiration_time>{_MOMENT}))?"
    rf"(?:\nNot Before: (?P<not_before>{_MOMENT}))?"
    rf"(?:\nRequest ID: (?P<request_id>{_PCHAR}*))?"
    rf"(?:\nResources:(?P<resources>(?:\n- {_URI})*))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInMessage:
    """The fields of a message of version 1; what it left out is None."""

    scheme: str | None
    domain: str  # an authority, as it was written
    address: str  # lower case
    statement: str | None
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expiration_time: datetime | None = None
    not_before: datetime | None = None
    request_id: str | None = None
    resources: tuple[str, ...] = ()


def parse_sign_in_message(text: str) -> SignInMessage:
    """Raises ValueError: not a message of ERC-4361, and what about it; it repeats nothing of it."""
    if len(text) > CHARACTERS_MAX:
        raise ValueError(f"has more than {CHARACTERS_MAX} characters")
    found = _MESSAGE.fullmatch(text)
    if found is None:
        raise ValueError("is not a message of ERC-4361, version 1, line by line")
    try:
        address = parse_address(found["address"])
    except ValueError as error:
        raise ValueError(f"names an address that {error}") from None
    return SignInMessage(
        scheme=found["scheme"],
        domain=found["domain"],
        address=address,
        statement=found["statement"],
        uri=found["uri"],
        chain_id=int(found["chain_id"]),
        nonce=found["nonce"],
        issued_at=_moment("Issued At", found["issued_at"]),
        expiration_time=_moment_or_none("Expiration Time", found["expiration_time"]),
        not_before=_moment_or_none("Not Before", found["not_before"]),
        request_id=found["request_id"],
        resources=tuple((found["resources"] or "").split("\n- ")[1:]),
    )


def _moment(name: str, text: str) -> datetime:
    """A date-time of RFC 3339 in UTC; digits behind the microsecond are dropped."""
    try:
        return from_iso(text.upper())
    except ValueError:
        raise ValueError(f"has no such day or time as its {name} names") from None


def _moment_or_none(name: str, text: str | None) -> datetime | None:
    return None if text is None else _moment(name, text)
