"""What a deployment may come to hold when its reservations fill in the worst order.

Protective orders are left out: they are reduce-only, so their filling never adds to anything.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext

from common.domain.exposure import Exposure
from common.domain.money import ZERO
from common.domain.order import OrderSide
from common.domain.position import EXACT

Worst = Mapping[str, Decimal]
"""The worst absolute notional, quote currency, by "VENUE|SYMBOL"."""


def notionals(exposure: Exposure) -> dict[str, Decimal]:
    """Of every place where something is held or reserved."""
    places: dict[str, list[Decimal]] = {
        key: [each.signed_qty, ZERO, ZERO, each.price] for key, each in exposure.holdings.items()
    }
    for each in exposure.reservations.values():
        if each.protective:
            continue
        place = places.setdefault(f"{each.venue}|{each.symbol}", [ZERO, ZERO, ZERO, ZERO])
        place[1 if each.side is OrderSide.BUY else 2] += each.quantity
        place[3] = max(place[3], each.price)
    return {key: _notional(*place) for key, place in places.items()}


def notional_at(exposure: Exposure, venue: str, symbol: str) -> Decimal:
    """Of one place alone."""
    holding = exposure.holdings.get(f"{venue}|{symbol}")
    held, price = (holding.signed_qty, holding.price) if holding else (ZERO, ZERO)
    buys = sells = ZERO
    for each in exposure.reservations.values():
        if each.symbol == symbol and each.venue == venue and not each.protective:
            price = max(price, each.price)
            if each.side is OrderSide.BUY:
                buys += each.quantity
            else:
                sells += each.quantity
    return _notional(held, buys, sells, price)


def _notional(held: Decimal, buys: Decimal, sells: Decimal, price: Decimal) -> Decimal:
    return max(abs(held), abs(held + buys), abs(held - sells)) * price


def gross(worst: Worst) -> Decimal:
    return sum(worst.values(), ZERO)


def notional_of(symbol: str, worst: Worst) -> Decimal:
    """Of one symbol at all venues together."""
    return sum((value for key, value in worst.items() if key.split("|", 1)[1] == symbol), ZERO)


def only_reduces(
    exposure: Exposure,
    intent_id: str,
    *,
    venue: str,
    symbol: str,
    side: OrderSide,
    quantity: Decimal,
) -> bool:
    """Whether an order closes all or part of what is held at its venue, and nothing more.

    What other orders of its side are closing is not there to be closed again.
    """
    left = exposure.left_to_reduce(intent_id, venue, symbol, side)
    return left * side.sign < ZERO and quantity <= abs(left)


@dataclass(frozen=True, slots=True)
class AtRisk:
    """What one deployment adds to a total: a pure function of its exposure, so that the difference
    of two adds up exactly.
    """

    gross_cents: int = 0  # the worst notional, up to the next cent
    open_orders: int = 0  # that a venue has, or may have


def added(before: Exposure, after: Exposure) -> dict[str, AtRisk]:
    """What `after` has at risk more than `before`, by venue; where it is the same, nothing."""
    with localcontext(EXACT):  # whatever the caller's is: the same exposure, the same cents
        return difference(
            at_risk(before, notionals(before)),
            at_risk(after, notionals(after)),
        )


def difference(old: Mapping[str, AtRisk], new: Mapping[str, AtRisk]) -> dict[str, AtRisk]:
    nothing = AtRisk()
    return {
        venue: AtRisk(now.gross_cents - was.gross_cents, now.open_orders - was.open_orders)
        for venue in {**old, **new}
        if (now := new.get(venue, nothing)) != (was := old.get(venue, nothing))
    }


def at_risk(exposure: Exposure, worst: Worst) -> dict[str, AtRisk]:
    """By venue; `worst` is the exposure's. To be called in the context EXACT."""
    sums: dict[str, Decimal] = {}
    for key, value in worst.items():
        venue = key.split("|", 1)[0]
        sums[venue] = sums.get(venue, ZERO) + value
    orders = Counter(each.venue for each in exposure.reservations.values() if each.at_venue)
    return {
        venue: AtRisk(_up_to_cents(sums.get(venue, ZERO)), orders[venue])
        for venue in {**sums, **orders}
    }


def open_orders(exposure: Exposure) -> int:
    """Orders that were sent, or are about to be, and have not ended."""
    return sum(each.at_venue for each in exposure.reservations.values())


_CENTS_MOST = 10**16
"""Of one venue: a counter has 64 bits, and what is beyond this is above any limit anyway."""


def _up_to_cents(value: Decimal) -> int:
    if value >= _CENTS_MOST // 100:
        return _CENTS_MOST
    return int((value * 100).to_integral_value(rounding=ROUND_CEILING))
