"""A simulated EVM chain behind JSON-RPC: real signatures, nonces, fees, blocks, reverts and reorgs.

    chain = SimulatedChain(chain_id=42161, start=clock.now())
    chain.deploy(USDC, Erc20(decimals=6))
    server = ExchangeServer(ChainExchange(chain), clock=clock, faults=faults)

Operations for faults are the JSON-RPC methods, keys the transaction hashes. Blocks come by the
clock of the requests (`advance`); a contract is any object that fits `world.Contract`. What happens
to a transaction beside the faults of the wire: `chain.stuck` holds hashes that no block takes,
`chain.base_fee` is the price of gas, `chain.reorg(depth, keep=...)` undoes blocks.
"""
