"""Parent orders and their children."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from common.domain.instrument import Venue
from common.domain.order import OrderSide, VenueCandidate
from common.domain.parent_order import ExecAlgorithm, OpenChild, ParentOrder, ParentStatus
from common.execution.algorithms.parent import parent_id
from tests.builders.story import AGENT_ID, DELIVERY_ID, DEPLOYMENT_ID, NOON, SIGNAL_ID

PARENT_ID = parent_id(AGENT_ID, DEPLOYMENT_ID, SIGNAL_ID, 0)


def a_parent(**changes: Any) -> ParentOrder:
    """BUY 10 ETH on Hyperliquid within the hour, resting at 3000; nothing is sent of it yet."""
    quantity = changes.get("quantity", Decimal(10))
    parent = ParentOrder(
        parent_order_id=PARENT_ID,
        exec_algorithm_id=ExecAlgorithm.LIMIT,
        book="v3",
        agent_id=AGENT_ID,
        deployment_id=DEPLOYMENT_ID,
        delivery_id=DELIVERY_ID,
        signal_id=SIGNAL_ID,
        leg=0,
        symbol="ETH",
        side=OrderSide.BUY,
        candidates=(
            VenueCandidate(
                venue=Venue.HYPERLIQUID,
                instrument_id="ETH-USD-PERP.HYPERLIQUID",
                quantity=quantity,
                price=Decimal(3000),
            ),
        ),
        quantity=quantity,
        limit_price=Decimal(3000),
        visible_quantity=None,
        schedule=(),
        chosen_because="the signal asks for it",
        arrival_price=Decimal(3000),
        slippage_max=Decimal("0.005"),
        policy_version="pass-through-1",
        paper=True,
        status=ParentStatus.ACTIVE,
        reason_code=ParentStatus.ACTIVE,
        reason="",
        created_at=NOON,
        expires_at=NOON + timedelta(hours=1),
        updated_at=NOON,
    )
    return replace(parent, **changes)


def a_child(quantity: str = "10", **changes: Any) -> OpenChild:
    child = OpenChild(slice_no=1, quantity=Decimal(quantity), spawned_at=NOON)
    return replace(child, **changes)
