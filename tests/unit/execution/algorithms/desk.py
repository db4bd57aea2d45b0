"""Parent orders of 100 ETH at 3000, and the market that they are looked at in."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from common.config import ExecutionSettings
from common.domain.instrument import Capabilities, Instrument, OrderType, TimeInForce, Venue
from common.domain.order import OrderSide, VenueCandidate
from common.domain.parent_order import ExecAlgorithm, ExecutionWish, ParentOrder
from common.execution.algorithms.fitting import MarketView, VenueView
from common.execution.algorithms.parent import ParentRequest, new_parent, with_child_outcome
from common.execution.algorithms.selection import Choice
from common.execution.algorithms.step import Step, step
from common.how.limits import Refusal
from tests.builders import AGENT_ID, DELIVERY_ID, DEPLOYMENT_ID, NOON, SIGNAL_ID, an_instrument

SETTINGS = ExecutionSettings()
EXACT_SLICES = replace(SETTINGS, fuzz=Decimal(0))
MINUTE = timedelta(minutes=1)


def at(minutes: float) -> datetime:
    return NOON + MINUTE * minutes


def market(venue: Venue = Venue.HYPERLIQUID, **changes: Any) -> Instrument:
    """ETH in whole units, on ticks of 0.01."""
    known: dict[str, Any] = {
        "price_increment": Decimal("0.01"),
        "price_significant_figures": None,
        "size_increment": Decimal(1),
        "min_quantity": Decimal(1),
    }
    return an_instrument("ETH", venue, **(known | changes))


def abilities(
    venue: Venue = Venue.HYPERLIQUID,
    *,
    types: str = "MARKET LIMIT",
    times: str = "IOC",
) -> Capabilities:
    return Capabilities(
        venue=venue,
        order_types=frozenset(OrderType(name) for name in types.split()),
        time_in_force=frozenset(TimeInForce(name) for name in times.split()),
        expires_after=True,
        order_ttl=timedelta(seconds=15),
        read_lag_max=timedelta(seconds=5),
        clock_skew_max=timedelta(seconds=2),
        request_timeout=timedelta(seconds=10),
    )


def a_view(
    mark: str | Decimal | None = "3000",
    *,
    instrument: Instrument | None = None,
    times: str = "IOC",
    types: str = "MARKET LIMIT",
    refusal: Refusal | None = None,
    more: Mapping[Venue, VenueView] | None = None,
) -> MarketView:
    shown = instrument or market()
    seen = VenueView(
        instrument=shown, capabilities=abilities(shown.venue, times=times, types=types)
    )
    return MarketView(
        mark=None if mark is None else Decimal(mark),
        venues={shown.venue: seen, **(more or {})},
        refusal=refusal,
    )


def a_candidate(
    quantity: str | Decimal = "100", venue: Venue = Venue.HYPERLIQUID
) -> VenueCandidate:
    return VenueCandidate(
        venue=venue,
        instrument_id=f"ETH-USD-PERP.{venue}",
        quantity=Decimal(quantity),
        price=Decimal(3015),
    )


def a_request(
    algorithm: ExecAlgorithm, quantity: str | Decimal = "100", **changes: Any
) -> ParentRequest:
    request = ParentRequest(
        book="v3",
        agent_id=AGENT_ID,
        deployment_id=DEPLOYMENT_ID,
        delivery_id=DELIVERY_ID,
        signal_id=SIGNAL_ID,
        leg=0,
        symbol="ETH",
        side=OrderSide.BUY,
        choice=Choice(algorithm, "the signal asks for it"),
        wish=None,
        candidates=(a_candidate(quantity),),
        instrument=market(),
        mark=Decimal(3000),
        slippage_max=Decimal("0.005"),
        policy_version="pass-through-1",
        paper=True,
    )
    return replace(request, **changes)


def a_parent(
    algorithm: ExecAlgorithm = ExecAlgorithm.TWAP,
    quantity: str | Decimal = "100",
    *,
    settings: ExecutionSettings = SETTINGS,
    wish: Mapping[str, Any] | None = None,
    now: datetime = NOON,
    **changes: Any,
) -> ParentOrder:
    wished = ExecutionWish(algorithm=algorithm, **(wish or {}))
    request = a_request(algorithm, quantity, wish=wished, **changes)
    made = new_parent(request, settings=settings, now=now)
    assert isinstance(made, ParentOrder), made
    return made


def look(
    parent: ParentOrder,
    minutes: float = 0,
    *,
    view: MarketView | None = None,
    settings: ExecutionSettings = EXACT_SLICES,
) -> Step:
    return step(parent, view or a_view(), settings=settings, now=at(minutes))


def told(
    parent: ParentOrder,
    child: str,
    filled: str | Decimal = "0",
    minutes: float = 0,
    **changes: Any,
) -> ParentOrder:
    """The child ended with `filled`, at 3000 and a commission of 1 for each unit."""
    quantity = Decimal(filled)
    news: dict[str, Any] = {
        "new_qty": quantity,
        "new_notional": quantity * 3000,
        "new_commission": quantity,
        "ended": True,
        "unresolved": False,
        "code": "FILLED" if quantity else "MARGIN",
        "reason": "" if quantity else "no margin",
        "now": at(minutes),
    }
    return with_child_outcome(parent, child, **(news | changes))


def filled(parent: ParentOrder, taken: Step, minutes: float = 0) -> ParentOrder:
    """The step's parent with its only child filled whole."""
    (child,) = taken.children
    return told(taken.parent, child.intent_id, child.quantity, minutes)
