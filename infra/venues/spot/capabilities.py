"""What a Uniswap-like exchange can do: swap what is held; nothing is sold short.

The hash of the signed swap stands in for a client order id; the router's `deadline` is its expiry.
"""

from dataclasses import replace
from datetime import timedelta

from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue

CAPABILITIES = Capabilities(
    venue=Venue.SPOT,
    order_types=frozenset({OrderType.MARKET}),
    time_in_force=frozenset({TimeInForce.IOC, TimeInForce.FOK}),  # whole or not at all, either way
    expires_after=True,
    order_ttl=timedelta(seconds=30),  # a quote's life
    read_lag_max=timedelta(seconds=15),  # one block and the node that serves it
    clock_skew_max=timedelta(seconds=2),
    request_timeout=timedelta(seconds=10),
)
"""What our paper stand-in of it does."""

LIVE = replace(
    CAPABILITIES,
    resends=True,  # a wallet's nonce is mined once
    cancel_is_a_fence=True,  # another transaction takes the nonce
)
"""What it does on chain. A swap fills whole within its bound or reverts."""
