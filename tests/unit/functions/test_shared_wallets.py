"""Two deployments of one wallet: the venue nets them, and neither takes the other's for its own."""

from decimal import Decimal

import pytest

from common.books import EXPOSURES, FILLS, V2
from common.documents import create
from common.domain.exposure import Exposure, Reservation
from common.domain.order import OrderSide, OrderStatus
from common.errors import OutcomeUnknownError
from common.execution.reconciliation import EXTERNAL
from common.execution.wallets import share_of
from common.ports import Ref, VenueAccountState, VenuePosition
from tests.builders import DEPLOYMENT_ID, a_deployment
from tests.unit.functions.trading_desk import HL, TradingDesk, two_venue_plan

OTHER = "dep_2"


def holding(deployment_id: str, quantity: str, symbol: str = "ETH") -> Exposure:
    empty = Exposure.empty(deployment_id)
    return empty.hold(venue=HL, symbol=symbol, signed_qty=Decimal(quantity), price=Decimal(3000))


def says(quantity: str, average: str | None = None) -> VenueAccountState:
    return VenueAccountState(
        positions=(VenuePosition(symbol="ETH", signed_qty=quantity, avg_px=average),)
    )


@pytest.fixture
async def desk() -> TradingDesk:
    """Live: dep_1 (V3) bought 1 ETH, dep_2 (V2) holds 2, and Hyperliquid knows of 3."""
    desk = await TradingDesk(two_venue_plan(paper=False), mode="live").open()
    await desk.store.commit(
        [
            create(Ref(V2.deployments, OTHER), a_deployment(OTHER, book="v2", paper=False)),
            create(Ref(EXPOSURES, OTHER), holding(OTHER, "2")),
        ]
    )
    await desk.execute()
    desk.hyperliquid.account = says("3", "3010")
    return desk


async def rounds(desk: TradingDesk, count: int = 4) -> None:
    for _ in range(count):
        desk.clock.advance(60)
        await desk.settle()


def external(desk: TradingDesk) -> list[tuple[str, str, str]]:
    rows = [each for each in desk.rows(FILLS).values() if each["intent_id"] == EXTERNAL]
    return [(row["deployment_id"], row["fill"]["side"], row["fill"]["last_qty"]) for row in rows]


async def test_reconcile_when_a_wallet_is_shared_then_the_sum_agrees_and_nothing_is_booked(
    desk: TradingDesk,
) -> None:
    await rounds(desk)

    assert external(desk) == []
    assert desk.exposure().held(HL, "ETH") == 1


async def test_reconcile_when_nobody_explains_a_part_then_booked_once(desk: TradingDesk) -> None:
    desk.hyperliquid.account = says("5")

    await rounds(desk)

    assert external(desk) == [(DEPLOYMENT_ID, "BUY", "2")]
    assert desk.exposure().held(HL, "ETH") == 3


async def test_reconcile_when_a_deployment_of_the_wallet_is_on_paper_then_it_explains_nothing(
    desk: TradingDesk,
) -> None:
    await desk.change(Ref(V2.deployments, OTHER), a_deployment(OTHER, book="v2", paper=True))

    await rounds(desk)

    assert external(desk) == [(DEPLOYMENT_ID, "BUY", "2")]


async def test_settle_when_a_neighbour_holds_the_rest_then_absence_is_still_proven(
    desk: TradingDesk,
) -> None:
    desk = await TradingDesk(two_venue_plan(paper=False), mode="live").open()
    await desk.store.commit(
        [
            create(Ref(V2.deployments, OTHER), a_deployment(OTHER, book="v2", paper=False)),
            create(Ref(EXPOSURES, OTHER), holding(OTHER, "2")),
        ]
    )
    desk.hyperliquid.replies = [OutcomeUnknownError("lost")]
    desk.hyperliquid.holds = Decimal(2)
    await desk.execute()
    desk.clock.advance(23)

    await desk.settle()

    assert desk.order().status is OrderStatus.EXPIRED


@pytest.mark.parametrize(
    ("first", "second", "theirs"),
    [
        ("1", "2", ("1", "2")),  # 3 in all, as the venue says
        ("0", "3", ("", "3")),
        ("1", "0", ("3", "")),  # the only one that holds any answers for the rest
        ("0", "1", ("", "3")),
        ("0", "0", ("3", "")),  # nobody's: the first one's
        ("-1", "2", ("1", "2")),
    ],
)
def test_share_of_when_the_wallet_holds_three_then_one_of_them_answers_for_the_rest(
    first: str, second: str, theirs: tuple[str, str]
) -> None:
    told = {"ETH": VenuePosition(symbol="ETH", signed_qty="3")}
    one, two = holding("dep_1", first), holding("dep_2", second)

    shares = (share_of(told, one, [two], HL), share_of(told, two, [one], HL))

    assert tuple(share["ETH"].signed_qty if share else "" for share in shares) == theirs


def test_share_of_when_a_neighbour_has_an_order_under_way_then_the_venue_agrees() -> None:
    told = {"ETH": VenuePosition(symbol="ETH", signed_qty="9")}
    under_way = Reservation(
        venue=HL, symbol="ETH", side=OrderSide.BUY, quantity=Decimal(1), price=Decimal(3000)
    )
    busy = holding("dep_2", "1").reserve("int_2", under_way)

    share = share_of(told, holding("dep_1", "1"), [busy], HL)

    assert share == {"ETH": VenuePosition(symbol="ETH", signed_qty="1")}


def test_share_of_when_the_wallet_is_its_own_then_the_venues_word_with_its_average() -> None:
    told = {"ETH": VenuePosition(symbol="ETH", signed_qty="9", avg_px="3010")}

    assert share_of(told, holding("dep_1", "1"), [], HL) == told
    flat = [holding("dep_2", "0")]
    assert share_of(told, holding("dep_1", "1"), flat, HL) == told
