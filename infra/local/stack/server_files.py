"""The local API token: taken from the environment, or made once and kept for its owner alone."""

import json
import os
import secrets
from pathlib import Path

TOKEN_FILE = "api-token"  # noqa: S105 - a file's name
_SERVER_FILE = "server.json"


def api_token(data_dir: Path, given: str | None) -> str:
    """`given`, or the data directory's own token, made at the first start; the file is 0600."""
    path = data_dir / TOKEN_FILE
    if given is None and path.exists():
        kept = path.read_text().strip()
        if kept:
            return kept
    token = given or secrets.token_urlsafe(24)
    _write_private(path, token)
    return token


def write_server_note(data_dir: Path, url: str) -> None:
    """Tell `sapphire status` where the running server listens."""
    _write_private(data_dir / _SERVER_FILE, json.dumps({"url": url, "pid": os.getpid()}))


def remove_server_note(data_dir: Path) -> None:
    (data_dir / _SERVER_FILE).unlink(missing_ok=True)


def kept_token(data_dir: Path) -> str | None:
    path = data_dir / TOKEN_FILE
    return path.read_text().strip() or None if path.exists() else None


def read_server_note(data_dir: Path) -> str | None:
    """The URL of the server that runs on `data_dir`; None when none does."""
    path = data_dir / _SERVER_FILE
    try:
        note = json.loads(path.read_text())
        os.kill(note["pid"], 0)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # never started, or killed without time to remove its note
    return str(note["url"])


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
