"""Constant-product pools: their reserves are what their address holds of the two tokens."""

from dataclasses import dataclass
from itertools import pairwise

from infra.local.exchanges.chain.erc20 import Erc20
from infra.local.exchanges.chain.world import EventLog, World, custom_error
from infra.venues.evm.abi import topic


def amount_out(amount_in: int, reserve_in: int, reserve_out: int) -> int:
    """What an exact input buys (Uniswap v2, UniswapV2Library.getAmountOut)."""
    with_fee = amount_in * 997
    return with_fee * reserve_out // (reserve_in * 1000 + with_fee)


def amount_in(amount_out: int, reserve_in: int, reserve_out: int) -> int | None:
    """What an exact output costs (getAmountIn); None: the pool does not hold so much."""
    if amount_out >= reserve_out:
        return None
    return reserve_in * amount_out * 1000 // ((reserve_out - amount_out) * 997) + 1


@dataclass(frozen=True, slots=True)
class Pools:
    """Which address holds which pair; addresses in lower case."""

    by_pair: dict[frozenset[str], str]

    def reserves(self, world: World, first: str, second: str) -> tuple[str, int, int] | None:
        """The pool's address and what it holds of `first` and of `second`."""
        pool = self.by_pair.get(frozenset({first, second}))
        if pool is None:
            return None
        return pool, held(world, first, pool), held(world, second, pool)

    def forward(self, world: World, path: list[str], amount: int) -> list[int] | None:
        """What arrives at each token of the path for an exact input; None: a pool is missing."""
        amounts = [amount]
        for first, second in pairwise(path):
            found = self.reserves(world, first, second)
            if found is None:
                return None
            amounts.append(amount_out(amounts[-1], found[1], found[2]))
        return amounts

    def backward(self, world: World, path: list[str], amount: int) -> list[int] | None:
        """The same for an exact output, which its pool pays to the unit; None: cannot be had."""
        amounts = [amount]
        for first, second in reversed(list(pairwise(path))):
            found = self.reserves(world, first, second)
            needed = amount_in(amounts[0], found[1], found[2]) if found else None
            if needed is None:
                return None
            amounts.insert(0, needed)
        return amounts


def token_at(world: World, address: str) -> Erc20:
    contract = world.contracts.get(address)
    if not isinstance(contract, Erc20):
        raise custom_error("InvalidPath()")
    return contract


def held(world: World, token: str, owner: str) -> int:
    return token_at(world, token).balances.get(owner, 0)


def transfer_log(token: str, owner: str, to: str, amount: int) -> EventLog:
    """ERC-20's Transfer event."""
    return EventLog(
        token,
        (topic("Transfer(address,address,uint256)"), _word(owner), _word(to)),
        amount.to_bytes(32, "big"),
    )


def _word(address: str) -> bytes:
    return bytes.fromhex(address[2:]).rjust(32, b"\0")
