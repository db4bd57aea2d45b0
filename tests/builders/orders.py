"""Plans, orders, intents, fills, reports and positions."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.domain.identifiers import digest
from common.domain.instrument import OrderType, TimeInForce, Venue
from common.domain.moment import to_ms
from common.domain.order import (
    Fill,
    FillRecord,
    IntentStatus,
    LiquiditySide,
    Order,
    OrderIntent,
    OrderPlan,
    OrderReport,
    OrderSide,
    OrderStatus,
    VenueCandidate,
)
from common.domain.position import Position
from tests.builders.story import (
    AGENT_ID,
    CLIENT_ORDER_ID,
    DELIVERY_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
)


def a_plan(**changes: Any) -> OrderPlan:
    plan = OrderPlan(
        intent_id=INTENT_ID,
        book="v3",
        agent_id=AGENT_ID,
        deployment_id=DEPLOYMENT_ID,
        delivery_id=DELIVERY_ID,
        signal_id=SIGNAL_ID,
        symbol="ETH",
        side=OrderSide.BUY,
        order_type=OrderType.MARKET,
        candidates=(
            VenueCandidate(
                venue=Venue.HYPERLIQUID,
                instrument_id="ETH-USD-PERP.HYPERLIQUID",
                quantity=Decimal("0.3333"),
                price=Decimal(3015),
            ),
        ),
        reference_price=Decimal(3000),
        slippage_max=Decimal("0.005"),
        policy_version="pass-through-1",
        created_at=NOON,
        expires_at=NOON + timedelta(minutes=5),
    )
    return replace(plan, **changes)


def an_order(**changes: Any) -> Order:
    """Just written ahead: SUBMITTED, nothing filled."""
    order = Order(
        client_order_id=CLIENT_ORDER_ID,
        intent_id=INTENT_ID,
        attempt=1,
        account_id=DEPLOYMENT_ID,
        venue=Venue.HYPERLIQUID,
        instrument_id="ETH-USD-PERP.HYPERLIQUID",
        symbol="ETH",
        side=OrderSide.BUY,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal("0.3333"),
        price=Decimal("3015"),
        nonce=to_ms(NOON),
        payload_hash=digest("payload"),
        status=OrderStatus.SUBMITTED,
        venue_order_id=None,
        filled_qty=Decimal(0),
        avg_px=None,
        reason="",
        submitted_at=NOON,
        expires_at=NOON + timedelta(seconds=15),
        updated_at=NOON,
    )
    return replace(order, **changes)


def an_intent(plan: OrderPlan | None = None, **changes: Any) -> OrderIntent:
    intent = OrderIntent(
        plan=plan or a_plan(),
        status=IntentStatus.SENDING,
        attempt=1,
        candidate=0,
        client_order_id=CLIENT_ORDER_ID,
        client_order_ids=(CLIENT_ORDER_ID,),
        filled_qty=Decimal(0),
        reason_code="",
        reason="",
        queries=0,
        created_at=NOON,
        updated_at=NOON,
    )
    return replace(intent, **changes)


def a_fill(trade_id: str = "trade-1", **changes: Any) -> Fill:
    """The whole of `an_order`, at 3001."""
    fill = Fill(
        trade_id=trade_id,
        client_order_id=CLIENT_ORDER_ID,
        venue_order_id="77",
        account_id=DEPLOYMENT_ID,
        venue=Venue.HYPERLIQUID,
        instrument_id="ETH-USD-PERP.HYPERLIQUID",
        symbol="ETH",
        side=OrderSide.BUY,
        last_qty=Decimal("0.3333"),
        last_px=Decimal(3001),
        commission=Decimal("0.45"),
        liquidity_side=LiquiditySide.TAKER,
        ts_event=NOON,
    )
    return replace(fill, **changes)


def a_fill_record(fill: Fill | None = None, **changes: Any) -> FillRecord:
    record = FillRecord(
        fill=fill or a_fill(),
        book="v3",
        agent_id=AGENT_ID,
        deployment_id=DEPLOYMENT_ID,
        signal_id=SIGNAL_ID,
        intent_id=INTENT_ID,
        position_id="pos_1",
        realized_pnl=Decimal(0),
        recorded_at=NOON,
    )
    return replace(record, **changes)


def a_report(fill: Fill | None = None, **changes: Any) -> OrderReport:
    """The venue says: filled, by `fill` alone."""
    fill = fill or a_fill()
    report = OrderReport(
        client_order_id=fill.client_order_id,
        venue_order_id=fill.venue_order_id,
        status=OrderStatus.FILLED,
        filled_qty=fill.last_qty,
        fills=(fill,),
        reason="",
    )
    return replace(report, **changes)


def a_position(position_id: str = "pos_1", **changes: Any) -> Position:
    """Flat: what a position is before its first fill."""
    position = Position(
        position_id=position_id,
        book="v3",
        agent_id=AGENT_ID,
        deployment_id=DEPLOYMENT_ID,
        venue=Venue.HYPERLIQUID,
        symbol="ETH",
        signed_qty=Decimal(0),
        open_cost=Decimal(0),
        realized_pnl=Decimal(0),
        commissions=Decimal(0),
        fill_count=0,
        opened_at=NOON,
        updated_at=NOON,
    )
    return replace(position, **changes)
