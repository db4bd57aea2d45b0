"""The Uniswap Trading API and a chain on which its swaps really happen, in one stand-in.

    exchange = UniswapExchange(token_book("mainnet"), start=clock.now(), prices={"ETH": "3000"})
    exchange.open_account(wallet, {"USDC": "10000"})
    server = ExchangeServer(exchange, clock=clock, faults=faults)

Pools hold x * y = k with the 0.3 % fee of Uniswap v2, whichever command a swap goes by. Quotes live
30 s. Operations for faults: "check_approval", "quote", "swap", and the JSON-RPC methods
("eth_sendRawTransaction", "eth_call" ...); keys are transaction hashes. PARTIAL_FILL is ignored: a
swap fills whole or reverts. `exchange.hostile` makes the exchange hand out what must not be signed.
"""
