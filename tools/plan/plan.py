"""The whole plan: every instance that `terraform apply` would make, and what stood in its way."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path

from yaml import YAMLError

from common.errors import ConfigurationError
from infra.pipeline import Pipeline, read_pipeline
from tools.plan.documents import load_yaml
from tools.plan.evaluate import Scope
from tools.plan.faults import PlanError
from tools.plan.finding import Finding
from tools.plan.hcl import read_file
from tools.plan.instances import Instance
from tools.plan.modules import Module
from tools.plan.nodes import Attribute, Block, Expression, Literal, Place
from tools.plan.source import Source, read_source
from tools.plan.values import Value

REPOSITORY = Path(__file__).resolve().parent.parent.parent
ENVIRONMENTS = ("dev", "prod")
_NOTHING: Mapping[str, Expression] = {}


class Plan:
    """`root` holds terraform/ and pipeline.yaml; `environment` names a file of tfvars.

    `variables` stand over those of the file, as `-var` does; the project's id is made up where they
    leave it out.

    Raises PlanError: a file is missing or cannot be read.
    """

    def __init__(
        self,
        root: Path = REPOSITORY,
        environment: str = "dev",
        variables: Mapping[str, Expression] = _NOTHING,
    ) -> None:
        self.root = root.resolve()
        self.environment = environment
        self.pipeline = _pipeline(self.root)
        self.source = read_source(self.root / "terraform", self.root)
        self.tfvars = self._tfvars()
        nowhere = Scope(roots=_NoReferences())
        inputs = {each.name: (each, nowhere) for each in self.tfvars}
        told = {"project_id": Literal(f"sapphire-{environment}"), **variables}
        inputs |= {name: (_told(name, value), nowhere) for name, value in told.items()}
        self.module = Module(self.source, root=self.root, inputs=inputs)
        self._problems: list[str] = []

    def _tfvars(self) -> tuple[Attribute, ...]:
        path = self.root / "terraform" / "environments" / f"{self.environment}.tfvars"
        shown = path.relative_to(self.root).as_posix()
        if not path.is_file():
            raise PlanError(f"{shown} is missing")
        return read_file(path, shown=shown).attributes

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """Every resource, each with its attributes evaluated."""
        return tuple(self._expanded(self.module))

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be expanded; each names its file and line."""
        empty = () if self.instances else ("the plan is empty",)
        return (*dict.fromkeys(self._problems), *empty)

    def of(self, *kinds: str) -> list[Instance]:
        return [each for each in self.instances if each.kind in kinds]

    def sources(self) -> dict[str, Source]:
        """The root's and each module's files, by folder."""
        found = {self.source.shown: self.source}
        for block in self.source.of("module"):
            source = self.module.child_source(block)
            found[source.shown] = source
        return found

    def variable(self, name: str) -> Value:
        return self.module.part("var", name)

    def _expanded(self, module: Module) -> Iterator[Instance]:
        self._problems += module.refused()
        for block in module.source.of("resource"):
            yield from self._sound(module, block)
        for block in module.source.of("data"):
            for _ in self._sound(module, block):
                pass
        for name in module.source.named("output"):
            self._try(partial(module.attribute, name))
        for name in module.source.named("module"):
            children = self._try(partial(module.children, name))
            for child in children.values() if isinstance(children, dict) else ():
                yield from self._expanded(child)

    def _sound(self, module: Module, block: Block) -> Iterator[Instance]:
        made = self._try(partial(module.instances, block))
        for instance in made.values() if isinstance(made, dict) else ():
            if self._try(instance.values) is not None:
                yield instance

    def _try(self, step: Callable[[], Value]) -> Value:
        try:
            return step()
        except PlanError as error:
            self._problems.append(str(error))
        except RecursionError:
            self._problems.append("a reference that never ends")
        return None


def _told(name: str, value: Expression) -> Attribute:
    return Attribute(name=name, value=value, place=Place(file="-var", line=1))


class _NoReferences:
    def root(self, name: str) -> Value:
        raise PlanError(f"{name}: a file of tfvars takes no references")


def _pipeline(root: Path) -> Pipeline:
    path = root / "pipeline.yaml"
    try:
        return read_pipeline(load_yaml(path.read_text(encoding="utf-8")))
    except (OSError, YAMLError, ConfigurationError) as error:
        raise PlanError(f"pipeline.yaml: {error}") from None


def place_of(instance: Instance) -> str:
    return str(instance.block.place)


def finding(instance: Instance, message: str) -> Finding:
    return Finding(where=place_of(instance), what=instance.address, message=message)
