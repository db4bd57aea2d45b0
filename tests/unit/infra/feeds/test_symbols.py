"""Names of bundles of tokens."""

from decimal import Decimal

import pytest

from infra.feeds.symbols import listing


@pytest.mark.parametrize(
    ("name", "symbol", "exponent"),
    [
        ("BTC", "BTC", 0),
        ("1000PEPE", "PEPE", 3),
        ("1000000MOG", "MOG", 6),
        ("kPEPE", "PEPE", 3),
        ("1INCH", "1INCH", 0),
        ("KAS", "KAS", 0),
        ("1000", "1000", 0),
    ],
)
def test_listing_when_named_then_tells_token_and_bundle(
    name: str, symbol: str, exponent: int
) -> None:
    found = listing(name)

    assert (found.symbol, found.exponent) == (symbol, exponent)


def test_listing_when_rescaled_then_value_is_kept_exactly() -> None:
    found = listing("1000PEPE")
    price, quantity = Decimal("0.006877123456789"), Decimal("37882800.1234")

    assert found.price(price) * found.quantity(quantity) == price * quantity
    assert str(found.quantity(Decimal("37882800"))) == "37882800000"
