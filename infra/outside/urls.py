"""Whether a URL may be asked at all, before anything is looked up: by its text alone."""

import re
from collections.abc import Set

HTTPS_PORT = 443
CHARACTERS_MAX = 2048
NAME_MAX = 253

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_URL = re.compile(
    rf"https://(?P<host>{_LABEL}(?:\.{_LABEL})*)\.?(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?:[/?][!-\"$-\[\]-~]*)?"
)
_AUTHORITY = re.compile(r"https://([^/?#\\]*)")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_INSIDE = frozenset(
    {
        *("internal", "local", "localhost", "localdomain", "lan", "home", "corp", "intranet"),
        *("private", "arpa", "test", "invalid", "onion", "alt"),
    }
)
"""Top-level names that the public DNS has not, but networks: metadata.google.internal."""


def outside_host(url: str, *, ports: Set[int] = frozenset({HTTPS_PORT})) -> str:
    """The host of a URL of https, in lower case.

    A host is given by its name. An address in its place is refused, public or not, however it is
    written (169.254.169.254, 2852039166, 0xa9.0xfe.0xa9.0xfe, [::1]): no certificate would fit it.

    Raises:
        ValueError: what is wrong with the URL; none of it is repeated, as it may hold a key.
    """
    authority = _AUTHORITY.match(url)
    if authority is None or len(url) > CHARACTERS_MAX:
        raise ValueError(f"must begin with https:// and have {CHARACTERS_MAX} characters at most")
    if "@" in authority[1]:
        raise ValueError("must not name a user")
    found = _URL.fullmatch(url)
    if authority[1].startswith("[") or (found and _is_number(found["host"])):
        raise ValueError("must name its host, not an address")
    if found is None or len(found["host"]) > NAME_MAX:
        raise ValueError("is not a URL such as https://api.example.com/path, in plain ASCII")
    host = found["host"].lower()
    if "." not in host or host.rpartition(".")[2] in _INSIDE:
        raise ValueError("names a host inside a network, which is not asked from here")
    if int(found["port"] or HTTPS_PORT) not in ports:
        raise ValueError(f"must use port {' or '.join(map(str, sorted(ports)))}")
    return host


def _is_number(host: str) -> bool:
    """As browsers and resolvers have it: whose last part is a number is an address of IPv4."""
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None
