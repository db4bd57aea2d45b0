"""A module of the plan: its variables, locals, resources and outputs, each evaluated once."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.plan.constraints import converted
from tools.plan.evaluate import Scope, evaluate
from tools.plan.faults import PlanError
from tools.plan.foretold import PROJECT_NUMBER
from tools.plan.instances import Instance, by_key, evaluated_at, keyed, keys_of
from tools.plan.nodes import Attribute, Block, Literal
from tools.plan.source import Source, read_source
from tools.plan.values import Symbol, Value, truth

_NO_INPUT = frozenset({"source", "version", "providers", "for_each", "count", "depends_on"})


class Module:
    """`inputs` are evaluated in the caller's scope; the root's come from its tfvars."""

    def __init__(
        self,
        source: Source,
        *,
        root: Path,
        address: str = "",
        inputs: Mapping[str, tuple[Attribute, Scope]],
        parent: "Module | None" = None,
    ) -> None:
        self.source = source
        self.address = address
        self.scope = Scope(roots=self)
        self._root = root
        self._inputs = inputs
        self._parent = parent
        self._made: dict[tuple[str, ...], Value] = {}
        self._asked: list[tuple[str, ...]] = []
        self._variables, self._locals = source.named("variable"), source.locals()
        self._resources, self._data = source.resources(), source.resources("data")
        self._modules, self._outputs = source.named("module"), source.named("output")

    # ------------------------------------------------------------------------------- references
    def root(self, name: str) -> Value:
        match name:
            case "var" | "local" | "module" | "data":
                return _Part(self, name)
            case "path":
                folder = str(self.source.folder)
                return {"module": folder, "root": str(self._root / "terraform"), "cwd": folder}
            case "terraform":
                return {"workspace": "default"}
        if any(kind == name for kind, _ in self._resources):
            return _Part(self, "resource", name)
        raise PlanError(f"nothing is called {name}")

    def part(self, *path: str) -> Value:
        """ "var", name · "local", name · "module", name · "resource" or "data", type, name."""
        if path in self._made:
            return self._made[path]
        if path in self._asked:
            raise PlanError(f"{'.'.join(path)} refers to itself")
        self._asked.append(path)
        try:
            self._made[path] = self._part(*path)
        finally:
            self._asked.remove(path)
        return self._made[path]

    def _part(self, what: str, *names: str) -> Value:
        address = ".".join(names)
        match what:
            case "var" if names[0] in self._variables:
                return self._variable(names[0])
            case "local" if names[0] in self._locals:
                return evaluated_at(self._locals[names[0]], self.scope, "local")
            case "module" if names[0] in self._modules:
                return by_key(self.children(names[0]), self._modules[names[0]])
            case "resource" if names in self._resources:
                block = self._resources[names[0], names[1]]
                return by_key(self.instances(block), block)
            case "data" if names in self._data:
                block = self._data[names[0], names[1]]
                return by_key(self.instances(block), block)
        raise PlanError(f"{'' if what == 'resource' else what + '.'}{address} is not declared")

    # -------------------------------------------------------------------------------- variables
    def _variable(self, name: str) -> Value:
        body = self._variables[name].body
        given, default = self._inputs.get(name), body.attribute("default")
        if given is not None:
            value = evaluated_at(given[0], given[1], self.address or "var")
        elif default is not None:
            value = evaluate(default.value, self.scope)
        else:
            raise PlanError(f"{self.address or 'the root'} has no value for var.{name}")
        constraint = body.attribute("type")
        if constraint is None:
            return value
        try:
            return converted(value, constraint.value, self.scope)
        except PlanError as error:
            raise PlanError(f"{(given[0] if given else constraint).place}: {error}") from None

    def refused(self) -> Iterator[str]:
        """Inputs that no variable takes, that are missing, or that a validation refuses."""
        for name, (attribute, _) in self._inputs.items():
            if name not in self._variables:
                yield f"{attribute.place}: there is no variable {name} to set"
        for name, block in self._variables.items():
            try:
                self.part("var", name)
                for check in block.body.blocks_of("validation"):
                    yield from self._validated(name, check)
            except PlanError as error:
                yield str(error)

    def _validated(self, name: str, check: Block) -> Iterator[str]:
        condition, said = check.body.attribute("condition"), check.body.attribute("error_message")
        if condition is None or said is None:
            yield f"{check.place}: a validation takes condition and error_message"
        elif not truth(evaluated_at(condition, self.scope, f"var.{name}")):
            yield f"{check.place}: var.{name}: {evaluate(said.value, self.scope)}"

    # -------------------------------------------------------------------- resources and modules
    def instances(self, block: Block) -> dict[str | int | None, Value]:
        kind, name = block.labels
        cached: tuple[str, ...] = ("instances", block.kind, kind, name)
        if cached not in self._made:
            own = ".".join(filter(None, [self.address, "data" if block.kind == "data" else ""]))
            address = ".".join(filter(None, [own, kind, name]))
            make = DataSource if block.kind == "data" else Instance
            self._made[cached] = {
                key: make(
                    address=keyed(address, key),
                    kind=kind,
                    name=name,
                    key=key,
                    block=block,
                    scope=scope,
                    project=self.project,
                )
                for key, scope in keys_of(block, self.scope)
            }
        made = self._made[cached]
        return made if isinstance(made, dict) else {}

    def children(self, name: str) -> dict[str | int | None, Value]:
        cached: tuple[str, ...] = ("children", name)
        if cached not in self._made:
            self._made[cached] = dict(self._children(self._modules[name]))
        made = self._made[cached]
        return made if isinstance(made, dict) else {}

    def _children(self, block: Block) -> Iterator[tuple[str | int | None, "Module"]]:
        name, body = block.labels[0], block.body
        source = self.child_source(block)
        for key, scope in keys_of(block, self.scope):
            inputs = {
                each.name: (each, scope) for each in body.attributes if each.name not in _NO_INPUT
            }
            address = ".".join(filter(None, [self.address, "module", keyed(name, key)]))
            child = Module(source, root=self._root, address=address, inputs=inputs, parent=self)
            yield key, child

    def child_source(self, block: Block) -> Source:
        """Raises PlanError: no path of this repository."""
        where = block.body.attribute("source")
        path = where.value.value if where and isinstance(where.value, Literal) else None
        if not isinstance(path, str) or not path.startswith("."):
            raise PlanError(f"{block.place}: a module's source must be a folder of this repository")
        return read_source((self.source.folder / path).resolve(), self._root.resolve())

    def attribute(self, name: str) -> Value:
        """An output's value: what `module.x.name` means."""
        block = self._outputs.get(name)
        value = block.body.attribute("value") if block else None
        if value is None:
            raise PlanError(f"{self.address} has no output {name}")
        return evaluated_at(value, self.scope, self.address or "output")

    def project(self) -> Value:
        """The provider's default project."""
        if self._parent is not None:
            return self._parent.project()
        for block in self.source.of("provider"):
            found = block.body.attribute("project")
            if found is not None:
                return evaluate(found.value, self.scope)
        return Symbol("<project>")


class DataSource(Instance):
    """What Google tells while planning."""

    def _evaluated(self, name: str) -> Value:
        if self.kind == "google_project" and name == "number":
            return PROJECT_NUMBER
        return super()._evaluated(name)


class _Part:
    """`var`, `local`, `module`, `data`, or a resource's type, waiting for a name."""

    def __init__(self, module: Module, *path: str) -> None:
        self._module = module
        self._path = path

    def attribute(self, name: str) -> Value:
        if self._path == ("data",):
            return _Part(self._module, "data", name)
        return self._module.part(*self._path, name)
