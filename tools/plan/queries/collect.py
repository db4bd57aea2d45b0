"""Every query that the code can make. Found without running it: `Query(...)` and `every(...)`.

What cannot be read is told, so that none is overlooked: write it plainer, or teach resolve.py.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tools.plan.queries.code import Code, Source, called
from tools.plan.queries.resolve import Filter, Resolver, Site, Unreadable
from tools.plan.queries.shape import Shape

_EQUAL = frozenset({"==", "in"})
_QUERY = ("common.ports", "Query")
_EVERY = ("common.documents", "every")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    shape: Shape
    where: str  # functions/settle/deliveries.py:34


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    asked: tuple[Asked, ...]
    unread: tuple[str, ...]  # the file and line of each query that cannot be told, and why


def collect(root: Path) -> Collected:
    """Of common/, functions/ and infra/ below `root`."""
    code = Code(root)
    resolver = Resolver(code)
    asked: list[Asked] = []
    unread: list[str] = []
    sources = {each.name: each for word in ("Query(", "every(") for each in code.mentioning(word)}
    for source in sources.values():
        for call, around in source.calls:
            where = f"{source.shown}:{call.lineno}"
            try:
                shapes = list(_shapes(call, Site(source, around), resolver))
                asked += [Asked(shape=shape, where=where) for shape in shapes]
            except Unreadable as error:
                unread.append(f"{where}: {error}")
    return Collected(asked=tuple(asked), unread=tuple(unread))


def _shapes(call: ast.Call, site: Site, resolver: Resolver) -> Iterator[Shape]:
    made = site.source.imported.get(called(call))
    own = (site.source.name, called(call))
    given: dict[str, ast.expr | None] = {each.arg: each.value for each in call.keywords if each.arg}
    if made == _QUERY and own != _EVERY:
        if site.around is not None and (site.source.name, site.around.name) == _EVERY:
            return  # its callers' queries are read where they call it
        names = ("collection", "where", "order_by", "descending")
        given |= dict(zip(names, call.args, strict=False))
    elif made == _EVERY or (own == _EVERY and made is None):
        _, collection, *where = call.args
        given |= {"collection": collection, "where": ast.Tuple(elts=where)}
    elif called(call) == "replace":
        _refuse_reshaping(call, site.source)
        return
    else:
        return
    yield from _combined(given, site, resolver)


def _combined(given: dict[str, ast.expr | None], site: Site, resolver: Resolver) -> Iterator[Shape]:
    choices = product(
        resolver.texts(given.get("collection"), site),
        resolver.filters(given.get("where"), site),
        resolver.texts(given.get("order_by"), site),
        resolver.flags(given.get("descending"), site),
    )
    for collection, filters, order_by, descending in choices:
        if collection is not None:
            yield Shape(
                collection=collection,
                equal=_paths(filters, equal=True),
                spans=_paths(filters, equal=False),
                order_by=order_by,
                descending=descending,
            )


def _paths(filters: frozenset[Filter], *, equal: bool) -> frozenset[str]:
    return frozenset(each.path for each in filters if (each.op in _EQUAL) == equal)


def _refuse_reshaping(call: ast.Call, source: Source) -> None:
    """`replace(query, where=...)` would make a query that nobody reads here."""
    if {each.arg for each in call.keywords} & {"where", "order_by", "descending"}:
        raise Unreadable(f"{source.shown}: {ast.unparse(call)}")
