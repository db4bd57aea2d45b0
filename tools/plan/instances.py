"""Resources as the plan makes them: one instance for each key, its attributes evaluated."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tools.plan.evaluate import Scope, evaluate
from tools.plan.faults import PlanError
from tools.plan.foretold import foretold
from tools.plan.nodes import Attribute, Block, Body
from tools.plan.values import Symbol, Value, elements, known, number, pairs, text

META = frozenset({"count", "for_each", "depends_on", "lifecycle", "provider", "timeouts"})
"""What any resource takes; none of it is sent to Google."""


@dataclass(slots=True, kw_only=True, eq=False)
class Instance:
    """One resource of the plan, or one data source. Attributes are evaluated when asked for."""

    address: str  # module.function["execute"].google_service_account.this
    kind: str
    name: str
    key: str | int | None
    block: Block
    scope: Scope
    project: Callable[[], Value]  # the provider's
    _known: dict[str, Value] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)

    def attribute(self, name: str) -> Value:
        """As configured; else foretold, or a Symbol. Raises PlanError: it cannot be evaluated."""
        if name in self._known:
            return self._known[name]
        if name in self._asked:
            raise PlanError(f"{self.address}.{name} refers to itself")
        self._asked.add(name)
        try:
            value = self._evaluated(name)
        finally:
            self._asked.discard(name)
        self._known[name] = value
        return value

    def get(self, name: str) -> Value:
        """As `attribute`, but None where it is not configured."""
        return self.attribute(name) if name in self.configured() else None

    def blocks(self, *path: str) -> list[Mapping[str, Value]]:
        """Every nested block at the path, such as ("http_target", "oidc_token")."""
        found: list[Mapping[str, Value]] = [self.values()]
        for name in path:
            found = [
                inner
                for outer in found
                for inner in elements(outer.get(name) or [])
                if isinstance(inner, Mapping)
            ]
        return found

    def values(self) -> Mapping[str, Value]:
        """Every configured attribute and block, but META."""
        return {name: self.attribute(name) for name in self.configured()}

    def configured(self) -> list[str]:
        body = self.block.body
        names = [attribute.name for attribute in body.attributes]
        names += [_kind(block) for block in body.blocks]
        return [name for name in dict.fromkeys(names) if name not in META]

    def _evaluated(self, name: str) -> Value:
        body = self.block.body
        attribute = body.attribute(name)
        if attribute is not None:
            return evaluated_at(attribute, self.scope, self.address)
        blocks = [block for block in body.blocks if _kind(block) == name]
        if blocks:
            return [each for block in blocks for each in _block(block, self.scope, self.address)]
        return foretold(self.kind, name, self._for_foretelling, self.address)

    def _for_foretelling(self, name: str) -> Value:
        value = self.get(name)
        return self.project() if value is None and name == "project" else value


def evaluated_at(attribute: Attribute, scope: Scope, address: str) -> Value:
    try:
        return evaluate(attribute.value, scope)
    except PlanError as error:
        raise PlanError(_placed(error, attribute, address)) from None


def _placed(error: PlanError, attribute: Attribute, address: str) -> str:
    """The innermost place is the one to look at."""
    said = str(error)
    if said.startswith("terraform"):
        return said
    return f"{attribute.place}: {address}.{attribute.name}: {said}"


def _kind(block: Block) -> str:
    return block.labels[0] if block.kind == "dynamic" else block.kind


def _block(block: Block, scope: Scope, address: str) -> Iterator[Mapping[str, Value]]:
    if block.kind != "dynamic":
        yield _body(block.body, scope, address)
        return
    source = block.body.attribute("for_each")
    contents = block.body.blocks_of("content")
    if source is None or len(contents) != 1:
        raise PlanError(f"{block.place}: a dynamic block takes for_each and one content")
    iterator = block.body.attribute("iterator")
    name = getattr(iterator.value, "name", block.labels[0]) if iterator else block.labels[0]
    for key, value in pairs(evaluated_at(source, scope, address)):
        inner = scope.with_names({name: {"key": key, "value": value}})
        yield _body(contents[0].body, inner, address)


def _body(body: Body, scope: Scope, address: str) -> Mapping[str, Value]:
    out: dict[str, Value] = {
        attribute.name: evaluated_at(attribute, scope, address) for attribute in body.attributes
    }
    for block in body.blocks:
        made = out.setdefault(_kind(block), [])
        if isinstance(made, list):
            made += _block(block, scope, address)
    return out


def keys_of(block: Block, scope: Scope) -> list[tuple[str | int | None, Scope]]:
    """The keys of a resource or module, each with its scope: one, None, without for_each or count.

    Raises PlanError: no map or set of texts, or keys that only the apply knows.
    """
    for_each, count = block.body.attribute("for_each"), block.body.attribute("count")
    address = ".".join(block.labels)
    if for_each is not None:
        source = evaluated_at(for_each, scope, address)
        if isinstance(source, list) and type(source) is list:
            raise PlanError(f"{for_each.place}: for_each takes a map or a set, not a list")
        found = pairs(source)
        if not known([key for key, _ in found]):
            raise PlanError(f"{for_each.place}: for_each over keys that only the apply knows")
        return [
            (text(key), scope.with_names({"each": {"key": key, "value": value}}))
            for key, value in found
        ]
    if count is not None:
        total = evaluated_at(count, scope, address)
        if isinstance(total, Symbol):
            raise PlanError(f"{count.place}: a count that only the apply knows")
        return [
            (place, scope.with_names({"count": {"index": place}}))
            for place in range(int(number(total)))
        ]
    return [(None, scope)]


def keyed(address: str, key: str | int | None) -> str:
    if key is None:
        return address
    return f'{address}["{key}"]' if isinstance(key, str) else f"{address}[{key}]"


def by_key(made: Mapping[str | int | None, Value], block: Block) -> Value:
    """What a reference to the whole resource or module means: one, a list, or a map."""
    if block.body.attribute("for_each") is not None:
        return {str(key): value for key, value in made.items()}
    return list(made.values()) if block.body.attribute("count") is not None else made[None]
