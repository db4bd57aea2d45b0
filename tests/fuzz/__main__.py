"""`python -m tests.fuzz`: CASES random requests; a line of figures, and exit 1 on any 5xx."""

import logging
import os
import sys
import time

from tests.fuzz.campaign import Figures, fuzz

CASES = 5000


def main() -> int:
    cases, start = int(os.environ.get("CASES", CASES)), int(os.environ.get("SEED", "0"))
    logging.disable(logging.CRITICAL)  # every refused request says so; the figures are below
    begun = time.monotonic()
    figures = Figures()
    for figures in fuzz(cases, start=start):
        if sys.stderr.isatty():
            print(f"\r{figures.cases} of {cases} cases", end="", file=sys.stderr)
    for name, request in figures.broken.items():
        print(f"BROKEN {name}\n       {request}")
    print(
        f"fuzz: {figures.cases} cases over {figures.operations} operations:"
        f" {figures.share(2)} done, {figures.share(4)} refused, {figures.share(5)} 5xx;"
        f" seed {start}, {time.monotonic() - begun:.0f} s"
    )
    return 1 if figures.share(5) or figures.cases < cases else 0


if __name__ == "__main__":
    sys.exit(main())
