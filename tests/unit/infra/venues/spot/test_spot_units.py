"""Base units: exact, and never rounded against the wallet."""

from decimal import Context, Decimal
from random import Random

from infra.venues.spot.units import (
    from_units,
    price_and_rest,
    receive_min,
    spend_max,
    to_units,
)

EXACT = Context(prec=200)


def test_units_when_there_and_back_then_the_same_or_just_less() -> None:
    random = Random(1)
    for _ in range(2_000):
        decimals = random.randint(0, 18)
        quantity = Decimal(random.randrange(10**24)).scaleb(-random.randint(0, 20))
        back = from_units(to_units(quantity, decimals), decimals)
        assert 0 <= EXACT.subtract(quantity, back) < Decimal(1).scaleb(-decimals)


def test_bounds_when_converted_then_a_buy_pays_no_more_and_a_sale_brings_no_less() -> None:
    random = Random(2)
    for _ in range(2_000):
        quantity = Decimal(random.randrange(1, 10**12)).scaleb(-8)
        price = Decimal(random.randrange(1, 10**8)).scaleb(-random.randint(0, 12))
        exact = EXACT.multiply(quantity, price)
        assert from_units(spend_max(quantity, price, 6), 6) <= exact
        assert from_units(receive_min(quantity, price, 6), 6) >= exact


def test_price_and_rest_when_added_up_then_the_cash_is_exact_and_the_rest_is_dust() -> None:
    random = Random(3)
    for _ in range(2_000):
        base = from_units(random.randrange(1, 10**30), 18)
        quote = from_units(random.randrange(1, 10**14), 6)
        for buy in (True, False):
            price, rest = price_and_rest(base, quote, buy=buy)
            cash = EXACT.multiply(base, price)
            assert (EXACT.add if buy else EXACT.subtract)(cash, rest) == quote
            assert 0 <= rest < quote * Decimal("1e-11")
            assert len(price.as_tuple().digits) <= 12
