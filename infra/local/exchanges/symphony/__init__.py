"""Symphony's agent API: one agent, its subscribers, and the house as everybody's counterparty.

    exchange = SymphonyExchange(agent_id=AGENT, api_key="sk-...")
    exchange.subscribe(smart_account, Decimal(10_000))
    server = ExchangeServer(exchange, clock=clock)

Operations for faults: "batch-open", "batch-close", "batch-swap" (these write), and for queries
"token-price", "positions", "batches", "batch-positions", "all-positions". Their key: the batch's id
where one is named, else the symbol, the token or "". An open is taken as often as it is sent: there
is nothing to tell a repeated one by.
"""
