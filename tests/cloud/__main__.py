"""`make plants`: each misconfiguration in a copy of the tree, and the test that found it.

Exits 1 when one is not found, or no longer fits the text that it replaces.
"""

import sys
import time

from tests.cloud.catching import Judge
from tests.cloud.planting import NoLongerFitsError
from tests.cloud.plants import PLANTS


def main() -> int:
    began = time.perf_counter()
    judge = Judge()
    caught = 0
    for number, plant in enumerate(PLANTS, 1):
        try:
            verdict = judge.judge(plant)
        except NoLongerFitsError as error:
            print(f"{number:3} DOES NOT FIT  {error}")
            continue
        caught += not verdict.survived
        word = "caught" if verdict.caught else "SURVIVED"
        word = word if verdict.sound else "FAILS ANYWAY"
        print(f"{number:3} {word:13} {plant.name}\n{'':18}{plant.caught_by}")
    took = time.perf_counter() - began
    print(
        f"plants: {len(PLANTS)} planted, {caught} caught, {len(PLANTS) - caught} not, {took:.1f} s"
    )
    return int(caught != len(PLANTS))


if __name__ == "__main__":
    sys.exit(main())
