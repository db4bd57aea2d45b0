"""Domain objects for tests: valid unless told otherwise, every field open to change by keyword."""

from tests.builders.exposures import a_reservation, an_exposure
from tests.builders.limits import limits_document, some_limits
from tests.builders.market import (
    a_book,
    a_snapshot,
    an_instrument,
    an_instrument_table,
    some_candles,
)
from tests.builders.messages import (
    TOPIC_OF,
    a_message,
    a_notification,
    a_notification_message,
    a_tick,
)
from tests.builders.numbers import amounts
from tests.builders.orders import (
    a_fill,
    a_fill_record,
    a_plan,
    a_position,
    a_report,
    an_intent,
    an_order,
)
from tests.builders.parents import PARENT_ID, a_child, a_parent
from tests.builders.signals import (
    a_delivery,
    a_deployment,
    a_signal,
    a_signal_record,
    a_vote,
    an_agent,
)
from tests.builders.story import (
    AGENT_ID,
    CLIENT_ORDER_ID,
    DELIVERY_ID,
    DEPLOYMENT_ID,
    INTENT_ID,
    NOON,
    SIGNAL_ID,
)

__all__ = [
    "AGENT_ID",
    "CLIENT_ORDER_ID",
    "DELIVERY_ID",
    "DEPLOYMENT_ID",
    "INTENT_ID",
    "NOON",
    "PARENT_ID",
    "SIGNAL_ID",
    "TOPIC_OF",
    "a_book",
    "a_child",
    "a_delivery",
    "a_deployment",
    "a_fill",
    "a_fill_record",
    "a_message",
    "a_notification",
    "a_notification_message",
    "a_parent",
    "a_plan",
    "a_position",
    "a_report",
    "a_reservation",
    "a_signal",
    "a_signal_record",
    "a_snapshot",
    "a_tick",
    "a_vote",
    "amounts",
    "an_agent",
    "an_exposure",
    "an_instrument",
    "an_instrument_table",
    "an_intent",
    "an_order",
    "limits_document",
    "some_candles",
    "some_limits",
]
