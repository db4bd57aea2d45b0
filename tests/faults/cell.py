"""One venue, one errand, one fault: it goes its whole way; our books are held to the venue's."""

from collections.abc import Callable
from dataclasses import dataclass

from infra.local.exchanges.faults import Fault
from tests.faults.course import Course, Errand
from tests.faults.stand import MakeStand
from tests.faults.whole import Whole

MakeErrand = Callable[[], Errand]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`word` says how it ended; `broken` what must not be."""

    word: str
    broken: tuple[str, ...]


async def judge(
    make: MakeStand, fault: Fault | None, make_errand: MakeErrand = Whole
) -> Verdict | None:
    """None: that venue does no such errand, or does not know this misfortune."""
    course = await begun(make, fault, make_errand)
    if course is None:
        return None
    await course.run()
    return Verdict(course.errand.word(course), tuple(course.errand.broken(course)))


async def begun(
    make: MakeStand, fault: Fault | None, make_errand: MakeErrand = Whole
) -> Course | None:
    """A course right before the order in question. None: that venue does no such errand, or does
    not know this misfortune.
    """
    errand = make_errand()
    course = Course(await make(), errand)
    if not errand.fits(course.stand):
        return None
    await errand.begin(course)
    if fault is not None and not errand.strike(course.stand, fault):
        return None
    course.has_begun = True
    course.rounds = 0
    return course
