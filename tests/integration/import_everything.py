"""Run in the clean environment, inside the unpacked zip: imports all its modules, or those that are
named, and prints what it cannot.

Modules first; then each import that stands anywhere in the source, also inside a function, where
the cold-start rule puts the heavy ones: importing the module alone would not meet those.
"""

import ast
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

HERE = Path.cwd()
FOLDERS = ("common", "functions", "infra")


def main() -> None:
    sys.path.insert(0, str(HERE))
    entry_points = import_module("main")
    problems = [
        f"main.{name} is no function"
        for name in entry_points.ENTRY_POINTS
        if not callable(getattr(entry_points, name))
    ]
    files = [HERE / name for name in sys.argv[1:]] or [
        path for folder in FOLDERS for path in sorted((HERE / folder).rglob("*.py"))
    ]
    for path in files:
        module = ".".join(path.relative_to(HERE).with_suffix("").parts).removesuffix(".__init__")
        import_module(module)
        problems += [
            f"{path.relative_to(HERE)}:{line} imports {name}, which is not there"
            for line, name in imports(ast.parse(path.read_text(encoding="utf-8")))
            if not exists(name)
        ]
    json.dump({"files": len(files), "problems": problems}, sys.stdout)


def imports(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import that can run; of `from a import b` the module a."""
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.lineno, node.module
    elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
        for child in ast.iter_child_nodes(node):
            yield from imports(child)


def exists(name: str) -> bool:
    try:
        return name in sys.modules or find_spec(name) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main()
