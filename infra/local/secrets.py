"""Secrets in files: AES-256-GCM, readable by their owner alone. The embedded default."""

import asyncio
import errno
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from common.errors import ConfigurationError, NotFoundError, TransientError
from infra.secret_names import check_secret, check_value

T = TypeVar("T")
_KEY_FILE = "master.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_MAGIC = b"SAPPHIRE-SECRET-1\n"
_FILE_BYTES_MAX = 70_000


class FileSecretStore:
    """`SecretStore` over a folder (0700) with a key (0600) and one file (0600) a version.

    A version is a file `NAME.NUMBER`: a random nonce and the ciphertext, bound to name and number
    so that no file can stand in for another. It appears whole or not at all, and is never changed;
    `NAME.NUMBER.disabled` beside it ends it. The folder protects against other users of the machine
    and against a copied file without the key, not against whoever can read the folder as its owner.

    Every method raises ConfigurationError when a permission, the key or a file is not as it was
    left, and TransientError when the disk fails.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def add(self, name: str, value: bytes) -> str:
        check_secret(name)
        check_value(name, value)
        return await self._run(lambda: self._add(name, value))

    async def access(self, name: str, version: str) -> bytes:
        check_secret(name, version)
        return await self._run(lambda: self._access(name, version))

    async def disable(self, name: str, version: str) -> None:
        check_secret(name, version)
        await self._run(lambda: self._disable(name, version))

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ELOOP}:
                raise ConfigurationError(
                    f"the secrets folder {self._directory} cannot be used: {error.strerror}"
                ) from None
            raise TransientError(f"the secrets folder failed: {error.strerror}") from None

    def _add(self, name: str, value: bytes) -> str:
        key = self._key_for_adding()
        number = max(self._versions(name), default=0) + 1
        while True:
            sealed = _MAGIC + _seal(key, value, name, str(number))
            try:
                _create(self._directory / f"{name}.{number}", sealed)
            except FileExistsError:
                number += 1
            else:
                return str(number)

    def _access(self, name: str, version: str) -> bytes:
        path = self._directory / f"{name}.{version}"
        self._require_version(path, name, version)
        if path.with_name(f"{path.name}.disabled").exists():
            raise NotFoundError(f"version {version} of secret {name} is disabled")
        return _open_sealed(self._key(), _read_private(path), name, version)

    def _disable(self, name: str, version: str) -> None:
        path = self._directory / f"{name}.{version}"
        self._require_version(path, name, version)
        with suppress(FileExistsError):
            _create(path.with_name(f"{path.name}.disabled"), b"")

    def _require_version(self, path: Path, name: str, version: str) -> None:
        if self._directory.exists():
            _check_private(self._directory, self._directory.stat().st_mode)
        if not os.path.lexists(path):
            raise NotFoundError(f"there is no version {version} of secret {name}")

    def _versions(self, name: str) -> list[int]:
        endings = (path.name.removeprefix(f"{name}.") for path in self._directory.iterdir())
        return [int(ending) for ending in endings if ending.isascii() and ending.isdigit()]

    def _key_for_adding(self) -> bytes:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(self._directory, self._directory.stat().st_mode)
        path = self._directory / _KEY_FILE
        if not path.exists():
            versions = self._directory.glob("*.[0-9]*")
            stored = any(not each.name.startswith(".") for each in versions)  # no draft
            if stored and not path.exists():  # looked at again: another process may be the first
                raise ConfigurationError(_key_is_gone(path))
            with suppress(FileExistsError):
                _create(path, secrets.token_bytes(_KEY_BYTES))
        return self._key()

    def _key(self) -> bytes:
        path = self._directory / _KEY_FILE
        try:
            key = _read_private(path)
        except FileNotFoundError:
            raise ConfigurationError(_key_is_gone(path)) from None
        if len(key) != _KEY_BYTES:
            raise ConfigurationError(f"{path} is damaged: restore it from a copy")
        return key


def _key_is_gone(path: Path) -> str:
    return f"{path} is gone, and without it no stored secret can be read: restore it from a copy"


def _seal(key: bytes, value: bytes, name: str, version: str) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, f"{name}.{version}".encode())


def _open_sealed(key: bytes, content: bytes, name: str, version: str) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    damaged = f"version {version} of secret {name} does not verify: it was changed or cut short"
    sealed = content.removeprefix(_MAGIC)
    if len(sealed) == len(content) or len(sealed) <= _NONCE_BYTES:
        raise ConfigurationError(damaged)
    try:
        return AESGCM(key).decrypt(
            sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], f"{name}.{version}".encode()
        )
    except (InvalidTag, ValueError):
        raise ConfigurationError(damaged) from None


def _create(path: Path, content: bytes) -> None:
    """Make `path` (0600) with all of `content`, durably. Raises FileExistsError, never replaces."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, fails when the name is taken
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_private(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(handle, "rb") as file:
        _check_private(path, os.fstat(file.fileno()).st_mode)
        return file.read(_FILE_BYTES_MAX)


def _check_private(path: Path, mode: int) -> None:
    if mode & 0o077:
        right = "700" if path.is_dir() else "600"
        raise ConfigurationError(
            f"{path} is open to other users (mode {mode & 0o777:03o}): run chmod {right} {path}"
        )
