"""Ostium on a simulated chain: its trading contract, a keeper, a subgraph and a price feed.

    exchange = OstiumExchange({"BTC/USD": "80000"}, start=clock.now())
    exchange.open_account(wallet, agent)
    server = ExchangeServer(exchange, clock=clock)

Operations for faults: the JSON-RPC methods (key: the transaction's hash), "subgraph.Pairs",
"subgraph.Trades", "subgraph.Limits", "subgraph.Order" (key: the order's or trader's id) and
"latest-prices". An order executes whole or is cancelled, so PARTIAL_FILL changes nothing here.
The subgraph's own delay is `exchange.subgraph_lag`; the keeper's is drawn from the seed.
"""
