"""Why an order is refused before it reaches the book, in the venue's words.

Wording: the venue's published error list. A reused cloid's error is not in it; third parties look
for "duplicate cloid". What a rejection leaves behind (`status`) is the venue's own status word; an
order that is wrong in itself leaves nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from infra.local.exchanges.hyperliquid.accounts import Account, Margin, reserved_margin
from infra.local.exchanges.hyperliquid.assets import Asset
from infra.local.exchanges.hyperliquid.book import Book
from infra.local.exchanges.hyperliquid.numbers import wire
from infra.local.exchanges.hyperliquid.orders import OrderRequest
from infra.local.exchanges.hyperliquid.positions import ZERO

MIN_NOTIONAL = Decimal(10)
ORACLE_DISTANCE = Decimal("0.95")


@dataclass(frozen=True, slots=True)
class Refusal:
    text: str
    status: str | None = None  # what orderStatus says of it later; None: no such order


def refusal(request: OrderRequest, account: Account, book: Book, margin: Margin) -> Refusal | None:
    """The first thing that is wrong with the order; None when it may go to the book."""
    for reason in _complaints(request, account, book, margin):
        if reason is not None:
            return reason
    return None


def _complaints(
    request: OrderRequest, account: Account, book: Book, margin: Margin
) -> Iterator[Refusal | None]:
    yield _shape(request, book.asset)
    yield _distance(request, book)
    yield _minimum(request, book.asset)
    yield _trigger(request, book)
    if book.asset.is_spot:
        yield _balance(request, account, book.asset)
    else:
        yield _reduce_only(request, account, book.asset)
        yield _margin(request, account, book, margin)
    yield _post_only(request, book)


def _shape(request: OrderRequest, asset: Asset) -> Refusal | None:
    prices = [request.price] if request.trigger is None else [request.price, request.trigger.price]
    if asset.is_delisted:
        return Refusal(f"{asset.coin} is delisted.")
    if not all(prices):
        return Refusal("Order has invalid price.")
    if not request.size:
        return Refusal("Order has zero size.")
    if not asset.size_fits(request.size):
        return Refusal("Order has invalid size.")
    if not all(asset.price_fits(price) for price in prices):
        return Refusal("Price must be divisible by tick size.")
    return None


def _distance(request: OrderRequest, book: Book) -> Refusal | None:
    if book.mark is None or abs(request.price - book.mark) <= book.mark * ORACLE_DISTANCE:
        return None
    return Refusal("Order price too far from oracle", "oracleRejected")


def _minimum(request: OrderRequest, asset: Asset) -> Refusal | None:
    if request.reduce_only or request.price * request.size >= MIN_NOTIONAL:
        return None
    if asset.is_spot:
        return Refusal(f"Order must have minimum value of 10 {asset.quote}.")
    return Refusal("Order must have minimum value of $10.")


def _trigger(request: OrderRequest, book: Book) -> Refusal | None:
    trigger, mark = request.trigger, book.mark
    if trigger is None or mark is None or not trigger.fires(is_buy=request.is_buy, mark=mark):
        return None
    return Refusal("Invalid TP/SL price.", "badTriggerPxRejected")


def _reduce_only(request: OrderRequest, account: Account, asset: Asset) -> Refusal | None:
    held = account.position(asset.coin).size
    if not request.reduce_only or request.trigger is not None:
        return None
    if held == 0 or (held > 0) == request.is_buy:
        return Refusal("Reduce only order would increase position.", "reduceOnlyRejected")
    return None


def _margin(request: OrderRequest, account: Account, book: Book, margin: Margin) -> Refusal | None:
    if request.reduce_only or request.trigger is not None:
        return None
    held = account.position(book.asset.coin).size
    opposite = held != 0 and (held > 0) != request.is_buy
    opening = max(ZERO, request.size - abs(held)) if opposite else request.size
    price = request.price
    if book.mark is not None:
        price = min(price, book.mark) if request.is_buy else max(price, book.mark)
    needed = opening * price / account.leverage(book.asset).value
    if needed and needed > margin.value - margin.used - reserved_margin(account):
        return Refusal("Insufficient margin to place order.", "perpMarginRejected")
    return None


def _balance(request: OrderRequest, account: Account, asset: Asset) -> Refusal | None:
    token = asset.quote if request.is_buy else asset.base
    needed = request.size * (request.price if request.is_buy else 1)
    if needed > account.tokens.get(token, ZERO) - account.holds_token(token):
        return Refusal(
            "(Spot-only) Order has insufficient spot balance to trade",
            "insufficientSpotBalanceRejected",
        )
    return None


def _post_only(request: OrderRequest, book: Book) -> Refusal | None:
    crosses = any(book.against(is_buy=request.is_buy, limit=request.price))
    if request.tif != "Alo" or not crosses:
        return None
    sides = [side for side in (book.bid, book.ask) if side is not None]
    bbo = "@".join(wire(side) for side in sides)
    return Refusal(
        f"Post only order would have immediately matched, bbo was {bbo}.", "badAloPxRejected"
    )
