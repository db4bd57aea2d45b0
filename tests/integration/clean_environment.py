"""A Python that has what requirements.txt locks and nothing else, made in a second.

It is a real virtual environment without pip, whose site-packages are links to the files that the
locked distributions recorded when they were installed here. What a distribution of the development
lock alone brought is not linked, so importing it fails as it would in the cloud.
"""

import sys
import venv
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def locked(requirements: Path) -> dict[str, str]:
    """Version by canonical name, of the pins that this interpreter's markers take."""
    rows = requirements.read_text(encoding="utf-8").splitlines()
    pins = [Requirement(row.rstrip(" \\")) for row in rows if row[:1].isalnum()]
    environment = {name: str(value) for name, value in default_environment().items()}
    return {
        canonicalize_name(pin.name): next(iter(pin.specifier)).version
        for pin in pins
        if pin.marker is None or pin.marker.evaluate(environment)
    }


def make_clean_environment(folder: Path, requirements: Path) -> Path:
    """The interpreter of a new environment in `folder`. Fails when what is installed here is not
    what `requirements` locks.
    """
    wanted = locked(requirements)
    found = {str(canonicalize_name(each.name)): each for each in distributions()}
    wrong = [
        f"{name}=={version} is {found[name].version if name in found else 'not'} installed"
        for name, version in wanted.items()
        if name not in found or found[name].version != version
    ]
    assert wrong == [], f"{wrong}: the environment is older than {requirements.name}"
    venv.create(folder, symlinks=True, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    for name in wanted:
        _link(found[name], packages)
    return folder / "bin" / "python"


def _link(distribution: Distribution, packages: Path) -> None:
    """Every recorded file; those outside site-packages are scripts, which nobody imports."""
    for file in distribution.files or ():
        source = Path(str(distribution.locate_file(file)))
        target = packages / file
        if ".." in file.parts or target.exists() or not source.is_file():
            continue  # a few carry the same stray file, such as docs/Makefile
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
