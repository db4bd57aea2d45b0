"""Which orders a fault plan strikes."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.config import Settings
from common.domain.identifiers import client_order_id
from common.domain.instrument import Venue
from common.domain.order import OrderSide
from common.errors import ConfigurationError, OutcomeUnknownError
from common.ports import Create, Ref
from infra.local.clock import ManualClock
from infra.local.store.memory import MemoryStore
from infra.venues.paper.faults import (
    FaultKind,
    FaultPlan,
    FaultRule,
    faults_ref,
    read_plan,
    set_faults,
)
from infra.venues.paper.venue import PaperVenue
from infra.venues.registry import paper_profile
from tests.builders import DEPLOYMENT_ID, NOON, an_order


def plan(**rule: Any) -> FaultPlan:
    return FaultPlan(seed=7, rules=(FaultRule(**{"kind": FaultKind.LOST_ANSWER, **rule}),))


def test_strikes_when_a_probability_is_given_then_about_that_share_and_always_the_same() -> None:
    orders = [an_order(client_order_id=client_order_id("int", n)) for n in range(2000)]
    rule = plan(probability=Decimal("0.1"))
    struck = [order.client_order_id for order in orders if rule.strikes(order, NOON)]
    assert 150 < len(struck) < 250
    assert struck == [one.client_order_id for one in orders if rule.strikes(one, NOON)]
    other = FaultPlan(seed=8, rules=rule.rules)
    assert struck != [one.client_order_id for one in orders if other.strikes(one, NOON)]


@pytest.mark.parametrize(("probability", "struck"), [("0", False), ("1", True)])
def test_strikes_when_never_or_always_then_so(probability: str, struck: bool) -> None:
    rule = plan(probability=Decimal(probability))
    assert (rule.strikes(an_order(), NOON) is not None) is struck


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        ({"symbol": "ETH"}, True),
        ({"symbol": "BTC"}, False),
        ({"side": OrderSide.SELL}, False),
        ({"account_id": DEPLOYMENT_ID, "attempt": 1}, True),
        ({"attempt": 2}, False),
        ({"client_order_id": "0x0"}, False),
        ({"since": NOON, "until": NOON + timedelta(seconds=1)}, True),
        ({"since": NOON + timedelta(seconds=1)}, False),
        ({"until": NOON}, False),
    ],
)
def test_strikes_when_a_rule_names_orders_then_those_alone(
    rule: dict[str, Any], struck: bool
) -> None:
    assert (plan(**rule).strikes(an_order(), NOON) is not None) is struck


def test_strikes_when_two_rules_match_then_the_first() -> None:
    rules = (FaultRule(kind=FaultKind.REJECTED, symbol="BTC"), FaultRule(kind=FaultKind.DOWN))
    struck = FaultPlan(rules=rules).strikes(an_order(), NOON)
    assert struck is not None
    assert struck.kind is FaultKind.DOWN


def test_cuts_queries_when_the_rule_is_for_every_order_then_alone() -> None:
    assert plan(kind=FaultKind.QUERIES_DOWN).cuts_queries(NOON)
    assert not plan(kind=FaultKind.QUERIES_DOWN, symbol="ETH").cuts_queries(NOON)
    assert not plan(kind=FaultKind.LOST_ANSWER).cuts_queries(NOON)


async def test_set_faults_when_set_twice_then_the_last_is_read() -> None:
    store = MemoryStore()
    await set_faults(store, Venue.GMX, plan(since=NOON, delay_s=Decimal("1.5")))
    assert read_plan(await store.get(faults_ref(Venue.GMX))).rules[0].delay_s == Decimal("1.5")
    await set_faults(store, Venue.GMX, FaultPlan())
    assert read_plan(await store.get(faults_ref(Venue.GMX))) == FaultPlan()


async def test_read_plan_when_a_person_wrote_nonsense_then_says_where() -> None:
    store = MemoryStore()
    await store.commit([Create(Ref("paper_faults", "GMX"), {"rules": [{"kind": "FIRE"}]})])
    with pytest.raises(ConfigurationError, match=r"paper_faults/GMX.*rules\.0\.kind"):
        read_plan(await store.get(faults_ref(Venue.GMX)))


async def test_submit_when_a_function_names_the_fault_then_it_strikes() -> None:
    venue = PaperVenue(
        paper_profile(Venue.HYPERLIQUID, Settings()),
        MemoryStore(),
        ManualClock(NOON),
        faults=lambda order: FaultRule(kind=FaultKind.LOST_REQUEST) if order.attempt == 1 else None,
    )
    with pytest.raises(OutcomeUnknownError):
        await venue.submit(an_order(attempt=1))
