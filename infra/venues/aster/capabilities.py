"""What Aster can do (asterdex/api-docs, V3 futures).

Every signed request carries a nonce, the clock in microseconds, which is its expiry: the venue
takes it only near its own time, and once. The document says 10 seconds in one place and 60 in
another; an order is held for possible as long as the longer of them.
"""

from datetime import timedelta

from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue

NONCE_WINDOW = timedelta(seconds=60)
NONCE_DRIFT_MAX = timedelta(seconds=1)  # a nonce may lie this much after its order's own moment

CAPABILITIES = Capabilities(
    venue=Venue.ASTER,
    # A market order goes out as an IOC limit at the worst acceptable price.
    order_types=frozenset(OrderType),
    time_in_force=frozenset(TimeInForce),
    expires_after=True,
    order_ttl=NONCE_WINDOW,
    read_lag_max=timedelta(seconds=10),
    clock_skew_max=timedelta(seconds=2) + NONCE_DRIFT_MAX,
    request_timeout=timedelta(seconds=8),  # the order, then its trades
    resends=True,  # a nonce is taken once, so the same bytes can trade only once
    # `noop` with an order's nonce takes its place, but "no guarantee of success" is promised.
    cancel_is_a_fence=False,
)
