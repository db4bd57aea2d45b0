"""What venues on an EVM chain share: JSON-RPC, the ABI, signed transactions, nonces, fences.

`orders.ChainOrders` is the way in: prepare, broadcast, trace, fence. A transaction is an order's
request: its raw bytes are `SignedRequest.body`, its hash `request_key`, and the account's nonce is
what makes it happen at most once.
"""
