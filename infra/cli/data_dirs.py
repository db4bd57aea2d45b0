"""The data directories that runs on this machine use, from where the command stands."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from infra.local.store.sqlite import STORE_FILE


def candidate_dirs(
    arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> list[Path]:
    """The one that was named; else the default and the live and replay directories below it."""
    if arguments.data_dir is not None:
        return [arguments.data_dir]
    root = Path(environ.get("SAPPHIRE_DATA_DIR") or ".sapphire")
    below = sorted(root.iterdir()) if root.is_dir() else []
    return [root, *(path for path in below if (path / STORE_FILE).exists())]
