"""What a lock file says: its pins, their hashes and why each is there. Standard library only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-checkov.txt")
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[a-z0-9,_-]+\])?==(\S+)((?: ; .+)?)")
_HASH = re.compile(r"--hash=(sha256):([0-9a-f]{64})")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    name: str  # as PyPI compares them: small letters, hyphens
    version: str
    marker: str  # of the environment that takes it; empty: every one
    hashes: tuple[str, ...]  # SHA-256 of each file that may be installed
    wanted_by: tuple[str, ...]  # names; empty: asked for directly alone
    asked_for: bool  # by a requirements*.in


def read_lock(path: Path) -> list[Pin]:
    """Raises SystemExit when a line is neither a pin, nor a hash, nor a comment."""
    rows = path.read_text(encoding="utf-8").splitlines()
    starts = [number for number, row in enumerate(rows) if row[:1].isalnum() or row[:1] == "-"]
    ends = [*starts[1:], len(rows)]
    return [
        _pin(path.name, start + 1, rows[start:end]) for start, end in zip(starts, ends, strict=True)
    ]


def without_hashes(pins: list[Pin]) -> list[str]:
    """Names of those that would be installed unchecked."""
    return [pin.name for pin in pins if not pin.hashes]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pin(lock: str, line: int, rows: list[str]) -> Pin:
    found = _PIN.fullmatch(rows[0].removesuffix("\\").rstrip())
    if found is None:
        raise SystemExit(f"{lock}:{line}: {rows[0]!r} is not NAME==VERSION")
    reasons = list(_reasons(rows[1:]))
    return Pin(
        name=canonical(found[1]),
        version=found[2],
        marker=found[3].removeprefix(" ; "),
        hashes=tuple(match[2] for row in rows for match in _HASH.finditer(row)),
        wanted_by=tuple(canonical(reason) for reason in reasons if _NAME.fullmatch(reason)),
        asked_for=any(reason.startswith("-") for reason in reasons),
    )


def _reasons(rows: list[str]) -> Iterator[str]:
    """What stands behind `# via`, on its line or on those below it."""
    for row in rows:
        text = row.strip()
        if text.startswith("#"):
            reason = text.lstrip("# ").removeprefix("via").strip()
            if reason:
                yield reason
