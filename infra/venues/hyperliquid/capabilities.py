"""What Hyperliquid can do (hyperliquid.gitbook.io, API > Exchange endpoint, Nonces)."""

from dataclasses import replace
from datetime import timedelta

from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue

CAPABILITIES = Capabilities(
    venue=Venue.HYPERLIQUID,
    # There is no market order on the wire: it is an IOC at the worst acceptable price.
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset({TimeInForce.IOC}),
    expires_after=True,  # expiresAfter
    order_ttl=timedelta(seconds=15),
    read_lag_max=timedelta(seconds=5),
    clock_skew_max=timedelta(seconds=2),
    request_timeout=timedelta(seconds=5),
)
"""What fills at once; the base of the others."""

ON_PAPER = replace(
    CAPABILITIES,
    order_types=frozenset(OrderType),
    time_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
)
"""What our paper stand-in of it does."""

LIVE = replace(
    ON_PAPER,
    resends=True,  # a signer's nonce is taken at most once, whatever the action
    cancel_is_a_fence=True,  # a `noop` uses up the nonce of an order that is still under way
)
"""What the venue itself does."""
