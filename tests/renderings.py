"""Every way in which a handler may print an error, the local variables of its frames included."""

import io
import logging
import traceback

from rich.console import Console
from rich.traceback import Traceback


def rendered(error: BaseException) -> str:
    plain = traceback.TracebackException.from_exception(error, capture_locals=True).format()
    logged = logging.Formatter().formatException((type(error), error, error.__traceback__))
    console = Console(record=True, width=400, file=io.StringIO())
    console.print(
        Traceback.from_exception(
            type(error), error, error.__traceback__, show_locals=True, locals_max_string=10_000
        )
    )
    return "\n".join([*plain, logged, console.export_text(), str(error), repr(error)])
