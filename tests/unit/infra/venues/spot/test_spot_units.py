"""Base units: exact, and never rounded against the wallet."""

from decimal import Context, Decimal
from random import Random

import pytest

from common.domain.instrument import Venue
from common.domain.order import OrderSide
from common.errors import RejectedError
from infra.venues.spot.instruments import lot_of
from infra.venues.spot.swap import EXACT_INPUT, EXACT_OUTPUT, swap_of
from infra.venues.spot.tokens import CURATED, Token, token_book
from infra.venues.spot.units import (
    from_units,
    price_and_rest,
    receive_min,
    spend_max,
    to_units,
    whole_lots,
)
from tests.builders import an_order

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


@pytest.mark.parametrize("token", CURATED, ids=lambda token: token.trades_as)
def test_swap_when_made_of_whole_lots_then_exactly_the_quantity_inside_the_price(
    token: Token,
) -> None:
    random, book, lot = Random(token.address), token_book("mainnet"), lot_of(token)
    for number in range(400):
        quantity = EXACT.multiply(Decimal(random.randrange(1, 10**13)), lot)
        price = Decimal(random.randrange(1, 10**8)).scaleb(-random.randint(0, 8))
        buy = number % 2 == 0
        order = an_order(
            venue=Venue.SPOT,
            symbol=token.trades_as,
            side=OrderSide.BUY if buy else OrderSide.SELL,
            quantity=quantity,
            price=price,
        )
        exact = EXACT.multiply(quantity, price)
        if buy and exact < Decimal("0.000001"):
            with pytest.raises(RejectedError):
                swap_of(order, book, "0x" + "11" * 20)
            continue
        swap = swap_of(order, book, "0x" + "11" * 20)
        assert from_units(swap.amount, token.decimals) == quantity
        bound = from_units(swap.bound, 6)
        assert bound <= exact if buy else bound >= exact
        assert abs(EXACT.subtract(bound, exact)) < Decimal("0.000001")
        assert swap.kind == (EXACT_OUTPUT if buy else EXACT_INPUT)
        assert whole_lots(quantity, lot) == quantity
