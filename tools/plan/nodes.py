"""Terraform source as a tree: bodies, attributes, blocks and the expressions in them."""

from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    file: str  # relative to the repository, such as terraform/topics.tf
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Expression:
    """Any of the classes below."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Template(Expression):
    parts: tuple[str | Expression, ...]


@dataclass(frozen=True, slots=True)
class Name(Expression):
    name: str


@dataclass(frozen=True, slots=True)
class GetAttribute(Expression):
    of: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Index(Expression):
    of: Expression
    key: Expression


@dataclass(frozen=True, slots=True)
class Splat(Expression):
    of: Expression
    steps: tuple[str | Expression, ...]  # attribute names and index keys, for each element


@dataclass(frozen=True, slots=True)
class Call(Expression):
    function: str
    arguments: tuple[Expression, ...]
    spread: bool  # the last argument is a list of arguments


@dataclass(frozen=True, slots=True)
class TupleOf(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ObjectOf(Expression):
    items: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class For(Expression):
    names: tuple[str, ...]  # (value) or (key, value)
    source: Expression
    key: Expression | None  # None: a tuple comes out, else an object
    value: Expression
    condition: Expression | None
    grouped: bool


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Conditional(Expression):
    condition: Expression
    when_true: Expression
    when_false: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    name: str
    value: Expression
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    kind: str
    labels: tuple[str, ...]
    body: "Body"
    place: Place


@dataclass(frozen=True, slots=True)
class Body:
    attributes: tuple[Attribute, ...]
    blocks: tuple[Block, ...]

    def attribute(self, name: str) -> Attribute | None:
        return next((each for each in self.attributes if each.name == name), None)

    def blocks_of(self, kind: str) -> tuple[Block, ...]:
        return tuple(block for block in self.blocks if block.kind == kind)

    def walk(self) -> Iterator[Attribute]:
        """Every attribute, those of nested blocks too."""
        yield from self.attributes
        for block in self.blocks:
            yield from block.body.walk()


def children(node: Expression) -> Iterator[Expression]:
    """The expressions directly inside one."""
    for field in fields(node):  # type: ignore[arg-type]  # every kind of expression is a dataclass
        yield from _inside(getattr(node, field.name))


def _inside(value: object) -> Iterator[Expression]:
    if isinstance(value, Expression):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _inside(item)
