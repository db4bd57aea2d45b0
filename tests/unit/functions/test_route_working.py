"""Route: policy, throttles and limits first, then whole or by a parent order, and why so."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.books import (
    CANDLE_HOURS,
    DEPLOYMENT_POLICIES,
    DUPLICATE_GUARDS,
    EXPOSURES,
    NOTIFICATIONS,
    ORDER_THROTTLES,
    OUTBOX,
    PARENT_ORDERS,
    V3,
)
from common.documents import create
from common.domain.events import NotificationRaised, OrderPlanned, ParentOrderDue
from common.domain.exit_rules import ExitRules
from common.domain.instrument import InstrumentTable, Venue
from common.domain.market import candle_hour_id
from common.domain.moment import to_ms
from common.domain.order import OrderSide
from common.domain.parent_order import ExecAlgorithm, ExecutionWish, ParentStatus
from common.domain.policy import Direction, Policy, PolicyRules, TradingSession
from common.domain.risk_limits import RiskLimits
from common.domain.routing import RoutingMode
from common.domain.scope import PLATFORM_SCOPE, agent_scope, deployment_scope, venue_scope
from common.domain.signal import PositionSide, SignalStatus, SizeModel, SizeType
from common.errors import InvalidInputError, TransientError
from common.execution.accounts import open_account
from common.execution.algorithms.parent import parent_id
from common.execution.exposures import exposure_writes
from common.execution.track_records import record_writes
from common.how.limit_documents import limits_ref
from common.how.risk_totals import GROSS, gross_ref, orders_ref
from common.how.throttles import OrderThrottle, throttle_ref
from common.how.track_records import WON, record_refs
from common.how.trading_state import TradingState, TradingStateRecord, state_ref
from common.ports import Create, Delete, Ref
from common.where.priorities import RoutingConfig
from tests.builders import (
    AGENT_ID,
    DELIVERY_ID,
    DEPLOYMENT_ID,
    NOON,
    SIGNAL_ID,
    a_deployment,
    an_instrument,
    an_instrument_table,
    some_limits,
)
from tests.unit.functions.mishaps import Died, LosesRaces, Mortal, meanwhile, right_after
from tests.unit.functions.routing_office import HL, OSTIUM, Office

PARENT_ID = parent_id(AGENT_ID, DEPLOYMENT_ID, SIGNAL_ID, 0)
THREE_ETH = SizeModel(type=SizeType.QUANTITY, value=Decimal(3))
CLIMBING = [str(3000 * (1 + (number % 2) * 0.01)) for number in range(12)]
"""Up and down by a percent at each candle: far above 80 % a year."""


async def an_office(volume: str | None = "1000", **options: Any) -> Office:
    """A signal for 3 ETH, of which `volume` are traded in an hour."""
    office = await Office().open(price=False, **{"size_model": THREE_ETH, **options})
    hourly = None if volume is None else Decimal(volume)
    await office.quote("ETH", hourly_volume=hourly)
    return office


async def hold(office: Office, quantity: str, *, venue: Venue = HL) -> None:
    held = office.exposure().hold(
        venue=venue, symbol="ETH", signed_qty=Decimal(quantity), price=Decimal(3000)
    )
    writes = await exposure_writes(office.store, None, held, book="v3", agent_id=AGENT_ID)
    await office.store.commit(writes)


async def rule(office: Office, **rules: Any) -> None:
    policy = Policy(
        deployment_id=DEPLOYMENT_ID,
        version=7,
        rules=PolicyRules(**rules),
        changed_by="ada",
        changed_at=NOON,
    )
    await office.store.commit([create(Ref(DEPLOYMENT_POLICIES, DEPLOYMENT_ID), policy)])


async def refused(office: Office) -> str:
    """The code that the delivery ended with; nothing follows from it."""
    messages = await office.route()
    assert not any(isinstance(each.event, OrderPlanned | ParentOrderDue) for each in messages)
    assert office.delivery().status is SignalStatus.DENIED
    assert office.signal().status is SignalStatus.DENIED
    assert office.parents() == []
    return office.delivery().reason_code


# ---------------------------------------------------------------- which algorithm


@pytest.mark.parametrize(
    ("volume", "algorithm", "because"),
    [
        ("3001", None, "3 is 0.1 % of the 3001 that are traded in an hour: small"),
        ("3000", ExecAlgorithm.TWAP, "medium; the volatility is not known"),
        ("30.1", ExecAlgorithm.TWAP, "medium"),
        ("30", ExecAlgorithm.ICEBERG, "large, from 10 % on"),
        (None, ExecAlgorithm.TWAP, "the market's volume is not known"),
    ],
)
async def test_route_when_sized_against_the_market_then_whole_or_worked_and_why(
    volume: str | None, algorithm: ExecAlgorithm | None, because: str
) -> None:
    office = await an_office(volume)

    await office.route()

    assert [each.exec_algorithm_id for each in office.parents()] == (
        [algorithm] if algorithm else []
    )
    (record,) = office.history()
    assert record.algorithm == (algorithm or ExecAlgorithm.MARKET)
    assert because in record.algorithm_reason


async def test_route_when_the_snapshot_says_nothing_of_the_volume_then_it_is_not_known() -> None:
    """One that was stored before there was such a field."""
    office = await an_office()
    place = Ref("market_snapshots", "ETH")
    found = office.store.peek(place)
    assert found is not None
    data = {key: value for key, value in found.data.items() if key != "hourly_volume"}
    await office.store.commit([Delete(place)])
    await office.store.commit([Create(place, data)])

    await office.route()

    assert office.parents()[0].exec_algorithm_id is ExecAlgorithm.TWAP


async def test_route_when_medium_and_calm_then_by_the_volume_of_the_days_before() -> None:
    office = await an_office()
    await office.remember(0, 1, 2, 3, 4)
    await office.remember(24, volume="300")

    await office.route()

    (parent,) = office.parents()
    assert parent.exec_algorithm_id is ExecAlgorithm.VWAP
    assert "volatility is 0 % a year: low" in parent.chosen_because
    assert sum(target.quantity for target in parent.schedule) == 3


async def test_route_when_calm_and_no_day_before_is_known_then_equal_slices_and_it_says_so() -> (
    None
):
    office = await an_office()
    await office.remember(0, 1, 2, 3, 4)

    await office.route()

    (parent,) = office.parents()
    assert parent.exec_algorithm_id is ExecAlgorithm.TWAP
    assert "TWAP instead of VWAP: there are no candles of the days before" in parent.chosen_because


async def test_route_when_medium_and_wild_then_in_equal_slices() -> None:
    office = await an_office()
    await office.remember(0, 1, 2, 3, 4, closes=CLIMBING)

    await office.route()

    (parent,) = office.parents()
    assert parent.exec_algorithm_id is ExecAlgorithm.TWAP
    assert "high, from 80 % on" in parent.chosen_because


async def test_route_when_small_or_wished_then_no_candles_are_read() -> None:
    for office in (
        await an_office("100000"),
        await an_office(execution=ExecutionWish(algorithm=ExecAlgorithm.TWAP)),
        await an_office("10"),
    ):
        reads: list[str] = []

        async def listen(operation: str, argument: object, reads: list[str] = reads) -> None:
            reads.append(str(argument))

        office.store.before = listen
        await office.route()
        assert not any(CANDLE_HOURS in each for each in reads)


@pytest.mark.parametrize(
    ("wish", "algorithm"),
    [
        (
            ExecutionWish(algorithm=ExecAlgorithm.LIMIT, limit_price=Decimal(2990)),
            ExecAlgorithm.LIMIT,
        ),
        (ExecutionWish(limit_price=Decimal(2990)), ExecAlgorithm.SNIPER),
        (ExecutionWish(visible_quantity=Decimal("0.5")), ExecAlgorithm.ICEBERG),
        (
            ExecutionWish(algorithm=ExecAlgorithm.TWAP, slices=3, duration_s=60),
            ExecAlgorithm.TWAP,
        ),
    ],
    ids=["limit", "sniper", "iceberg", "twap"],
)
async def test_route_when_the_signal_has_a_wish_then_as_it_wishes(
    wish: ExecutionWish, algorithm: ExecAlgorithm
) -> None:
    office = await an_office("100000", execution=wish)

    await office.route()

    (parent,) = office.parents()
    assert parent.exec_algorithm_id is algorithm
    assert parent.limit_price == wish.limit_price
    assert parent.visible_quantity == wish.visible_quantity
    if wish.slices:
        assert [target.at - NOON for target in parent.schedule] == [
            timedelta(seconds=each) for each in (0, 20, 40)
        ]


async def test_route_when_market_is_wished_for_a_large_order_then_whole() -> None:
    wish = ExecutionWish(algorithm=ExecAlgorithm.MARKET)
    office = await an_office("10", execution=wish)

    assert (await office.plan()).candidates[0].quantity == 3
    assert office.parents() == []


async def test_route_when_a_vwap_is_wished_for_long_then_all_of_its_window_is_looked_up() -> None:
    wish = ExecutionWish(algorithm=ExecAlgorithm.VWAP, duration_s=7200, slices=4)
    office = await an_office(execution=wish)
    await office.remember(24, 23, 22)

    await office.route()

    (parent,) = office.parents()
    assert parent.exec_algorithm_id is ExecAlgorithm.VWAP
    assert len(parent.schedule) == 4


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (ExecutionWish(visible_quantity=Decimal("3.0001")), "EXECUTION_WISH_INVALID"),
        (ExecutionWish(visible_quantity=Decimal("0.00001")), "QUANTITY_ROUNDS_TO_ZERO"),
        (ExecutionWish(algorithm=ExecAlgorithm.LIMIT), "EXECUTION_WISH_INVALID"),
        (ExecutionWish(algorithm=ExecAlgorithm.TWAP, slices=0), "EXECUTION_WISH_INVALID"),
        (ExecutionWish(algorithm=ExecAlgorithm.TWAP, slices=10**6), "EXECUTION_WISH_INVALID"),
        (ExecutionWish(algorithm=ExecAlgorithm.TWAP, duration_s=0), "EXECUTION_WISH_INVALID"),
        (ExecutionWish(limit_price=Decimal(-1)), "EXECUTION_WISH_INVALID"),
    ],
)
async def test_route_when_a_wish_can_never_be_executed_then_denied_and_nothing_is_reserved(
    wish: ExecutionWish, code: str
) -> None:
    office = await an_office(execution=wish)

    assert await refused(office) == code
    assert office.exposure().reservations == {}


# ---------------------------------------------------------------- the parent order


async def test_route_when_worked_then_parent_reservation_and_message_in_one_commit() -> None:
    office = await an_office()

    (message,) = await office.route()

    assert message.event == ParentOrderDue(parent_order_id=PARENT_ID)
    assert message.message_id in office.store.contents()[OUTBOX]
    (parent,) = office.parents()
    assert (parent.parent_order_id, parent.status) == (PARENT_ID, ParentStatus.ACTIVE)
    assert (parent.quantity, parent.filled_qty, parent.spawned) == (Decimal(3), Decimal(0), 0)
    assert (parent.delivery_id, parent.signal_id, parent.leg) == (DELIVERY_ID, SIGNAL_ID, 0)
    assert (parent.arrival_price, parent.paper) == (Decimal(3000), True)
    assert parent.exits == ExitRules(trailing_stop=Decimal("0.025"))
    assert parent.policy_version == "pass-through-1"
    assert [each.venue for each in parent.candidates] == [HL, OSTIUM]
    delivery = office.delivery()
    assert (delivery.status, delivery.intent_id, delivery.plan_hash) == (
        SignalStatus.EXECUTING,
        PARENT_ID,
        None,
    )
    assert office.signal().status is SignalStatus.PENDING
    (rest,) = office.exposure().reservations.values()
    assert (rest.quantity, rest.price, rest.at_venue) == (Decimal(3), Decimal(3015), False)
    gross = office.store.peek(gross_ref(PLATFORM_SCOPE))
    assert gross is not None
    assert gross.data[GROSS] == 3 * 3015 * 100
    assert office.store.peek(orders_ref(PLATFORM_SCOPE)) is None  # nothing is at a venue yet
    actions = [row["action"] for row in office.store.contents()["audit"].values()]
    assert actions == ["parent-begun"]


async def test_route_when_split_then_a_parent_for_each_leg() -> None:
    office = await an_office("10", size_model=replace(THREE_ETH, value=Decimal(4)))
    table = {
        venue: an_instrument_table(
            venue,
            instruments=(
                an_instrument("ETH", venue, liquidity=Decimal(50_000), taker_fee=Decimal("0.0005")),
            ),
        )
        for venue in (HL, OSTIUM)
    }
    office.instruments.tables = table
    config = RoutingConfig(
        subject_id=AGENT_ID, venues=(HL, OSTIUM), updated_at=NOON, mode=RoutingMode.SPLIT
    )
    await office.store.commit([create(Ref("venue_routing_config_v3", AGENT_ID), config)])

    messages = await office.route()

    parents = sorted(office.parents(), key=lambda each: each.leg)
    assert [each.leg for each in parents] == [0, 1]
    assert {each.candidates[0].venue for each in parents} == {HL, OSTIUM}
    assert sum(each.quantity for each in parents) == 4
    assert [each.event for each in messages] == [
        ParentOrderDue(parent_order_id=each.parent_order_id) for each in parents
    ]
    delivery = office.delivery()
    assert [leg.intent_id for leg in delivery.legs] == [each.parent_order_id for each in parents]
    assert {leg.status for leg in delivery.legs} == {SignalStatus.EXECUTING}
    assert set(office.exposure().reservations) == {each.parent_order_id for each in parents}


async def test_route_when_it_only_closes_then_the_parent_is_reduce_only_and_has_no_exits() -> None:
    office = await an_office("10", side=PositionSide.SHORT)
    await hold(office, "5")

    await office.route()

    (parent,) = office.parents()
    assert (parent.side, parent.reduce_only, parent.exits) == (OrderSide.SELL, True, None)


async def test_route_when_all_of_a_parent_would_break_a_limit_then_denied() -> None:
    """All of it counts from its first moment, though nothing is sent by this."""
    office = await an_office("10", size_model=replace(THREE_ETH, value=Decimal(7)))

    assert await refused(office) == "EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT"


async def test_route_when_the_pair_is_gone_by_then_then_delivered_again() -> None:
    office = await an_office("10")

    class Vanishing:
        def __init__(self) -> None:
            self.asked = 0

        async def table(self, venue: Venue) -> InstrumentTable | None:
            self.asked += 1
            return await Office().instruments.table(venue) if self.asked <= 2 else None

    office.instruments = Vanishing()  # type: ignore[assignment]  # fits Instruments
    with pytest.raises(TransientError, match="Hyperliquid's pairs are not loaded"):
        await office.route()
    assert office.parents() == []


# ---------------------------------------------------------------- what forbids it


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ({"denied_symbols": ("ETH",)}, "POLICY_SYMBOL_NOT_ALLOWED"),
        ({"direction": Direction.SHORT_ONLY}, "POLICY_DIRECTION_NOT_ALLOWED"),
        ({"min_confidence": Decimal("0.9")}, "POLICY_CONFIDENCE_BELOW_MINIMUM"),
        (
            {"sessions": (TradingSession(days=(0,), start_minute=0, end_minute=60),)},
            "POLICY_OUTSIDE_SESSION",
        ),
        ({"allowed_venues": (Venue.GMX,)}, "POLICY_VENUE_NOT_ALLOWED"),
        ({"max_exposure": Decimal(100)}, "EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT"),
        ({"max_leverage": Decimal("0.1")}, "LEVERAGE_EXCEEDS_MAX"),
        ({"risk_modifier": Decimal("0.000001")}, "QUANTITY_ROUNDS_TO_ZERO"),
        ({"risk_modifier": Decimal(2)}, "POLICY_UNREADABLE"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_route_when_the_policy_forbids_it_then_denied_with_its_code(
    rules: dict[str, Any], code: str
) -> None:
    office = await an_office("100000")
    await rule(office, **rules)

    assert await refused(office) == code


async def test_route_when_the_policy_cannot_be_read_then_denied() -> None:
    office = await an_office("100000")
    await office.store.commit([Create(Ref(DEPLOYMENT_POLICIES, DEPLOYMENT_ID), {"version": 1})])

    assert await refused(office) == "POLICY_UNREADABLE"


async def test_route_when_the_policy_allows_one_venue_then_that_one_and_its_version() -> None:
    office = await an_office("100000")
    await rule(office, allowed_venues=(OSTIUM,), risk_modifier=Decimal("0.5"))

    plan = await office.plan()

    assert [each.venue for each in plan.candidates] == [OSTIUM]
    assert plan.candidates[0].quantity == Decimal("1.5")
    assert plan.policy_version == office.history()[0].policy_version == "policy-7"


async def test_route_when_the_policy_allows_none_of_the_configured_venues_then_denied() -> None:
    office = await an_office("100000")
    await rule(office, allowed_venues=(OSTIUM,))
    config = RoutingConfig(subject_id=AGENT_ID, venues=(HL,), updated_at=NOON)
    await office.store.commit([create(Ref("venue_routing_config_v3", AGENT_ID), config)])

    assert await refused(office) == "POLICY_VENUE_NOT_ALLOWED"


async def test_route_when_what_closes_is_held_at_another_venue_then_it_goes_there() -> None:
    """It passed the policy because it closes: at a venue that holds nothing it would open."""
    office = await an_office("100000", side=PositionSide.SHORT)
    await hold(office, "3", venue=OSTIUM)
    await rule(office, direction=Direction.LONG_ONLY)

    plan = await office.plan()

    assert [each.venue for each in plan.candidates] == [OSTIUM]


@pytest.mark.parametrize("size", [SizeType.VOLATILITY])
@pytest.mark.parametrize("by_policy", [False, True])
async def test_route_when_sized_by_volatility_then_candles_are_needed(
    size: SizeType, by_policy: bool
) -> None:
    model = SizeModel(type=size, value=Decimal(1))
    office = await an_office("100000", size_model=THREE_ETH if by_policy else model)
    if by_policy:
        await rule(office, size_model=model)

    assert await refused(office) == "SIZE_NEEDS_VOLATILITY"


async def test_route_when_sized_by_volatility_and_it_is_known_then_so_large() -> None:
    model = SizeModel(type=SizeType.VOLATILITY, value=Decimal(1))
    office = await an_office("100000", size_model=model)
    await office.remember(0, 1, 2, 3, 4, closes=CLIMBING)

    plan = await office.plan()

    assert Decimal("0.1") < plan.candidates[0].quantity < Decimal(1)


async def test_route_when_a_vwap_is_to_last_beyond_all_time_then_refused_without_its_candles() -> (
    None
):
    wish = ExecutionWish(algorithm=ExecAlgorithm.VWAP, duration_s=10**12)
    office = await an_office("100000", execution=wish)
    asked = 0

    async def count(operation: str, argument: object) -> None:
        nonlocal asked
        if operation == "get_many" and isinstance(argument, list):
            asked = max(asked, len(argument))

    office.store.before = count
    assert await refused(office) == "EXECUTION_WISH_INVALID"
    assert asked < 200  # a week of days


HALF_KELLY = SizeModel(type=SizeType.KELLY, value=Decimal(50))


async def remember_trips(office: Office, *, paper: bool = True, **trips: Any) -> None:
    """Of another deployment of the agent."""
    account = replace(open_account(a_deployment("dep_other", paper=paper), NOON), **trips)
    await office.store.commit(await record_writes(office.store, None, account))


async def test_route_when_sized_by_kelly_and_nothing_was_traded_then_the_starter_goes() -> None:
    office = await an_office("100000", size_model=HALF_KELLY)

    plan = await office.plan()

    assert plan.candidates[0].quantity == Decimal("0.0166")  # half of 1 % of 10,000 at 3000


async def test_route_when_the_agent_has_won_elsewhere_then_kellys_stake_of_its_record_goes() -> (
    None
):
    office = await an_office("100000", size_model=HALF_KELLY)
    won: dict[str, Any] = {"trips": 1000, "trips_won": 700, "trip_gains": Decimal(9000)}
    await remember_trips(office, **won, trip_losses=Decimal(-900))

    plan = await office.plan()

    assert plan.candidates[0].quantity == Decimal("0.8333")  # the most: a quarter of 10,000


@pytest.mark.parametrize("paper", [True, False])
async def test_route_when_the_record_gives_no_edge_then_nothing_is_bet(paper: bool) -> None:
    """A record of the same kind: what was lost with real money says nothing of paper."""
    office = await an_office("100000", size_model=HALF_KELLY)
    lost: dict[str, Any] = {"trips": 100, "trips_won": 10, "trip_gains": Decimal(10)}
    await remember_trips(office, paper=paper, **lost, trip_losses=Decimal(-900))

    if paper:
        assert await refused(office) == "KELLY_NO_EDGE"
    else:
        assert (await office.plan()).candidates[0].quantity == Decimal("0.0166")


async def test_route_when_the_record_cannot_be_read_then_nothing_is_bet() -> None:
    office = await an_office("100000", size_model=HALF_KELLY)
    (first, *_) = record_refs("v3", AGENT_ID, paper=True)
    await office.store.commit([Create(first, {WON: "many"})])

    assert await refused(office) == "KELLY_NO_EDGE"


@pytest.mark.parametrize("missing", [True, False])
async def test_route_when_the_limits_are_missing_or_cannot_be_read_then_denied(
    missing: bool,
) -> None:
    office = await an_office("100000")
    await office.store.commit([Delete(limits_ref(PLATFORM_SCOPE))])
    if not missing:
        await office.store.commit([Create(limits_ref(PLATFORM_SCOPE), {"scope": 7})])

    assert await refused(office) == "LIMITS_MISSING"


async def test_route_when_only_closing_and_the_limits_are_missing_then_denied_all_the_same() -> (
    None
):
    office = await an_office("100000", side=PositionSide.SHORT)
    await hold(office, "5")
    await office.store.commit([Delete(limits_ref(PLATFORM_SCOPE))])

    assert await refused(office) == "LIMITS_MISSING"


@pytest.mark.parametrize(
    "scope",
    [agent_scope("v3", AGENT_ID), deployment_scope(DEPLOYMENT_ID), venue_scope(HL)],
    ids=lambda scope: scope.key,
)
async def test_route_when_one_scope_of_it_is_halted_then_not_there(scope: Any) -> None:
    """A halted venue leaves the others; a halted agent leaves nothing."""
    office = await an_office("100000")
    record = TradingStateRecord(
        state=TradingState.HALTED, epoch=1, reason="a drill", changed_by="ada", changed_at=NOON
    )
    await office.store.commit([create(state_ref(scope), record)])

    if scope == venue_scope(HL):
        assert [each.venue for each in (await office.plan()).candidates] == [OSTIUM]
        check = office.history()[0].checked_venues[0]
        assert "Trading is halted for venue HYPERLIQUID: a drill" in check.reason
        return
    assert await refused(office) == "TRADING_HALTED"
    assert "a drill" in office.delivery().reason


# ---------------------------------------------------------------- the deployment's throttle


OWN = deployment_scope(DEPLOYMENT_ID)


async def used_up(office: Office, *, disabled: bool = False) -> None:
    """One execution within a minute is allowed, and there has been one."""
    limits: RiskLimits = some_limits()
    allowed = replace(limits.deployment, repeats_max=1, repeats_window_s=60)
    place = limits_ref(PLATFORM_SCOPE)
    throttle = OrderThrottle(scope=OWN.key, symbol="ETH", moments=(NOON,), disabled=disabled)
    await office.store.commit([Delete(place)])
    await office.store.commit(
        [
            create(place, replace(limits, deployment=allowed)),
            create(throttle_ref(OWN, "ETH"), throttle),
        ]
    )


async def test_route_when_one_execution_is_too_many_then_stopped_and_a_person_is_told() -> None:
    office = await an_office("100000")
    await used_up(office)

    (message,) = await office.route()

    assert isinstance(message.event, NotificationRaised)
    assert office.delivery().reason_code == "REPEATED_EXECUTION_DISABLED"
    (row,) = office.store.contents()[ORDER_THROTTLES].values()
    assert (row["scope"], row["disabled"]) == (f"deployment:{DEPLOYMENT_ID}", True)
    assert DUPLICATE_GUARDS not in office.store.contents()


async def test_route_when_an_execution_is_one_of_few_then_it_is_counted_once() -> None:
    office = await an_office("100000")

    await office.route()
    await office.route()

    (row,) = office.store.contents()[ORDER_THROTTLES].values()
    assert len(row["moments"]) == 1


async def test_route_when_it_only_closes_then_no_throttle_keeps_it() -> None:
    office = await an_office("100000", side=PositionSide.SHORT)
    await hold(office, "5")
    await used_up(office, disabled=True)
    before = office.store.contents()[ORDER_THROTTLES]

    assert (await office.plan()).side is OrderSide.SELL
    assert office.store.contents()[ORDER_THROTTLES] == before


async def test_route_when_it_is_disabled_then_denied_and_nobody_is_told_again() -> None:
    office = await an_office("100000")
    await used_up(office, disabled=True)

    assert await refused(office) == "REPEATED_EXECUTION_DISABLED"
    assert NOTIFICATIONS not in office.store.contents()


async def test_route_when_the_agents_own_throttle_is_disabled_then_denied() -> None:
    """Its signal was on the way already."""
    office = await an_office("100000")
    agent = agent_scope("v3", AGENT_ID)
    throttle = OrderThrottle(scope=agent.key, symbol="ETH", disabled=True, reason="too many")
    await office.store.commit([create(throttle_ref(agent, "ETH"), throttle)])

    assert await refused(office) == "REPEATED_EXECUTION_DISABLED"


async def test_route_when_the_agents_own_throttle_is_disabled_then_what_closes_goes() -> None:
    office = await an_office("100000", side=PositionSide.SHORT)
    await hold(office, "5")
    agent = agent_scope("v3", AGENT_ID)
    throttle = OrderThrottle(scope=agent.key, symbol="ETH", disabled=True, reason="too many")
    await office.store.commit([create(throttle_ref(agent, "ETH"), throttle)])

    assert (await office.plan()).side is OrderSide.SELL


async def test_route_when_the_throttle_cannot_be_read_then_denied() -> None:
    office = await an_office("100000")
    place = throttle_ref(OWN, "ETH")
    await office.store.commit([Create(place, {"scope": 7})])

    assert await refused(office) == "REPEATED_EXECUTION_DISABLED"


# ---------------------------------------------------------------- twice, races, crashes


async def test_route_when_worked_and_delivered_again_then_nothing_changes() -> None:
    office = await an_office()
    await office.route()
    before = office.store.contents()

    assert await office.route() == []
    assert office.store.contents() == before


async def test_route_when_two_work_it_side_by_side_then_one_parent() -> None:
    office = await an_office()
    meanwhile(office.store, PARENT_ORDERS, office.route)

    assert await office.route() == []

    assert len(office.parents()) == 1
    assert len(office.exposure().reservations) == 1


async def test_route_when_another_order_reserves_meanwhile_then_the_limit_is_asked_anew() -> None:
    """I09: both would fit alone."""
    office = await an_office("10", size_model=replace(THREE_ETH, value=Decimal(4)))
    meanwhile(office.store, PARENT_ORDERS, lambda: hold(office, "4"))

    assert await refused(office) == "EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT"


async def test_route_when_a_race_is_lost_then_routed_all_the_same() -> None:
    office = await an_office()
    LosesRaces(office.store, V3.deliveries)

    assert len(await office.route()) == 1


async def test_route_when_the_answer_to_its_commit_is_lost_then_the_parent_is_still_one() -> None:
    async def lose() -> None:
        raise TransientError("the answer was lost")

    office = await an_office()
    right_after(office.store, PARENT_ORDERS, lose)
    with pytest.raises(TransientError):
        await office.route()

    assert await office.route() == []
    assert len(office.parents()) == 1
    assert len(office.store.contents()[OUTBOX]) == 1  # relay publishes it


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_route_when_it_dies_at_any_call_then_called_again_it_is_as_if_it_had_not(
    after: bool,
) -> None:
    counted = await an_office()
    mortal = Mortal(counted.store)
    await counted.route()
    whole = counted.store.contents()
    for number in range(1, mortal.calls + 1):
        office = await an_office()
        mortal = Mortal(office.store)
        mortal.doom(number, after=after)
        with pytest.raises(Died):
            await office.route()
        mortal.revive()
        await office.route()

        assert office.store.contents() == whole, number


@pytest.mark.parametrize("document", ["candles", "exposure", "account"])
async def test_route_when_what_it_needs_cannot_be_read_then_invalid_input(document: str) -> None:
    office = await an_office()
    place = {
        "candles": Ref(CANDLE_HOURS, candle_hour_id("ETH", "5m", to_ms(NOON))),
        "exposure": Ref(EXPOSURES, DEPLOYMENT_ID),
        "account": Ref("accounts", DEPLOYMENT_ID),
    }[document]
    await office.store.commit([Create(place, {"x": 1})])

    with pytest.raises(InvalidInputError):
        await office.route()
    assert office.delivery().status is SignalStatus.PENDING
