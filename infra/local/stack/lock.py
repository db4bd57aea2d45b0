"""One Sapphire for each data directory: two would double the bus and race for every document."""

import fcntl
import os
from pathlib import Path
from typing import IO

from common.errors import ConfigurationError


class DataDirLock:
    """Held from `acquire` until `release` or the end of the process, however it ends."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Raises ConfigurationError: the process that holds it, or why the folder is no use."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = self._path.open("a+")
        except OSError as error:
            raise ConfigurationError(
                f"{self._path.parent} cannot hold state ({error.strerror}: {error.filename}): "
                "choose another --data-dir"
            ) from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            owner = handle.read().strip() or "unknown"
            handle.close()
            raise ConfigurationError(
                f"another Sapphire (process {owner}) already uses {self._path.parent}: "
                "stop it first, or choose another --data-dir"
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        self._file = handle

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
