"""What Ostium can do: no book and no client order id; an oracle prices each order on Arbitrum.

The hash of the signed transaction, known and stored before it is sent, stands in for a client order
id. The chain takes its nonce once, so the same bytes may be sent again; another transaction with
that nonce is the fence. An order is executed at the oracle's price or cancelled: nothing rests. It
fills what its collateral is worth, so no order can be promised to fill whole (FOK).
"""

from datetime import timedelta

from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue

CAPABILITIES = Capabilities(
    venue=Venue.OSTIUM,
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset({TimeInForce.IOC}),
    expires_after=False,
    order_ttl=timedelta(seconds=30),
    read_lag_max=timedelta(seconds=15),  # 5 s to a final block, and the subgraph behind it
    clock_skew_max=timedelta(seconds=2),
    request_timeout=timedelta(seconds=10),
    resends=True,  # a nonce is used once, so the same bytes can trade only once
    cancel_is_a_fence=True,  # a transfer to ourselves takes the nonce of an order under way
)
