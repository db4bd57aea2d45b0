"""One finding, with the command that mends it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    ok: bool
    detail: str  # what was found
    todo: str = ""  # the exact command; empty where ok


def fine(name: str, detail: str) -> Line:
    return Line(name=name, ok=True, detail=detail)


def missing(name: str, detail: str, todo: str) -> Line:
    return Line(name=name, ok=False, detail=detail, todo=todo)
