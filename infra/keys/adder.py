"""What the api gets of the secret store: it may add and disable, and cannot read."""

from typing import Protocol

from common.ports import SecretStore


class SecretAdder(Protocol):
    """`SecretStore` without `access`."""

    async def add(self, name: str, value: bytes) -> str:
        """Store a new version; return its number as text ("1", "2", ...)."""

    async def disable(self, name: str, version: str) -> None:
        """Raises NotFoundError when there is no such version."""


class AddOnly:
    """A secret store whose `access` cannot be reached through this object's type.

    In the cloud the service account's role says the same (secretVersionManager, not accessor).
    """

    __slots__ = ("_add", "_disable")

    def __init__(self, secrets: SecretStore) -> None:
        self._add = secrets.add
        self._disable = secrets.disable

    async def add(self, name: str, value: bytes) -> str:
        return await self._add(name, value)

    async def disable(self, name: str, version: str) -> None:
        await self._disable(name, version)
