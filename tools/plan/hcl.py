"""Terraform files read with python-hcl2, with the line of every block and attribute."""

import re
from functools import lru_cache
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

from tools.plan.faults import PlanError
from tools.plan.nodes import (
    Attribute,
    Binary,
    Block,
    Body,
    Call,
    Conditional,
    Expression,
    For,
    GetAttribute,
    Index,
    Literal,
    Name,
    ObjectOf,
    Place,
    Splat,
    Template,
    TupleOf,
    Unary,
)

if TYPE_CHECKING:
    from lark import Tree

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(?:([nrt\"\\])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_LITERALS = {"true": True, "false": False, "null": None}
_HEREDOC = re.compile(r"<<-?[^\n]*\n(.*?)[ \t]*\S+\r?\n?\Z", re.DOTALL)


def read_file(path: Path, *, shown: str) -> Body:
    """The blocks of one file; `shown` is what places call it.

    Raises PlanError: the file is no Terraform.
    """
    return read_text(path.read_text(encoding="utf-8"), shown)


@lru_cache(maxsize=1024)
def read_text(text: str, shown: str) -> Body:
    """As `read_file`; a text that was read before is not parsed again."""
    import hcl2
    from lark.exceptions import UnexpectedInput

    try:
        tree: Tree[object] = hcl2.parses_to_tree(text if text.endswith("\n") else text + "\n")
    except UnexpectedInput as error:
        line = str(error.line).lstrip("-?") or "1"  # lark knows it not always
        raise PlanError(f"{shown}:{line}: not Terraform: {_first_line(error)}") from None
    return _Reader(shown).body(_kids(tree)[0])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _kids(tree: "Tree[object]") -> list["Tree[object]"]:
    """The subtrees that mean something; comments and line ends do not."""
    from lark import Tree

    return [
        child
        for child in tree.children
        if isinstance(child, Tree) and child.data != "new_line_or_comment"
    ]


def _tokens(tree: "Tree[object]") -> list[str]:
    from lark import Token

    return [str(child).strip() for child in tree.children if isinstance(child, Token)]


def _word(tree: "Tree[object]") -> str:
    return str(tree.children[0])


class _Reader:
    """One file's parse tree, made into nodes."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def body(self, tree: "Tree[object]") -> Body:
        attributes, blocks = [], []
        for child in _kids(tree):
            place = Place(file=self._shown, line=child.meta.line)
            if child.data == "attribute":
                name, value = _kids(child)
                attributes.append(
                    Attribute(name=_word(name), value=self.expression(value), place=place)
                )
            else:
                kind, *labels, inner = _kids(child)
                blocks.append(
                    Block(
                        kind=_word(kind),
                        labels=tuple(self._label(label) for label in labels),
                        body=self.body(inner),
                        place=place,
                    )
                )
        return Body(tuple(attributes), tuple(blocks))

    def _label(self, tree: "Tree[object]") -> str:
        return _plain(self._string(tree)) if tree.data == "string" else _word(tree)

    def expression(self, tree: "Tree[object]") -> Expression:
        kids = _kids(tree)
        match str(tree.data):
            case "expr_term" | "object_elem_key" | "interpolation":
                return self.expression(kids[0])
            case "conditional":
                return Conditional(*(self.expression(kid) for kid in kids))
            case "unary_op":
                return Unary(_tokens(tree)[0], self.expression(kids[0]))
            case "binary_op":
                operator, right = _kids(kids[1])
                left = self.expression(kids[0])
                return Binary(_tokens(operator)[0], left, self.expression(right))
            case "function_call":
                return self._call(tree)
            case "tuple":
                return TupleOf(tuple(self.expression(kid) for kid in kids))
            case "object":
                return self._object(kids)
            case "for_tuple_expr" | "for_object_expr":
                return self._for(tree)
            case _:
                return self._access(tree) or self._simple(tree)

    def _access(self, tree: "Tree[object]") -> Expression | None:
        kids = _kids(tree)
        match str(tree.data):
            case "get_attr_expr_term":
                return GetAttribute(self.expression(kids[0]), _word(_kids(kids[1])[0]))
            case "index_expr_term":
                return Index(self.expression(kids[0]), self._key(kids[1]))
            case "attr_splat_expr_term" | "full_splat_expr_term":
                steps = [
                    _word(_kids(step)[0]) if step.data == "get_attr" else self._key(step)
                    for step in _kids(kids[1])
                ]
                return Splat(self.expression(kids[0]), tuple(steps))
        return None

    def _key(self, tree: "Tree[object]") -> Expression:
        if tree.data == "short_index":
            return Literal(int(_tokens(tree)[-1]))
        return self.expression(_kids(tree)[0])

    def _simple(self, tree: "Tree[object]") -> Expression:
        match str(tree.data):
            case "identifier" | "keyword":
                return Name(_word(tree))
            case "literal_value":
                return Literal(_LITERALS[_word(tree)])
            case "int_lit":
                return Literal(int(_word(tree)))
            case "float_lit":
                return Literal(float(_word(tree)))
            case "string":
                return self._string(tree)
            case "heredoc_template" | "heredoc_template_trim":
                return self._heredoc(tree, trim=tree.data == "heredoc_template_trim")
        raise PlanError(f"{self._shown}:{tree.meta.line}: {tree.data} is not evaluated here")

    def _call(self, tree: "Tree[object]") -> Call:
        name, *rest = _kids(tree)
        arguments = rest[-1] if rest and rest[-1].data == "arguments" else None
        return Call(
            _word(name),
            tuple(self.expression(kid) for kid in _kids(arguments)) if arguments else (),
            arguments is not None and "..." in _tokens(arguments),
        )

    def _object(self, elements: list["Tree[object]"]) -> ObjectOf:
        items = []
        for element in elements:
            key_tree, value = _kids(element)
            key = self.expression(key_tree)
            if isinstance(key, Name) and not _in_brackets(key_tree):
                key = Literal(key.name)
            items.append((key, self.expression(value)))
        return ObjectOf(tuple(items))

    def _for(self, tree: "Tree[object]") -> For:
        intro, *rest = _kids(tree)
        condition = rest.pop() if rest[-1].data == "for_cond" else None
        *names, source = _kids(intro)
        *key, value = [self.expression(each) for each in rest]
        return For(
            names=tuple(_word(name) for name in names),
            source=self.expression(source),
            key=key[0] if key else None,
            value=value,
            condition=self.expression(_kids(condition)[0]) if condition else None,
            grouped="..." in _tokens(tree),
        )

    def _string(self, tree: "Tree[object]") -> Expression:
        from lark import Tree

        parts: list[str | Expression] = []
        for part in _kids(tree):
            inner = part.children[0]
            if isinstance(inner, Tree) and inner.data != "interpolation":
                raise PlanError(f"{self._shown}:{tree.meta.line}: %{{...}} is not evaluated here")
            parts.append(
                self.expression(inner) if isinstance(inner, Tree) else _unescaped(str(inner))
            )
        return _template(parts)

    def _heredoc(self, tree: "Tree[object]", *, trim: bool) -> Expression:
        found = _HEREDOC.match(str(tree.children[0]))
        if found is None:
            raise PlanError(f"{self._shown}:{tree.meta.line}: a heredoc that cannot be read")
        text = dedent(found[1]) if trim else found[1]
        return _template([*self._interpolated(text, tree.meta.line)])

    def _interpolated(self, text: str, line: int) -> list[str | Expression]:
        """A heredoc's text: no escapes but $${ and %%{, and the expressions in ${...}."""
        parts: list[str | Expression] = []
        rest = text
        while (start := _opening(rest)) >= 0:
            end = _closing(rest, start + 2)
            if end < 0:
                raise PlanError(f"{self._shown}:{line}: a ${{ that nothing closes")
            parts.append(rest[:start].replace("$${", "${").replace("%%{", "%{"))
            inner = read_text(f"x = {rest[start + 2 : end].strip()}\n", self._shown)
            parts.append(inner.attributes[0].value)
            rest = rest[end + 1 :]
        parts.append(rest.replace("$${", "${").replace("%%{", "%{"))
        return parts


def _opening(text: str) -> int:
    found = re.search(r"(?<!\$)\$\{", text)
    return found.start() if found else -1


def _closing(text: str, start: int) -> int:
    depth = 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place
    return -1


def _in_brackets(tree: "Tree[object]") -> bool:
    """Whether an object's key stands in brackets: a name there is a value, not itself."""
    if tree.data == "object_elem_key":
        return _in_brackets(_kids(tree)[0])
    return "(" in _tokens(tree)


def _unescaped(text: str) -> str:
    if text.startswith(("$${", "%%{")):
        return text[1:]
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1] or "") or _character(found), text)


def _character(found: re.Match[str]) -> str:
    return chr(int(found[2] or found[3], 16))


def _template(parts: list[str | Expression]) -> Expression:
    """Text where nothing is inserted. "${x}" alone is x itself, whatever it is."""
    if all(isinstance(part, str) for part in parts):
        return Literal("".join(str(part) for part in parts))
    if len(parts) == 1 and isinstance(parts[0], Expression):
        return parts[0]
    return Template(tuple(part for part in parts if part != ""))


def _plain(node: Expression) -> str:
    return str(node.value) if isinstance(node, Literal) else ""
