"""A secret store in memory that counts what is read, and that is down when told."""

from common.errors import NotFoundError, TransientError


class MemorySecrets:
    """Fits `SecretStore`. `read` remembers each (name, version); `down` makes every call fail."""

    def __init__(self) -> None:
        self.values: dict[str, list[bytes | None]] = {}
        self.read: list[tuple[str, str]] = []
        self.down = False

    def _answer(self) -> None:
        if self.down:
            raise TransientError("the secret store does not answer")

    async def add(self, name: str, value: bytes) -> str:
        self._answer()
        versions = self.values.setdefault(name, [])
        versions.append(value)
        return str(len(versions))

    async def access(self, name: str, version: str) -> bytes:
        self._answer()
        self.read.append((name, version))
        value = self._find(name, version)
        if value is None:
            raise NotFoundError(f"version {version} of secret {name} is disabled")
        return value

    async def disable(self, name: str, version: str) -> None:
        self._answer()
        self._find(name, version)
        self.values[name][int(version) - 1] = None

    def _find(self, name: str, version: str) -> bytes | None:
        versions = self.values.get(name, [])
        if not 0 < int(version) <= len(versions):
            raise NotFoundError(f"there is no version {version} of secret {name}")
        return versions[int(version) - 1]
