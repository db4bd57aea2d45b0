"""A parent order, its algorithm and a bad exchange, driven to the end by one seed.

The exchange rejects, fills in part, fills late, tells late or never for sure (UNRESOLVED), and
forgets to tell; ticks are missed, clocks jump, prices go missing, people pause, resume and cancel,
and trading is halted. `Run` holds every step to what must never be broken.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from random import Random

from common.config import ExecutionSettings
from common.domain.identifiers import intent_id
from common.domain.instrument import TimeInForce, Venue
from common.domain.order import OrderSide
from common.domain.parent_order import ExecAlgorithm, ParentOrder, ParentStatus
from common.execution.algorithms.fitting import MarketView, VenueView
from common.execution.algorithms.parent import (
    PARENT_MOVES,
    canceling,
    paused,
    resumed,
    with_child_outcome,
)
from common.execution.algorithms.schedule import vwap_schedule
from common.execution.algorithms.step import SpawnedChild, Step, step
from common.how.denial import Denial
from common.how.limits import Refusal
from tests.builders import NOON
from tests.unit.execution.algorithms.desk import a_candidate, a_parent, abilities, market

ZERO = Decimal(0)
SETTINGS = ExecutionSettings(
    rest_for=timedelta(minutes=12),
    finish_grace=timedelta(minutes=2),
    visible_fraction=Decimal("0.2"),
)
HALTED = Refusal(Denial.TRADING_HALTED, "Trading is halted for the platform: drill")
SCHEDULED = frozenset({ExecAlgorithm.TWAP, ExecAlgorithm.VWAP})
PRICED = frozenset({ExecAlgorithm.LIMIT, ExecAlgorithm.SNIPER})


LOTS = ("1", "0.1", "0.001", "7")
ROOMS = (None, None, Decimal(200_000))


@cache
def listed(
    venue: Venue, lot: str, lots_min: int, max_notional: Decimal | None, times: str
) -> VenueView:
    size = Decimal(lot)
    return VenueView(
        instrument=market(
            venue,
            size_increment=size,
            min_quantity=size * lots_min,
            max_notional=max_notional,
        ),
        capabilities=abilities(venue, times=times),
    )


@dataclass(slots=True)
class Placed:
    """A child at the exchange: what is true of it, and what we have been told."""

    child: SpawnedChild
    lot: Decimal
    ends_at: datetime | None  # None: it rests until it is canceled
    filled: Decimal = ZERO
    told: Decimal = ZERO
    told_end: bool = False
    code: str = ""
    unresolved_at: datetime | None = None
    given_up: bool = False
    late: Decimal = ZERO  # fills after its end was told

    @property
    def is_full(self) -> bool:
        return self.filled >= self.child.quantity

    def in_lots(self, quantity: Decimal) -> Decimal:
        return quantity // self.lot * self.lot


class Run:
    def __init__(self, algorithm: ExecAlgorithm, seed: int, *, overfills: bool = False) -> None:
        self.rng = Random(f"{algorithm}-{seed}")
        self.overfills = overfills
        self.seen: Counter[str] = Counter()
        self.rejects = self.rng.choice([0, 0.1, 0.1, 1])  # so often
        self.halts = self.rng.choice([0, 0.04, 0.3])
        self.halted = False
        self.now = NOON
        self.mark = Decimal(3000)
        self.placed: dict[str, Placed] = {}
        self.instruments = self._instruments()
        self.lots = {
            each.instrument.venue: each.instrument.size_increment for each in self.instruments
        }
        self.parent = self._parent(algorithm)

    def _instruments(self) -> tuple[VenueView, ...]:
        rng = self.rng
        first = rng.choice(["GTC IOC", "IOC"])
        return tuple(
            listed(venue, rng.choice(LOTS), rng.choice([1, 1, 3]), rng.choice(ROOMS), times)
            for venue, times in ((Venue.HYPERLIQUID, first), (Venue.OSTIUM, "IOC"))
        )

    def _parent(self, algorithm: ExecAlgorithm) -> ParentOrder:
        rng, first = self.rng, self.instruments[0].instrument
        lot = first.size_increment
        quantity = lot * rng.randint(5, 400)
        wish: dict[str, object] = {}
        if algorithm in PRICED or rng.random() < 0.2:
            wish["limit_price"] = Decimal(rng.randint(2990, 3010))
        if algorithm is ExecAlgorithm.ICEBERG and rng.random() < 0.5:
            wish["visible_quantity"] = max(quantity / 4, lot * 5)
        if algorithm in SCHEDULED:
            wish |= {"slices": rng.randint(1, 6), "duration_s": rng.randint(60, 420)}
        candidates = [a_candidate(quantity)]
        if rng.random() < 0.5:
            candidates.append(a_candidate(quantity, Venue.OSTIUM))
        parent = a_parent(
            ExecAlgorithm.TWAP if algorithm is ExecAlgorithm.VWAP else algorithm,
            quantity,
            settings=SETTINGS,
            wish=wish,
            instrument=first,
            candidates=tuple(candidates),
            side=rng.choice(list(OrderSide)),
            leg=rng.randint(0, 3),
        )
        return self._by_volume(parent, lot) if algorithm is ExecAlgorithm.VWAP else parent

    def _by_volume(self, parent: ParentOrder, lot: Decimal) -> ParentOrder:
        weights = [Decimal(self.rng.randint(1, 9)) for _ in range(self.rng.randint(1, 6))]
        schedule = vwap_schedule(
            parent.quantity, start=NOON, duration_s=300, weights=weights, lot=lot
        )
        return replace(parent, exec_algorithm_id=ExecAlgorithm.VWAP, schedule=schedule)

    # -- the world -------------------------------------------------------------------------------

    def view(self) -> MarketView:
        rng = self.rng
        venues = {each.instrument.venue: each for each in self.instruments if rng.random() > 0.03}
        mark = None if rng.random() < 0.03 else self.mark
        return MarketView(mark=mark, venues=venues, refusal=HALTED if self.halted else None)

    def fault(self) -> None:
        """The mark moves; now and then people or the trading state intervene."""
        rng = self.rng
        self.mark += rng.randint(-4, 4)
        chance, status = rng.random(), self.parent.status
        if chance < self.halts:
            self.halted = not self.halted
        elif chance > 0.97 and status is ParentStatus.ACTIVE:
            self.become(paused(self.parent, reason="ann", now=self.now))
        elif chance > 0.96:
            self.become(canceling(self.parent, code="BY_ANN", reason="ann", now=self.now))
        elif chance > 0.6 and status is ParentStatus.PAUSED:
            self.become(resumed(self.parent, reason="ann", now=self.now))

    def tick_length(self) -> timedelta:
        chance = self.rng.random()
        if chance < 0.08:
            self.seen["ticks missed"] += 1
            return timedelta(minutes=self.rng.randint(2, 6))
        if chance < 0.12:
            self.seen["clock back"] += 1
            return -timedelta(seconds=self.rng.randint(1, 400))
        return timedelta(minutes=1)

    # -- the exchange ----------------------------------------------------------------------------

    def place(self, child: SpawnedChild) -> None:
        rng = self.rng
        delay = timedelta(seconds=rng.choice([2, 2, 2, 2, 70, 250]))
        chosen = child.candidates[0] if rng.random() < 0.9 else child.candidates[-1]
        placed = Placed(child=child, lot=self.lots[chosen.venue], ends_at=self.now + delay)
        self.placed[child.intent_id] = placed
        if rng.random() < self.rejects:
            placed.code = "MARGIN"
            return
        placed.filled = chosen.quantity
        if rng.random() < 0.25:
            placed.filled = placed.in_lots(chosen.quantity * rng.randint(0, 9) / 10)
        if self.overfills and rng.random() < 0.2:
            placed.filled += placed.in_lots(child.quantity / 2)
        chance = rng.random()
        if chance < 0.05:
            placed.unresolved_at = self.now + timedelta(minutes=2)
            placed.ends_at = self.now + timedelta(minutes=rng.choice([3, 40, 10_000]))
        elif chance < 0.08:
            placed.late, placed.filled = placed.filled, ZERO
        elif child.time_in_force is TimeInForce.GTC:
            placed.ends_at = None

    def cancel(self, child_id: str) -> None:
        placed = self.placed[child_id]
        if placed.ends_at is None:
            placed.ends_at = self.now + timedelta(seconds=self.rng.choice([1, 90]))

    def deliver(self, *, everything: bool = False) -> bool:
        """Tell what is due; whether there was anything."""
        found = False
        for child_id, placed in self.placed.items():
            over = placed.ends_at is not None and (everything or placed.ends_at <= self.now)
            if placed.told_end:
                if placed.late and (everything or self.rng.random() < 0.2):
                    self.seen["late fill"] += 1
                    self.tell(child_id, placed, placed.late, ended=True)
                    placed.late, found = ZERO, True
            elif over or (placed.ends_at is None and placed.is_full):
                self.tell(child_id, placed, placed.filled - placed.told, ended=True)
                placed.told_end, found = True, True
            elif placed.unresolved_at is not None and placed.unresolved_at <= self.now:
                placed.unresolved_at, placed.given_up, found = None, True, True
                self.seen["unresolved"] += 1
                self.tell(child_id, placed, ZERO, ended=False)
            elif self.rng.random() < 0.15:
                part = placed.in_lots((placed.filled - placed.told) / 2)
                if part:
                    self.tell(child_id, placed, part, ended=False)
                    found = True
        return found

    def tell(
        self,
        child_id: str,
        placed: Placed,
        quantity: Decimal,
        *,
        ended: bool,
    ) -> None:
        placed.told += quantity
        after = with_child_outcome(
            self.parent,
            child_id,
            new_qty=quantity,
            new_notional=quantity * 3000,
            new_commission=quantity,
            ended=ended,
            unresolved=placed.given_up,
            code=placed.code or "NOT_FILLED_WITHIN_BOUND",
            reason="as the exchange says",
            now=self.now,
        )
        assert after.filled_qty == self.parent.filled_qty + quantity
        self.become(after)

    # -- what must hold --------------------------------------------------------------------------

    def become(self, after: ParentOrder) -> None:
        before = self.parent
        if after.status is not before.status:
            assert after.status in PARENT_MOVES[before.status], (before.status, after.status)
            self.seen[after.status] += 1
        told = sum((placed.told for placed in self.placed.values()), ZERO)
        assert after.filled_qty == told
        assert after.filled_notional == told * 3000
        assert after.commissions == told
        if not self.overfills and not self.seen["late fill"]:
            assert after.filled_qty + after.open_qty <= after.quantity
        self.parent = after

    def look(self) -> Step:
        before, view = self.parent, self.view()
        taken = step(before, view, settings=SETTINGS, now=self.now)
        if self.rng.random() < 0.05:  # a redelivery
            assert taken == step(before, view, settings=SETTINGS, now=self.now)
        if before.status.is_terminal:
            assert taken == Step(parent=before)
        if taken.children:
            assert before.status is ParentStatus.ACTIVE
            assert view.refusal is None
            assert self.now < before.expires_at
            assert not taken.parent.status.is_terminal
            assert taken.parent.filled_qty + taken.parent.open_qty <= before.quantity
        self.become(taken.parent)
        for child in taken.children:
            self.check_child(before, child)
            self.place(child)
        for child_id in taken.cancels:
            self.cancel(child_id)
        if taken.parent.status.is_terminal and not before.status.is_terminal:
            self.check_end(taken.parent)
        return taken

    def check_child(self, before: ParentOrder, child: SpawnedChild) -> None:
        assert child.slice_no == before.spawned + 1 == self.parent.spawned
        assert child.intent_id not in self.placed
        assert child.intent_id == intent_id(
            before.agent_id, before.deployment_id, before.signal_id, before.leg, child.slice_no
        )
        assert timedelta(milliseconds=100) <= child.not_before - self.now
        assert child.not_before - self.now <= timedelta(milliseconds=1500)
        assert 0 < child.quantity <= before.unspawned_qty
        instruments = {each.instrument.venue: each.instrument for each in self.instruments}
        for candidate in child.candidates:
            instrument = instruments[candidate.venue]
            assert candidate.quantity <= child.quantity
            assert candidate.quantity % instrument.size_increment == 0
            assert candidate.quantity >= instrument.min_quantity
            buys = before.side is OrderSide.BUY
            worst = self.mark * (1 + before.slippage_max * before.side.sign)
            if before.limit_price is not None:
                worst = min(worst, before.limit_price) if buys else max(worst, before.limit_price)
            assert candidate.price <= worst if buys else candidate.price >= worst

    def check_end(self, parent: ParentOrder) -> None:
        assert parent.reason
        assert parent.reason_code
        assert parent.ended_at == self.now
        assert all(child.unresolved for child in parent.open_children.values())
        self.seen[parent.reason_code] += 1
        if parent.status is ParentStatus.FILLED:
            assert parent.filled_qty >= parent.quantity
        else:
            assert parent.filled_qty < parent.quantity
            assert (parent.status is ParentStatus.PARTIAL) == (parent.filled_qty > 0)

    # -- to the end ------------------------------------------------------------------------------

    def drive(self) -> "Run":
        """Faults for as long as it may live, then none: it must end, and all must add up."""
        for _ in range(40):
            self.fault()
            self.settle_down()
            if self.parent.status.is_terminal:
                break
            self.now += self.tick_length()
        self.calm_down()
        return self

    def settle_down(self) -> None:
        """Everything that is due at this moment; every end of a child is looked at."""
        self.look()
        for _ in range(60):
            if not self.deliver():
                return
            self.look()

    def calm_down(self) -> None:
        self.now = max(self.now, self.parent.expires_at)
        for _ in range(60):
            if self.parent.status.is_terminal:
                break
            self.look()
            self.now += timedelta(minutes=1)
            self.deliver()
        assert self.parent.status.is_terminal
        while self.deliver(everything=True):
            pass
        for placed in self.placed.values():
            if placed.ends_at is None:  # it was given up while it rested
                placed.ends_at = self.now
        self.deliver(everything=True)
        assert self.parent.open_children == {}
        filled = sum((placed.told for placed in self.placed.values()), ZERO)
        assert self.parent.filled_qty == filled
        done = filled >= self.parent.quantity
        assert (self.parent.status is ParentStatus.FILLED) == done
        if not self.overfills and not self.seen["late fill"]:
            assert filled <= self.parent.quantity
