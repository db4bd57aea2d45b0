"""What Symphony can do (docs.symphony.io, Perpetual Trading Guide).

An open is a percentage of each subscriber's balance at the market's price. It carries no id and no
expiry of ours, so what became of one whose answer was lost cannot be asked, and it is never sent
again.
"""

from datetime import timedelta

from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue

CAPABILITIES = Capabilities(
    venue=Venue.SYMPHONY,
    order_types=frozenset({OrderType.MARKET}),
    time_in_force=frozenset({TimeInForce.IOC}),
    expires_after=False,
    order_ttl=timedelta(seconds=60),
    read_lag_max=timedelta(seconds=30),  # positions are read from the chain some seconds later
    clock_skew_max=timedelta(seconds=2),
    request_timeout=timedelta(seconds=30),  # the answer waits for the chain
)
"""On paper as well: no order rests, and a lost answer leaves the order unresolved as it would."""
