"""Bad input: what a wish for an execution can never say, with its code and its field."""

from decimal import Decimal
from typing import Any

import pytest

from common.domain.parent_order import ExecAlgorithm, ExecutionWish
from common.errors import InvalidInputError
from common.execution.algorithms.wish import Window, check_wish, window_of
from tests.unit.execution.algorithms.desk import SETTINGS

TWAP, ICEBERG = ExecAlgorithm.TWAP, ExecAlgorithm.ICEBERG


@pytest.mark.parametrize(
    ("wish", "code", "where"),
    [
        ({"algorithm": TWAP, "slices": 0}, "INVALID_SLICES", "slices"),
        ({"algorithm": TWAP, "slices": 1_000_000}, "INVALID_SLICES", "slices"),
        ({"slices": -1}, "INVALID_SLICES", "slices"),
        ({"algorithm": TWAP, "duration_s": 0}, "INVALID_DURATION", "duration_s"),
        ({"duration_s": 86_401}, "INVALID_DURATION", "duration_s"),
        ({"algorithm": ExecAlgorithm.LIMIT}, "LIMIT_PRICE_MISSING", "limit_price"),
        ({"algorithm": ExecAlgorithm.SNIPER}, "LIMIT_PRICE_MISSING", "limit_price"),
        ({"limit_price": Decimal(0)}, "INVALID_LIMIT_PRICE", "limit_price"),
        ({"limit_price": Decimal(-1)}, "INVALID_LIMIT_PRICE", "limit_price"),
        ({"limit_price": Decimal("Infinity")}, "INVALID_LIMIT_PRICE", "limit_price"),
        ({"limit_price": Decimal("NaN")}, "INVALID_LIMIT_PRICE", "limit_price"),
        ({"visible_quantity": Decimal(0)}, "INVALID_VISIBLE_QUANTITY", "visible_quantity"),
        ({"visible_quantity": Decimal("NaN")}, "INVALID_VISIBLE_QUANTITY", "visible_quantity"),
        (
            {"algorithm": ICEBERG, "visible_quantity": Decimal("100.1")},
            "VISIBLE_ABOVE_TOTAL",
            "visible_quantity",
        ),
        ({"algorithm": ICEBERG, "slices": 5}, "NOT_OF_THIS_ALGORITHM", "slices"),
        (
            {"algorithm": ExecAlgorithm.MARKET, "duration_s": 60},
            "NOT_OF_THIS_ALGORITHM",
            "duration_s",
        ),
        (
            {"algorithm": ExecAlgorithm.MARKET, "limit_price": Decimal(1)},
            "NOT_OF_THIS_ALGORITHM",
            "limit_price",
        ),
        (
            {"algorithm": TWAP, "visible_quantity": Decimal(5)},
            "NOT_OF_THIS_ALGORITHM",
            "visible_quantity",
        ),
    ],
)
def test_wish_when_it_can_never_be_then_refused_with_code_and_field(
    wish: dict[str, Any], code: str, where: str
) -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_wish(ExecutionWish(**wish), quantity=Decimal(100))

    assert (refused.value.code, refused.value.where) == (code, where)


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"slices": 500, "duration_s": 86_400, "limit_price": Decimal(1)},
        {"algorithm": TWAP, "slices": 1, "duration_s": 1, "limit_price": Decimal(1)},
        {"algorithm": ICEBERG, "visible_quantity": Decimal(100), "duration_s": 60},
        {"algorithm": ExecAlgorithm.LIMIT, "limit_price": Decimal(1), "duration_s": 60},
        {"algorithm": ExecAlgorithm.MARKET},
    ],
)
def test_wish_when_it_is_possible_then_let_through(wish: dict[str, Any]) -> None:
    check_wish(ExecutionWish(**wish), quantity=Decimal(100))


def test_wish_when_the_total_is_not_known_then_the_visible_quantity_cannot_be_above_it() -> None:
    check_wish(ExecutionWish(algorithm=ICEBERG, visible_quantity=Decimal(10**9)))


def test_wish_when_an_algorithm_was_chosen_for_it_then_it_needs_that_ones_price() -> None:
    with pytest.raises(InvalidInputError) as refused:
        check_wish(ExecutionWish(slices=3), chosen=ExecAlgorithm.SNIPER)

    assert refused.value.code == "LIMIT_PRICE_MISSING"


def test_window_when_the_wish_does_not_say_then_as_configured() -> None:
    assert window_of(None, SETTINGS) == Window(600, 10)
    assert window_of(ExecutionWish(duration_s=60), SETTINGS) == Window(60, 10)
    assert window_of(ExecutionWish(slices=3), SETTINGS) == Window(600, 3)
