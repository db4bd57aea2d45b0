"""A position and its end: the fault meets the stop that is to rest at the venue, or the exit at
market.
"""

from collections.abc import Iterator
from decimal import Decimal

from common.books import MARKET_SNAPSHOTS, POSITION_EXITS
from common.domain.exit_rules import ExitRules
from common.domain.exits import ExitState, PositionExit
from common.domain.money import ZERO, plain
from common.domain.order import IntentStatus, OrderIntent, OrderPurpose
from common.ports import Ref, Update
from common.wire import to_document
from infra.local.exchanges.faults import Fault
from tests.faults.books import books_broken, parked, withheld
from tests.faults.course import Course
from tests.faults.stand import Stand
from tests.faults.whole import approve, intent_of, is_filled

BEGINS_WITHIN = 12  # rounds
AT_ONCE = ExitRules(time_limit_s=1)
STOP = ExitRules(stop_loss=Decimal("0.02"))
FALL = Decimal("0.97")  # of the mark: through the stop, and within what it may slip
FALLS_AT_LATEST = 18  # rounds: three minutes


class ExitAtMarket:
    """Fits `Errand`: the time of a position is over; the fault meets the order that closes it."""

    is_watched = True
    rules = AT_ONCE

    def fits(self, stand: Stand) -> bool:
        del stand
        return True

    async def begin(self, course: Course) -> None:
        """Bought, and nobody has looked at the position yet."""
        await approve(course, (course.stand.candidate,), exits=self.rules)
        for _ in range(BEGINS_WITHIN):
            await course.step()
            if is_filled(intent_of(course)):
                return
        raise AssertionError(f"{course.stand.name} did not fill: {intent_of(course)}")

    def strike(self, stand: Stand, fault: Fault) -> bool:
        return stand.strike(fault)

    async def meanwhile(self, course: Course) -> None:
        """Nobody does anything."""

    def is_over(self, course: Course) -> bool:
        found = _exit(course)
        closing = [each for each in _exits(course) if each.plan.trigger_price is None]
        lost = any(each.status is IntentStatus.UNRESOLVED for each in closing)
        ended = found is not None and found.state is ExitState.CLOSED
        return lost or ended or (_is_flat(course) and bool(parked(course)))

    def word(self, course: Course) -> str:
        if parked(course):
            return "UNRESOLVED" if not _is_flat(course) else "FLAT, UNRESOLVED"
        return "FLAT" if _is_flat(course) else "HELD"

    def broken(self, course: Course) -> Iterator[str]:
        filled, lost = course.stand.filled(), parked(course)
        if filled < ZERO:
            yield f"REVERSED: the venue is short {plain(-filled)}"
        if not lost and not _is_flat(course):
            yield f"HELD: {plain(filled)}; {_exit(course)}"
        if not _exits(course):
            yield "no order was ever sent to end it"
        yield from books_broken(course)


class Stop(ExitAtMarket):
    """The stop is placed, the fault meets it, and then the market falls through its trigger."""

    rules = STOP

    def __init__(self) -> None:
        self._has_fallen = False

    def fits(self, stand: Stand) -> bool:
        return stand.move is not None

    async def meanwhile(self, course: Course) -> None:
        rests = any(each.status is IntentStatus.WORKING for each in _exits(course))
        if self._has_fallen or not (rests or course.rounds >= FALLS_AT_LATEST):
            return
        stand, ref = course.stand, Ref(MARKET_SNAPSHOTS, course.stand.symbol)
        assert stand.move is not None
        mark, found = stand.mark * FALL, stand.store.peek(ref)
        assert found is not None
        stand.move(mark)
        await stand.store.commit([Update(ref, to_document(stand.quote(mark)), found.version)])
        self._has_fallen = True

    def broken(self, course: Course) -> Iterator[str]:
        if not self._has_fallen:
            yield "the market never fell"
        yield from super().broken(course)


def _exit(course: Course) -> PositionExit | None:
    return next(iter(course.all_of(PositionExit, POSITION_EXITS)), None)


def _exits(course: Course) -> list[OrderIntent]:
    return [each for each in course.intents if each.plan.purpose is not OrderPurpose.ENTRY]


def _is_flat(course: Course) -> bool:
    """By the venue's own word; what is less than it trades stays."""
    stand = course.stand
    least = max(stand.instrument.min_quantity, stand.instrument.size_increment)
    return abs(stand.filled() - withheld(course)) < least
