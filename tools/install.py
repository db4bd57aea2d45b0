"""Create .venv and install the locked requirements in it: `python tools/install.py runtime|dev`.

`python tools/install.py checkov` makes .venv-checkov: checkov's fork of python-hcl2 bears the same
module name as the one that our own tools read HCL with, so the two never share an environment.

Runs on the machine's own Python, before anything is installed: standard library only. One line
shows the progress; pip's own words appear only when it fails. A stamp per requirements file tells
make that there is nothing to do.
"""

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCKS = {"runtime": "requirements.txt", "dev": "requirements-dev.txt"}
CHECKOV_VENV, CHECKOV_LOCK = ROOT / ".venv-checkov", "requirements-checkov.txt"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input")


def show(text: str, *, end: bool = False) -> None:
    """Redraw the one line on a terminal; elsewhere print only how it ended."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="\n" if end else "", file=sys.stderr, flush=True)
    elif end:
        print(text, file=sys.stderr, flush=True)


def pip(python: Path, arguments: tuple[str, ...], *, expected: int = 0) -> None:
    """Run pip; with `expected` packages, count them on the progress line. Exits when pip fails."""
    heard: list[str] = []
    collected = 0
    with subprocess.Popen(
        [python, *PIP, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        for line in process.stdout or ():
            heard.append(line)
            if line.startswith(("Collecting ", "Requirement already satisfied: ")):
                collected += 1
                show(f"Fetching packages: {collected}/{expected}")
            elif line.startswith("Installing collected"):
                show(f"Installing {expected} packages")
    if process.returncode:
        show("pip failed; its last words:", end=True)
        sys.stderr.writelines(heard[-20:])
        raise SystemExit(1)


def make_venv(folder: Path, *, fresh: bool) -> Path:
    """Its interpreter; made anew when `fresh`, or when the one that is there does not start."""
    python = folder / "bin" / "python"
    show(f"Creating {folder.name}")
    if fresh or subprocess.run([python, "-c", ""], check=False).returncode:
        venv.create(folder, clear=True, with_pip=True, symlinks=True)
    return python


def install_lock(python: Path, lock: str, *options: str) -> None:
    count = sum("==" in row and row[0].isalnum() for row in (ROOT / lock).open(encoding="utf-8"))
    pip(python, ("install", *options, "--require-hashes", "-r", lock), expected=count)


def install(which: str) -> None:
    # A .venv without a stamp is one that an interrupted start left behind.
    fresh = not any((VENV / f".installed-{name}").exists() for name in LOCKS)
    python = make_venv(VENV, fresh=fresh)
    install_lock(python, LOCKS[which])
    pip(python, ("install", "--no-build-isolation", "--no-deps", "-e", "."))
    (VENV / f".installed-{which}").touch()
    if which == "dev":  # the dev lock holds every runtime package
        (VENV / ".installed-runtime").touch()


def install_checkov() -> None:
    stamp = CHECKOV_VENV / ".installed-checkov"
    python = make_venv(CHECKOV_VENV, fresh=not stamp.exists())
    # It imports a part of what it brings: to compile all would take a third of the time.
    install_lock(python, CHECKOV_LOCK, "--no-compile")
    stamp.touch()


def main(which: str) -> None:
    started = time.monotonic()
    if which == "checkov":
        install_checkov()
    else:
        install(which)
    lock, folder = (
        (CHECKOV_LOCK, CHECKOV_VENV.name) if which == "checkov" else (LOCKS[which], VENV.name)
    )
    seconds = time.monotonic() - started
    show(f"Installed {lock} into {folder} in {seconds:.0f} s", end=True)


if __name__ == "__main__":
    main(sys.argv[1])
