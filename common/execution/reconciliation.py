"""Our quantities beside the venue's own: what differs, for how long, and the fill that mends it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, localcontext

from common.domain.exposure import Exposure
from common.domain.identifiers import prefixed_id
from common.domain.instrument import Capabilities, Venue
from common.domain.moment import UtcDatetime
from common.domain.money import ZERO, Money, plain
from common.domain.order import Fill, LiquiditySide, OrderSide
from common.domain.position import EXACT, Position
from common.ports import VenueAccountState, VenuePosition

EXTERNAL = "external"
"""The client order id of what happened at the venue without us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Both quantities of one symbol as they stood when they were first seen to differ."""

    ours: Money
    theirs: Money
    seen_at: UtcDatetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """The document under `reconciliations`, id = deployment and venue."""

    deployment_id: str
    venue: Venue
    differences: dict[str, Difference]  # by symbol
    external_orders: tuple[str, ...]  # venue order ids that rest there and are not ours
    checked_at: UtcDatetime
    funded_until: UtcDatetime | None = None  # its funding payments are booked up to then
    funded_while_flat: bool = False  # and that was asked when nothing was held any more

    @staticmethod
    def empty(deployment_id: str, venue: Venue, *, now: datetime) -> "Reconciliation":
        return Reconciliation(
            deployment_id=deployment_id,
            venue=venue,
            differences={},
            external_orders=(),
            checked_at=now,
        )


def quantities(state: VenueAccountState) -> dict[str, VenuePosition]:
    """The venue's positions by symbol. It names a symbol once; what it does not name is flat."""
    return {position.symbol: position for position in state.positions}


def differences(
    exposure: Exposure,
    venue: Venue,
    told: Mapping[str, VenuePosition],
    known: Mapping[str, Difference],
    *,
    now: datetime,
) -> dict[str, Difference]:
    """Every symbol of either side whose quantities differ, and since when they differ so.

    A symbol with an order under way is left out: that order's own outcome comes first.
    """
    ours = exposure.holdings_at(venue)
    busy = exposure.symbols_under_way(venue)
    found: dict[str, Difference] = {}
    for symbol in sorted({*ours, *told} - busy):
        theirs = Decimal(told[symbol].signed_qty) if symbol in told else ZERO
        mine = ours.get(symbol, ZERO)
        if mine == theirs:
            continue
        fresh = Difference(ours=mine, theirs=theirs, seen_at=now)
        before = known.get(symbol)
        same = before is not None and (before.ours, before.theirs) == (mine, theirs)
        found[symbol] = before if same and before is not None else fresh
    return found


def stands(difference: Difference, capabilities: Capabilities, *, now: datetime) -> bool:
    """Whether it has lasted longer than any order of ours could be under way or unseen there."""
    return now - difference.seen_at > capabilities.absence_is_final_after + timedelta(seconds=1)


def mending_fill(
    position: Position,
    difference: Difference,
    told: VenuePosition | None,
    *,
    instrument_id: str,
    mark: Decimal,
    now: datetime,
) -> Fill:
    """The fill that makes our quantity the venue's, at the price that makes its average ours.

    Its id is a pure function of the position that it mends, so that every instance and every
    restart makes the same one (nautilus_trader#3878).
    """
    delta = difference.theirs - difference.ours
    trade_id = prefixed_id(
        "ext", position.position_id, position.fill_count, plain(difference.theirs)
    )
    return Fill(
        trade_id=trade_id,
        client_order_id=EXTERNAL,
        venue_order_id=EXTERNAL,
        account_id=position.deployment_id,
        venue=position.venue,
        instrument_id=instrument_id,
        symbol=position.symbol,
        side=OrderSide.BUY if delta > 0 else OrderSide.SELL,
        last_qty=abs(delta),
        last_px=_price(position, difference, told, mark),
        commission=ZERO,
        liquidity_side=LiquiditySide.TAKER,
        ts_event=now,
    )


def _price(
    position: Position, difference: Difference, told: VenuePosition | None, mark: Decimal
) -> Decimal:
    """The venue's average solved for the missing part; the mark where that gives no price."""
    theirs = difference.theirs
    average = Decimal(told.avg_px) if told is not None and told.avg_px else None
    if average is None or average <= 0 or theirs == 0:
        return mark
    if difference.ours == 0 or (difference.ours > 0) != (theirs > 0):
        return average
    grown = abs(theirs) - abs(difference.ours)
    if grown <= 0:
        return mark
    with localcontext(EXACT):
        price = (average * abs(theirs) - position.open_cost) / grown
    return _SIGNIFICANT.plus(price) if price > 0 else mark


_SIGNIFICANT = Context(prec=16)  # digits, not places: a token may cost 0.0000000001
