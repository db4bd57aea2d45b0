"""What one order asks of the exchange, in base units; every answer is held against it."""

from dataclasses import dataclass

from common.domain.order import Order, OrderSide
from common.errors import RejectedError
from infra.venues.spot.tokens import Token, TokenBook
from infra.venues.spot.units import receive_min, spend_max, to_units

EXACT_INPUT = "EXACT_INPUT"
EXACT_OUTPUT = "EXACT_OUTPUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """A sale gives exactly `amount` for at least `bound`; a purchase takes exactly `amount` for at
    most `bound`. So either fills whole, at the order's price or better, or reverts.
    """

    chain_id: int
    wallet: str  # with its checksum; pays, receives and signs
    token_in: Token
    token_out: Token
    kind: str  # EXACT_INPUT for a sale, EXACT_OUTPUT for a purchase
    amount: int  # of the base token
    bound: int  # of the quote token
    deadline: int  # Unix seconds; mined later, it reverts

    @property
    def buys(self) -> bool:
        return self.kind == EXACT_OUTPUT

    @property
    def pays_most(self) -> int:
        """The most of `token_in` that may leave the wallet."""
        return self.bound if self.buys else self.amount


def swap_of(order: Order, book: TokenBook, wallet: str) -> Swap:
    """The order as a swap.

    Raises RejectedError: not a curated token, or nothing is left in base units.
    """
    base = book.find(order.symbol)
    if base is None:
        raise RejectedError("INSTRUMENT_NOT_FOUND", f"{order.symbol} is not in the token list")
    buy = order.side is OrderSide.BUY
    amount = to_units(order.quantity, base.decimals)
    bounded = spend_max if buy else receive_min
    bound = bounded(order.quantity, order.price, book.quote.decimals)
    if amount <= 0 or bound <= 0:
        raise RejectedError("QUANTITY_BELOW_MINIMUM", f"{order.symbol}: less than one base unit")
    return Swap(
        chain_id=book.chain_id,
        wallet=wallet,
        token_in=book.quote if buy else base,
        token_out=base if buy else book.quote,
        kind=EXACT_OUTPUT if buy else EXACT_INPUT,
        amount=amount,
        bound=bound,
        deadline=int(order.expires_at.timestamp()),
    )
