"""Every reference in the Terraform: declared, in scope, and every declaration used."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from tools.plan.finding import Finding
from tools.plan.foretold import COMPUTED
from tools.plan.nodes import (
    Attribute,
    Block,
    Body,
    Expression,
    For,
    GetAttribute,
    Index,
    Name,
    Place,
    Splat,
    children,
)
from tools.plan.plan import Plan
from tools.plan.schema import DATA_SOURCES, provider_table
from tools.plan.source import Source

_TYPES = frozenset({"string", "number", "bool", "any"})


@dataclass(frozen=True, slots=True)
class Reference:
    """`root.path[0].path[1]...`, with the keys in brackets left out."""

    root: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join((self.root, *self.path))


def references(node: Expression, bound: frozenset[str] = frozenset()) -> Iterator[Reference]:
    """Those of an expression and of everything in it; `bound` are the names of `for`."""
    match node:
        case For():
            yield from references(node.source, bound)
            inner = bound | set(node.names)
            for part in (node.key, node.value, node.condition):
                if part is not None:
                    yield from references(part, inner)
        case Name() | GetAttribute() | Index() | Splat():
            yield from _chain(node, bound)
        case _:
            for child in children(node):
                yield from references(child, bound)


def _chain(node: Expression, bound: frozenset[str]) -> Iterator[Reference]:
    path: list[str] = []
    current = node
    while True:
        match current:
            case GetAttribute():
                path.append(current.name)
                current = current.of
            case Index():
                yield from references(current.key, bound)
                current = current.of
            case Splat():
                path += [step for step in reversed(current.steps) if isinstance(step, str)]
                current = current.of
            case Name():
                if current.name not in bound:
                    yield Reference(current.name, tuple(reversed(path)))
                return
            case _:
                yield from references(current, bound)
                return


def reference_findings(plan: Plan) -> list[Finding]:
    """References that lead nowhere, and what nobody refers to; in every module."""
    sources = plan.sources()
    outputs: set[tuple[str, str]] = set()
    found = []
    for source in sources.values():
        check = _Check(source, plan)
        found += check.run()
        outputs |= check.outputs_used
    for folder, source in sources.items():
        if source is not plan.source:
            found += [
                Finding(where=str(block.place), what=f"output.{name}", message="nobody reads it")
                for name, block in source.named("output").items()
                if (folder, name) not in outputs
            ]
    return found


@dataclass(slots=True)
class _Check:
    """One module's."""

    source: Source
    plan: Plan
    outputs_used: set[tuple[str, str]] = field(default_factory=set)
    _used: set[tuple[str, str]] = field(default_factory=set)

    def run(self) -> list[Finding]:
        found = [each for block in self.source.blocks for each in self._block(block)]
        return [*found, *self._unused()]

    def _block(self, block: Block) -> Iterator[Finding]:
        if block.kind in {"terraform", "provider"}:
            yield from self._provider(block)
            return
        near = {name for name in ("for_each", "count") if block.body.attribute(name)}
        roots = {"each": "for_each" in near, "count": "count" in near}
        allowed = frozenset(name for name, holds in roots.items() if holds)
        own = block.labels[0] if block.kind == "variable" else None
        for place, reference in self._within(block.body, frozenset(), top=True):
            if own is not None and reference == Reference("var", (own,)):
                continue
            message = self._wrong(reference, allowed)
            if message:
                yield Finding(where=str(place), what=str(reference), message=message)

    def _provider(self, block: Block) -> Iterator[Finding]:
        for place, reference in self._within(block.body, frozenset(), top=False):
            message = self._wrong(reference, frozenset())
            if message and block.kind == "provider":
                yield Finding(where=str(place), what=str(reference), message=message)

    def _within(
        self, body: Body, bound: frozenset[str], *, top: bool
    ) -> Iterator[tuple[Place, Reference]]:
        for attribute in body.attributes:
            if not (top and attribute.name in {"type", "provider"} and self._is_type(attribute)):
                for reference in references(attribute.value, bound):
                    yield attribute.place, reference
        for block in body.blocks:
            if block.kind == "lifecycle":
                continue
            iterator = block.body.attribute("iterator") if block.kind == "dynamic" else None
            name = getattr(iterator.value, "name", "") if iterator else "".join(block.labels[:1])
            inner = bound | {name} if block.kind == "dynamic" else bound
            yield from self._within(block.body, inner, top=False)

    def _is_type(self, attribute: Attribute) -> bool:
        """Whether it is a type constraint or a provider's name, which refer to nothing."""
        named = {reference.root for reference in references(attribute.value)}
        return attribute.name == "provider" or named <= _TYPES

    def _wrong(self, reference: Reference, allowed: frozenset[str]) -> str | None:
        root, path = reference.root, reference.path
        match root:
            case "each":
                fits = path[:1] in (("key",), ("value",))
                return None if root in allowed and fits else "only inside a for_each"
            case "count":
                return None if root in allowed else "only inside a count"
            case "path":
                return None if path in (("module",), ("root",), ("cwd",)) else "no such path"
            case "var" | "local" | "module" | "data":
                return self._named(root, path)
            case _:
                return self._resource(root, path)

    def _named(self, root: str, path: tuple[str, ...]) -> str | None:
        if not path:
            return "is no value by itself"
        if root == "data":
            return self._data(path)
        self._used.add((root, path[0]))
        declared: dict[str, Container[str]] = {
            "var": self.source.named("variable"),
            "local": self.source.locals(),
            "module": self.source.named("module"),
        }
        if path[0] not in declared[root]:
            return "is not declared"
        return self._output(path) if root == "module" and len(path) > 1 else None

    def _output(self, path: tuple[str, ...]) -> str | None:
        child = self.plan.module.child_source(self.source.named("module")[path[0]])
        self.outputs_used.add((child.shown, path[1]))
        return None if path[1] in child.named("output") else f"there is no output {path[1]}"

    def _data(self, path: tuple[str, ...]) -> str | None:
        if path[:2] not in self.source.resources("data"):
            return "is not declared"
        known = {"id", "number", *DATA_SOURCES.get(path[0], {})}
        wrong = len(path) > 2 and path[2] not in known
        return f"{path[0]} has no {path[2]}" if wrong else None

    def _resource(self, kind: str, path: tuple[str, ...]) -> str | None:
        if (kind, *path[:1]) not in self.source.resources():
            return "is not declared"
        fields = provider_table()["resources"].get(kind, {})
        known = len(path) < 2 or path[1] in fields or (kind, path[1]) in COMPUTED
        return None if known else f"{kind} has no {path[1]}"

    def _unused(self) -> Iterator[Finding]:
        declared: dict[tuple[str, str], Place] = {
            ("var", name): block.place for name, block in self.source.named("variable").items()
        }
        declared |= {("local", name): each.place for name, each in self.source.locals().items()}
        for (root, name), place in declared.items():
            if (root, name) not in self._used:
                yield Finding(where=str(place), what=f"{root}.{name}", message="nobody uses it")
