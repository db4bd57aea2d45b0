"""The zip that is deployed: `python tools/bundle.py [FOLDER]`, by default into build/.

What goes in is what .gcloudignore lets through, read by git's own rules, so that `gcloud` and this
tool send the same files. The bytes are a function of the files alone (sorted, one time, one mode):
the same source is the same hash, and Terraform deploys nothing when nothing changed.
"""

import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which

ROOT = Path(__file__).resolve().parent.parent
BYTES_MAX = 2_000_000
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can tell
_MODE = 0o100644 << 16
_LIST = ("ls-files", "-z", "--cached", "--others")
_CHANGED = ("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    path: Path  # named by the hash
    sha256: str
    size: int  # bytes
    files: int


def deployed_files(root: Path = ROOT) -> list[str]:
    """Paths below `root`, sorted: of git's files those that .gcloudignore does not name.

    Raises:
        SystemExit: `root` is no git checkout, or has no .gcloudignore.
    """
    if not (root / ".gcloudignore").is_file():
        raise SystemExit(f"bundle: {root} has no .gcloudignore")
    kept = _git(root, *_LIST, "--exclude-standard")
    rules = f"--exclude-from={root / '.gcloudignore'}"
    left_out = _git(root, *_LIST, "--ignored", rules)
    return sorted(name for name in kept - left_out if (root / name).is_file())


def build(folder: Path, root: Path = ROOT) -> Bundle:
    """Write `folder`/sapphire-<hash>.zip, and the same bytes as sapphire.zip for Terraform."""
    files = deployed_files(root)
    if "main.py" not in files or "requirements.txt" not in files:
        raise SystemExit("bundle: main.py and requirements.txt must be in the zip")
    folder.mkdir(parents=True, exist_ok=True)
    latest = folder / "sapphire.zip"
    with zipfile.ZipFile(latest, "w") as archive:
        for name in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr, entry.create_system = _MODE, 3
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (root / name).read_bytes(), compresslevel=9)
    content = latest.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    path = folder / f"sapphire-{sha256}.zip"
    path.write_bytes(content)
    return Bundle(path=path, sha256=sha256, size=len(content), files=len(files))


def _git(root: Path, *arguments: str) -> set[str]:
    """What git answers, split at its zero bytes."""
    done = subprocess.run(
        [which("git") or "git", *arguments], cwd=root, capture_output=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"bundle: git {arguments[0]} failed: {done.stderr.decode().strip()}")
    return {name for name in done.stdout.decode().split("\0") if name}


def _uncommitted(root: Path) -> int:
    """How many deployed files differ from the last commit, new ones included."""
    return len({row[3:] for row in _git(root, *_CHANGED)} & set(deployed_files(root)))


def main(arguments: Sequence[str]) -> int:
    if len(arguments) > 1:
        print("usage: python tools/bundle.py [FOLDER]", file=sys.stderr)
        return 2
    bundle = build(Path(arguments[0]) if arguments else ROOT / "build")
    print(f"bundle  {bundle.path}")
    print(f"sha256  {bundle.sha256}")
    print(f"size    {bundle.size:,} bytes, {bundle.files} files, at most {BYTES_MAX:,} bytes")
    if uncommitted := _uncommitted(ROOT):
        print(f"note    {uncommitted} of its files differ from the last commit")
    if bundle.size > BYTES_MAX:
        print("bundle: too large", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
