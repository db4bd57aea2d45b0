"""Orders that rest at a paper venue: an index beside the orders, and how far each was judged.

A document of `paper_resting` stands as long as its order is open, so that open orders are found
without reading the ended ones. A sweep judges every resting order of a symbol by the market
snapshot in the store, and notes in `paper_sweeps` which one that was: a call that finds it noted
has nothing to read.

Who takes an order that rests counts it in the sweep's document, under the snapshot that it was
judged by. A count under another snapshot than the one last swept is an order that this sweep did
not see, and a sweep notes itself only where no such count has come in meanwhile.
"""

from dataclasses import dataclass
from decimal import Decimal

from common.domain.identifiers import digest
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.moment import UtcDatetime
from common.domain.money import Money
from common.domain.order import Order, OrderSide
from common.ports import Create, Document, Increment, Ref, Write
from common.wire import JsonObject, from_document

PAPER_RESTING = "paper_resting"
PAPER_SWEEPS = "paper_sweeps"
UNSWEPT = "none"
"""Counts orders that no snapshot was fully judged for yet."""

TRIGGERED_TYPES = frozenset({OrderType.STOP_MARKET, OrderType.MARKET_IF_TOUCHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperResting:
    """What must be known of an open order to see whether the market has reached it."""

    place: str  # HYPERLIQUID:ETH
    venue: Venue
    account_id: str
    symbol: str
    client_order_id: str
    venue_order_id: str
    side: OrderSide
    order_type: OrderType
    price: Money
    trigger_price: Money | None
    reduce_only: bool
    left: Money  # base units
    fillable: Money  # of these; less than `left` only where a fault says so
    times_flat: int  # of its position when it was accepted
    accepted_at: UtcDatetime
    visible_at: UtcDatetime
    bars_from: UtcDatetime  # judged by the candles that open then or later
    seen_at: UtcDatetime  # and by the snapshots that were observed later


def resting_ref(venue: Venue, client_order_id: str) -> Ref:
    return Ref(PAPER_RESTING, f"{venue}:{client_order_id}")


def sweep_ref(venue: Venue, symbol: str) -> Ref:
    return Ref(PAPER_SWEEPS, place_of(venue, symbol))


def place_of(venue: Venue, symbol: str) -> str:
    return f"{venue}:{symbol}"


def read_resting(document: Document) -> PaperResting:
    return from_document(PaperResting, document.data)


def turn(resting: PaperResting) -> tuple[int, UtcDatetime, str]:
    """Who goes first of those that one bar has reached: stops before all, the pessimist's guess.

    A bar does not tell which of its prices came first.
    """
    rank = {OrderType.STOP_MARKET: 0, OrderType.MARKET_IF_TOUCHED: 1}.get(resting.order_type, 2)
    return rank, resting.accepted_at, resting.client_order_id


def rests(order: Order) -> bool:
    """Does the venue hold what is left of it?"""
    is_gtc_limit = order.order_type is OrderType.LIMIT and order.time_in_force is TimeInForce.GTC
    return is_gtc_limit or order.order_type in TRIGGERED_TYPES


def trigger_is_reached(
    order_type: OrderType, side: OrderSide, trigger: Decimal, low: Decimal, high: Decimal
) -> bool:
    """Has a price from `low` to `high` passed the trigger, against us (a stop) or for us?"""
    rises = (order_type is OrderType.STOP_MARKET) == (side is OrderSide.BUY)
    return high >= trigger if rises else low <= trigger


def room_to_reduce(order: Order, signed: Decimal) -> Decimal:
    """How much of a position the order could close; 0 where it would add to it."""
    return max(Decimal(0), -signed * order.side.sign)


def snapshot_key(snapshot: Document) -> str:
    """A name for one version of a snapshot, fit for a field's path."""
    return f"s{digest(snapshot.version)[:15]}"


def is_due(sweep: Document | None, snapshot: Document | None) -> bool:
    """May there be an order that this snapshot has not been judged for?"""
    if sweep is None or snapshot is None:
        return False
    key = snapshot_key(snapshot)
    return bool(sweep.data["swept"] != key or unseen(sweep, key))


def unseen(sweep: Document, key: str) -> JsonObject:
    """The counts of orders that the snapshot of this key was not judged for when they came."""
    return {name: count for name, count in sweep.data["accepted"].items() if name != key}


def counted(venue: Venue, symbol: str, sweep: Document | None, key: str) -> Write:
    """Count one more order, taken under the snapshot of `key` (or `UNSWEPT`)."""
    ref = sweep_ref(venue, symbol)
    if sweep is not None:
        return Increment(ref, f"accepted.{key}")
    first = {"swept": key, "accepted": {key: 1}, "sweeps": 0}
    return Create(ref, {"venue": venue.value, "symbol": symbol, **first})
