"""The code's modules as trees: their constants, imports, functions, and who calls those."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDERS = ("common", "functions", "infra")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One module. `constants` are its own assignments; `imported` name -> (module, name there)."""

    shown: str  # functions/settle/handler.py
    name: str  # functions.settle.handler
    constants: dict[str, ast.expr]
    imported: dict[str, tuple[str, str]]
    calls: tuple[tuple[ast.Call, Function | None], ...]  # each with the function around it


class Code:
    """Every module below common/, functions/ and infra/; parsed when it is asked for."""

    def __init__(self, root: Path) -> None:
        paths = [path for folder in FOLDERS for path in (root / folder).rglob("*.py")]
        shown = {path: path.relative_to(root).as_posix() for path in sorted(paths)}
        self._texts = {module_name(shown[path]): (shown[path], path.read_text()) for path in shown}

    def source(self, name: str) -> Source | None:
        """The module of that name, such as common.books."""
        found = self._texts.get(name)
        return read_source(*found) if found else None

    def mentioning(self, word: str) -> Iterator[Source]:
        """The modules in whose text it stands."""
        for name, (_, text) in self._texts.items():
            source = self.source(name) if word in text else None
            if source is not None:
                yield source

    def callers(self, name: str) -> list[tuple[Source, ast.Call, Function | None]]:
        """Every call of anything of that name."""
        return [
            (source, call, around)
            for source in self.mentioning(f"{name}(")
            for call, around in source.calls
            if called(call) == name
        ]


def module_name(shown: str) -> str:
    return shown.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def called(call: ast.Call) -> str:
    """The last name of what is called."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


@lru_cache(maxsize=2048)
def read_source(shown: str, text: str) -> Source:
    tree = ast.parse(text)
    constants: dict[str, ast.expr] = {}
    imported: dict[str, tuple[str, str]] = {}
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                constants[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                constants[name] = value
    for each in ast.walk(tree):
        if isinstance(each, ast.ImportFrom) and each.module:
            for alias in each.names:
                imported[alias.asname or alias.name] = (each.module, alias.name)
    return Source(shown, module_name(shown), constants, imported, tuple(_calls(tree, None)))


def _calls(node: ast.AST, around: Function | None) -> Iterator[tuple[ast.Call, Function | None]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child, around
        inside = child if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else around
        yield from _calls(child, inside)
