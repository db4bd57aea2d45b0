"""A split order from route to its end: two plans, two intents, one delivery."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from common.books import DUPLICATE_GUARDS, EXPOSURES, ORDER_INTENTS
from common.books import V3 as BOOK
from common.config import LimitSettings
from common.documents import create
from common.domain.events import DeploymentSignal, OrderPlanned, OutboxMessage
from common.domain.identifiers import intent_id
from common.domain.instrument import InstrumentTable, Venue
from common.domain.order import IntentStatus, OrderIntent, OrderPlan
from common.domain.routing import RoutingDecision, RoutingMode
from common.domain.signal import SignalStatus, SizeModel, SizeType
from common.errors import DeniedError, InvalidInputError, OutcomeUnknownError, RejectedError
from common.execution.plan import plan_hash
from common.how.duplicates import DuplicateGuard
from common.ports import Ref
from common.where.priorities import RoutingConfig
from common.wire import from_document
from functions.route.handler import route
from tests.builders import (
    AGENT_ID,
    DELIVERY_ID,
    DEPLOYMENT_ID,
    NOON,
    SIGNAL_ID,
    a_delivery,
    a_deployment,
    a_signal,
    a_signal_record,
    an_instrument,
    an_instrument_table,
)
from tests.fakes.venue import fill_of, report_of
from tests.unit.functions.trading_desk import HL, OSTIUM, TradingDesk

S = SignalStatus


class Tables:
    """Fits `Instruments`: ETH at both venues, as liquid and as cheap."""

    async def table(self, venue: Venue) -> InstrumentTable | None:
        instrument = an_instrument(
            "ETH", venue, liquidity=Decimal(100_000), taker_fee=Decimal("0.0005")
        )
        return an_instrument_table(venue, instruments=(instrument,))


class Office(TradingDesk):
    """A signal for 6 ETH at 3000, to be split over two equal venues."""

    def __init__(self) -> None:
        limits = replace(LimitSettings(), max_exposure_per_deployment=Decimal(40_000))
        super().__init__(limits=limits)
        self.plans: list[OrderPlan] = []

    async def furnish(self, *, quantity: str = "6") -> "Office":
        await self.open()
        signal = a_signal(
            size_model=SizeModel(type=SizeType.QUANTITY, value=Decimal(quantity)),
            expires_at=self.plan.expires_at,
        )
        config = RoutingConfig(
            subject_id=AGENT_ID, venues=(HL, OSTIUM), updated_at=NOON, mode=RoutingMode.SPLIT
        )
        delivery = a_delivery(expires_at=signal.expires_at)
        await self.change(Ref(BOOK.deliveries, DELIVERY_ID), delivery)
        await self.change(
            Ref(BOOK.signals, SIGNAL_ID), a_signal_record(signal, deployments_expected=1)
        )
        await self.store.commit([create(Ref("venue_routing_config_v3", AGENT_ID), config)])
        return self

    def cap_exposure(self, most: int) -> None:
        limits = replace(self.settings.limits, max_exposure_per_deployment=Decimal(most))
        self.settings = replace(self.settings, limits=limits)

    async def route(self) -> Sequence[OutboxMessage]:
        messages = await route(
            DeploymentSignal(book="v3", delivery_id=DELIVERY_ID),
            store=self.store,
            clock=self.clock,
            settings=self.settings,
            instruments=Tables(),
            unavailable={},
        )
        events = [message.event for message in messages]
        self.plans = [event.plan for event in events if isinstance(event, OrderPlanned)]
        return messages

    async def leg(self, number: int, attempt: int = 1) -> list[OutboxMessage]:
        return await self.execute(attempt, self.plans[number])

    def intent_of(self, number: int) -> OrderIntent:
        return self.get(OrderIntent, ORDER_INTENTS, self.plans[number].intent_id)

    def legs(self) -> list[SignalStatus]:
        return [leg.status for leg in self.delivery().legs]


@pytest.fixture
async def office() -> Office:
    """Routed in two legs of 3 ETH each."""
    office = await Office().furnish()
    await office.route()
    return office


# ---------------------------------------------------------------- route


async def test_route_when_split_then_a_plan_and_an_intent_for_each_leg() -> None:
    office = await Office().furnish()

    messages = await office.route()

    assert office.in_outbox(messages)
    assert len(office.plans) == 2
    assert [plan.intent_id for plan in office.plans] == [
        intent_id(AGENT_ID, DEPLOYMENT_ID, SIGNAL_ID, number, 0) for number in range(2)
    ]
    assert [plan.candidates[0].quantity for plan in office.plans] == [Decimal(3), Decimal(3)]
    assert {plan.candidates[0].venue for plan in office.plans} == {HL, OSTIUM}
    assert len({message.message_id for message in messages}) == 2
    delivery = office.delivery()
    assert delivery.status is S.ROUTED
    assert delivery.intent_ids == tuple(plan.intent_id for plan in office.plans)
    assert [(leg.plan_hash, leg.status, leg.venue) for leg in delivery.legs] == [
        (plan_hash(plan), S.ROUTED, plan.candidates[0].venue.value) for plan in office.plans
    ]
    (row,) = office.rows(BOOK.routing_history).values()
    decision = from_document(RoutingDecision, row)
    assert (decision.mode, decision.left_over) == (RoutingMode.SPLIT, Decimal(0))
    assert sum(share.quantity for share in decision.shares) == 6


async def test_route_when_split_and_delivered_again_then_nothing_changes(office: Office) -> None:
    before = office.store.contents()

    assert await office.route() == []
    assert office.store.contents() == before


async def test_route_when_split_then_the_duplicate_guard_is_over_the_whole(office: Office) -> None:
    (row,) = office.rows(DUPLICATE_GUARDS).values()
    assert from_document(DuplicateGuard, row).quantity == 6


async def test_route_when_one_venue_gets_it_all_then_it_goes_whole() -> None:
    office = await Office().furnish()
    user = a_deployment(enabled_venues=(OSTIUM,))
    await office.change(Ref(BOOK.deployments, DEPLOYMENT_ID), user)

    await office.route()

    assert len(office.plans) == 1
    assert office.delivery().legs == ()
    assert office.delivery().intent_ids == (office.plans[0].intent_id,)


# ---------------------------------------------------------------- execute


async def test_execute_when_every_leg_fills_then_the_delivery_ends_with_the_last(
    office: Office,
) -> None:
    await office.leg(1)
    assert office.delivery().status is S.EXECUTING
    assert sorted(office.legs()) == [S.EXECUTED, S.ROUTED]
    assert office.signal().status is S.PENDING

    await office.leg(0)

    assert office.legs() == [S.EXECUTED, S.EXECUTED]
    delivery = office.delivery()
    assert (delivery.status, delivery.reason_code) == (S.EXECUTED, "SPLIT_FILLED")
    assert delivery.venue == "MULTI"
    assert office.signal().status is S.EXECUTED
    assert office.signal().outcomes == {"EXECUTED": 1}
    assert office.signal().final_venue == "MULTI"
    assert [office.position(venue).signed_qty for venue in (HL, OSTIUM)] == [Decimal(3)] * 2
    assert office.exposure().reservations == {}


async def test_execute_when_a_leg_is_delivered_again_then_it_is_sent_once(office: Office) -> None:
    for _ in range(2):
        for number in range(2):
            await office.leg(number)

    assert len(office.hyperliquid.sent) == len(office.ostium.sent) == 1


async def test_execute_when_one_leg_fails_then_partial_and_both_reasons(office: Office) -> None:
    first = office.plans[0].candidates[0].venue
    office.venues[first].replies = [RejectedError("MARGIN", "too poor")]
    other = office.venues[OSTIUM if first is HL else HL]
    await office.leg(1)
    other.replies = [RejectedError("CAP", "no more")]
    await office.leg(0)
    while office.intent_of(0).status is IntentStatus.RETRYING:
        await office.leg(0, office.intent_of(0).attempt + 1)

    assert office.legs() == [S.FAILED, S.EXECUTED]
    delivery = office.delivery()
    assert delivery.status is S.PARTIAL
    assert "Filled 3 ETH" in delivery.reason
    assert office.signal().status is S.PARTIAL


async def test_execute_when_one_leg_is_unknown_then_settle_ends_the_delivery(
    office: Office,
) -> None:
    office.hyperliquid.replies = [OutcomeUnknownError("lost")]
    await office.leg(0)
    await office.leg(1)
    assert office.delivery().status is S.EXECUTING
    (lost,) = office.hyperliquid.sent

    office.hyperliquid.answer = report_of(lost, fill_of(lost))
    await office.settle()

    assert office.delivery().status is S.EXECUTED
    assert office.signal().outcomes == {"EXECUTED": 1}


async def test_execute_when_a_leg_is_refused_then_it_alone_ends(office: Office) -> None:
    venue = office.venues[office.plans[0].candidates[0].venue]
    venue.refusals = [DeniedError("KEY_REVOKED", "the key was revoked")]
    await office.leg(0)

    assert office.legs() == [S.DENIED, S.ROUTED]
    assert office.delivery().status is S.ROUTED
    await office.leg(1)

    delivery = office.delivery()
    assert (delivery.status, delivery.reason_code) == (S.PARTIAL, "KEY_REVOKED")


@pytest.mark.parametrize("number", [0, 1])
async def test_execute_when_a_legs_plan_was_altered_then_refused(
    office: Office, number: int
) -> None:
    altered = replace(office.plans[number], slippage_max=Decimal("0.5"))
    swapped = replace(office.plans[number], intent_id=office.plans[1 - number].intent_id)
    for plan in (altered, swapped):
        with pytest.raises(InvalidInputError) as caught:
            await office.execute(plan=plan)
        assert caught.value.code == "PLAN_NOT_APPROVED"
    assert EXPOSURES not in office.store.contents()


async def test_route_when_the_legs_together_break_a_limit_then_denied_before_any_is_sent() -> None:
    office = await Office().furnish()
    office.cap_exposure(10_000)

    assert await office.route() == []

    assert office.delivery().reason_code == "EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT"
    assert DUPLICATE_GUARDS not in office.store.contents()


async def test_execute_when_the_first_leg_uses_up_the_limit_then_the_second_is_denied(
    office: Office,
) -> None:
    """The limit was lowered after the delivery was routed."""
    office.cap_exposure(10_000)
    await office.leg(0)
    await office.leg(1)

    assert office.legs() == [S.EXECUTED, S.DENIED]
    assert office.delivery().reason_code == "EXPOSURE_EXCEEDS_MAX_PER_DEPLOYMENT"


# ---------------------------------------------------------------- legs whose message was lost


async def test_settle_when_no_leg_ever_began_then_they_expire_and_the_delivery_with_them(
    office: Office,
) -> None:
    office.clock.advance(661)

    await office.settle()
    assert sorted(office.legs()) == [S.EXPIRED, S.ROUTED]
    await office.settle()

    delivery = office.delivery()
    assert (delivery.status, delivery.reason_code) == (S.EXPIRED, "SIGNAL_EXPIRED")
    assert office.signal().status is S.EXPIRED


async def test_settle_when_one_legs_message_was_lost_then_it_expires_and_the_other_counts(
    office: Office,
) -> None:
    await office.leg(0)
    office.clock.advance(660)
    await office.settle()
    assert office.legs() == [S.EXECUTED, S.ROUTED]

    office.clock.advance(0.001)
    await office.settle()

    assert office.legs() == [S.EXECUTED, S.EXPIRED]
    assert office.delivery().status is S.PARTIAL
    assert office.delivery().legs[1].reason == "Still routed when its signal expired"
    assert await office.leg(1) == []
    assert len(office.hyperliquid.sent) + len(office.ostium.sent) == 1


async def test_settle_when_a_leg_is_still_at_work_then_the_delivery_is_left_alone(
    office: Office,
) -> None:
    """No leg of it waits: what has begun ends by its own outcome."""
    office.hyperliquid.replies = [OutcomeUnknownError("lost")]
    office.hyperliquid.holds = Decimal(9)  # so that its absence proves nothing
    await office.leg(0)
    await office.leg(1)
    before = office.delivery()
    office.clock.advance(600)
    await office.settle()

    assert office.delivery() == before
