"""The .tf files of one module, side by side."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.plan.faults import PlanError
from tools.plan.hcl import read_file
from tools.plan.nodes import Attribute, Block, Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One folder of .tf files."""

    folder: Path
    shown: str  # relative to the repository, such as terraform/modules/function
    blocks: tuple[Block, ...]

    def of(self, kind: str) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.kind == kind)

    def named(self, kind: str) -> dict[str, Block]:
        """Blocks of one label by it: variables, outputs, modules."""
        return {block.labels[0]: block for block in self.of(kind)}

    def locals(self) -> dict[str, Attribute]:
        return {each.name: each for block in self.of("locals") for each in block.body.attributes}

    def resources(self, kind: str = "resource") -> dict[tuple[str, str], Block]:
        """By type and name; with kind "data" the data sources."""
        return {(block.labels[0], block.labels[1]): block for block in self.of(kind)}


def read_source(folder: Path, root: Path) -> Source:
    """Raises PlanError: no Terraform there, a file that is none, or a name declared twice."""
    paths = sorted(folder.glob("*.tf"))
    shown = folder.relative_to(root).as_posix()
    if not paths:
        raise PlanError(f"{shown}: no .tf file")
    bodies = [read_file(path, shown=path.relative_to(root).as_posix()) for path in paths]
    blocks = tuple(block for body in bodies for block in body.blocks)
    twice = list(_twice(bodies))
    if twice:
        raise PlanError("\n".join(twice))
    return Source(folder=folder, shown=shown, blocks=blocks)


_LABELS = {"resource": 2, "data": 2, "variable": 1, "output": 1, "module": 1, "provider": 1}


def _twice(bodies: list[Body]) -> Iterator[str]:
    seen: dict[tuple[str, ...], Block | Attribute] = {}
    for body in bodies:
        for attribute in body.attributes:
            yield f"{attribute.place}: {attribute.name} stands in no block"
        for block in body.blocks:
            yield from _declared(block, seen)


def _declared(block: Block, seen: dict[tuple[str, ...], Block | Attribute]) -> Iterator[str]:
    if block.kind in _LABELS and len(block.labels) != _LABELS[block.kind]:
        yield f"{block.place}: a {block.kind} takes {_LABELS[block.kind]} labels"
    items: list[tuple[tuple[str, ...], Block | Attribute]] = []
    if block.kind in _LABELS:
        items = [((block.kind, *block.labels), block)]
    elif block.kind == "locals":
        items = [(("local", each.name), each) for each in block.body.attributes]
    elif block.kind not in {"terraform", "moved", "removed", "import", "check"}:
        yield f"{block.place}: {block.kind} is no block of Terraform"
    for name, item in items:
        if name in seen:
            yield f"{item.place}: {'.'.join(name)} stands at {seen[name].place} already"
        seen[name] = item
