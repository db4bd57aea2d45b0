"""What GMX can do: orders are prepared, signed and submitted; keepers execute them 1 to 10 s later.

`requestId` is the client order id, and a prepared order says when it expires (GMX API, `/orders`).
"""

from dataclasses import replace
from datetime import timedelta

from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue

CAPABILITIES = Capabilities(
    venue=Venue.GMX,
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset({TimeInForce.IOC, TimeInForce.FOK}),
    expires_after=True,
    order_ttl=timedelta(seconds=45),
    read_lag_max=timedelta(seconds=10),
    clock_skew_max=timedelta(seconds=2),
    request_timeout=timedelta(seconds=15),
)

ON_PAPER = replace(
    CAPABILITIES,
    order_types=frozenset(OrderType),
    time_in_force=frozenset(TimeInForce),
)

LIVE = replace(
    ON_PAPER,
    order_ttl=timedelta(minutes=5),
    read_lag_max=timedelta(seconds=60),
    resends=True,
)
"""The venue sets the expiry; one that is later than ours by more than the clocks' skew is refused.
It takes a request id once, so the same bytes may be sent again until then."""
