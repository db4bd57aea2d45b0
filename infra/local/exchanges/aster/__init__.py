"""Aster's V3 futures API over house liquidity: it checks signatures, nonces and filters.

    exchange = AsterExchange()
    exchange.deposit(wallet, Decimal(10_000))
    exchange.approve(wallet, agent_address)
    server = ExchangeServer(exchange, clock=clock)

Operations for faults: "order", "cancel", "noop" (these write), and for queries "queryOrder",
"openOrders", "userTrades", "positionRisk", "balance", "exchangeInfo", "depth", "bookTicker",
"premiumIndex", "time". Their key: the client order id where one is named, else the order id or "".
"""
