"""What Drift v2 could do. It cannot be traded live, and the reason is shown wherever it is listed.

An order's key on Solana is its signature, which stands in for a client order id and dies with its
blockhash after 60 to 90 seconds.
"""

from datetime import timedelta

from common.domain.instrument import Capabilities, OrderType, TimeInForce, Venue

LIVE_REFUSAL = (
    "Drift v2 has been paused since it was drained on 2026-04-01, and its successor, Velocity, "
    "has no Python API"
)

CAPABILITIES = Capabilities(
    venue=Venue.DRIFT,
    order_types=frozenset({OrderType.MARKET, OrderType.LIMIT}),
    time_in_force=frozenset({TimeInForce.IOC}),
    expires_after=True,
    order_ttl=timedelta(seconds=90),
    read_lag_max=timedelta(seconds=10),
    clock_skew_max=timedelta(seconds=2),
    request_timeout=timedelta(seconds=15),
    live_refusal=LIVE_REFUSAL,
)
