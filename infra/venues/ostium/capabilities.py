"""What Ostium can do: no book and no client order id; an oracle prices each order on Arbitrum.

The hash of the signed operation, known and stored before it is sent, stands in for a client order
id, and an operation that is sent gasless carries a `validUntil` (ERC-4337), its expiry.
"""

from datetime import timedelta

from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue

CAPABILITIES = Capabilities(
    venue=Venue.OSTIUM,
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset({TimeInForce.IOC, TimeInForce.FOK}),
    client_order_id=True,
    expires_after=True,
    order_ttl=timedelta(seconds=30),
    read_lag_max=timedelta(seconds=10),  # the subgraph indexes behind the chain
    clock_skew_max=timedelta(seconds=2),
    request_timeout=timedelta(seconds=10),
)
