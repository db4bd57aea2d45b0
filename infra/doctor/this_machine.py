"""What this machine needs to deploy: Python, Terraform, gcloud, git and the lock files."""

import re
import subprocess
import sys
from pathlib import Path
from shutil import which

from infra.doctor.line import Line, fine, missing

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ((3, 11), (3, 13))
TERRAFORM = (1, 7)
_LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-checkov.txt")
_PATIENCE_S = 30.0


def examine_machine(root: Path = ROOT) -> list[Line]:
    return [_python(), _terraform(), _tool("gcloud"), _tool("git"), *_locks(root)]


def _python() -> Line:
    here = sys.version_info[:2]
    text = f"Python {here[0]}.{here[1]}"
    if PYTHON[0] <= here <= PYTHON[1]:
        return fine("python", text)
    return missing("python", f"{text}: 3.11 to 3.13 are locked", "make PYTHON=python3.12 run")


def _terraform() -> Line:
    path = which("terraform")
    if path is None:
        return missing("terraform", "not on the PATH", _page("terraform"))
    done = subprocess.run(  # noqa: S603 - the program that the PATH names
        [path, "version", "-json"], capture_output=True, text=True, check=False, timeout=_PATIENCE_S
    )
    words = done.stdout.split('"terraform_version"')[-1].split('"')
    version = words[1] if done.returncode == 0 and len(words) > 1 else ""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers >= TERRAFORM:
        return fine("terraform", version)
    least = ".".join(map(str, TERRAFORM))
    return missing(
        "terraform", f"{version or 'it does not start'}: {least} is needed", _page("terraform")
    )


def _tool(name: str) -> Line:
    return fine(name, "found") if which(name) else missing(name, "not on the PATH", _page(name))


def _locks(root: Path) -> list[Line]:
    lines = []
    for name in _LOCKS:
        path = root / name
        if not path.is_file():
            lines.append(missing("locks", f"{name} is missing", f"git checkout -- {name}"))
        elif not _complete(path):
            lines.append(missing("locks", f"{name} lacks what its .in asks for", "make lock"))
    return lines or [fine("locks", f"{len(_LOCKS)} are complete")]


def _complete(lock: Path) -> bool:
    """Whether every name of the .in is locked. Times tell nothing: a checkout sets them."""
    asked = _names(lock.with_suffix(".in"))
    return asked <= _names(lock)


def _names(path: Path) -> set[str]:
    rows = path.read_text(encoding="utf-8").splitlines()
    found = (re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", row) for row in rows)
    return {re.sub(r"[-_.]+", "-", match[0]).lower() for match in found if match}


def _page(name: str) -> str:
    return {
        "terraform": "https://developer.hashicorp.com/terraform/install",
        "gcloud": "https://cloud.google.com/sdk/docs/install",
        "git": "https://git-scm.com/downloads",
    }[name]
