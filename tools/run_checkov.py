"""Run checkov over terraform/: `python tools/run_checkov.py`. Exit 1 when it finds something.

It is installed into its own environment first, when the lock is newer than that. Where it cannot be
installed the check is skipped, which is said, and fails when CI=true.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-checkov.txt"
VENV = ROOT / ".venv-checkov"
OPTIONS = ("--framework", "terraform", "--skip-download", "--compact", "--quiet")


def installed(lock: Path = LOCK, venv: Path = VENV) -> bool:
    stamp = venv / ".installed-checkov"
    return stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime


def run(folder: Path, venv: Path = VENV) -> int:
    """Print what it says about `folder`; its exit code, 1 for a finding."""
    done = subprocess.run(
        [str(venv / "bin" / "python"), "-m", "checkov.main", "-d", str(folder), *OPTIONS],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    said = [row for row in done.stdout.splitlines() if row.strip()]
    summary = [row for row in said if row.startswith("Passed checks:")]
    if done.returncode == 0 and not summary:
        said.append("it says nothing of what it checked")
        done.returncode = 1
    for row in said if done.returncode else summary:
        print(f"checkov: {row}")
    return done.returncode


def main() -> int:
    if not installed():
        command = [sys.executable, str(ROOT / "tools" / "install.py"), "checkov"]
        if subprocess.run(command, check=False).returncode:
            print("checkov: SKIPPED, it cannot be installed here; terraform/ was not checked by it")
            return int(os.environ.get("CI") == "true")
    return run(ROOT / "terraform")


if __name__ == "__main__":
    sys.exit(main())
