"""Cases 55 to 60: sizes, prices and executions that cannot be, of orders and of signals."""

from decimal import Decimal
from typing import Any

import pytest

from common.books import CANDLE_HOURS, EXPOSURES, FILLS, ORDER_INTENTS, ORDERS, PARENT_ORDERS, V3
from common.documents import create
from common.domain.market import HOUR_MS, Candle, CandleHour, candle_hour_id
from common.domain.moment import to_ms
from common.domain.order import Order, OrderIntent, OrderSide
from common.domain.parent_order import ExecAlgorithm, ExecutionWish, ParentOrder
from common.domain.position import Position
from common.domain.signal import Delivery, SignalStatus, SizeModel, SizeType
from common.errors import InvalidInputError
from common.execution.algorithms.schedule import vwap_schedule
from common.ports import Ref
from tests.builders import NOON
from tests.functions.api_client import Api, assert_problem, signal_body
from tests.functions.town import DEPLOYED, Town

EXECUTE = "/api/trading/execute"
GENERATE = "/api/v3/signals/generate"
ORDER = {"symbol": "ETH", "side": "BUY", "quantity": "0.1", "order_type": "MARKET"}
ONE = SizeModel(type=SizeType.QUANTITY, value=Decimal(1))
HUNDRED = Decimal(100)


async def assert_refused(
    api: Api, path: str, body: Any, code: str, where: str, *, named: str = ""
) -> None:
    """`named`: the field that the words begin with, where the place is the whole body."""
    before = api.store.contents()
    response = await api.post(path, body)
    assert_problem(response, 422, code)
    problem = response.json()
    assert problem["where"] == where
    assert problem["detail"].startswith(f"{named}: " if named else "")
    assert api.store.contents() == before


async def assert_denied(town: Town, code: str, *words: str) -> None:
    """The delivery's end says why; nothing is reserved, nothing is planned, nothing is sent."""
    delivery = await town.only(Delivery, V3.deliveries)
    assert (delivery.status, delivery.reason_code) == (SignalStatus.DENIED, code)
    for word in words:
        assert word in delivery.reason
    contents = town.bench.store.contents()
    assert not {ORDER_INTENTS, ORDERS, PARENT_ORDERS, FILLS, EXPOSURES} & contents.keys()
    assert (await town.signal(delivery.signal_id)).status is SignalStatus.DENIED


# -------------------------------------------------------------------------------------------- 55
NO_QUANTITIES = [0, "0", "-0", -1, "-1", "1e-30", "1e30", "1E3", "1e3", "٣", "\u0661", " 1", "1 "]
NO_QUANTITIES += ["0x10", "", "+1", ".5", "1.", "1_000", "1,5", "NaN", "Infinity", True, None, [1]]
NO_QUANTITIES += ["0.0000000000001", "1000000000000.1", "9" * 65, "0." + "1" * 40]


@pytest.mark.parametrize("quantity", NO_QUANTITIES)
async def test_case_055_when_the_quantity_is_none_then_422_and_no_trace(
    api: Api, quantity: Any
) -> None:
    body = {**ORDER, "quantity": quantity}
    await assert_refused(api, EXECUTE, body, "INVALID_FIELD", "body.quantity")
    for model in ("quantity", "fixed"):
        signal = signal_body("swarm", size_model={"type": model, "value": quantity})
        where = f"body.size_model.{model}.value"
        await assert_refused(api, GENERATE, signal, "INVALID_FIELD", where)


@pytest.mark.parametrize("number", [b"1e-30", b"1e30", b"NaN", b"Infinity", b"-1", b"0", b"1e999"])
async def test_case_055_when_the_quantity_is_such_a_json_number_then_422(
    api: Api, number: bytes
) -> None:
    content = b'{"symbol":"ETH","side":"BUY","order_type":"MARKET","quantity":' + number + b"}"
    before = api.store.contents()
    response = await api.call("POST", EXECUTE, content=content)
    assert_problem(response, 422)
    assert api.store.contents() == before


@pytest.mark.parametrize("value", ["0", "-1", "100.1", "1e2", "\u0665", True])
@pytest.mark.parametrize("model", ["percentage", "volatility", "kelly"])
async def test_case_055_when_a_percentage_is_none_then_422(
    api: Api, model: str, value: Any
) -> None:
    signal = signal_body("swarm", size_model={"type": model, "value": value})
    await assert_refused(api, GENERATE, signal, "INVALID_FIELD", f"body.size_model.{model}.value")


# -------------------------------------------------------------------------------------------- 56
@pytest.mark.parametrize("order_type", ["LIMIT", "SNIPER", "TWAP", "VWAP", "ICEBERG", "AUTO"])
@pytest.mark.parametrize(("side", "factor"), [("BUY", "1.051"), ("SELL", "0.949")])
async def test_case_056_when_the_price_is_outside_the_collar_then_422_for_every_algorithm(
    api: Api, town: Town, order_type: str, side: str, factor: str
) -> None:
    price = str((await town.mark("ETH") * Decimal(factor)).quantize(Decimal("0.01")))
    body = {**ORDER, "side": side, "order_type": order_type, "price": price}
    await assert_refused(api, EXECUTE, body, "PRICE_OUTSIDE_COLLAR", "body.price")


async def test_case_056_when_the_platforms_collar_is_narrower_then_that_one_counts(
    api: Api, town: Town
) -> None:
    change = {"scope": "platform", "order": {"price_collar": "0.01"}, "reason": "a drill"}
    assert (await api.post("/api/ops/limits", change)).status_code == 200
    price = str((await town.mark("ETH") * Decimal("1.011")).quantize(Decimal("0.01")))
    body = {**ORDER, "order_type": "LIMIT", "price": price}
    await assert_refused(api, EXECUTE, body, "PRICE_OUTSIDE_COLLAR", "body.price")


@pytest.mark.parametrize(("side", "factor"), [("LONG", "2"), ("SHORT", "0.5")])
async def test_case_056_when_a_signals_price_is_far_beyond_the_mark_then_no_order_goes_that_far(
    api: Api, town: Town, side: str, factor: str
) -> None:
    """Its price is the worst that it takes; what leaves is bounded around the mark all the same."""
    mark = await town.mark("ETH")
    price = str((mark * Decimal(factor)).quantize(Decimal("0.01")))
    execution = {"algorithm": "TWAP", "limit_price": price, "duration_s": 60, "slices": 2}
    size = {"type": "quantity", "value": "1"}
    await api.post(GENERATE, signal_body("swarm", side=side, size_model=size, execution=execution))
    await town.pass_time(4)
    orders = await town.all(Order, ORDERS)
    entries = [order for order in orders if order.exec_spawn_id]
    assert entries
    for order in entries:
        assert abs(order.price / mark - 1) < Decimal("0.02"), order


@pytest.mark.parametrize("collar", ["0.004", "0.0001"])
async def test_case_056_when_the_collar_is_narrower_than_our_own_bound_then_denied_unsent(
    api: Api, town: Town, collar: str
) -> None:
    change = {"scope": "platform", "order": {"price_collar": collar}, "reason": "a drill"}
    assert (await api.post("/api/ops/limits", change)).status_code == 200
    await api.post(GENERATE, signal_body("swarm", risk_model=None))
    await assert_denied(town, "PRICE_OUTSIDE_COLLAR", "ETH")


# -------------------------------------------------------------------------------------------- 57
@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ("0.00009", "QUANTITY_BELOW_MINIMUM"),  # no venue trades such a small part
        ("0.000000000001", "QUANTITY_BELOW_MINIMUM"),
    ],
)
async def test_case_057_when_an_order_is_below_every_lot_then_422(
    api: Api, quantity: str, code: str
) -> None:
    body = {**ORDER, "quantity": quantity}
    await assert_refused(api, EXECUTE, body, code, "body.quantity")


async def test_case_057_when_an_order_is_between_two_lots_then_rounded_down_never_up(
    api: Api, town: Town
) -> None:
    shown = (await api.post(EXECUTE, {**ORDER, "quantity": "0.12349"})).json()
    assert (shown["success"], shown["filled_quantity"]) == (True, 0.1234)
    orders = await town.all(Order, ORDERS)
    assert [order.quantity for order in orders] == [Decimal("0.1234")]


EXECUTIONS: list[Any] = [None, {"algorithm": "TWAP"}, {"algorithm": "ICEBERG"}]


@pytest.mark.parametrize("execution", EXECUTIONS)
async def test_case_057_when_a_signals_size_rounds_to_nothing_then_denied_with_a_code(
    api: Api, town: Town, execution: Any
) -> None:
    size = {"type": "quantity", "value": "0.000000000001"}
    await api.post(GENERATE, signal_body("swarm", size_model=size, execution=execution))
    await assert_denied(town, "QUANTITY_ROUNDS_TO_ZERO")


@pytest.mark.parametrize("execution", EXECUTIONS)
async def test_case_057_when_a_signals_size_is_worth_too_little_everywhere_then_skipped_unsent(
    api: Api, town: Town, execution: Any
) -> None:
    """A third of a dollar: in whole lots at some venues, and below the value that they take."""
    size = {"type": "quantity", "value": "0.00009"}
    await api.post(GENERATE, signal_body("swarm", size_model=size, execution=execution))
    delivery = await town.only(Delivery, V3.deliveries)
    assert (delivery.status, delivery.reason_code) == (SignalStatus.SKIPPED, "NO_VENUE_AVAILABLE")
    assert not {ORDER_INTENTS, ORDERS, PARENT_ORDERS, FILLS} & api.store.contents().keys()


async def test_case_057_when_a_limit_price_is_between_two_ticks_then_rounded_in_our_favour(
    api: Api, town: Town
) -> None:
    """A BUY below, a SELL above: never worse than what was asked for."""
    mark = await town.mark("ETH")
    for side, factor in (("LONG", "0.99"), ("SHORT", "1.01")):
        asked = mark * Decimal(factor) + Decimal("0.0001234567")
        execution = {"algorithm": "LIMIT", "limit_price": str(asked)}
        size = {"type": "quantity", "value": "0.1"}
        body = signal_body(
            "swarm", side=side, size_model=size, execution=execution, risk_model=None
        )
        assert (await api.post(GENERATE, body)).status_code == 201
        await town.pass_time(1)
    orders = {order.side: order for order in await town.all(Order, ORDERS)}
    assert orders[OrderSide.BUY].price <= mark * Decimal("0.99") + Decimal("0.0001234567")
    assert orders[OrderSide.SELL].price >= mark * Decimal("1.01") + Decimal("0.0001234567")
    for order in orders.values():
        digits = order.price.normalize().as_tuple().digits
        assert len(digits) <= 5  # Hyperliquid's significant figures


# -------------------------------------------------------------------------------------------- 58
NO_WINDOWS: list[tuple[str, Any]] = [
    ("slices", 0),
    ("slices", -1),
    ("slices", 501),
    ("slices", 1_000_000),
    ("duration_s", 0),
    ("duration_s", -60),
    ("duration_s", 86_401),
    ("duration_s", 10**12),
]


@pytest.mark.parametrize("algorithm", ["TWAP", "VWAP"])
@pytest.mark.parametrize(("field", "value"), NO_WINDOWS)
async def test_case_058_when_slices_or_duration_cannot_be_then_422_at_that_field(
    api: Api, algorithm: str, field: str, value: int
) -> None:
    order = {**ORDER, "order_type": algorithm, field: value}
    await assert_refused(api, EXECUTE, order, "INVALID_FIELD", f"body.{field}")
    signal = signal_body("swarm", execution={"algorithm": algorithm, field: value})
    await assert_refused(api, GENERATE, signal, "INVALID_FIELD", f"body.execution.{field}")


@pytest.mark.parametrize("algorithm", [ExecAlgorithm.TWAP, ExecAlgorithm.VWAP, None])
@pytest.mark.parametrize(("field", "value"), NO_WINDOWS[:-1])
async def test_case_058_when_a_stored_signal_has_such_a_wish_then_denied_and_nothing_is_begun(
    town: Town, algorithm: ExecAlgorithm | None, field: str, value: int
) -> None:
    """Whoever wrote it: what the API refuses is refused again where it would be executed."""
    fields: dict[str, Any] = {field: value}
    wish = ExecutionWish(algorithm=algorithm, **fields)
    await town.send_signal(execution=wish, size_model=SizeModel(type=ONE.type, value=HUNDRED / 20))
    await town.settle_down()
    await assert_denied(town, "EXECUTION_WISH_INVALID", field)


async def test_case_058_when_a_stored_wish_goes_beyond_all_time_then_denied(town: Town) -> None:
    wish = ExecutionWish(algorithm=ExecAlgorithm.VWAP, duration_s=10**12)
    await town.send_signal(execution=wish)
    await town.settle_down()
    await assert_denied(town, "EXECUTION_WISH_INVALID", "duration_s")


async def test_case_058_when_its_time_is_over_before_it_is_delivered_then_expired(
    api: Api, town: Town
) -> None:
    """The window of a signal ends with the signal, should nobody have begun it."""
    late = town.api(api.data_dir)  # its bus is slow
    execution = {"algorithm": "TWAP", "duration_s": 60, "slices": 2}
    assert (await late.post(GENERATE, signal_body("swarm", execution=execution))).status_code == 201
    town.bench.clock.advance(301)
    await town.settle_down()
    delivery = await town.only(Delivery, V3.deliveries)
    assert (delivery.status, delivery.reason_code) == (SignalStatus.EXPIRED, "SIGNAL_EXPIRED")
    assert PARENT_ORDERS not in api.store.contents()


async def test_case_058_when_there_are_more_slices_than_lots_then_merged_and_the_sum_is_exact(
    api: Api, town: Town
) -> None:
    """500 slices of 0.05 ETH would be 0.0001 each, which no venue takes."""
    execution = {"algorithm": "TWAP", "duration_s": 600, "slices": 500}
    size = {"type": "quantity", "value": "0.05"}
    body = signal_body("swarm", size_model=size, execution=execution, risk_model=None)
    await api.post(GENERATE, body)
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    price = parent.candidates[0].price
    assert 1 < len(parent.schedule) < 30
    assert sum(each.quantity for each in parent.schedule) == parent.quantity == Decimal("0.05")
    assert all(each.quantity * price >= 10 for each in parent.schedule)
    await town.pass_time(15)
    assert (await town.only(ParentOrder, PARENT_ORDERS)).status == "FILLED"
    assert (await town.only(Position, V3.positions)).signed_qty == Decimal("0.05")


# -------------------------------------------------------------------------------------------- 59
@pytest.mark.parametrize("visible", ["0.1001", "1", "1000000000000"])
async def test_case_059_when_more_is_visible_than_there_is_then_422(api: Api, visible: str) -> None:
    order = {**ORDER, "order_type": "ICEBERG", "visible_quantity": visible}
    await assert_refused(api, EXECUTE, order, "INVALID_FIELD", "body", named="visible_quantity")


@pytest.mark.parametrize("visible", ["0", "-1", 0, "NaN", "1e3"])
async def test_case_059_when_the_visible_quantity_is_none_then_422(api: Api, visible: Any) -> None:
    order = {**ORDER, "order_type": "ICEBERG", "visible_quantity": visible}
    await assert_refused(api, EXECUTE, order, "INVALID_FIELD", "body.visible_quantity")
    signal = signal_body("swarm", execution={"algorithm": "ICEBERG", "visible_quantity": visible})
    where = "body.execution.visible_quantity"
    await assert_refused(api, GENERATE, signal, "INVALID_FIELD", where)


async def test_case_059_when_a_signals_size_turns_out_smaller_then_denied_naming_it(
    api: Api, town: Town
) -> None:
    """10 % of 10,000 are less than one ETH: nobody could know that when the signal was sent."""
    execution = {"algorithm": "ICEBERG", "visible_quantity": "1"}
    await api.post(GENERATE, signal_body("swarm", execution=execution))
    await assert_denied(town, "EXECUTION_WISH_INVALID", "VISIBLE_ABOVE_TOTAL", "visible_quantity")


async def test_case_059_when_the_policy_cuts_the_size_below_it_then_denied(
    api: Api, town: Town
) -> None:
    policy = {"rules": {"max_order_notional": "100"}}
    path = f"/api/v3/deployments/{DEPLOYED}/policy"
    assert (await api.post(path, policy)).status_code == 200
    execution = {"algorithm": "ICEBERG", "visible_quantity": "0.5"}
    size = {"type": "quantity", "value": "1"}
    await api.post(GENERATE, signal_body("swarm", size_model=size, execution=execution))
    await assert_denied(town, "EXECUTION_WISH_INVALID", "VISIBLE_ABOVE_TOTAL")


async def test_case_059_when_the_visible_quantity_is_below_every_venues_least_then_denied(
    api: Api, town: Town
) -> None:
    execution = {"algorithm": "ICEBERG", "visible_quantity": "0.001"}
    size = {"type": "quantity", "value": "1"}
    await api.post(GENERATE, signal_body("swarm", size_model=size, execution=execution))
    await assert_denied(town, "QUANTITY_ROUNDS_TO_ZERO", "visible")


async def test_case_059_when_all_of_it_is_visible_then_one_order_shows_no_more(
    api: Api, town: Town
) -> None:
    execution = {"algorithm": "ICEBERG", "visible_quantity": "0.2"}
    size = {"type": "quantity", "value": "0.2"}
    await api.post(GENERATE, signal_body("swarm", size_model=size, execution=execution))
    await town.pass_time(1)
    entries = [each for each in await town.all(Order, ORDERS) if each.exec_spawn_id]
    assert [each.quantity for each in entries] == [Decimal("0.2")]


# -------------------------------------------------------------------------------------------- 60
async def keep_days(town: Town, volume: str, *, days: int = 3) -> None:
    """Candles of the last days, each of this volume."""
    step = 300_000
    begin = to_ms(NOON) - days * 24 * HOUR_MS
    hours = [begin + number * HOUR_MS for number in range(days * 24)]
    writes = []
    for hour_ms in hours:
        candles = tuple(
            Candle(
                open_time_ms=hour_ms + number * step,
                open=HUNDRED,
                high=HUNDRED,
                low=HUNDRED,
                close=HUNDRED,
                volume=Decimal(volume),
            )
            for number in range(12)
        )
        hour = CandleHour(symbol="ETH", interval="5m", hour_ms=hour_ms, candles=candles)
        key = candle_hour_id("ETH", "5m", hour_ms)
        if town.bench.store.peek(Ref(CANDLE_HOURS, key)) is None:
            writes.append(create(Ref(CANDLE_HOURS, key), hour))
    await town.bench.store.commit(writes)


VWAP = {"algorithm": "VWAP", "duration_s": 600, "slices": 10}
SIZE = {"type": "quantity", "value": "1"}


async def test_case_060_when_the_volume_curve_is_all_zero_then_twap_with_the_reason(
    api: Api, town: Town
) -> None:
    """No profile is made up: the order goes in equal slices, and says so wherever it is shown."""
    await keep_days(town, "0")
    body = signal_body("swarm", size_model=SIZE, execution=VWAP, risk_model=None)
    await api.post(GENERATE, body)
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    assert parent.exec_algorithm_id is ExecAlgorithm.TWAP
    assert "TWAP instead of VWAP: nothing was traded" in parent.chosen_because
    assert {each.quantity for each in parent.schedule} == {Decimal("0.1")}
    shown = (await api.get(f"/api/orders/parents/{parent.parent_order_id}")).json()
    assert shown["chosen_because"] == parent.chosen_because
    await town.pass_time(14)
    assert (await town.only(Position, V3.positions)).signed_qty == 1


async def test_case_060_when_there_is_no_curve_at_all_then_twap_with_the_reason(
    api: Api, town: Town
) -> None:
    await api.post(GENERATE, signal_body("swarm", size_model=SIZE, execution=VWAP))
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    assert parent.exec_algorithm_id is ExecAlgorithm.TWAP
    assert "TWAP instead of VWAP: " in parent.chosen_because


async def test_case_060_when_there_is_a_curve_then_vwap(api: Api, town: Town) -> None:
    await keep_days(town, "7")
    await api.post(GENERATE, signal_body("swarm", size_model=SIZE, execution=VWAP))
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    assert parent.exec_algorithm_id is ExecAlgorithm.VWAP
    assert sum(each.quantity for each in parent.schedule) == 1


@pytest.mark.parametrize(
    "weights", [(), ("0",), ("0", "0", "0"), ("1", "-1"), ("NaN", "1"), ("Infinity", "1")]
)
def test_case_060_when_weights_are_no_curve_then_no_schedule(weights: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError) as refused:
        vwap_schedule(
            HUNDRED,
            start=NOON,
            duration_s=600,
            weights=[Decimal(each) for each in weights],
            lot=Decimal(1),
        )
    assert refused.value.code in {"INVALID_WEIGHTS", "INVALID_SLICES"}


async def test_case_060_when_a_denied_order_was_never_sent_then_the_books_know_of_no_intent(
    api: Api, town: Town
) -> None:
    """Nothing of cases 55 to 60 leaves an intent behind."""
    for body in (
        {**ORDER, "quantity": "0"},
        {**ORDER, "order_type": "TWAP", "slices": 0},
        {**ORDER, "order_type": "ICEBERG", "visible_quantity": "9"},
        {**ORDER, "order_type": "LIMIT", "price": "1"},
    ):
        assert (await api.post(EXECUTE, body)).status_code == 422
    assert await town.all(OrderIntent, ORDER_INTENTS) == []
    assert V3.signals not in api.store.contents()
