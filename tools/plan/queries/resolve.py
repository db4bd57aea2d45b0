"""What an expression of the code may be: every value that it can take, without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import product

from common.books import BOOKS, Book
from tools.plan.queries.code import Code, Function, Source, called

_DEPTH = 8
_BOOK_FIELDS = frozenset(field.name for field in fields(Book))


class Unreadable(Exception):
    """An expression whose values cannot be told from the source; says which."""


@dataclass(frozen=True, slots=True)
class Filter:
    path: str
    op: str


@dataclass(frozen=True, slots=True)
class Site:
    """Where an expression stands."""

    source: Source
    around: Function | None
    depth: int = 0


class Resolver:
    """Of one tree of code."""

    def __init__(self, code: Code) -> None:
        self._code = code

    def texts(self, node: ast.expr | None, site: Site) -> set[str | None]:
        """Every text, or None, that it may be. Raises Unreadable."""
        found: set[str | None] = set()
        for each, place in self._meant(node, site):
            match each:
                case None:
                    found.add(None)
                case ast.Constant(value=str() as value):
                    found.add(value)
                case ast.Constant(value=None):
                    found.add(None)
                case ast.Attribute(attr=name) if name in _BOOK_FIELDS:
                    found |= {getattr(book, name) for book in BOOKS.values()}
                case _:
                    raise Unreadable(f"{place.source.shown}: {ast.unparse(each)}")
        return found

    def flags(self, node: ast.expr | None, site: Site) -> set[bool]:
        if node is None:
            return {False}
        values = [each for each, _ in self._meant(node, site)]
        if all(isinstance(each, ast.Constant) for each in values):
            return {bool(each.value) for each in values if isinstance(each, ast.Constant)}
        return {False, True}

    def filters(self, node: ast.expr | None, site: Site) -> set[frozenset[Filter]]:
        """Every set of filters that it may be. Raises Unreadable."""
        found: set[frozenset[Filter]] = set()
        for each, place in self._meant(node, site):
            match each:
                case None:
                    found.add(frozenset())
                case ast.Tuple(elts=items) | ast.List(elts=items):
                    parts = [self._part(item, place) for item in items]
                    found |= {frozenset().union(*choice) for choice in product(*parts)}
                case ast.BinOp(op=ast.Add(), left=left, right=right):
                    pairs = product(self.filters(left, place), self.filters(right, place))
                    found |= {first | second for first, second in pairs}
                case ast.Call(func=ast.Name(id="tuple"), args=[ast.GeneratorExp() as made]):
                    found |= self._generated(made, place)
                case _:
                    raise Unreadable(f"{place.source.shown}: {ast.unparse(each)}")
        return found

    def _generated(self, made: ast.GeneratorExp, site: Site) -> set[frozenset[Filter]]:
        """`Where(path, "==", value) for path, value in <written out> if ...`: any of them."""
        match made:
            case ast.GeneratorExp(
                elt=ast.Call(args=[ast.Name(id=path), op, *_]) as where,
                generators=[ast.comprehension(target=ast.Tuple(elts=targets), iter=rows, ifs=ifs)],
            ) if called(where) == "Where":
                names = [each.id for each in targets if isinstance(each, ast.Name)]
                choices = [
                    [
                        {Filter(str(first), str(second))}
                        for first in self.texts(row, site)
                        for second in self.texts(op, site)
                    ]
                    for row in self._column(names.index(path), rows, site)
                ]
                maybe: list[set[Filter]] = [set()] if ifs else []
                return {
                    frozenset().union(*choice)
                    for choice in product(*([*each, *maybe] for each in choices))
                }
        raise Unreadable(f"{site.source.shown}: {ast.unparse(made)}")

    def _column(self, place: int, rows: ast.expr, site: Site) -> Iterator[ast.expr]:
        for each, _ in self._meant(rows, site):
            match each:
                case ast.Tuple(elts=items) if all(isinstance(item, ast.Tuple) for item in items):
                    yield from (item.elts[place] for item in items if isinstance(item, ast.Tuple))
                case _:
                    raise Unreadable(f"{site.source.shown}: {ast.unparse(rows)}")

    def _part(self, node: ast.expr, site: Site) -> list[frozenset[Filter]]:
        """One element of a tuple of filters: a Where, or more of them behind a star."""
        if isinstance(node, ast.Starred):
            return list(self.filters(node.value, site))
        return [frozenset({each}) for each in self.where(node, site)]

    def where(self, node: ast.expr, site: Site) -> set[Filter]:
        found = set()
        for each, place in self._meant(node, site):
            match each:
                case ast.Call(args=[path, op, *_]) if called(each) == "Where":
                    pairs = product(self.texts(path, place), self.texts(op, place))
                    found |= {Filter(str(first), str(second)) for first, second in pairs}
                case None:
                    continue
                case _:
                    raise Unreadable(f"{place.source.shown}: {ast.unparse(each)}")
        return found

    def _meant(self, node: ast.expr | None, site: Site) -> Iterator[tuple[ast.expr | None, Site]]:
        """What stands behind a name, a choice, or a parameter."""
        if site.depth > _DEPTH:
            raise Unreadable(f"{site.source.shown}: names that lead on and on")
        match node:
            case ast.IfExp(body=body, orelse=orelse):
                yield from self._meant(body, site)
                yield from self._meant(orelse, site)
            case ast.Name(id=name):
                for behind, place in self._named(name, site):
                    yield from self._meant(behind, place)
            case _:
                yield node, site

    def _named(self, name: str, site: Site) -> Iterator[tuple[ast.expr | None, Site]]:
        inner = Site(site.source, site.around, site.depth + 1)
        if site.around is not None:
            assigned = list(_assigned(name, site.around))
            if assigned:
                yield from ((value, inner) for value in assigned)
                return
            if name in _parameters(site.around):
                yield from self._arguments(name, site)
                return
        if name in site.source.constants:
            yield site.source.constants[name], Site(site.source, None, site.depth + 1)
            return
        module, there = site.source.imported.get(name, ("", ""))
        source = self._code.source(module)
        if source is None or there not in source.constants:
            raise Unreadable(f"{site.source.shown}: {name} comes from elsewhere")
        yield source.constants[there], Site(source, None, site.depth + 1)

    def _arguments(self, name: str, site: Site) -> Iterator[tuple[ast.expr | None, Site]]:
        """What callers hand over for a parameter, or its default."""
        function = site.around
        if function is None:
            return
        callers = self._code.callers(function.name)
        if not callers:
            raise Unreadable(f"{site.source.shown}: {function.name}({name}), which nobody calls")
        for source, call, around in callers:
            place = Site(source, around, site.depth + 1)
            if function.args.vararg is not None and name == function.args.vararg.arg:
                yield ast.Tuple(elts=call.args[len(function.args.args) :]), place
            else:
                yield _argument(name, function, call, site), place


def _assigned(name: str, function: Function) -> Iterator[ast.expr]:
    """Each value that the function itself gives to a name; of a loop, each element."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                yield value
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value):
                if found == name:
                    yield value
            case ast.For(target=ast.Name(id=found), iter=ast.Tuple(elts=items)) if found == name:
                yield from items
            case ast.AugAssign(target=ast.Name(id=found), op=ast.Add()) if found == name:
                raise Unreadable(f"{found} grows in {function.name}: write the choices out")


def _parameters(function: Function) -> list[str]:
    given = function.args
    further = [given.vararg] if given.vararg else []
    return [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs, *further)]


def _argument(name: str, function: Function, call: ast.Call, site: Site) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    positional = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    if positional[:1] == ["self"]:
        positional = positional[1:]
    if name in positional and positional.index(name) < len(call.args):
        return call.args[positional.index(name)]
    defaults = dict(zip(reversed(positional), reversed(function.args.defaults), strict=False))
    pairs = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    defaults |= {each.arg: value for each, value in pairs if value is not None}
    if name in defaults:
        return defaults[name]
    raise Unreadable(f"{site.source.shown}: what {function.name}({name}) gets")
