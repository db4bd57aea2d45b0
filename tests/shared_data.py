"""Where tests find the recorded data that lives outside the repository."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def shared_path(relative: str) -> Path:
    """`relative` inside the shared folder: `$SAPPHIRE_SHARED`, or `shared` beside the checkout.

    Skips the calling test when it is not there, and fails it when CI=true: in CI a silent skip
    would look like a pass.
    """
    root = Path(os.environ.get("SAPPHIRE_SHARED") or REPOSITORY.parent / "shared")
    path = root / relative
    if not path.exists():
        reason = f"{relative} is not in the shared folder (set SAPPHIRE_SHARED to its place)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path
