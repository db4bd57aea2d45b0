"""Every event function through its real entry point, with real envelopes and the paper venues."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from common.books import (
    DECISIONS,
    FILLS,
    MARKET_SNAPSHOTS,
    NOTIFICATIONS,
    ORDERS,
    OUTBOX,
    PARENT_ORDERS,
    REJECTED_EVENTS,
    V3,
    VENUE_MARKETS,
)
from common.config import Settings, SwarmSettings
from common.domain.agent import Deployment, KeyStatus, VenueKey
from common.domain.events import MarketUpdated, NotificationRaised, OrderUnknown
from common.domain.order import Order
from common.domain.parent_order import ExecAlgorithm, ParentOrder
from common.domain.position import Position
from common.domain.signal import Delivery, SignalStatus
from common.ports import Update
from common.wire import from_document, to_document
from tests.builders import (
    a_message,
    a_notification,
    a_notification_message,
)
from tests.functions.api_client import Api, signal_body
from tests.functions.town import Town


@pytest.fixture
async def town() -> Town:
    town = Town()
    await town.start()
    return town


async def test_fetch_market_when_ticked_then_market_and_instruments_are_stored_and_told(
    town: Town,
) -> None:
    (event,) = town.bench.publisher.events

    assert isinstance(event, MarketUpdated)
    symbols = {snapshot.symbol for snapshot in event.snapshots}
    assert symbols == set(town.bench.settings.swarm.symbols)
    assert {d.ref.id for d in await town.bench.documents(MARKET_SNAPSHOTS)} == symbols
    assert {d.ref.id for d in await town.bench.documents(VENUE_MARKETS)} == set(
        town.bench.settings.venues
    )
    assert await town.bench.documents(OUTBOX) == []


async def test_decide_when_the_market_is_updated_then_each_symbol_has_one_decision(
    town: Town,
) -> None:
    (message,) = town.bench.publisher.messages

    await town.push("decide", message)
    first = await town.bench.documents(DECISIONS)
    await town.push("decide", message)

    assert len(first) == len(town.bench.settings.swarm.symbols)
    assert await town.bench.documents(DECISIONS) == first


@pytest.mark.parametrize("copies", [1, 2])
async def test_chain_when_a_signal_is_created_then_it_is_traded_once_and_told(copies: int) -> None:
    town = Town(copies)
    await town.start()
    town.bench.publisher.messages.clear()  # the swarm's own opinion is not the matter here
    await town.send_signal()

    called = await town.settle_down()
    await town.tick("settle")
    called += await town.settle_down()

    record = await town.signal()
    assert record.status is SignalStatus.EXECUTED, (record.reason, called)
    assert record.final_venue == "HYPERLIQUID"
    assert {"fan_out", "route", "execute", "monitor", "notify"} <= set(called)
    delivery = from_document(Delivery, (await town.bench.only(V3.deliveries)).data)
    position = from_document(Position, (await town.bench.only(V3.positions)).data)
    fills = await town.bench.documents(FILLS)
    assert delivery.status is SignalStatus.EXECUTED
    assert position.fill_count == len(fills) > 0
    assert position.signed_qty > 0
    assert len({n.notification_id for n in town.messenger.sent}) == len(town.messenger.sent) > 0
    assert await town.bench.documents(OUTBOX) == []
    assert await town.bench.documents(REJECTED_EVENTS) == []


@pytest.mark.parametrize("status", KeyStatus)
async def test_chain_when_the_deployment_trades_on_paper_then_it_waits_for_no_key(
    status: KeyStatus,
) -> None:
    town = Town()
    await town.start()
    town.bench.publisher.messages.clear()
    key = VenueKey(agent_address="0x" + "33" * 20, secret_name="x", version="1", status=status)
    for document in await town.bench.documents(V3.deployments):
        deployment = from_document(Deployment, document.data)
        keyed = replace(deployment, venue_keys={"HYPERLIQUID": key})
        await town.bench.store.commit([Update(document.ref, to_document(keyed), document.version)])
    await town.send_signal()

    await town.settle_down()

    assert (await town.signal()).status is SignalStatus.EXECUTED


async def test_settle_when_nothing_is_open_then_the_tick_and_a_strange_intent_change_nothing(
    town: Town,
) -> None:
    town.bench.publisher.messages.clear()

    await town.tick("settle")
    await town.push("settle", a_message(OrderUnknown(intent_id="int_nobody")))

    assert town.bench.publisher.messages == []
    assert await town.bench.documents(FILLS) == []


async def test_notify_when_the_event_comes_twice_then_the_person_hears_it_once(town: Town) -> None:
    for _ in range(2):
        await town.push("notify", a_notification_message())

    assert town.messenger.sent == [a_notification()]


async def test_notify_when_there_is_no_messenger_then_the_notification_is_kept(town: Town) -> None:
    town.runtime = replace(town.runtime, make_messenger=lambda: None)

    await town.push("notify", a_message(NotificationRaised(notification=a_notification())))

    assert (await town.bench.only(NOTIFICATIONS)).ref.id == a_notification().notification_id


# ------------------------------------------------------------------------- parents, exits, flatten
TWAP = {"algorithm": "TWAP", "duration_s": 300, "slices": 5}


async def begin(town: Town, api: Api, **changes: Any) -> str:
    """A signal of the swarm for 1 ETH, sent by a person and delivered; its parent order's id."""
    size = {"type": "quantity", "value": "1"}
    body = signal_body("swarm", **{"size_model": size, "execution": TWAP, **changes})
    assert (await api.post("/api/v3/signals/generate", body)).status_code == 201
    await town.settle_down()
    return (await town.only(ParentOrder, PARENT_ORDERS)).parent_order_id


@pytest.mark.parametrize("copies", [1, 2])
async def test_twap_when_worked_by_ticks_then_exactly_all_of_it_and_the_api_tells_how(
    copies: int, tmp_path: Path
) -> None:
    town = await Town(copies).open()
    api = town.api(tmp_path)
    parent_order_id = await begin(town, api)
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    minutes = [int((each.at - parent.created_at).total_seconds()) for each in parent.schedule]
    assert minutes == [0, 60, 120, 180, 240]
    assert (await api.get("/api/ops/state")).json()["open_parent_orders"] == 1

    await town.pass_time(8)

    shown = (await api.get(f"/api/orders/parents/{parent_order_id}")).json()
    assert (shown["status"], shown["filled_qty"], shown["leaves_qty"]) == ("FILLED", "1", "0")
    children = shown["children"]
    assert len(children) == shown["spawned"] == 5
    assert len({each["client_order_id"] for each in children}) == 5
    assert sum(Decimal(each["filled_qty"]) for each in children) == 1
    position = await town.only(Position, V3.positions)
    assert position.signed_qty == 1
    delivery = await town.only(Delivery, V3.deliveries)
    assert delivery.status is SignalStatus.EXECUTED
    signal = (await api.get(f"/api/v3/signals/{shown['signal_id']}")).json()
    assert signal["status"] == "EXECUTED"
    assert len(signal["orders"]) == 5
    cost = (await api.get(f"/api/analytics/slippage/{parent_order_id}")).json()
    assert (cost["filled_qty"], cost["exec_algorithm_id"]) == ("1", "TWAP")
    exposure = (await api.get("/api/portfolio/exposure")).json()
    assert exposure["reserved"] == "0"
    assert await town.bench.documents(OUTBOX) == []
    assert await town.bench.documents(REJECTED_EVENTS) == []


@pytest.mark.parametrize("copies", [1, 2])
async def test_a_parent_when_paused_resumed_and_canceled_then_it_does_so_and_keeps_what_filled(
    copies: int, tmp_path: Path
) -> None:
    town = await Town(copies).open()
    api = town.api(tmp_path)
    slow = {"algorithm": "TWAP", "duration_s": 1200, "slices": 20}
    path = f"/api/orders/parents/{await begin(town, api, execution=slow)}"
    await town.pass_time(1)

    await api.post(f"{path}/pause", {"reason": "thin book"})
    await town.settle_down()
    paused = (await api.get(path)).json()
    await town.pass_time(2)
    assert (await api.get(path)).json()["filled_qty"] == paused["filled_qty"]

    await api.post(f"{path}/resume")
    await town.pass_time(1)
    resumed = (await api.get(path)).json()
    assert Decimal(resumed["filled_qty"]) > Decimal(paused["filled_qty"])

    await api.post(f"{path}/cancel", {"reason": "enough"})
    await town.pass_time(1)
    ended = (await api.get(path)).json()
    assert (ended["status"], ended["reason_code"]) == ("PARTIAL", "CANCELED_BY_OPERATOR")
    assert ended["reason"].startswith("enough")
    await town.pass_time(8)
    assert (await api.get(path)).json()["filled_qty"] == ended["filled_qty"]
    position = await town.only(Position, V3.positions)
    assert position.signed_qty == Decimal(ended["filled_qty"])
    assert (await town.only(Delivery, V3.deliveries)).status is SignalStatus.PARTIAL
    assert (await api.get("/api/portfolio/exposure")).json()["reserved"] == "0"


@pytest.mark.parametrize("copies", [1, 2])
async def test_a_stop_when_its_position_is_open_then_it_rests_and_flatten_takes_both_away(
    copies: int, tmp_path: Path
) -> None:
    """A halt leaves it there; a flatten ends with the venues' own word, and HALTED."""
    town = await Town(copies).open()
    api = town.api(tmp_path)
    await begin(town, api)
    await town.pass_time(8)
    assert (await api.get("/api/ops/state")).json()["protective_orders"] == 1
    await api.post("/api/ops/halt", {"by": "Ada"})
    await town.pass_time(1)
    assert (await api.get("/api/ops/state")).json()["protective_orders"] == 1

    begun = (await api.post("/api/ops/flatten", {"by": "Ada", "reason": "a drill"})).json()
    await town.pass_time(3)

    shown = (await api.get(f"/api/ops/flattens/{begun['flatten_id']}")).json()
    assert (shown["status"], shown["remaining"], shown["dust"]) == ("FLAT", [], [])
    position = await town.only(Position, V3.positions)
    assert position.signed_qty == 0
    state = (await api.get("/api/ops/state")).json()
    assert (state["state"], state["protective_orders"]) == ("HALTED", 0)
    assert state["unresolved_orders"] == 0
    reasons = (await api.get("/api/analytics/statistics?by=exit_reason")).json()["groups"]
    assert [each["key"] for each in reasons] == ["FLATTEN"]
    assert sum(text.text.startswith("FLAT: ") for text in town.messenger.sent) == 1
    assert await town.bench.documents(REJECTED_EVENTS) == []


async def test_a_flatten_when_a_parent_was_worked_then_it_is_over_with_it(tmp_path: Path) -> None:
    """Who has everything closed does not mean to have the rest of it bought afterwards."""
    town = await Town().open()
    api = town.api(tmp_path)
    slow = {"algorithm": "TWAP", "duration_s": 1200, "slices": 20}
    await begin(town, api, execution=slow)
    await town.pass_time(2)
    await api.post("/api/ops/flatten", {"by": "Ada"})
    await town.pass_time(2)
    assert (await town.only(Position, V3.positions)).signed_qty == 0
    await api.post("/api/ops/resume", {"by": "Grace"})
    await town.pass_time(3)
    assert (await town.only(Position, V3.positions)).signed_qty == 0


@pytest.mark.parametrize(
    "venue",
    [
        pytest.param("HYPERLIQUID", id="its own"),
        pytest.param(
            "DRIFT",
            id="its last",
        ),
    ],
)
async def test_a_parent_when_a_venue_is_halted_then_it_sends_nothing_there_and_goes_on_elsewhere(
    tmp_path: Path, venue: str
) -> None:
    """Its children go to Hyperliquid; a venue behind it has nothing to do with them."""
    town = await Town().open()
    api = town.api(tmp_path)
    await begin(town, api, execution={"algorithm": "TWAP", "duration_s": 600, "slices": 10})
    await town.pass_time(2)
    await api.post("/api/ops/halt", {"scope": f"venue:{venue}"})
    await town.settle_down()
    before = (await town.only(ParentOrder, PARENT_ORDERS)).spawned
    await town.pass_time(4)
    orders = await town.all(Order, ORDERS)
    since = town.bench.clock.now() - timedelta(minutes=4)
    assert not [each for each in orders if each.venue == venue and each.submitted_at > since]
    if venue != "HYPERLIQUID":
        assert (await town.only(ParentOrder, PARENT_ORDERS)).spawned >= before + 3


async def test_a_resting_parent_when_moved_then_what_rests_is_canceled_and_rests_again(
    tmp_path: Path,
) -> None:
    town = await Town().open()
    api = town.api(tmp_path)
    execution = {"algorithm": "LIMIT", "limit_price": await price_beside(town, "0.98")}
    path = f"/api/orders/parents/{await begin(town, api, execution=execution, risk_model=None)}"

    async def resting() -> list[str]:
        await town.settle_down()
        await town.pass_time(2)
        shown = (await api.get(path)).json()
        open_ones = {"ACCEPTED", "SUBMITTED", "PARTIALLY_FILLED"}
        return [each["quantity"] for each in shown["children"] if each["status"] in open_ones]

    assert await resting() == ["1"]
    await api.post(f"{path}/pause")
    assert await resting() == []
    await api.post(f"{path}/resume")
    assert await resting() == ["1"]
    await api.post(f"{path}/cancel", {"reason": "enough"})
    assert await resting() == []
    ended = (await api.get(path)).json()
    assert (ended["status"], ended["reason_code"]) == ("CANCELED", "CANCELED_BY_OPERATOR")
    assert (await town.only(Delivery, V3.deliveries)).status is SignalStatus.SKIPPED
    assert (await api.get("/api/portfolio/exposure")).json()["reserved"] == "0"
    assert await town.bench.documents(FILLS) == []


async def price_beside(town: Town, factor: str) -> str:
    return str((await town.mark("ETH") * Decimal(factor)).quantize(Decimal("0.1")))


@pytest.mark.parametrize("side", ["LONG", "SHORT"])
@pytest.mark.parametrize("algorithm", [each for each in ExecAlgorithm if each != "TWAP"])
async def test_an_algorithm_when_worked_then_exactly_all_of_it_and_the_money_adds_up(
    tmp_path: Path, algorithm: ExecAlgorithm, side: str
) -> None:
    """Odd lots: 0.1234 of it, whatever the slices."""
    town = await Town(settings=Settings(swarm=SwarmSettings(symbols=("ETH",)))).open()
    api = town.api(tmp_path)
    execution: dict[str, Any] = {"algorithm": algorithm}
    if algorithm in {"LIMIT", "SNIPER"}:
        execution["limit_price"] = await price_beside(town, "1.01" if side == "LONG" else "0.99")
    if algorithm == "VWAP":
        execution |= {"duration_s": 300, "slices": 5}
    if algorithm == "ICEBERG":
        execution["visible_quantity"] = "0.03"
    size = {"type": "quantity", "value": "0.1234567"}
    body = signal_body("swarm", side=side, size_model=size, execution=execution, risk_model=None)
    sent = await api.post("/api/v3/signals/generate", body)
    await town.settle_down()
    await town.pass_time(9)

    shown = (await api.get(f"/api/v3/signals/{sent.json()['id']}")).json()
    assert shown["status"] == "EXECUTED", shown
    filled = sum(Decimal(each["filled_qty"]) for each in shown["orders"])
    assert filled == Decimal("0.1234")
    position = await town.only(Position, V3.positions)
    assert abs(position.signed_qty) == filled
    (account,) = (await api.get("/api/portfolio/accounts")).json()["accounts"]
    money = {name: Decimal(account[name]) for name in MONEY}
    assert money["starting"] + money["realized_pnl"] + money["unrealized_pnl"] == (
        money["equity"] + money["commissions"] - money["funding"]
    )
    assert (await api.get("/api/ops/state")).json()["open_parent_orders"] == 0
    assert (await api.get("/api/portfolio/exposure")).json()["reserved"] == "0"
    assert await town.bench.documents(REJECTED_EVENTS) == []


@pytest.mark.parametrize("drawn", [0, 3, 9, 16])
async def test_slices_when_ticks_come_between_them_then_no_crumb_goes_to_another_venue(
    tmp_path: Path, drawn: int
) -> None:
    """A slice every 100 s, a tick every 60 s: at a tick without a slice nothing is due but what the
    fuzz has left, which is below the first venue's least and not below another's.
    """
    town = await Town(settings=Settings(swarm=SwarmSettings(symbols=("ETH",)))).open()
    api = town.api(tmp_path)
    execution = {"algorithm": "TWAP", "duration_s": 300, "slices": 3}
    size = {"type": "quantity", "value": "0.1234"}
    body = signal_body("swarm", size_model=size, execution=execution, risk_model=None)
    key = {"Idempotency-Key": f"crumb-{drawn}"}  # some of those whose first slice is made smaller
    await api.post("/api/v3/signals/generate", body, headers=key)
    await town.settle_down()
    await town.pass_time(9)
    parent = await town.only(ParentOrder, PARENT_ORDERS)
    assert (parent.status, parent.spawned) == ("FILLED", 3)
    positions = await town.all(Position, V3.positions)
    assert [(each.venue, each.signed_qty) for each in positions] == [
        ("HYPERLIQUID", Decimal("0.1234"))
    ]


MONEY = ("starting", "realized_pnl", "unrealized_pnl", "commissions", "funding", "equity")


async def test_an_entry_when_its_symbol_is_halted_then_denied_and_nothing_trades(
    tmp_path: Path,
) -> None:
    town = await Town().open()
    api = town.api(tmp_path)
    await api.post("/api/ops/halt", {"scope": "symbol:ETH"})
    await town.send_signal()
    await town.settle_down()
    record = await town.signal()
    assert (record.status, record.outcomes) == (SignalStatus.DENIED, {"DENIED": 1})
    assert await town.bench.documents(FILLS) == []
