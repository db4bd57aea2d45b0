"""Look for secrets in everything that git would carry: `python tools/secret_scan.py [FOLDER]`.

A finding names the rule, the file, the line and a fingerprint, never the secret. Known test vectors
stand in tools/secret_scan_allowed.txt by fingerprint and file, each with its reason: another secret
in the same file is still found, and a line that allows nothing any more is an error.
"""

import hashlib
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import which

ROOT = Path(__file__).resolve().parent.parent
ALLOWED = "tools/secret_scan_allowed.txt"
_KEY_LIKE = r"(?:private|secret|seed|mnemonic|signer|token|passw|api_?key|(?<![a-z])(?:pk|key))"
RULES = {
    "hex-key": re.compile(
        rf"(?:{_KEY_LIKE}[a-z0-9_]*[\"']?(?:\s*:\s*[a-z.]+)?\s*[=:(,]+\s*|fromhex\(\s*)"
        r"[brf]?[\"']?((?:0x)?[0-9a-f]{64})(?![0-9a-f])",
        re.IGNORECASE,
    ),
    "pem": re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*(?:PRIVATE KEY|PGP PRIVATE KEY BLOCK)-----"),
    "jwt": re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    "telegram-token": re.compile(
        r"(?<![0-9A-Za-z])[0-9]{8,10}:[A-Za-z0-9_-]{34,36}(?![A-Za-z0-9_-])"
    ),
    "google-api-key": re.compile(r"AIza[0-9A-Za-z_-]{35}"),
    "google-oauth": re.compile(r"(?:GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{30,})"),
    "service-account": re.compile(r"[\"']private_key_id[\"']\s*:\s*[\"'][0-9a-f]{20,}"),
    "aws-key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "github-token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})"),
    "model-key": re.compile(r"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}"),
}
_WORDS = re.compile(r"(?:[a-z]{3,8}[ ,\"']{1,4}){11,23}[a-z]{3,8}")
_PHRASES = (12, 15, 18, 21, 24)
_ALLOWANCE = re.compile(r"([0-9a-f]{16}) (\S+) (\S.*)")
_BYTES_MAX = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    rule: str
    path: str
    line: int
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.fingerprint}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    line: int  # in the list
    fingerprint: str
    path: str
    reason: str


def scan_text(path: str, text: str) -> list[Finding]:
    """Every secret in `text`, in order of lines."""
    return [
        Finding(rule=rule, path=path, line=number, fingerprint=fingerprint_of(secret))
        for number, row in enumerate(text.splitlines(), 1)
        for rule, secret in _secrets(row)
    ]


def fingerprint_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:16]


def _secrets(row: str) -> Iterator[tuple[str, str]]:
    for rule, pattern in RULES.items():
        for match in pattern.finditer(row):
            secret = match[match.lastindex or 0]
            if len(set(secret.removeprefix("0x"))) > 2:  # zeros, or 0101...: a placeholder
                yield rule, secret
    for match in _WORDS.finditer(row):
        words = re.findall(r"[a-z]+", match[0])
        runs = (words[start : start + 12] for start in range(len(words) - 11))
        if len(words) >= min(_PHRASES) and any(set(run) <= mnemonic_words() for run in runs):
            yield "mnemonic", " ".join(words)


@cache
def mnemonic_words() -> frozenset[str]:
    """BIP-39's English list, from eth-account."""
    from eth_account.hdaccount import mnemonic

    file = Path(mnemonic.__file__).parent / "wordlist" / "english.txt"
    return frozenset(file.read_text(encoding="utf-8").split())


def scan(root: Path) -> list[Finding]:
    """Every file that git tracks or would add; binary and huge ones are left out."""
    git = [which("git") or "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(git, cwd=root, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"secret scan: git ls-files failed: {done.stderr.decode().strip()}")
    found = []
    for name in sorted(set(done.stdout.decode().split("\0")) - {""}):
        path = root / name
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _BYTES_MAX:
            content = path.read_bytes()
            if b"\0" not in content:
                found += scan_text(name, content.decode("utf-8", "replace"))
    return found


def read_allowed(path: Path) -> list[Allowance]:
    """Raises SystemExit for a line that is not FINGERPRINT PATH REASON."""
    allowed = []
    rows = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for number, row in enumerate(rows, 1):
        if not row or row.startswith("#"):
            continue
        match = _ALLOWANCE.fullmatch(row)
        if match is None:
            raise SystemExit(f"{path.name}:{number}: not FINGERPRINT PATH REASON")
        allowed.append(Allowance(line=number, fingerprint=match[1], path=match[2], reason=match[3]))
    return allowed


def main(arguments: Sequence[str]) -> int:
    root = Path(arguments[0]).resolve() if arguments else ROOT
    allowed = read_allowed(root / ALLOWED)
    found = scan(root)
    known = {(each.fingerprint, each.path) for each in allowed}
    met = {(each.fingerprint, each.path) for each in found}
    problems = [str(each) for each in found if (each.fingerprint, each.path) not in known]
    problems += [
        f"{ALLOWED}:{each.line}: allows what is not there any more"
        for each in allowed
        if (each.fingerprint, each.path) not in met
    ]
    for problem in problems:
        print(problem)
    print(f"secret scan: {len(problems)} problems, {len(found)} findings, {len(known)} allowed")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
