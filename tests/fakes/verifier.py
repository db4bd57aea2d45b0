"""Verifiers that say yes or no."""

from collections.abc import Mapping

from common.errors import UnauthenticatedError


class OpenVerifier:
    """Lets everyone in, and remembers what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], dict[str, str]]] = []

    async def verify(self, *, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        self.seen.append((dict(headers), dict(query)))


class ClosedVerifier:
    """Lets no one in."""

    async def verify(self, *, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        raise UnauthenticatedError("no token is good enough")
