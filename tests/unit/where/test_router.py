"""Agent Where (V3-07, VP-03, VP-05): the first venue in order that can, and every one explained."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import BreakerSettings
from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.order import OrderSide
from common.domain.rounding import check_order
from common.where.breaker import Breaker, BreakerStatus, Ticket, closed, fail
from common.where.router import Route, RouteRequest, choose_venue
from tests.builders import NOON, an_instrument, an_instrument_table

HL, OSTIUM, GMX, SPOT = Venue.HYPERLIQUID, Venue.OSTIUM, Venue.GMX, Venue.SPOT
SETTINGS = BreakerSettings()


def open_breaker(venue: Venue) -> Breaker:
    breaker = closed(venue, now=NOON)
    for _ in range(SETTINGS.failures_to_open):
        ticket = Ticket(venue, 0, None)
        breaker = fail(breaker, ticket, now=NOON, settings=SETTINGS, reason="timeout")
    return breaker


def table(venue: Venue, *instruments: Instrument, pairs: int = 0) -> InstrumentTable:
    """`instruments`, and as many others as make `pairs` in all."""
    others = tuple(an_instrument(f"T{n}", venue) for n in range(pairs - len(instruments)))
    return an_instrument_table(venue, instruments=(*instruments, *others))


@dataclass
class World:
    """ETH listed on Hyperliquid (220 pairs) and Ostium; SOL on Ostium alone; nobody has XYZ."""

    tables: dict[Venue, InstrumentTable | None] = field(
        default_factory=lambda: {
            HL: table(HL, an_instrument("ETH", HL), pairs=220),
            OSTIUM: an_instrument_table(OSTIUM, ("ETH", "SOL")),
        }
    )
    breakers: dict[Venue, Breaker] = field(default_factory=dict)

    def route(
        self,
        symbol: str = "ETH",
        *,
        side: OrderSide = OrderSide.BUY,
        quantity: str = "0.33339",
        price: str = "3000",
        held: dict[Venue, Decimal] | None = None,
        venues: Sequence[Venue] = (HL, OSTIUM),
        enabled: Sequence[Venue] = tuple(Venue),
    ) -> Route:
        request = RouteRequest(
            symbol=symbol,
            side=side,
            quantity=Decimal(quantity),
            price=Decimal(price),
            slippage_max=Decimal("0.005"),
            held=held or {},
            enabled=frozenset(enabled),
        )
        return choose_venue(
            request,
            venues,
            tables=self.tables,
            breakers=self.breakers,
            breaker_settings=SETTINGS,
            now=NOON + timedelta(seconds=30),
        )


@pytest.fixture
def world() -> World:
    return World()


def codes(route: Route) -> list[str]:
    return [check.code for check in route.checks]


def test_choose_when_both_venues_list_it_then_the_first_in_order(world: World) -> None:
    route = world.route()

    assert (route.selected, route.code) == (HL, "AVAILABLE")
    assert route.reason == "ETH available on Hyperliquid (220 pairs)"
    assert [candidate.venue for candidate in route.candidates] == [HL, OSTIUM]
    assert [check.reason for check in route.checks] == [
        "ETH available on Hyperliquid (220 pairs)",
        "ETH available on Ostium (2 pairs)",
    ]


def test_choose_when_the_user_ordered_them_otherwise_then_so(world: World) -> None:
    assert world.route(venues=(OSTIUM, HL)).selected is OSTIUM


def test_choose_when_a_configured_venue_is_not_enabled_then_refused_and_told(world: World) -> None:
    route = world.route(enabled=(OSTIUM,))
    nobody = world.route("XYZ", enabled=(OSTIUM,))

    assert route.selected is OSTIUM
    assert codes(route) == ["VENUE_NOT_ENABLED", "AVAILABLE"]
    assert route.checks[0].reason == "Hyperliquid is not enabled for this deployment"
    assert (nobody.code, nobody.reason) == ("NO_VENUE_HAS_PAIR", "No venue has this pair")
    assert world.route(enabled=()).reason == "No venue is enabled"


def test_choose_when_only_the_second_lists_it_then_the_second(world: World) -> None:
    route = world.route("SOL")

    assert route.selected is OSTIUM
    assert route.checks[0].reason == "SOL is not listed on Hyperliquid (220 pairs)"
    assert codes(route) == ["PAIR_NOT_LISTED", "AVAILABLE"]


def test_choose_when_none_lists_it_then_skipped_in_the_published_words(world: World) -> None:
    route = world.route("XYZ")

    assert (route.selected, route.candidates) == (None, ())
    assert (route.code, route.reason) == ("NO_VENUE_HAS_PAIR", "No venue has this pair")
    assert len(route.checks) == 2


def test_choose_when_no_venue_is_enabled_then_that_is_the_reason(world: World) -> None:
    route = world.route(venues=())

    assert (route.code, route.reason) == ("NO_VENUE_AVAILABLE", "No venue is enabled")


def test_choose_when_the_breaker_is_open_then_the_next_venue(world: World) -> None:
    world.breakers = {HL: open_breaker(HL), OSTIUM: closed(OSTIUM, now=NOON)}

    route = world.route()

    assert route.selected is OSTIUM
    assert codes(route) == ["BREAKER_OPEN", "AVAILABLE"]
    assert route.checks[0].reason == "Hyperliquid is paused by its circuit breaker"
    assert route.checks[0].breaker == BreakerStatus.OPEN


def test_choose_when_all_are_down_then_each_reason_is_told(world: World) -> None:
    world.breakers = {HL: open_breaker(HL)}
    world.tables[OSTIUM] = None

    route = world.route()

    assert (route.selected, route.code) == (None, "NO_VENUE_AVAILABLE")
    assert route.reason == (
        "No venue can take ETH now: Hyperliquid is paused by its circuit breaker; "
        "Ostium's pairs are not loaded yet"
    )


def test_choose_when_one_is_not_listed_and_one_is_down_then_only_the_latter_is_blamed(
    world: World,
) -> None:
    world.breakers = {OSTIUM: open_breaker(OSTIUM)}

    reason = world.route("SOL").reason

    assert reason == "No venue can take SOL now: Ostium is paused by its circuit breaker"


def test_choose_when_the_market_is_closed_then_passed_over(world: World) -> None:
    world.tables[HL] = table(HL, an_instrument("ETH", HL, is_open=False))

    route = world.route()

    assert route.selected is OSTIUM
    assert route.checks[0].reason == "Hyperliquid's market for ETH is closed now"


@pytest.mark.parametrize(
    ("quantity", "code"),
    [("0.00009", "QUANTITY_BELOW_MINIMUM"), ("0.0033", "NOTIONAL_BELOW_MINIMUM")],
)
def test_choose_when_below_the_minimum_then_passed_over(
    world: World, quantity: str, code: str
) -> None:
    world.tables[OSTIUM] = table(
        OSTIUM,
        an_instrument(
            "ETH",
            OSTIUM,
            size_increment=Decimal("0.00001"),
            min_quantity=Decimal("0.00001"),
            min_notional=Decimal("0.01"),
        ),
    )

    route = world.route(quantity=quantity)

    assert codes(route) == [code, "AVAILABLE"]
    assert code in route.checks[0].reason


@pytest.mark.parametrize("price", ["3000", "3000.123456789"])
def test_choose_when_the_mark_is_off_the_tick_then_the_notional_is_judged_all_the_same(
    world: World, price: str
) -> None:
    route = world.route(quantity="0.0032", price=price)

    assert codes(route) == ["NOTIONAL_BELOW_MINIMUM"] * 2


def test_choose_when_above_the_maximum_notional_then_passed_over(world: World) -> None:
    world.tables[HL] = table(HL, an_instrument("ETH", HL, max_notional=Decimal(500)))

    assert codes(world.route(price="3000.123456789")) == ["NOTIONAL_EXCEEDS_MAXIMUM", "AVAILABLE"]


def test_choose_when_the_venue_has_no_price_that_low_then_passed_over_not_an_error(
    world: World,
) -> None:
    coarse = an_instrument("ETH", HL, price_increment=Decimal(5000), price_significant_figures=None)
    world.tables[HL] = table(HL, coarse)

    route = world.route()

    assert route.selected is OSTIUM
    assert codes(route) == ["PRICE_NOT_ON_TICK", "AVAILABLE"]


def spot_world(world: World) -> World:
    world.tables[SPOT] = table(SPOT, an_instrument("ETH", SPOT, shortable=False))
    return world


def test_choose_when_a_spot_sale_has_no_holding_then_it_cannot_be_sold_short(
    world: World,
) -> None:
    route = spot_world(world).route(side=OrderSide.SELL, venues=(SPOT, HL))

    assert route.selected is HL
    assert route.checks[0].code == "SHORT_NOT_POSSIBLE"
    assert route.checks[0].reason == "ETH cannot be sold short on Spot"


@pytest.mark.parametrize(("held", "selected"), [("0.3333", SPOT), ("0.3332", HL)])
def test_choose_when_a_spot_sale_draws_on_a_holding_then_it_must_cover_it(
    world: World, held: str, selected: Venue
) -> None:
    holding = {SPOT: Decimal(held)}
    route = spot_world(world).route(side=OrderSide.SELL, venues=(SPOT, HL), held=holding)

    assert route.selected is selected


def test_choose_when_a_spot_token_is_bought_then_no_holding_is_needed(world: World) -> None:
    assert spot_world(world).route(venues=(SPOT,)).selected is SPOT


def test_choose_when_chosen_then_size_is_rounded_down_and_price_bounded(world: World) -> None:
    buy, sell = world.route(), world.route(side=OrderSide.SELL)

    assert (buy.candidates[0].quantity, buy.candidates[0].price) == (
        Decimal("0.3333"),
        Decimal(3015),
    )
    assert sell.candidates[0].price == Decimal(2985)
    assert buy.checks[0].quantity == Decimal("0.3333")
    assert buy.checks[0].table_age_s == 30


@given(
    price=st.decimals("0.00002", "200000", places=9),
    quantity=st.decimals("0", "100000", places=7),
    side=st.sampled_from(OrderSide),
    figures=st.sampled_from([5, None]),
    decimals=st.integers(0, 6),
)
def test_choose_when_any_request_then_what_is_chosen_the_venue_accepts(
    price: Decimal, quantity: Decimal, side: OrderSide, figures: int | None, decimals: int
) -> None:
    instrument = an_instrument(
        "ETH",
        HL,
        price_significant_figures=figures,
        price_decimals_max=decimals,
        max_notional=Decimal(1_000_000),
    )
    world = World(tables={HL: table(HL, instrument)})
    route = world.route(price=str(price), quantity=str(quantity), side=side, venues=(HL, GMX))

    assert [check.venue for check in route.checks] == [HL, GMX]
    assert all(check.code and check.reason for check in route.checks)
    for candidate in route.candidates:
        assert check_order(instrument, candidate.quantity, candidate.price) is None
        assert candidate.quantity <= quantity
        bound = price * (1 + Decimal("0.005") * side.sign)
        assert (bound - candidate.price) * side.sign >= 0
