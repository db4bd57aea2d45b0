"""Resting orders over many calls, callers and snapshots: what is read, and what is noted."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from common.books import MARKET_SNAPSHOTS, VENUE_MARKETS
from common.domain.identifiers import client_order_id
from common.domain.order import OrderSide, OrderStatus
from common.errors import ConflictError, OutcomeUnknownError, TransientError
from common.ports import Create, Increment, Query, Ref, Update
from common.wire import to_document
from infra.local.store.memory import MemoryStore
from infra.venues.paper.faults import FaultKind, FaultPlan, FaultRule, set_faults
from infra.venues.paper.resting import PAPER_RESTING, PAPER_SWEEPS, snapshot_key, sweep_ref
from infra.venues.paper.sweeping import GONE_WITH_POSITION
from tests.builders import DEPLOYMENT_ID, NOON, a_snapshot, an_instrument_table
from tests.unit.infra.venues.paper.desk import Desk, a_buy, a_limit, a_sale, a_stop, standing

DOWN = ("3000", "3001", "2940", "2960")


@pytest.fixture
async def desk() -> Desk:
    return await Desk().open()


class Reads:
    """How often the store was asked what, and which collections were searched."""

    def __init__(self, store: MemoryStore) -> None:
        self.operations: Counter[str] = Counter()
        self.searched: Counter[str] = Counter()
        store.before = self._note

    async def _note(self, operation: str, argument: object) -> None:
        self.operations[operation] += 1
        if isinstance(argument, Query):
            self.searched[argument.collection] += 1


async def test_every_call_when_hundreds_of_orders_rest_then_it_reads_no_more_than_for_one(
    desk: Desk,
) -> None:
    orders = [
        a_limit(number, str(1000 + number), account_id=f"dep_{number % 7}") for number in range(300)
    ]
    for order in orders:
        await desk.submit(order)
    await desk.trade("3000", "3001", "2999", "3000")
    await desk.report(orders[0])  # one sweep for all of them
    reads = Reads(desk.memory)
    for order in orders[:100]:
        assert standing(await desk.report(order)) == (OrderStatus.ACCEPTED, 0)
    for order in orders:
        ended = await desk.venue().cancel(order)
        assert ended is not None
        assert standing(ended) == (OrderStatus.CANCELED, 0)
    assert reads.searched == {"paper_arrivals": 400}
    assert reads.operations == {"get": 500, "get_many": 700, "query": 400, "commit": 300}
    assert PAPER_RESTING not in desk.memory.contents()


async def test_submit_when_others_rest_then_none_of_them_is_read(desk: Desk) -> None:
    await desk.submit(a_limit(0, "1000"))
    reads = Reads(desk.memory)
    for number in range(1, 20):
        await desk.submit(a_limit(number, "1000"))
    assert PAPER_RESTING not in reads.searched
    assert reads.operations["commit"] == 19


async def test_sweep_when_nothing_ever_rested_then_nothing_is_searched_or_noted(
    desk: Desk,
) -> None:
    await desk.submit(a_buy(1))
    reads = Reads(desk.memory)
    await desk.trade(*DOWN)
    await desk.report(a_buy(1))
    assert PAPER_RESTING not in reads.searched
    assert PAPER_SWEEPS not in desk.memory.contents()


async def test_sweep_when_an_order_of_the_snapshot_before_comes_late_then_swept_once_more(
    desk: Desk,
) -> None:
    """The order is written after the sweep that it should have been in was noted."""
    await desk.submit(a_buy(1))
    await desk.submit(a_limit(2, "1000"))
    slow, quick = desk.venue(), desk.venue()

    async def overtaken(operation: str, argument: object) -> None:
        if operation == "commit":
            desk.memory.before = None
            desk.clock.advance_to(NOON + timedelta(minutes=1))
            await desk.look("2940")
            await quick.query_order(a_limit(2))

    desk.memory.before = overtaken
    report = await slow.submit(a_stop(3, "2950"))
    assert report.status is OrderStatus.ACCEPTED
    assert standing(await desk.report(a_stop(3))) == (OrderStatus.FILLED, 1)


@pytest.mark.parametrize(("under", "searches"), [("this", 1), ("another", 2)])
async def test_sweep_when_an_order_is_counted_meanwhile_then_noted_if_it_was_judged_by_the_same(
    desk: Desk, under: str, searches: int
) -> None:
    """Under another snapshot it may have been missed: the sweep is done again."""
    await desk.submit(a_limit(1, "1000"))
    await desk.trade("3000", "3001", "2999", "3000")
    snapshot = await desk.store.get(Ref(MARKET_SNAPSHOTS, "ETH"))
    assert snapshot is not None
    key = snapshot_key(snapshot) if under == "this" else "another"
    place = sweep_ref(desk.profile.capabilities.venue, "ETH")
    reads = Reads(desk.memory)
    note = desk.memory.before
    assert note is not None

    async def count_one(operation: str, argument: object) -> None:
        await note(operation, argument)
        if operation == "commit":
            desk.memory.before = note
            await desk.store.commit([Increment(place, f"accepted.{key}")])

    desk.memory.before = count_one
    for _ in range(2):
        assert (await desk.report(a_limit(1))).status is OrderStatus.ACCEPTED
    assert reads.searched[PAPER_RESTING] == searches
    noted = await desk.store.get(place)
    assert noted is not None
    assert (noted.data["swept"], noted.data["accepted"]) == (snapshot_key(snapshot), {})


async def test_sweep_when_orders_keep_coming_in_then_the_question_is_answered_all_the_same(
    desk: Desk,
) -> None:
    await desk.submit(a_limit(1, "1000"))
    await desk.trade("3000", "3001", "2999", "3000")
    place = sweep_ref(desk.profile.capabilities.venue, "ETH")

    async def count_one(operation: str, argument: object) -> None:
        if operation == "commit":
            desk.memory.before = None
            await desk.store.commit([Increment(place, "accepted.another")])
            desk.memory.before = count_one

    desk.memory.before = count_one
    assert standing(await desk.report(a_limit(1))) == (OrderStatus.ACCEPTED, 0)
    desk.memory.before = None
    noted = await desk.store.get(place)
    assert noted is not None
    assert noted.data["sweeps"] == 0
    await desk.report(a_limit(1))
    noted = await desk.store.get(place)
    assert noted is not None
    assert noted.data["sweeps"] == 1


async def test_sweep_when_less_than_a_lot_was_traded_then_the_order_rests(desk: Desk) -> None:
    await desk.submit(a_limit(1))
    await desk.trade("3000", "3001", "2980", "3000", volume="0.00001")
    assert standing(await desk.report(a_limit(1))) == (OrderStatus.ACCEPTED, 0)


async def test_sweep_when_the_snapshot_does_not_read_then_nothing_happens(desk: Desk) -> None:
    await desk.submit(a_limit(1))
    ref = Ref(MARKET_SNAPSHOTS, "ETH")
    present = await desk.store.get(ref)
    assert present is not None
    await desk.store.commit([Update(ref, {"mark": "NaN"}, present.version)])
    assert standing(await desk.report(a_limit(1))) == (OrderStatus.ACCEPTED, 0)


async def test_sweep_when_the_instrument_is_gone_then_its_orders_rest(desk: Desk) -> None:
    await desk.submit(a_limit(1))
    table = to_document(an_instrument_table(symbols=["BTC"]))
    await desk.store.commit([Create(Ref(VENUE_MARKETS, "HYPERLIQUID"), table)])
    await desk.trade(*DOWN)
    assert standing(await desk.report(a_limit(1))) == (OrderStatus.ACCEPTED, 0)
    ended = await desk.venue().cancel(a_limit(1))
    assert ended is not None
    assert ended.status is OrderStatus.CANCELED


async def test_sweep_when_symbols_differ_then_each_by_its_own_market(desk: Desk) -> None:
    btc = a_limit(
        2, "2990", symbol="BTC", instrument_id="BTC-USD-PERP.HYPERLIQUID", quantity=Decimal(1)
    )
    await desk.show(a_snapshot("BTC"))
    await desk.submit(a_limit(1))
    await desk.submit(btc)
    await desk.trade(*DOWN)
    state = await desk.venue().query_account(account_id=DEPLOYMENT_ID)
    assert [one.symbol for one in state.open_orders] == ["BTC"]
    assert [(one.symbol, one.signed_qty) for one in state.positions] == [("ETH", "1")]


async def test_query_account_when_another_venue_has_open_orders_then_not_shown(
    desk: Desk,
) -> None:
    await desk.submit(a_limit(1))
    resting = desk.memory.contents()[PAPER_RESTING]
    (data,) = resting.values()
    elsewhere = {**data, "venue": "GMX", "place": "GMX:ETH"}
    await desk.store.commit([Create(Ref(PAPER_RESTING, "GMX:0x1"), elsewhere)])
    state = await desk.venue().query_account(account_id=DEPLOYMENT_ID)
    assert len(state.open_orders) == 1


async def test_query_position_when_the_market_has_reached_an_order_then_it_counts(
    desk: Desk,
) -> None:
    await desk.submit(a_limit(1))
    await desk.trade(*DOWN)
    held = await desk.venue().query_position(account_id=DEPLOYMENT_ID, symbol="ETH")
    assert held is not None
    assert held.signed_qty == "1"


async def test_submit_when_the_market_has_reached_a_resting_order_then_that_goes_first(
    desk: Desk,
) -> None:
    """A reduce-only order that comes in after a resting entry was filled finds it held."""
    await desk.submit(a_limit(1))
    await desk.trade("3000", "3001", "2980", "3000")
    close = a_sale(2, reduce_only=True)
    assert standing(await desk.submit(close)) == (OrderStatus.FILLED, 1)
    assert await desk.held() == 0


# ---------------------------------------------------------- a venue that cancels with the position


@pytest.fixture
async def tidy() -> Desk:
    return await Desk(flat_cancels_reduce_only=True).open()


async def closed(desk: Desk) -> None:
    """Hold one, with a stop and a limit that may only close it; then close it at the market."""
    await desk.submit(a_buy(1))
    await desk.submit(a_stop(2, "2950"))
    await desk.submit(a_limit(3, "3100", side=OrderSide.SELL, reduce_only=True))
    await desk.submit(a_limit(4, "2000"))
    await desk.submit(a_sale(5))


async def test_reduce_only_when_the_venue_cancels_with_the_position_then_gone(tidy: Desk) -> None:
    await closed(tidy)
    state = await tidy.venue().query_account(account_id=DEPLOYMENT_ID)
    assert [one.client_order_id for one in state.open_orders] == [client_order_id("int_1", 4)]
    report = await tidy.report(a_stop(2))
    assert standing(report) == (OrderStatus.CANCELED, 0)
    assert report.reason == GONE_WITH_POSITION
    assert await tidy.venue().cancel(a_stop(2)) == report


async def test_reduce_only_when_the_position_is_opened_again_then_the_old_stop_stays_gone(
    tidy: Desk,
) -> None:
    await closed(tidy)
    await tidy.submit(a_buy(6))
    await tidy.submit(a_stop(7, "2945"))
    await tidy.trade("3000", "3001", "2948", "2949")
    assert standing(await tidy.report(a_stop(2))) == (OrderStatus.CANCELED, 0)
    assert standing(await tidy.report(a_stop(7))) == (OrderStatus.ACCEPTED, 0)
    assert await tidy.held() == 1
    await tidy.trade("2949", "2950", "2944", "2949")
    assert standing(await tidy.report(a_stop(7))) == (OrderStatus.FILLED, 1)


async def test_reduce_only_when_canceled_with_its_position_and_asked_first_then_it_says_so(
    tidy: Desk,
) -> None:
    await closed(tidy)
    assert (await tidy.report(a_stop(2))).reason == GONE_WITH_POSITION
    assert standing(await tidy.report(a_limit(4, "2000"))) == (OrderStatus.ACCEPTED, 0)


# ---------------------------------------------------------------------------- a store that fails


async def test_query_order_when_a_step_is_not_written_then_no_answer_and_the_next_call_goes_on(
    desk: Desk,
) -> None:
    await desk.submit(a_limit(1))
    await desk.trade(*DOWN)

    async def away(operation: str, argument: object) -> None:
        if operation == "commit":
            raise TransientError("the store is away")

    desk.memory.before = away
    with pytest.raises(TransientError, match="the store is away"):
        await desk.venue().query_order(a_limit(1))
    desk.memory.before = None
    assert standing(await desk.report(a_limit(1))) == (OrderStatus.FILLED, 1)


async def test_query_order_when_every_race_is_lost_then_no_answer(desk: Desk) -> None:
    await desk.submit(a_limit(1))
    await desk.trade(*DOWN)

    async def lost(operation: str, argument: object) -> None:
        if operation == "commit":
            raise ConflictError("lost", collection="paper_positions", document_id="1")

    desk.memory.before = lost
    with pytest.raises(TransientError, match="lost 20 races"):
        await desk.venue().query_order(a_limit(1))


async def test_end_orphan_when_every_race_is_lost_then_no_answer(tidy: Desk) -> None:
    await closed(tidy)

    async def lost(operation: str, argument: object) -> None:
        if operation == "commit":
            raise ConflictError("lost", collection="paper_orders", document_id="1")

    tidy.memory.before = lost
    with pytest.raises(TransientError, match="lost 20 races"):
        await tidy.venue().query_order(a_stop(2))


async def test_cancel_when_the_store_loses_the_answer_then_no_answer_and_it_is_canceled(
    desk: Desk,
) -> None:
    await desk.submit(a_limit(1))

    async def away(operation: str, argument: object) -> None:
        if operation == "commit":
            raise TransientError("the store is away")

    desk.memory.after = away
    with pytest.raises(TransientError):
        await desk.venue().cancel(a_limit(1))
    desk.memory.after = None
    assert standing(await desk.report(a_limit(1))) == (OrderStatus.CANCELED, 0)


async def test_cancel_when_the_order_fills_meanwhile_then_it_tells_the_fill(desk: Desk) -> None:
    """Both have read the order; whoever writes first decides."""
    await desk.submit(a_limit(1))
    await desk.trade("3000", "3001", "2999", "3000")
    await desk.report(a_limit(1))

    async def filled_first(operation: str, argument: object) -> None:
        if operation == "commit":
            desk.memory.before = None
            await desk.trade(*DOWN)
            await desk.venue().query_order(a_limit(1))

    desk.memory.before = filled_first
    report = await desk.venue().cancel(a_limit(1))
    assert report is not None
    assert standing(report) == (OrderStatus.FILLED, 1)
    assert await desk.held() == 1


async def test_submit_when_two_are_the_first_to_rest_then_both_do(desk: Desk) -> None:
    """Both would write the document that counts them."""

    async def overtaken(operation: str, argument: object) -> None:
        if operation == "commit":
            desk.memory.before = None
            await desk.submit(a_limit(2))

    desk.memory.before = overtaken
    assert (await desk.submit(a_limit(1))).status is OrderStatus.ACCEPTED
    state = await desk.venue().query_account(account_id=DEPLOYMENT_ID)
    assert len(state.open_orders) == 2


async def test_submit_when_a_late_order_finds_a_candle_of_its_time_then_it_is_swept(
    desk: Desk,
) -> None:
    """It arrived before that candle opened, and comes to light after it closed."""
    await desk.submit(a_limit(1, "1000"))
    rule = FaultRule(kind=FaultKind.LATE, delay_s=Decimal(8), attempt=1)
    await set_faults(desk.store, desk.profile.capabilities.venue, FaultPlan(rules=(rule,)))
    with pytest.raises(OutcomeUnknownError):
        await desk.submit(a_limit(2))
    await desk.trade("3000", "3001", "2980", "3000")
    assert standing(await desk.report(a_limit(2))) == (OrderStatus.FILLED, 1)
