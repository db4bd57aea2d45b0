"""Where the figures come from: the machine, how busy it was, and the recorded data."""

import os
import platform
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def machine_line() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores, {platform.machine()}, {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def load_line() -> str:
    load = ", ".join(f"{figure:.2f}" for figure in os.getloadavg())
    return f"load average {load} over 1, 5 and 15 min"


def shared_data(relative: str) -> Path | None:
    """`relative` in the shared folder: `$SAPPHIRE_SHARED`, or `shared` beside the checkout."""
    root = Path(os.environ.get("SAPPHIRE_SHARED") or REPOSITORY.parent / "shared")
    path = root / relative
    return path if path.exists() else None
