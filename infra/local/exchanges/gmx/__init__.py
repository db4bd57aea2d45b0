"""A stand-in of GMX's API and oracle: it prepares, relays and executes on the clock, as keepers do.

Operations for faults: prepare, cancel_prepare, submit, status (key: request id), positions, orders,
trades, markets, tickers, info, tokens and prices.
"""
