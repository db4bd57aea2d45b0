"""SW-07, SW-10, V3-07: the router's evidence, its three modes, and failover over all venues."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config import BreakerSettings
from common.domain.instrument import ALL_VENUES, InstrumentTable, Venue
from common.domain.order import OrderSide
from common.domain.rounding import check_order
from common.domain.routing import RoutingMode
from common.where.breaker import Breaker, Ticket, closed, fail
from common.where.router import Route, RouteRequest, choose_venue
from tests.builders import NOON, an_instrument, an_instrument_table

HL, ASTER, DRIFT, SYMPHONY = Venue.HYPERLIQUID, Venue.ASTER, Venue.DRIFT, Venue.SYMPHONY
OSTIUM, GMX, SPOT = Venue.OSTIUM, Venue.GMX, Venue.SPOT
SWARM_ORDER = (HL, ASTER, DRIFT, SYMPHONY)
PRIORITY, COST, SPLIT = RoutingMode.PRIORITY, RoutingMode.COST, RoutingMode.SPLIT
SETTINGS = BreakerSettings()


def a_market(venue: Venue, **changes: Any) -> InstrumentTable:
    """One that lists ETH alone; prices on a fine tick, so that sizes decide."""
    fields: dict[str, Any] = {
        "price_significant_figures": None,
        "min_notional": Decimal(0),
        **changes,
    }
    return an_instrument_table(venue, instruments=(an_instrument("ETH", venue, **fields),))


def liquid(venue: Venue, liquidity: int, fee: str, **changes: Any) -> InstrumentTable:
    return a_market(venue, liquidity=Decimal(liquidity), taker_fee=Decimal(fee), **changes)


def the_three(**changes: Any) -> dict[Venue, InstrumentTable]:
    """A, B and C of SW-10."""
    return {
        HL: liquid(HL, 500_000, "0.0010", **changes),
        OSTIUM: liquid(OSTIUM, 200_000, "0.0005", **changes),
        GMX: liquid(GMX, 1_000_000, "0.0015", **changes),
    }


def an_open_breaker(venue: Venue) -> Breaker:
    breaker = closed(venue, now=NOON)
    for _ in range(SETTINGS.failures_to_open):
        breaker = fail(
            breaker, Ticket(venue, 0, None), now=NOON, settings=SETTINGS, reason="timeout"
        )
    return breaker


@dataclass
class World:
    """At $1 a unit, so that quantities are dollars."""

    tables: Mapping[Venue, InstrumentTable | None]
    venues: Sequence[Venue] = ()
    mode: RoutingMode = PRIORITY
    side: OrderSide = OrderSide.BUY
    price: str = "1"
    held: Mapping[Venue, Decimal] = field(default_factory=dict)
    breakers: Mapping[Venue, Breaker] = field(default_factory=dict)
    unavailable: Mapping[Venue, str] = field(default_factory=dict)
    age: timedelta = timedelta(seconds=30)

    def route(self, quantity: str = "100", **options: Any) -> Route:
        venues = tuple(self.venues or self.tables)
        request = RouteRequest(
            symbol="ETH",
            side=self.side,
            quantity=Decimal(quantity),
            price=Decimal(self.price),
            slippage_max=Decimal("0.005"),
            held=self.held,
            enabled=frozenset(venues),
            unavailable=self.unavailable,
        )
        return choose_venue(
            request,
            venues,
            tables=self.tables,
            breakers=self.breakers,
            breaker_settings=SETTINGS,
            now=NOON + self.age,
            mode=self.mode,
            **options,
        )


def codes(route: Route) -> list[str]:
    return [check.code for check in route.checks]


def order_of(route: Route) -> list[Venue]:
    return [candidate.venue for candidate in route.candidates]


def legs_of(route: Route) -> list[list[tuple[Venue, object]]]:
    return [
        [(candidate.venue, candidate.quantity) for candidate in leg.candidates]
        for leg in route.legs
    ]


# ----------------------------------------------------------------- SW-07: the swarm's platforms


def the_platforms() -> dict[Venue, InstrumentTable]:
    return {venue: a_market(venue) for venue in SWARM_ORDER}


def test_platforms_when_all_are_well_then_in_order_with_failover() -> None:
    route = World(the_platforms(), SWARM_ORDER).route()

    assert order_of(route) == list(SWARM_ORDER)
    assert (route.selected, route.mode, len(route.legs)) == (HL, PRIORITY, 1)


@pytest.mark.parametrize("down", range(1, 4))
def test_platforms_when_the_first_ones_are_down_then_the_next(down: int) -> None:
    world = World(the_platforms(), SWARM_ORDER)
    world.breakers = {venue: an_open_breaker(venue) for venue in SWARM_ORDER[:down]}

    route = world.route()

    assert order_of(route) == list(SWARM_ORDER[down:])
    assert codes(route) == ["BREAKER_OPEN"] * down + ["AVAILABLE"] * (4 - down)


def test_platforms_when_a_breaker_has_been_open_for_a_minute_then_asked_again() -> None:
    world = World(the_platforms(), SWARM_ORDER, breakers={HL: an_open_breaker(HL)})

    assert world.route().selected is ASTER
    world.age = SETTINGS.open_for
    assert world.route().selected is HL


def test_platforms_when_one_cannot_trade_live_then_passed_over_with_its_reason() -> None:
    world = World(
        the_platforms(),
        (DRIFT, SYMPHONY),
        unavailable={DRIFT: "its program has been paused since April 2026"},
    )

    route = world.route()

    assert (route.selected, codes(route)) == (SYMPHONY, ["VENUE_UNAVAILABLE", "AVAILABLE"])
    assert route.checks[0].reason == (
        "Drift is unavailable: its program has been paused since April 2026"
    )


def test_platforms_when_every_one_is_down_then_each_reason_is_told() -> None:
    world = World(
        {HL: a_market(HL), ASTER: None, DRIFT: a_market(DRIFT)},
        (HL, ASTER, DRIFT),
        breakers={HL: an_open_breaker(HL)},
        unavailable={DRIFT: "paused"},
    )

    route = world.route()

    assert (route.legs, route.selected, route.code) == ((), None, "NO_VENUE_AVAILABLE")
    assert route.reason == (
        "No venue can take ETH now: Hyperliquid is paused by its circuit breaker; "
        "Aster's pairs are not loaded yet; Drift is unavailable: paused"
    )


# ------------------------------------------------------------------------------------ evidence


def test_check_when_available_then_fee_liquidity_cost_and_age_are_evidence() -> None:
    (check,) = World({HL: liquid(HL, 500_000, "0.0010")}).route("100000").checks

    assert (check.fee, check.liquidity) == (Decimal("0.0010"), Decimal(500_000))
    assert check.cost_bps == 40  # 10 of fee, and 0.015 * 100,000 / 500,000 = 30 of impact
    assert (check.quantity, check.table_age_s) == (Decimal(100_000), 30)
    assert check.reason == "ETH available on Hyperliquid (1 pairs)"


def test_check_when_liquidity_is_unknown_then_the_cost_is_the_fee() -> None:
    (check,) = World({HL: a_market(HL)}).route("100000").checks

    assert (check.liquidity, check.cost_bps) == (None, Decimal("4.5"))


def test_check_when_not_listed_then_there_is_no_fee_to_show() -> None:
    world = World({HL: an_instrument_table(HL, ("BTC",)), ASTER: a_market(ASTER)})

    check = world.route().checks[0]

    assert (check.code, check.fee, check.cost_bps) == ("PAIR_NOT_LISTED", None, None)


@pytest.mark.parametrize(("minutes", "selected"), [(60, HL), (61, ASTER)])
def test_check_when_the_table_is_older_than_an_hour_then_stale(
    minutes: int, selected: Venue
) -> None:
    tables = {
        HL: a_market(HL),
        ASTER: an_instrument_table(
            ASTER, instruments=a_market(ASTER).instruments, refreshed_at=NOON + timedelta(minutes=9)
        ),
    }
    route = World(tables, age=timedelta(minutes=minutes)).route()

    assert route.selected is selected
    if selected is ASTER:
        assert route.checks[0].code == "INSTRUMENTS_STALE"
        assert route.checks[0].reason == "Hyperliquid's pairs were last loaded 61 min ago"
        assert route.checks[0].table_age_s == 3660


def test_check_when_another_age_is_allowed_then_judged_by_that() -> None:
    route = World({HL: a_market(HL)}).route(table_age_max=timedelta(seconds=29))

    assert codes(route) == ["INSTRUMENTS_STALE"]


def test_check_when_the_pair_must_not_be_traded_then_refused_with_its_reason() -> None:
    tables = {HL: a_market(HL, refusal="HIP-3 drops client ids"), ASTER: a_market(ASTER)}

    route = World(tables).route()

    assert (route.selected, codes(route)) == (ASTER, ["INSTRUMENT_REFUSED", "AVAILABLE"])
    assert route.checks[0].reason == "ETH on Hyperliquid is not traded: HIP-3 drops client ids"


@pytest.mark.parametrize(("quantity", "selected"), [("5000", HL), ("5000.0001", ASTER)])
def test_check_when_the_order_is_above_the_liquidity_then_too_thin(
    quantity: str, selected: Venue
) -> None:
    tables = {HL: liquid(HL, 5_000, "0"), ASTER: a_market(ASTER)}

    route = World(tables).route(quantity)

    assert route.selected is selected
    if selected is ASTER:
        assert route.checks[0].code == "LIQUIDITY_TOO_THIN"
        assert route.checks[0].reason == (
            "Hyperliquid can take 5,000 USD of ETH at once, less than the order's 5,000"
        )


# ---------------------------------------------------------------------------------------- cost


def test_cost_when_a_later_venue_is_cheaper_then_that_one_and_the_record_says_so() -> None:
    world = World(the_three(), mode=COST)

    route = world.route("100000")  # 40, 80 and 30 bps

    assert order_of(route) == [GMX, HL, OSTIUM]
    assert [check.venue for check in route.checks] == [HL, OSTIUM, GMX]
    assert [check.cost_bps for check in route.checks] == [40, 80, 30]
    assert route.reason == "ETH available on GMX (1 pairs); 30 bps, the least of 3 venues"
    assert (route.selected, route.mode, route.requested_mode) == (GMX, COST, COST)


def test_cost_when_the_order_is_small_then_the_fee_decides() -> None:
    assert order_of(World(the_three(), mode=COST).route("10")) == [OSTIUM, HL, GMX]


def test_cost_when_equal_then_by_priority() -> None:
    tables = {venue: a_market(venue) for venue in (GMX, HL, ASTER)}

    assert order_of(World(tables, mode=COST).route()) == [GMX, HL, ASTER]


def test_cost_when_the_cheapest_is_down_then_not_chosen() -> None:
    world = World(the_three(), mode=COST, breakers={GMX: an_open_breaker(GMX)})

    assert order_of(world.route("100000")) == [HL, OSTIUM]


def test_cost_when_one_venue_is_left_then_nothing_is_compared() -> None:
    route = World({HL: a_market(HL)}, mode=COST).route()

    assert route.reason == "ETH available on Hyperliquid (1 pairs)"


# --------------------------------------------------------------------------------------- split


def test_split_when_the_order_of_the_mission_then_three_legs_and_the_shares_are_recorded() -> None:
    route = World(the_three(size_increment=Decimal(1)), mode=SPLIT).route("100000")

    assert legs_of(route) == [[(GMX, 50_000)], [(HL, 33_333)], [(OSTIUM, 16_667)]]
    assert [(share.venue, share.quantity) for share in route.shares] == [
        (GMX, Decimal(50_000)),
        (HL, Decimal(33_333)),
        (OSTIUM, Decimal(16_667)),
    ]
    assert route.reason == (
        "ETH over 3 venues: GMX 50.0 %, Hyperliquid 33.3 %, Ostium 16.7 % (expected cost 20.8 bps)"
    )
    assert (route.selected, route.mode, route.left_over) == (GMX, SPLIT, Decimal(0))
    assert [(check.quantity, check.cost_bps) for check in route.checks] == [
        (Decimal(33_333), Decimal(20)),
        (Decimal(16_667), Decimal("17.5")),
        (Decimal(50_000), Decimal("22.5")),
    ]


def test_split_when_the_lot_is_a_tenth_then_50_30_20() -> None:
    route = World(the_three(size_increment=Decimal(10_000)), mode=SPLIT).route("100000")

    assert legs_of(route) == [[(GMX, 50_000)], [(HL, 30_000)], [(OSTIUM, 20_000)]]


def test_split_when_venues_carry_no_share_then_they_stand_in_for_the_legs() -> None:
    tables = {
        SYMPHONY: a_market(SYMPHONY),  # does not tell its liquidity
        **the_three(size_increment=Decimal(1)),
        ASTER: liquid(ASTER, 50_500, "0.01", size_increment=Decimal(1)),
        SPOT: a_market(SPOT, is_open=False),
    }

    route = World(tables, mode=SPLIT).route("100000")

    assert legs_of(route) == [
        [(GMX, 50_000), (SYMPHONY, 50_000), (ASTER, 50_000)],
        [(HL, 33_333), (SYMPHONY, 33_333)],  # Aster's $50,500 are promised to the first leg
        [(OSTIUM, 16_667), (SYMPHONY, 16_667)],
    ]
    reasons = {check.venue: check.reason for check in route.checks}
    assert reasons[SYMPHONY] == (
        "ETH available on Symphony (1 pairs); no share, because its liquidity is not known"
    )
    assert reasons[ASTER] == (
        "ETH available on Aster (1 pairs); no share, because the others take it for less"
    )
    assert reasons[SPOT] == "Spot's market for ETH is closed now"


def test_split_when_a_stand_in_has_coarser_lots_then_its_size_is_rounded_down() -> None:
    tables = {
        **the_three(size_increment=Decimal(1)),
        SYMPHONY: a_market(SYMPHONY, size_increment=Decimal(1000)),
    }

    stand_ins = [leg[1] for leg in legs_of(World(tables, mode=SPLIT).route("100000"))]

    assert stand_ins == [(SYMPHONY, 50_000), (SYMPHONY, 33_000), (SYMPHONY, 16_000)]


def test_split_when_a_stand_in_would_refuse_a_share_then_it_stands_in_for_the_others() -> None:
    tables = {
        **the_three(size_increment=Decimal(1)),
        SYMPHONY: a_market(SYMPHONY, min_quantity=Decimal(20_000)),
        DRIFT: a_market(DRIFT, max_notional=Decimal(20_000)),
    }

    legs = legs_of(World(tables, mode=SPLIT).route("100000"))

    assert [[venue for venue, _ in leg] for leg in legs] == [
        [GMX, SYMPHONY],
        [HL, SYMPHONY],
        [OSTIUM, DRIFT],
    ]


def test_split_when_larger_than_any_one_venue_takes_then_split_all_the_same() -> None:
    tables = the_three(size_increment=Decimal(1), max_notional=Decimal(60_000))

    whole = World(tables).route("150000")
    shared = World(tables, mode=SPLIT).route("150000")

    assert codes(whole) == ["NOTIONAL_EXCEEDS_MAXIMUM"] * 3
    assert codes(shared) == ["AVAILABLE"] * 3
    assert sum(share.quantity for share in shared.shares) == 150_000
    assert all(share.quantity <= 59_701 for share in shared.shares)  # at the bounded price


def test_split_when_larger_than_all_together_then_the_rest_is_left_over_and_told() -> None:
    route = World(the_three(size_increment=Decimal(1)), mode=SPLIT).route("2000000")

    assert route.left_over == 300_000
    assert route.reason.endswith("; 300000 is left over")


def test_split_when_a_venue_is_too_thin_for_its_own_minimum_then_that_is_told() -> None:
    tables = {
        **the_three(size_increment=Decimal(1)),
        ASTER: liquid(ASTER, 5, "0", min_notional=Decimal(10)),
    }

    route = World(tables, mode=SPLIT).route("100000")

    assert codes(route)[-1] == "LIQUIDITY_TOO_THIN"
    assert route.checks[-1].quantity == 100_000


def test_split_when_a_spot_holding_is_sold_then_its_share_is_at_most_what_is_held() -> None:
    tables = {
        SPOT: liquid(SPOT, 9_000_000, "0", shortable=False, size_increment=Decimal(1)),
        **the_three(size_increment=Decimal(1)),
    }
    world = World(tables, mode=SPLIT, side=OrderSide.SELL, held={SPOT: Decimal(700)})

    route = world.route("100000")

    assert {share.venue: share.quantity for share in route.shares}[SPOT] == 700
    world.held = {}
    assert codes(world.route("100000"))[0] == "SHORT_NOT_POSSIBLE"


def test_split_when_small_then_one_share_and_the_others_stand_in() -> None:
    route = World(the_three(), mode=SPLIT).route("10")

    assert legs_of(route) == [[(OSTIUM, 10), (HL, 10), (GMX, 10)]]
    assert route.reason == (
        "ETH available on Ostium (1 pairs); not divided, as the cheapest (expected cost 5 bps)"
    )


def test_split_when_only_one_tells_its_liquidity_then_by_priority_and_the_record_says_why() -> None:
    tables = {HL: a_market(HL), ASTER: liquid(ASTER, 1_000, "0"), DRIFT: a_market(DRIFT)}

    route = World(tables, mode=SPLIT).route()

    assert order_of(route) == [HL, ASTER, DRIFT]
    assert (route.mode, route.requested_mode, route.shares) == (PRIORITY, SPLIT, ())
    assert route.reason == (
        "ETH available on Hyperliquid (1 pairs); "
        "not split: fewer than two venues that could take it tell their liquidity"
    )


def test_split_when_it_falls_back_then_the_whole_order_is_judged() -> None:
    tables = {HL: liquid(HL, 50, "0"), ASTER: a_market(ASTER)}

    route = World(tables, mode=SPLIT).route("100")

    assert codes(route) == ["LIQUIDITY_TOO_THIN", "AVAILABLE"]


def test_split_when_no_venue_has_it_then_skipped_as_in_every_mode() -> None:
    tables = {venue: an_instrument_table(venue, ("BTC",)) for venue in (HL, OSTIUM)}

    route = World(tables, mode=SPLIT).route()

    assert (route.code, route.reason) == ("NO_VENUE_HAS_PAIR", "No venue has this pair")
    assert (route.requested_mode, route.mode, route.legs) == (SPLIT, PRIORITY, ())


# ------------------------------------------------------------------------------- any request


@st.composite
def markets(draw: st.DrawFn) -> dict[Venue, InstrumentTable]:
    """One to seven venues that differ in everything an order is judged by."""
    count = draw(st.integers(1, len(ALL_VENUES)))
    return {
        venue: a_market(
            venue,
            size_increment=draw(st.sampled_from(["0.0001", "0.01", "1"]).map(Decimal)),
            price_significant_figures=draw(st.sampled_from([None, 5])),
            min_quantity=draw(st.sampled_from(["0.0001", "0.5", "3"]).map(Decimal)),
            min_notional=draw(st.sampled_from([0, 5, 10, 100]).map(Decimal)),
            max_notional=draw(st.none() | st.integers(10, 1_000_000).map(Decimal)),
            liquidity=draw(st.none() | st.integers(0, 1_000_000).map(Decimal)),
            taker_fee=draw(st.integers(0, 20).map(lambda number: Decimal(number) / 10_000)),
            shortable=draw(st.booleans()),
            is_open=draw(st.sampled_from([True, True, True, False])),
        )
        for venue in ALL_VENUES[:count]
    }


@given(
    tables=markets(),
    mode=st.sampled_from(RoutingMode),
    side=st.sampled_from(OrderSide),
    quantity=st.decimals("0", "1000000", places=5),
    price=st.decimals("0.01", "5000", places=3),
    held=st.dictionaries(st.sampled_from(ALL_VENUES), st.integers(0, 5000).map(Decimal)),
)
@settings(max_examples=400)
def test_route_when_any_request_then_every_leg_is_one_its_venues_take(
    *,
    tables: dict[Venue, InstrumentTable],
    mode: RoutingMode,
    side: OrderSide,
    quantity: Decimal,
    price: Decimal,
    held: dict[Venue, Decimal],
) -> None:
    world = World(tables, mode=mode, side=side, price=str(price), held=held)

    route = world.route(str(quantity))

    assert [check.venue for check in route.checks] == list(tables)
    assert all(check.code and check.reason for check in route.checks)
    assert (route.selected is None) == (route.legs == ())
    promised: dict[Venue, Decimal] = {}
    for leg in route.legs:
        assert leg.candidates[0].quantity <= quantity
        for candidate in leg.candidates:
            (instrument,) = tables[candidate.venue].instruments
            assert check_order(instrument, candidate.quantity, candidate.price) is None
            promised[candidate.venue] = promised.get(candidate.venue, Decimal(0)) + (
                candidate.quantity
            )
    for venue, total in promised.items():
        (instrument,) = tables[venue].instruments
        assert instrument.liquidity is None or total * price <= instrument.liquidity
        if side is OrderSide.SELL and not instrument.shortable:
            assert total <= held.get(venue, Decimal(0))
    if route.mode is SPLIT:
        heads = [leg.candidates[0] for leg in route.legs]
        assert [(share.venue, share.quantity) for share in route.shares] == [
            (head.venue, head.quantity) for head in heads
        ]
        assert sum(head.quantity for head in heads) + route.left_over == quantity
