"""What a wish for an execution may say, and what it comes to where it does not say."""

from dataclasses import dataclass
from decimal import Decimal

from common.config import ExecutionSettings
from common.domain.money import plain
from common.domain.parent_order import ExecAlgorithm, ExecutionWish
from common.errors import InvalidInputError
from common.execution.algorithms.schedule import check_duration, check_slices

LIMIT_PRICE_MISSING = "LIMIT_PRICE_MISSING"
INVALID_LIMIT_PRICE = "INVALID_LIMIT_PRICE"
INVALID_VISIBLE_QUANTITY = "INVALID_VISIBLE_QUANTITY"
VISIBLE_ABOVE_TOTAL = "VISIBLE_ABOVE_TOTAL"
NOT_OF_THIS_ALGORITHM = "NOT_OF_THIS_ALGORITHM"

SCHEDULED = frozenset({ExecAlgorithm.TWAP, ExecAlgorithm.VWAP})
_PRICED = frozenset({ExecAlgorithm.LIMIT, ExecAlgorithm.SNIPER})


def check_wish(
    wish: ExecutionWish,
    *,
    quantity: Decimal | None = None,
    chosen: ExecAlgorithm | None = None,
) -> None:
    """Refuse what can never be executed. What is known of the order is looked at too: the whole
    quantity, and the algorithm that was chosen for a wish without one.

    Raises:
        InvalidInputError: the code is one of this module's or of `schedule`, the place the field.
    """
    if wish.slices is not None:
        check_slices(wish.slices)
    if wish.duration_s is not None:
        check_duration(wish.duration_s)
    _check_limit_price(wish, chosen or wish.algorithm)
    _check_visible(wish, quantity)
    _check_fields(wish)


def _check_limit_price(wish: ExecutionWish, algorithm: ExecAlgorithm | None) -> None:
    price = wish.limit_price
    if price is None and algorithm in _PRICED:
        raise InvalidInputError(
            f"{algorithm} needs a price", code=LIMIT_PRICE_MISSING, where="limit_price"
        )
    if price is not None and not (price.is_finite() and price > 0):
        raise InvalidInputError("must be above 0", code=INVALID_LIMIT_PRICE, where="limit_price")


def _check_visible(wish: ExecutionWish, quantity: Decimal | None) -> None:
    visible, where = wish.visible_quantity, "visible_quantity"
    if visible is None:
        return
    if not (visible.is_finite() and visible > 0):
        raise InvalidInputError("must be above 0", code=INVALID_VISIBLE_QUANTITY, where=where)
    if quantity is not None and visible > quantity:
        raise InvalidInputError(
            f"{plain(visible)} is above the whole order's {plain(quantity)}",
            code=VISIBLE_ABOVE_TOTAL,
            where=where,
        )


def _check_fields(wish: ExecutionWish) -> None:
    """What an algorithm would have to pass over in silence is refused."""
    algorithm = wish.algorithm
    if algorithm is None:
        return
    passed_over = {
        "slices": wish.slices is not None and algorithm not in SCHEDULED,
        "duration_s": wish.duration_s is not None and algorithm is ExecAlgorithm.MARKET,
        "limit_price": wish.limit_price is not None and algorithm is ExecAlgorithm.MARKET,
        "visible_quantity": (
            wish.visible_quantity is not None and algorithm is not ExecAlgorithm.ICEBERG
        ),
    }
    for field, is_wrong in passed_over.items():
        if is_wrong:
            raise InvalidInputError(
                f"{algorithm} does not take it", code=NOT_OF_THIS_ALGORITHM, where=field
            )


@dataclass(frozen=True, slots=True)
class Window:
    duration_s: int
    slices: int


def window_of(wish: ExecutionWish | None, settings: ExecutionSettings) -> Window:
    """Over what time, and in how many slices, a TWAP or VWAP of this wish is worked."""
    duration_s = wish.duration_s if wish else None
    slices = wish.slices if wish else None
    return Window(duration_s or settings.duration_s, slices or settings.slices)
