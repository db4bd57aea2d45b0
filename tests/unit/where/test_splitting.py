"""SW-10: an order over several venues, against optimisers written another way."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.domain.instrument import ALL_VENUES, Venue
from common.errors import InvalidInputError
from common.where.splitting import IMPACT, VENUES_MAX, Split, SplitVenue, split

A, B, C, D = Venue.HYPERLIQUID, Venue.OSTIUM, Venue.GMX, Venue.SPOT


def a_venue(
    venue: Venue = A, liquidity: str = "500000", fee: str = "0.001", lot: str = "0.01"
) -> SplitVenue:
    return SplitVenue(venue=venue, liquidity=Decimal(liquidity), fee=Decimal(fee), lot=Decimal(lot))


def the_three(lot: str) -> list[SplitVenue]:
    """The venues of SW-10; at a price of 1, base units are dollars."""
    return [
        a_venue(A, "500000", "0.0010", lot),
        a_venue(B, "200000", "0.0005", lot),
        a_venue(C, "1000000", "0.0015", lot),
    ]


def sizes(result: Split) -> dict[Venue, Decimal]:
    return {share.venue: share.quantity for share in result.shares}


def exact_cost(
    quantities: Sequence[Decimal], venues: Sequence[SplitVenue], price: Decimal
) -> Fraction:
    """The module's formula in fractions: no rounding anywhere."""
    cost = Fraction(0)
    for quantity, venue in zip(quantities, venues, strict=True):
        notional = Fraction(quantity) * Fraction(price)
        impact = Fraction(IMPACT) * notional**2 / Fraction(venue.liquidity)
        cost += Fraction(venue.fee) * notional + impact
    return cost


def allowed(venue: SplitVenue, price: Decimal, quantity: Decimal) -> Iterator[Decimal]:
    """Nothing, or whole lots between the venue's limits and at most `quantity`."""
    yield Decimal(0)
    share = venue.lot
    while share <= quantity and (venue.max_quantity is None or share <= venue.max_quantity):
        if share >= venue.min_quantity and share * price >= venue.min_notional:
            yield share
        share += venue.lot


def brute_force(
    quantity: Decimal, price: Decimal, venues: Sequence[SplitVenue]
) -> tuple[Decimal, Fraction]:
    """The least that can be left over, and then the least cost: every way is tried."""
    return min(
        (quantity - sum(ways, Decimal(0)), exact_cost(ways, venues, price))
        for ways in itertools.product(*(allowed(venue, price, quantity) for venue in venues))
        if sum(ways) <= quantity
    )


def outcome(
    result: Split, price: Decimal, venues: Sequence[SplitVenue]
) -> tuple[Decimal, Fraction]:
    by_venue = sizes(result)
    ways = [by_venue.get(venue.venue, Decimal(0)) for venue in venues]
    return result.left_over, exact_cost(ways, venues, price)


def level_by_bisection(total: float, venues: Sequence[SplitVenue]) -> list[float]:
    """The continuous optimum at a price of 1, in floats: bisection on the marginal cost."""
    k = float(IMPACT)
    caps = [float(venue.max_quantity or total) for venue in venues]

    def shares(level: float) -> list[float]:
        return [
            min(max((level - float(venue.fee)) * float(venue.liquidity) / (2 * k), 0.0), cap)
            for venue, cap in zip(venues, caps, strict=True)
        ]

    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(shares(middle)) < total else (low, middle)
    return shares(high)


def test_split_when_the_three_venues_of_the_mission_then_by_the_closed_form() -> None:
    result = split(Decimal(100_000), Decimal(1), the_three("0.01"))

    percent = {venue: round(share / 1000, 1) for venue, share in sizes(result).items()}
    assert percent == {A: Decimal("33.3"), B: Decimal("16.7"), C: Decimal("50.0")}
    assert sum(sizes(result).values()) == 100_000
    assert result.left_over == 0
    assert result.cost == Decimal("208.333333333334")  # 208 1/3, and a little for the cents


def test_split_when_the_lot_is_a_tenth_then_50_30_20_and_nothing_is_cheaper() -> None:
    venues = the_three("10000")

    result = split(Decimal(100_000), Decimal(1), venues)

    assert sizes(result) == {A: 30_000, B: 20_000, C: 50_000}
    assert result.cost == Decimal("209.5")
    best = brute_force(Decimal(100_000), Decimal(1), venues)
    assert outcome(result, Decimal(1), venues) == best


def test_split_when_priced_in_base_units_then_the_notional_shares_stay() -> None:
    """The same $100K at $3,000 a unit."""
    result = split(Decimal(100_000) / 3000, Decimal(3000), the_three("0.000001"))

    assert [round(share.quantity * 3, 1) for share in result.shares] == [
        Decimal("33.3"),
        Decimal("16.7"),
        Decimal("50.0"),
    ]


def test_split_when_small_then_all_of_it_goes_to_the_lowest_fee() -> None:
    assert sizes(split(Decimal(100), Decimal(1), the_three("0.01"))) == {B: 100}


def test_split_when_less_than_a_lot_then_all_is_left_over() -> None:
    result = split(Decimal("0.009"), Decimal(1), the_three("0.01"))

    assert result == Split((), left_over=Decimal("0.009"), cost=Decimal(0))


def test_split_when_no_venue_then_all_is_left_over() -> None:
    assert split(Decimal(5), Decimal(1), []) == Split((), left_over=Decimal(5), cost=Decimal(0))


def test_split_when_all_are_full_then_the_rest_is_left_over() -> None:
    venues = [replace(venue, max_quantity=Decimal(1000)) for venue in the_three("300")]

    result = split(Decimal(100_000), Decimal(1), venues)

    assert sizes(result) == {A: 900, B: 900, C: 900}
    assert result.left_over == 97_300


def test_split_when_the_quantity_has_many_digits_then_never_more_than_it() -> None:
    quantity = Decimal("9" * 30 + "." + "9" * 60)
    venues = [replace(venue, liquidity=Decimal(10) ** 40) for venue in the_three("1")]

    result = split(quantity, Decimal(1), venues)

    assert sizes(result) == {B: Decimal("9" * 30)}
    assert result.left_over == Decimal("0." + "9" * 60)


def test_split_when_rounding_down_strands_a_lot_then_it_moves() -> None:
    """Rounded down and topped up, the shares would not be the cheapest: a lot has to move."""
    venues = [
        a_venue(A, "20", "0", "1"),
        a_venue(B, "100", "0.0001", "1"),
        a_venue(C, "3000", "0.0009", "1"),
        a_venue(D, "20", "0.0001", "1"),
    ]

    result = split(Decimal(8), Decimal(1), venues)

    assert sizes(result) == {A: 1, B: 3, C: 3, D: 1}
    assert result.cost == Decimal("0.005995")  # C: 4 and D: 0 cost 0.006080
    assert outcome(result, Decimal(1), venues) == brute_force(Decimal(8), Decimal(1), venues)


def test_split_when_a_minimum_is_missed_then_the_better_of_dropping_and_raising() -> None:
    """Of B and C, both under their minimums, dropping one leaves enough for the other."""
    venues = [
        replace(a_venue(A, "100000", "0.0010", "1"), max_quantity=Decimal(60)),
        replace(a_venue(B, "1000", "0.0011", "1"), min_quantity=Decimal(40)),
        replace(a_venue(C, "1000", "0.0012", "1"), min_quantity=Decimal(40)),
    ]

    result = split(Decimal(100), Decimal(1), venues)

    assert sizes(result) == {A: 60, B: 40}
    assert outcome(result, Decimal(1), venues) == brute_force(Decimal(100), Decimal(1), venues)


def test_split_when_the_better_venue_is_too_small_to_stand_in_then_the_other_is_kept() -> None:
    """A costs less, yet cannot hold what B does: B at its minimum leaves no room for A."""
    venues = [
        replace(a_venue(A, lot="1"), min_quantity=Decimal(30), max_quantity=Decimal(40)),
        replace(a_venue(B, "1000", "0.0011", "1"), min_quantity=Decimal(90)),
    ]

    assert sizes(split(Decimal(100), Decimal(1), venues)) == {B: 100}


def test_split_when_the_better_venue_has_coarser_lots_then_the_other_is_kept() -> None:
    """B's 25 beside C's 5 could not move to A, which takes 20 or 30."""
    deep = Decimal(1_000_000)
    venues = [
        SplitVenue(
            venue=A,
            liquidity=deep,
            fee=Decimal("0.001"),
            lot=Decimal(10),
            min_quantity=Decimal(20),
        ),
        SplitVenue(
            venue=B,
            liquidity=deep,
            fee=Decimal("0.0010001"),
            lot=Decimal(1),
            min_quantity=Decimal(21),
            max_quantity=Decimal(29),
        ),
        SplitVenue(
            venue=C, liquidity=deep, fee=Decimal(0), lot=Decimal(1), max_quantity=Decimal(5)
        ),
    ]

    assert sizes(split(Decimal(30), Decimal(1), venues)) == {B: 25, C: 5}


def test_split_when_the_finer_venue_is_full_then_the_coarser_takes_a_lot_more() -> None:
    """5.4 with 2 at most at B: A's 3.4 cannot be rounded down to 3."""
    venues = [
        a_venue(A, fee="0.0020", lot="1"),
        replace(a_venue(B, fee="0", lot="0.1"), max_quantity=Decimal(2)),
    ]

    result = split(Decimal("5.4"), Decimal(1), venues)

    assert sizes(result) == {A: 4, B: Decimal("1.4")}
    assert result.left_over == 0


def test_split_when_dust_is_left_over_anyway_then_the_coarser_venue_is_not_made_to_take_it() -> (
    None
):
    venues = [a_venue(A, "10", "0", "1"), a_venue(B, "13", "0", "0.5")]

    result = split(Decimal("1.1"), Decimal(1), venues)

    assert sizes(result) == {B: 1}
    assert result.left_over == Decimal("0.1")


def test_split_when_the_minimum_is_a_notional_then_it_is_met_in_whole_lots() -> None:
    venues = [
        replace(a_venue(A, "1000000", "0.0010", "0.3"), min_notional=Decimal(10)),
        a_venue(B, "1", "0", "0.1"),
    ]

    assert sizes(split(Decimal(2), Decimal(11), venues))[A] >= Decimal("1.2")  # 0.9 is $9.90
    assert A not in sizes(split(Decimal("1.1"), Decimal(9), venues))  # 1.2 would be too much


def test_split_when_ten_alike_venues_have_high_minimums_then_as_many_as_fit() -> None:
    """What tries a search most: every choice of three costs the same."""
    venues = [
        replace(a_venue(ALL_VENUES[place % 7], "100000", "0.0005"), min_quantity=Decimal(30))
        for place in range(VENUES_MAX)
    ]

    result = split(Decimal(100), Decimal(1), venues)

    assert [share.quantity for share in result.shares] == [
        Decimal("33.34"),
        Decimal("33.33"),
        Decimal("33.33"),
    ]


@pytest.mark.parametrize(
    ("quantity", "price", "impact", "venue"),
    [
        ("-1", "1", "0.015", a_venue()),
        ("1", "0", "0.015", a_venue()),
        ("1", "1", "0", a_venue()),
        ("1", "1", "0.015", a_venue(liquidity="0")),
        ("1", "1", "0.015", a_venue(lot="0")),
        ("1", "1", "0.015", a_venue(fee="-1")),
    ],
)
def test_split_when_a_figure_is_out_of_range_then_refused(
    quantity: str, price: str, impact: str, venue: SplitVenue
) -> None:
    with pytest.raises(InvalidInputError):
        split(Decimal(quantity), Decimal(price), [venue], Decimal(impact))


def test_split_when_there_are_too_many_venues_then_refused() -> None:
    with pytest.raises(InvalidInputError, match="10 venues at most, not 11"):
        split(Decimal(1), Decimal(1), [a_venue()] * 11)


FEES = st.integers(0, 30).map(lambda number: Decimal(number) / 10_000)
LIQUIDITY = st.integers(1_000, 5_000_000).map(Decimal)


@st.composite
def deep_venues(draw: st.DrawFn) -> list[SplitVenue]:
    """Up to seven venues with fine lots, some with a maximum."""
    return [
        SplitVenue(
            venue=venue,
            liquidity=draw(LIQUIDITY),
            fee=draw(FEES),
            lot=Decimal("0.0001"),
            max_quantity=draw(st.none() | st.integers(1, 100_000).map(Decimal)),
        )
        for venue in ALL_VENUES[: draw(st.integers(1, 7))]
    ]


@given(venues=deep_venues(), total=st.integers(1, 200_000))
@settings(max_examples=300)
def test_split_when_lots_are_fine_then_as_a_numeric_optimiser_finds(
    venues: list[SplitVenue], total: int
) -> None:
    result = split(Decimal(total), Decimal(1), venues)

    found = sizes(result)
    shares = level_by_bisection(float(total), venues)
    for venue, share in zip(venues, shares, strict=True):
        assert float(found.get(venue.venue, 0)) == pytest.approx(share, abs=2e-3, rel=1e-6)
    floats = [Decimal(share) for share in shares]
    assert float(result.cost) <= float(exact_cost(floats, venues, Decimal(1))) * (1 + 1e-6) + 1e-6


@st.composite
def coarse_venues(draw: st.DrawFn, lots: st.SearchStrategy[str]) -> list[SplitVenue]:
    """Two to four venues where an order is a few lots; minimums and maximums, some that clash."""
    return [
        SplitVenue(
            venue=venue,
            liquidity=draw(st.integers(10, 2_000).map(Decimal)),
            fee=draw(FEES),
            lot=Decimal(draw(lots)),
            min_quantity=draw(st.sampled_from([0, 0, 1, 3, 4, 6]).map(Decimal)),
            min_notional=draw(st.sampled_from(["0", "0", "5", "11"]).map(Decimal)),
            max_quantity=draw(st.none() | st.integers(1, 9).map(Decimal)),
        )
        for venue in (A, B, C, D)[: draw(st.integers(2, 4))]
    ]


@given(
    venues=coarse_venues(st.just("1")),
    quantity=st.decimals("0", "12", places=1),
    price=st.sampled_from(["1", "2.5", "0.7"]).map(Decimal),
)
@settings(max_examples=400, deadline=None)
def test_split_when_lots_are_alike_then_nothing_is_cheaper(
    venues: list[SplitVenue], quantity: Decimal, price: Decimal
) -> None:
    result = split(quantity, price, venues)

    assert outcome(result, price, venues) == brute_force(quantity, price, venues)
    _, cost = outcome(result, price, venues)
    assert abs(Fraction(result.cost) - cost) <= Fraction(1, 10**12)


@given(
    venues=coarse_venues(st.sampled_from(["0.5", "1"])), quantity=st.decimals("0", "6", places=1)
)
@settings(max_examples=150, deadline=None)
def test_split_when_lots_differ_then_as_much_is_filled_as_can_be(
    venues: list[SplitVenue], quantity: Decimal
) -> None:
    left_over, cost = outcome(split(quantity, Decimal(1), venues), Decimal(1), venues)

    least, cheapest = brute_force(quantity, Decimal(1), venues)
    assert left_over == least
    assert cost >= cheapest


@given(venues=deep_venues(), lots=st.lists(st.integers(-4, 1), min_size=7, max_size=7))
@settings(max_examples=200)
def test_split_when_lots_differ_and_the_order_is_large_then_as_cheap_as_without_lots(
    venues: list[SplitVenue], lots: list[int]
) -> None:
    venues = [
        replace(venue, lot=Decimal(10) ** lot, max_quantity=None)
        for venue, lot in zip(venues, lots, strict=False)
    ]
    total = 20_000

    result = split(Decimal(total), Decimal(1), venues)

    assert result.left_over == 0
    shares = [Decimal(share) for share in level_by_bisection(total, venues)]
    assert float(result.cost) <= float(exact_cost(shares, venues, Decimal(1))) * 1.001


@given(
    venues=coarse_venues(st.sampled_from(["0.1", "0.5", "1", "2", "3"])),
    quantity=st.decimals("0", "1000", places=3),
    price=st.decimals("0.01", "5000", places=2),
)
@settings(max_examples=400)
def test_split_when_any_order_then_every_limit_holds(
    venues: list[SplitVenue], quantity: Decimal, price: Decimal
) -> None:
    result = split(quantity, price, venues)

    found = sizes(result)
    assert sum(found.values()) + result.left_over == quantity
    assert result.left_over >= 0
    for venue in venues:
        share = found.get(venue.venue, Decimal(0))
        assert share == 0 or share in set(allowed(venue, price, share))
    assert result == split(quantity, price, venues)
