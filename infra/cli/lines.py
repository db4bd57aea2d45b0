"""Lines as wide as the terminal, with what belongs together kept under each other."""

import os
import shutil
import textwrap
from typing import TextIO

_NARROWEST = 40


def width_of(stream: TextIO) -> int | None:
    """Columns of the terminal; None where there is none, and nothing has to fit."""
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return None
    return max(_NARROWEST, shutil.get_terminal_size().columns)


def hanging(text: str, *, indent: int, width: int | None) -> list[str]:
    """`text` broken at spaces, its later lines `indent` columns in; its first is left as it is."""
    if width is None:
        return [text]
    lines = textwrap.wrap(
        text,
        width - 1,
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line[indent:] if place == 0 else line for place, line in enumerate(lines)] or [""]


def block(text: str, *, indent: int, width: int | None) -> list[str]:
    """`text` with all of its lines `indent` columns in."""
    first, *rest = hanging(text, indent=indent, width=width)
    return [" " * indent + first, *rest]
