"""Ask PyPI for known vulnerabilities of every locked version: `python tools/audit.py [--strict]`.

One GET a pin to PyPI's JSON API (https://docs.pypi.org/api/json/), whose `vulnerabilities` are the
Python advisory database's. Where PyPI's API cannot be asked, as behind a mirror, nothing was
audited, and that is what is said: exit 0, but 1 with --strict, which Cloud Build gives.
"""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from tools.lock import LOCKS, Pin, read_lock  # noqa: E402 - started by path, from anywhere

PYPI = "https://pypi.org"
_TIMEOUT_S = 15.0
_AT_ONCE = 8


class NotAuditedError(Exception):
    """The source did not answer as itself; says what it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisory:
    pin: Pin
    ids: tuple[str, ...]  # PYSEC, CVE, GHSA
    fixed_in: tuple[str, ...]  # versions; empty: none yet

    def __str__(self) -> str:
        fix = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no fixed version yet"
        return f"{self.pin.name} {self.pin.version}: {', '.join(self.ids)}; {fix}"


def audit(pins: Sequence[Pin], source: str = PYPI) -> list[Advisory]:
    """Every advisory of `pins`.

    Raises:
        NotAuditedError: not every pin was answered for, so that nothing can be said of the lock.
    """
    if not pins:
        return []
    first, *others = pins
    found = list(_advisories(first, source))  # one question, before all are asked in vain
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for advisories in pool.map(lambda pin: list(_advisories(pin, source)), others):
            found += advisories
    return found


def _advisories(pin: Pin, source: str) -> Iterator[Advisory]:
    answer = _answer(f"{source}/pypi/{pin.name}/{pin.version}/json")
    try:
        same = answer["info"]["version"] == pin.version
        known = [each for each in answer["vulnerabilities"] if not each.get("withdrawn")]
        for each in known:
            ids = (each["id"], *each.get("aliases", ()))
            yield Advisory(pin=pin, ids=ids, fixed_in=tuple(each.get("fixed_in") or ()))
    except (AttributeError, KeyError, TypeError) as error:
        raise NotAuditedError(f"{pin.name}: an answer of another shape ({error})") from None
    if not same:
        raise NotAuditedError(f"{pin.name}: an answer for another version than {pin.version}")


def _answer(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 - PyPI, or a test's loopback
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise NotAuditedError(f"{url} answered {error.code}") from None
    except (OSError, ValueError) as error:
        raise NotAuditedError(f"{url}: {error}") from None


def main(arguments: Sequence[str], source: str = PYPI) -> int:
    if list(arguments) not in ([], ["--strict"]):
        print("usage: python tools/audit.py [--strict]", file=sys.stderr)
        return 2
    locked = {(p.name, p.version): p for name in LOCKS for p in read_lock(ROOT / name)}
    try:
        found = audit([locked[key] for key in sorted(locked)], source)
    except NotAuditedError as error:
        print(f"dependency audit: NOT DONE, nothing is known of {len(locked)} packages: {error}")
        return int("--strict" in arguments)
    for advisory in found:
        print(advisory)
    print(f"dependency audit: {len(found)} advisories, {len(locked)} packages asked for")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
