"""What really happened on the chain, as an oracle for tests: swaps read from the receipts."""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.local.exchanges.chain.chain import SimulatedChain
from infra.venues.evm.abi import topic
from infra.venues.spot.tokens import TokenBook

_TRANSFER = "0x" + topic("Transfer(address,address,uint256)").hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotFill:
    trade_id: str  # the transaction's hash
    symbol: str
    side: str  # BUY, SELL
    qty: Decimal
    cash: Decimal  # dollars that were paid or received
    account: str  # the wallet
    block: int


def fills_of(chain: SimulatedChain, book: TokenBook) -> list[SpotFill]:
    """One for each mined transaction that changed what its sender holds of a token."""
    found = []
    for tx_hash, receipt in chain.world.receipts.items():
        wallet = str(receipt["from"])
        changes = _changes(receipt, wallet)
        cash = changes.get(book.quote.address.lower(), 0)
        for token in book.tokens:
            units = changes.get(token.address.lower(), 0)
            if units:
                found.append(
                    SpotFill(
                        trade_id=tx_hash,
                        symbol=token.trades_as,
                        side="BUY" if units > 0 else "SELL",
                        qty=abs(Decimal(units).scaleb(-token.decimals)),
                        cash=abs(Decimal(cash).scaleb(-book.quote.decimals)),
                        account=wallet,
                        block=int(str(receipt["blockNumber"]), 16),
                    )
                )
    return sorted(found, key=lambda fill: fill.block)


def _changes(receipt: dict[str, Any], wallet: str) -> dict[str, int]:
    changes: dict[str, int] = defaultdict(int)
    for log in receipt["logs"]:
        if log["topics"][0] == _TRANSFER:
            amount = int(log["data"], 16)
            owner, receiver = ("0x" + word[-40:] for word in log["topics"][1:])
            changes[log["address"]] += amount * ((receiver == wallet) - (owner == wallet))
    return changes
