"""Hyperliquid's HTTP API over a small matching engine: the official SDK trades on it unchanged.

    exchange = HyperliquidExchange(Listing.of(meta, spot_meta), marks={"BTC": "100000"})
    exchange.deposit(address, "10000")
    server = ExchangeServer(exchange, clock=clock)

Shapes and wording follow the recorded answers; where Hyperliquid's behaviour is not known to us
(reference: a cloid used again, an expired action's text) the module that decides says so.
Operations for faults: an /exchange request's action type ("order", "cancel", "cancelByCloid",
"modify", "batchModify", "noop" ...) and an /info request's type ("orderStatus", "userFills",
"clearinghouseState" ...). Their key: the first order's cloid, else its oid, else "".
"""
