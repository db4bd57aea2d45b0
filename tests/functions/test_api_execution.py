"""How an order or a signal wishes to be executed: each algorithm, each refusal with its field."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from common.books import MARKET_SNAPSHOTS, V3, VENUE_MARKETS
from common.documents import load
from common.domain.events import OutboxMessage
from common.domain.instrument import Venue
from common.domain.parent_order import ExecutionWish
from common.domain.scope import (
    PLATFORM_SCOPE,
    agent_scope,
    deployment_scope,
    symbol_scope,
    venue_scope,
)
from common.domain.signal import SignalRecord, SignalStatus
from common.how.trading_state import TradingState
from common.ports import Ref
from infra.local.store.memory import MemoryStore
from tests.builders import a_signal_record, a_snapshot, an_instrument, an_instrument_table
from tests.functions.api_client import V2_AGENT, V3_AGENT, Api, assert_problem, signal_body

EXECUTE = "/api/trading/execute"
GENERATE = "/api/v3/signals/generate"
ORDER = {"symbol": "ETH", "side": "BUY", "quantity": "10", "order_type": "MARKET"}

WISHES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # the body of an order; the wish that its signal carries
    "MARKET": ({}, {"algorithm": "MARKET"}),
    "AUTO": ({}, {"algorithm": None}),
    "AUTO at a price": ({"price": "2990"}, {"algorithm": None, "limit_price": "2990"}),
    "LIMIT": ({"price": "2990"}, {"algorithm": "LIMIT", "limit_price": "2990"}),
    "LIMIT for a while": (
        {"price": "2990", "duration_s": 60},
        {"algorithm": "LIMIT", "limit_price": "2990", "duration_s": 60},
    ),
    "TWAP": ({}, {"algorithm": "TWAP"}),
    "TWAP in full": (
        {"price": "3010", "duration_s": 600, "slices": 10},
        {"algorithm": "TWAP", "limit_price": "3010", "duration_s": 600, "slices": 10},
    ),
    "TWAP at its bounds": (
        {"duration_s": 86_400, "slices": 500},
        {"algorithm": "TWAP", "duration_s": 86_400, "slices": 500},
    ),
    "TWAP at its other bounds": (
        {"duration_s": 1, "slices": 1},
        {"algorithm": "TWAP", "duration_s": 1, "slices": 1},
    ),
    "VWAP": (
        {"duration_s": 600, "slices": 3},
        {"algorithm": "VWAP", "duration_s": 600, "slices": 3},
    ),
    "ICEBERG": (
        {"visible_quantity": "0.5"},
        {"algorithm": "ICEBERG", "visible_quantity": "0.5"},
    ),
    "ICEBERG of all": (
        {"visible_quantity": "10.0"},
        {"algorithm": "ICEBERG", "visible_quantity": "10"},
    ),
    "SNIPER": (
        {"price": "2900", "duration_s": 30},
        {"algorithm": "SNIPER", "limit_price": "2900", "duration_s": 30},
    ),
}


class Ends:
    """Stands for fan_out to settle: skips each signal at once, so that nobody waits."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.signals: list[SignalRecord] = []

    async def publish(self, messages: Sequence[OutboxMessage]) -> None:
        for message in messages:
            stored = await load(
                self._store,
                SignalRecord,
                Ref(V3.signals, message.event.signal_id),  # type: ignore[union-attr]  # it is a SignalCreated
            )
            assert stored is not None
            self.signals.append(stored.value)
            ended = a_signal_record(stored.value.signal, status=SignalStatus.SKIPPED)
            await self._store.commit([stored.update(ended)])


@pytest.fixture
async def api(api: Api) -> Api:
    """Trading is ACTIVE, ETH is at 3000, and two venues list it."""
    await api.set_state(TradingState.ACTIVE)
    dear = an_instrument("ETH", Venue.OSTIUM, min_notional=Decimal(50))
    ostium = an_instrument_table(Venue.OSTIUM, instruments=(dear,))
    await api.put_records(
        (Ref(MARKET_SNAPSHOTS, "ETH"), a_snapshot("ETH")),
        (Ref(VENUE_MARKETS, "HYPERLIQUID"), an_instrument_table()),
        (Ref(VENUE_MARKETS, "OSTIUM"), ostium),
    )
    return api


def a_wish(fields: dict[str, Any]) -> dict[str, Any]:
    """As it is stored: what is not said is null."""
    return dict.fromkeys(ExecutionWish.__slots__) | fields


async def assert_refused(
    api: Api, path: str, body: Any, where: str, field: str, *, code: str = "INVALID_FIELD"
) -> None:
    """422, with the place, and a field of that place in the words where the place is a whole."""
    before = api.store.contents()
    response = await api.post(path, body)
    assert_problem(response, 422, code)
    problem = response.json()
    assert problem["where"] == where
    if not where.endswith(f".{field}"):
        assert problem["detail"].startswith(f"{field}: "), problem
    assert api.store.contents() == before


# ----------------------------------------------------------------------------------------- orders
@pytest.mark.parametrize("name", WISHES)
async def test_execute_when_an_algorithm_is_wished_then_its_signal_carries_the_wish(
    api: Api, name: str
) -> None:
    chain = Ends(api.store)
    api.publisher = chain
    fields, wish = WISHES[name]

    response = await api.post(EXECUTE, {**ORDER, "order_type": name.partition(" ")[0], **fields})

    assert response.status_code == 200, response.text
    stored = api.store.contents()[V3.signals][response.json()["signal_id"]]["signal"]
    assert stored["execution"] == a_wish(wish)
    assert stored["size_model"] == {"type": "quantity", "value": "10"}
    assert len(chain.signals) == 1


OF_A_FIELD: list[tuple[str, Any]] = [
    *(("slices", bad) for bad in (0, -1, 501, 1_000_000, 1.5, "10", True, 10**30)),
    *(("duration_s", bad) for bad in (0, -1, 86_401, 10**9, 0.5, "600", True)),
    *(("price", bad) for bad in (0, "0", -1, "-0.1", "NaN", "1e3", "٣", True, "1e-30")),
    *(("visible_quantity", bad) for bad in (0, "0", "-1", "Infinity", " 1", True)),
    *(("order_type", bad) for bad in ("STOP", "twap", "", None, "POV", 1)),
]


@pytest.mark.parametrize(("field", "value"), OF_A_FIELD)
async def test_execute_when_a_field_is_out_of_its_range_then_422_at_that_field(
    api: Api, field: str, value: Any
) -> None:
    body = {**ORDER, "order_type": "TWAP", field: value}
    await assert_refused(api, EXECUTE, body, f"body.{field}", field)


CONTRADICTIONS: list[tuple[str, dict[str, Any], str]] = [
    ("LIMIT", {}, "price"),
    ("SNIPER", {}, "price"),
    ("SNIPER", {"duration_s": 60}, "price"),
    ("MARKET", {"price": "3000"}, "price"),
    ("MARKET", {"duration_s": 60}, "duration_s"),
    ("MARKET", {"slices": 2}, "slices"),
    ("MARKET", {"visible_quantity": "1"}, "visible_quantity"),
    ("LIMIT", {"price": "3000", "slices": 2}, "slices"),
    ("LIMIT", {"price": "3000", "visible_quantity": "1"}, "visible_quantity"),
    ("SNIPER", {"price": "3000", "slices": 2}, "slices"),
    ("SNIPER", {"price": "3000", "visible_quantity": "1"}, "visible_quantity"),
    ("TWAP", {"visible_quantity": "1"}, "visible_quantity"),
    ("VWAP", {"visible_quantity": "1"}, "visible_quantity"),
    ("ICEBERG", {"slices": 2}, "slices"),
]


@pytest.mark.parametrize(
    ("order_type", "fields", "field"),
    [
        *CONTRADICTIONS,
        ("ICEBERG", {"visible_quantity": "10.0001"}, "visible_quantity"),
        ("AUTO", {"visible_quantity": "11"}, "visible_quantity"),
    ],
)
async def test_execute_when_an_algorithm_does_not_take_it_then_422_naming_the_field(
    api: Api, order_type: str, fields: dict[str, Any], field: str
) -> None:
    body = {**ORDER, "order_type": order_type, **fields}
    await assert_refused(api, EXECUTE, body, "body", field)


# ---------------------------------------------------------------------------------------- signals
@pytest.mark.parametrize("path", [GENERATE, "/api/signals/generate"])
@pytest.mark.parametrize("name", WISHES)
async def test_generate_when_an_algorithm_is_wished_then_the_signal_carries_the_wish(
    api: Api, name: str, path: str
) -> None:
    _, wish = WISHES[name]
    agent = V3_AGENT if path == GENERATE else V2_AGENT

    response = await api.post(path, signal_body(agent, execution=wish))

    assert response.status_code == 201, response.text
    book = V3.signals if path == GENERATE else "signals"
    stored = api.store.contents()[book][response.json()["signal_id"]]["signal"]
    assert stored["execution"] == a_wish(wish)


async def test_generate_when_nothing_is_wished_then_no_wish(api: Api) -> None:
    bodies = (signal_body(), signal_body(execution=None), signal_body(execution={}))
    found = []
    for body in bodies:
        signal_id = (await api.post(GENERATE, body)).json()["signal_id"]
        found.append(api.store.contents()[V3.signals][signal_id]["signal"]["execution"])
    assert found == [None, None, a_wish({})]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (name.replace("price", "limit_price"), bad)
        for name, bad in OF_A_FIELD
        if name != "order_type"
    ]
    + [("algorithm", bad) for bad in ("AUTO", "STOP", "twap", "", 1)],
)
async def test_generate_when_a_field_is_out_of_its_range_then_422_at_that_field(
    api: Api, field: str, value: Any
) -> None:
    body = signal_body(execution={"algorithm": "TWAP", field: value})
    await assert_refused(api, GENERATE, body, f"body.execution.{field}", field)


@pytest.mark.parametrize(("algorithm", "fields", "field"), CONTRADICTIONS)
async def test_generate_when_an_algorithm_does_not_take_it_then_422_naming_the_field(
    api: Api, algorithm: str, fields: dict[str, Any], field: str
) -> None:
    known = {name.replace("price", "limit_price"): value for name, value in fields.items()}
    named = field.replace("price", "limit_price")
    body = signal_body(execution={"algorithm": algorithm, **known})
    await assert_refused(api, GENERATE, body, "body.execution", named)


@pytest.mark.parametrize("execution", ["TWAP", [], 1, True])
async def test_generate_when_the_execution_is_no_object_then_422(api: Api, execution: Any) -> None:
    await assert_refused(
        api, GENERATE, signal_body(execution=execution), "body.execution", "execution"
    )


# ---------------------------------------------------------------------------- what the market says
@pytest.mark.parametrize(
    ("side", "price", "taken"),
    [
        ("BUY", "3150", True),  # 5 % against us is what the platform's limits allow
        ("BUY", "3150.01", False),
        ("SELL", "2850", True),
        ("SELL", "2849.99", False),
        ("BUY", "1500", True),  # in our favour it may wait, half the price away
        ("BUY", "1499.99", False),
        ("SELL", "4500", True),
        ("SELL", "4500.01", False),
    ],
)
async def test_execute_when_its_price_is_outside_the_collar_then_422_before_anything_is_written(
    api: Api, side: str, price: str, taken: bool
) -> None:
    api.publisher = Ends(api.store)
    body = {**ORDER, "side": side, "order_type": "LIMIT", "price": price}
    if taken:
        assert (await api.post(EXECUTE, body)).status_code == 200
    else:
        await assert_refused(api, EXECUTE, body, "body.price", "price", code="PRICE_OUTSIDE_COLLAR")


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ("0.00009", "QUANTITY_BELOW_MINIMUM"),
        ("0.0033", "NOTIONAL_BELOW_MINIMUM"),  # 9.9 of 10 at Hyperliquid
        ("0.00339", "NOTIONAL_BELOW_MINIMUM"),  # rounded down to 0.0033, never up
        ("0.0034", None),
        ("0.00349", None),
    ],
)
async def test_execute_when_it_is_below_every_venues_minimum_then_422_never_rounded_up(
    api: Api, quantity: str, code: str | None
) -> None:
    chain = Ends(api.store)
    api.publisher = chain
    body = {**ORDER, "quantity": quantity}
    if code is None:
        assert (await api.post(EXECUTE, body)).status_code == 200
        assert chain.signals[0].signal.size_model.value == Decimal(quantity)
    else:
        await assert_refused(api, EXECUTE, body, "body.quantity", "quantity", code=code)


async def test_execute_when_the_price_makes_it_too_small_then_it_is_judged_at_that_price(
    api: Api,
) -> None:
    body = {**ORDER, "quantity": "0.0034", "order_type": "LIMIT", "price": "2900"}
    code = "NOTIONAL_BELOW_MINIMUM"
    await assert_refused(api, EXECUTE, body, "body.quantity", "quantity", code=code)


async def test_execute_when_the_symbol_has_no_price_yet_then_the_chain_decides(api: Api) -> None:
    api.publisher = Ends(api.store)
    body = {**ORDER, "symbol": "WIF", "quantity": "0.000000001"}
    assert (await api.post(EXECUTE, body)).status_code == 200


@pytest.mark.parametrize(
    "scope",
    [
        PLATFORM_SCOPE,
        agent_scope("v3", "operator"),
        deployment_scope("operator"),
        symbol_scope("ETH"),
    ],
)
async def test_execute_when_trading_is_halted_for_it_then_423_and_nothing_is_written(
    api: Api, scope: Any
) -> None:
    await api.set_state(TradingState.HALTED, scope)
    before = api.store.contents()
    response = await api.post(EXECUTE, ORDER, headers={"Idempotency-Key": "k"})
    assert_problem(response, 423, "TRADING_HALTED")
    assert scope.label in response.json()["detail"]
    assert "a drill" in response.json()["detail"]
    assert api.store.contents() == before


@pytest.mark.parametrize(
    ("state", "scope"),
    [
        (TradingState.REDUCING, PLATFORM_SCOPE),  # it may make a position smaller
        (TradingState.HALTED, symbol_scope("BTC")),
        (TradingState.HALTED, venue_scope("GMX")),  # others may take it
        (TradingState.HALTED, agent_scope("v2", "operator")),
    ],
)
async def test_execute_when_the_halt_is_another_ones_then_the_chain_decides(
    api: Api, state: TradingState, scope: Any
) -> None:
    api.publisher = Ends(api.store)
    await api.set_state(state, scope)
    assert (await api.post(EXECUTE, ORDER)).status_code == 200
