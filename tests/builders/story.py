"""The one story the built objects tell: at `NOON` the swarm goes LONG in ETH, on Hyperliquid."""

from datetime import UTC, datetime

from common.domain.identifiers import client_order_id, intent_id

NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
AGENT_ID = "swarm"
DEPLOYMENT_ID = "dep_1"
SIGNAL_ID = "sig_1"
DELIVERY_ID = "del_1"
INTENT_ID = intent_id(AGENT_ID, DEPLOYMENT_ID, SIGNAL_ID, 0, 0)
CLIENT_ORDER_ID = client_order_id(INTENT_ID, 1)
