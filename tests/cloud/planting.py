"""A copy of the tree with one thing wrong in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cloud.tree import Tree
from tests.shared_data import REPOSITORY

COPIED = ("terraform", "pipeline.yaml", "docs/RUNBOOK.md", "docs/IAM.md")
CODE = ("common", "functions", "infra")


@dataclass(frozen=True, slots=True)
class Edit:
    """`old` must stand exactly once in the file; a new file has no `old`."""

    file: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    name: str  # what is wrong, in words
    caught_by: str  # the test's name
    edits: tuple[Edit, ...]


class NoLongerFitsError(Exception):
    """The text that a plant replaces is not there any more: write the plant anew."""


@contextmanager
def planted(plant: Plant, source: Path = REPOSITORY) -> Iterator[Tree]:
    """The wrong tree, in a folder of its own that is gone afterwards.

    Raises NoLongerFitsError.
    """
    with TemporaryDirectory(prefix="sapphire-plant-") as folder:
        root = Path(folder)
        _copy(source, root, {edit.file.partition("/")[0] for edit in plant.edits})
        for edit in plant.edits:
            _apply(plant, edit, root / edit.file)
        yield Tree(root)


def _copy(source: Path, root: Path, edited: set[str]) -> None:
    for name in COPIED:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, place)
        elif (source / name).is_file():
            shutil.copy(source / name, place)
    for name in CODE:
        if name in edited:
            shutil.copytree(source / name, root / name, ignore=shutil.ignore_patterns("*.pyc"))
        else:
            (root / name).symlink_to(source / name, target_is_directory=True)


def _apply(plant: Plant, edit: Edit, path: Path) -> None:
    if not edit.old:
        if path.exists():
            raise NoLongerFitsError(f"{plant.name}: {edit.file} is there already")
        path.write_text(edit.new, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text.count(edit.old) != 1:
        found = text.count(edit.old)
        raise NoLongerFitsError(f"{plant.name}: {found} times in {edit.file}: {edit.old!r}")
    path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
