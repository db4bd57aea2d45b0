"""The commands in a document: from its code blocks, and from code within its sentences."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^ *```[a-z]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_NESTED = re.compile(r"\$\(((?:[^()]|\([^()]*\))*)\)")
_ASSIGNED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_WORDS = frozenset({"do", "then", "exec", "time"})
_CONTROL = frozenset({"for", "done", "if", "fi", "while", "}", "{"})


@dataclass(frozen=True, slots=True)
class Command:
    words: tuple[str, ...]
    text: str  # the line that it stands in

    @property
    def name(self) -> str:
        """Without its folder: .venv/bin/sapphire is sapphire."""
        return self.words[0].rsplit("/", 1)[-1]


def blocks(document: Path) -> list[str]:
    return _FENCE.findall(document.read_text())


def spans(document: Path) -> list[str]:
    """Code within sentences, and nothing of the blocks."""
    return _SPAN.findall(_FENCE.sub("", document.read_text()))


def commands(document: Path, *, within_sentences: frozenset[str]) -> list[Command]:
    """Every command of the blocks, and those of the sentences that begin with such a word."""
    lines = [line for block in blocks(document) for line in _joined(block)]
    lines += [
        span for span in spans(document) if " " in span and span.split()[0] in within_sentences
    ]
    return [command for line in lines for command in parsed(line)]


def parsed(line: str) -> Iterator[Command]:
    """The commands of one line: of a pipe, a list, and of what stands in $(...)."""
    for inner in _NESTED.findall(line):
        yield from parsed(inner)
    for words in _parts(_NESTED.sub("NESTED", line)):
        kept = _without_frame(words)
        if kept:
            yield Command(tuple(kept), line)


def _joined(block: str) -> Iterator[str]:
    """Lines with their continuations, and what a quote or a here-document spans."""
    line = ""
    for each in block.splitlines():
        line = f"{line}\n{each}" if line else each
        if line.endswith("\\"):
            line = line[:-1]
            continue
        if _is_open(line):
            continue
        if line.strip():
            yield line
        line = ""
    if line.strip():
        raise ValueError(f"a quote that nobody closes: {line[:80]}")


def _is_open(line: str) -> bool:
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return True
    return line.count("$(") > line.count(")")


def _parts(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    part: list[str] = []
    skip = False
    for word in lexer:
        if set(word) <= set("|&;"):
            yield part
            part = []
        elif set(word) <= set("<>"):
            skip = True  # the file of a redirection
        elif skip:
            skip = False
        else:
            part.append(word)
    yield part


def _without_frame(words: list[str]) -> list[str]:
    while words and (words[0] in _WORDS or _ASSIGNED.match(words[0])):
        words = words[1:]
    return [] if not words or words[0] in _CONTROL or words[0].endswith("()") else words
