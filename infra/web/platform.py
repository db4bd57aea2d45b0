"""Where the process runs, as far as HTTP is concerned: who the caller is, and which rules hold."""

import os

from starlette.types import Scope


def on_cloud_run() -> bool:
    """Behind Google's front end, over HTTPS."""
    return "K_SERVICE" in os.environ  # which Cloud Run sets, and nobody else


def caller_address(scope: Scope) -> str:
    """The address that a limit is counted for; of IPv6 the /64, as one house has so many.

    Google's front end appends the address that it saw to X-Forwarded-For; what stands before it the
    caller wrote. Elsewhere the header is anybody's, and the socket counts.
    """
    text = _forwarded(scope) if on_cloud_run() else ""
    if not text:
        client = scope.get("client")
        text = str(client[0]) if client else "unknown"
    return _network(text)


def _forwarded(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return str(given[-1].decode("latin-1")).rpartition(",")[2].strip() if given else ""


def _network(text: str) -> str:
    from ipaddress import IPv6Address, IPv6Network, ip_address

    try:
        address = ip_address(text)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
