"""A position in ETH and its exits, call by call, with what its orders have come to."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from common.domain.exit_rules import ExitRules
from common.domain.exits import PositionExit
from common.domain.instrument import Instrument
from common.domain.order import IntentStatus
from common.domain.position import Position
from common.how.exits import (
    ExitDecision,
    ExitOrder,
    ExitSettings,
    ExitView,
    SeenIntent,
    decide_exit,
)
from tests.builders import NOON, a_position, an_instrument

SETTINGS = ExitSettings()
TICKED: Instrument = an_instrument(
    price_increment=Decimal("0.01"),
    price_significant_figures=None,
    size_increment=Decimal("0.001"),
    min_quantity=Decimal("0.01"),
)


def held(quantity: str, entry: str = "100", **changes: Any) -> Position:
    """Signed base units at an average price."""
    signed = Decimal(quantity)
    return a_position(signed_qty=signed, open_cost=abs(signed) * Decimal(entry), **changes)


def some_rules(
    *,
    stop_loss: str | None = None,
    take_profit: str | None = None,
    trailing_stop: str | None = None,
    time_limit_s: int | None = None,
) -> ExitRules:
    def exact(value: str | None) -> Decimal | None:
        return None if value is None else Decimal(value)

    return ExitRules(
        stop_loss=exact(stop_loss),
        take_profit=exact(take_profit),
        trailing_stop=exact(trailing_stop),
        time_limit_s=time_limit_s,
    )


@dataclass(slots=True)
class ExitDesk:
    """Keeps what each call decided, as `monitor` does."""

    position: Position
    can_rest: bool = True
    instrument: Instrument | None = TICKED
    halted: bool = False
    known: PositionExit | None = None
    now: datetime = NOON
    intents: dict[str, SeenIntent] = field(default_factory=dict)
    placed: dict[str, ExitOrder] = field(default_factory=dict)

    def view(self, mark: str | None) -> ExitView:
        return ExitView(
            mark=None if mark is None else Decimal(mark),
            instrument=self.instrument,
            can_rest=self.can_rest,
            intents=dict(self.intents),
            halted=self.halted,
        )

    def decide(self, mark: str | None, rules: ExitRules | None = None) -> ExitDecision:
        return decide_exit(
            self.known, self.position, rules, self.view(mark), settings=SETTINGS, now=self.now
        )

    def call(
        self, mark: str | None, rules: ExitRules | None = None, *, after: float = 0
    ) -> ExitDecision:
        """Decide `after` seconds, and keep the decision."""
        self.now += timedelta(seconds=after)
        decision = self.decide(mark, rules)
        self.known = decision.exit
        for order in decision.place:
            assert order.intent_id not in self.placed
            self.placed[order.intent_id] = order
        return decision

    def becomes(
        self, order: ExitOrder, status: IntentStatus, filled: str = "0", code: str = ""
    ) -> None:
        """The intent's news, and what has filled is gone from the position."""
        before = self.intents.get(order.intent_id, SeenIntent(IntentStatus.SENDING)).filled_qty
        quantity = Decimal(filled)
        self.intents[order.intent_id] = SeenIntent(status, quantity, code)
        if quantity > before:
            self.turn(self.position.signed_qty + (quantity - before) * order.side.sign)

    def turn(self, signed_qty: Decimal | str, entry: str | None = None) -> None:
        """The position becomes so large; through zero it is another one."""
        now, before = Decimal(signed_qty), self.position
        price = Decimal(entry) if entry else before.avg_px_open
        anew = before.signed_qty == 0 or before.signed_qty * now < 0
        self.position = replace(
            before,
            signed_qty=now,
            open_cost=abs(now) * price,
            opened_at=self.now if anew else before.opened_at,
        )

    def works(self, *orders: ExitOrder) -> None:
        for order in orders:
            self.becomes(order, IntentStatus.WORKING)

    def canceled(self, decision: ExitDecision) -> set[str]:
        return {cancel.intent_id for cancel in decision.cancel}


def a_desk(quantity: str = "1", entry: str = "100", **changes: Any) -> ExitDesk:
    return ExitDesk(held(quantity, entry), **changes)
