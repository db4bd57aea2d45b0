"""The chain: a mempool, blocks by the clock, and the world that they change."""

import copy
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from infra.local.exchanges.chain.transactions import RefusedError, Signed, decode
from infra.local.exchanges.chain.world import Context, Contract, Effects, ReversionError, World
from infra.venues.evm.abi import Call

GENESIS = 1_000
ETHER = 10**18
SNAPSHOTS = 64
BLOCK_GAS = 32_000_000


@dataclass(slots=True)
class _Waiting:
    signed: Signed
    since: int  # the newest block when it came


@dataclass(frozen=True, slots=True)
class _Before:
    """The world before a block, and the transactions that the block took."""

    block: int
    world: World
    taken: tuple[Signed, ...]


@dataclass(slots=True, kw_only=True)
class SimulatedChain:
    """`sequencer`: like Arbitrum's, it refuses a transaction that cannot pay the base fee at once;
    otherwise such a one waits in the mempool.
    """

    chain_id: int
    start: datetime
    block_time: timedelta = timedelta(milliseconds=250)
    base_fee: int = 10_000_000  # wei per gas
    tip: int = 0  # what eth_maxPriorityFeePerGas suggests
    sequencer: bool = False
    stuck: set[str] = field(default_factory=set)
    world: World = field(default_factory=World)
    head: int = GENESIS
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    _history: list[_Before] = field(default_factory=list)

    def deploy(self, address: str, contract: Contract) -> None:
        self.world.contracts[address.lower()] = contract

    def contract(self, address: str) -> Contract:
        """As it is now: reverts and reorgs replace contracts by their copies, so hold none."""
        return self.world.contracts[address.lower()]

    def fund(self, address: str, wei: int = ETHER) -> None:
        self.world.balances[address.lower()] = self.world.balances.get(address.lower(), 0) + wei

    def time_of(self, block: int) -> datetime:
        return self.start + (block - GENESIS) * self.block_time

    # Blocks

    def advance(self, now: datetime) -> None:
        """Mine every block up to `now`; the empty ones are only counted."""
        newest = max(self.head, GENESIS + (now - self.start) // self.block_time)
        while (block := self._next_full(newest)) is not None:
            self._mine(block)
            self.head = block
        self.head = newest

    def reorg(self, depth: int, *, keep: bool = True) -> None:
        """Undo the newest `depth` blocks. Their transactions wait again, or are gone for good.

        The time that has passed stays: the next blocks follow on the new branch.
        """
        floor = self.head - depth
        undone = [item for item in self._history if item.block > floor]
        if not undone:
            return
        self._history = [item for item in self._history if item.block <= floor]
        self.world = undone[0].world
        for signed in (signed for item in undone for signed in item.taken):
            if keep:
                self.waiting[signed.hash] = _Waiting(signed, self.head)

    def state_at(self, block: int) -> World:
        """The world after that block; as far back as is remembered."""
        later = next((item for item in self._history if item.block > block), None)
        return self.world if later is None else later.world

    # Transactions

    def send(self, raw: bytes) -> Signed:
        """Into the mempool. Raises RefusedError with the node's own words."""
        signed = decode(raw)
        self._check(signed)
        rival = next(
            (
                item.signed
                for item in self.waiting.values()
                if (item.signed.sender, item.signed.nonce) == (signed.sender, signed.nonce)
            ),
            None,
        )
        if rival is not None:
            if not signed.replaces(rival):
                raise RefusedError("replacement transaction underpriced")
            del self.waiting[rival.hash]
        self.waiting[signed.hash] = _Waiting(signed, self.head)
        return signed

    def drop(self, tx_hash: str) -> None:
        """Out of the mempool, as a node does under pressure."""
        self.waiting.pop(tx_hash, None)

    def call(self, call: Call, sender: str, block: int) -> Effects:
        """On a copy: nothing changes. Raises ReversionError."""
        world = copy.deepcopy(self.state_at(block))
        return world.run(call, Context(world, sender, self.time_of(block), block))

    def used_nonces(self, address: str, block: int | None = None) -> int:
        used = self.world.nonces.get(address.lower(), [])
        return len(used) if block is None else sum(1 for at in used if at <= block)

    def _check(self, signed: Signed) -> None:
        if signed.chain_id != self.chain_id:
            raise RefusedError(
                f"invalid chain id for signer: have {signed.chain_id} want {self.chain_id}"
            )
        if signed.hash in self.waiting:
            raise RefusedError("already known")
        used = self.used_nonces(signed.sender)
        if signed.nonce < used:
            raise RefusedError(f"nonce too low: next nonce {used}, tx nonce {signed.nonce}")
        if signed.gas > BLOCK_GAS:
            raise RefusedError("exceeds block gas limit")
        if signed.gas < signed.intrinsic_gas:
            raise RefusedError("intrinsic gas too low")
        cost = signed.gas * signed.max_fee + signed.call.value
        if cost > self.world.balances.get(signed.sender, 0):
            raise RefusedError("insufficient funds for gas * price + value")
        if self.sequencer and signed.max_fee < self.base_fee:
            raise RefusedError("max fee per gas less than block base fee")

    def _next_full(self, newest: int) -> int | None:
        """The next block up to `newest` that takes something."""
        blocks = [max(item.since, self.head) + 1 for item in self._ready()]
        for due, _, _ in self.world.scheduled:
            past = -((self.start - due) // self.block_time)  # rounded up
            blocks.append(max(GENESIS + past, self.head + 1))
        block = min(blocks, default=newest + 1)
        return block if block <= newest else None

    def _ready(self) -> list[_Waiting]:
        return [
            item
            for item in self.waiting.values()
            if item.signed.nonce == self.used_nonces(item.signed.sender)
            and item.signed.max_fee >= self.base_fee
            and item.signed.hash not in self.stuck
        ]

    def _mine(self, block: int) -> None:
        before = copy.deepcopy(self.world)
        taken: list[Signed] = []
        while ready := [item for item in self._ready() if item.since < block]:
            for item in ready:
                del self.waiting[item.signed.hash]
                self._include(item.signed, block)
                taken.append(item.signed)
        at = self.time_of(block)
        due = [item for item in self.world.scheduled if item[0] <= at]
        self.world.scheduled = [item for item in self.world.scheduled if item[0] > at]
        for _, sender, call in due:
            self._apply(call, sender, block)
        self._history = [*self._history[-SNAPSHOTS:], _Before(block, before, tuple(taken))]

    def _include(self, signed: Signed, block: int) -> None:
        self.world.nonces.setdefault(signed.sender, []).append(block)
        needed = self.world.gas_of(signed.call) + 2_400 * signed.listed
        effects = None
        if signed.gas >= needed:
            effects = self._apply(signed.call, signed.sender, block)
        price = min(signed.max_fee, self.base_fee + signed.priority_fee)
        used = min(needed, signed.gas)
        self.fund(signed.sender, -used * price - (signed.call.value if effects else 0))
        if effects is not None:
            self.fund(signed.call.to, signed.call.value)
        self.world.receipts[signed.hash] = receipt(signed, block, used, price, effects)

    def _apply(self, call: Call, sender: str, block: int) -> Effects | None:
        """None where it reverts: nothing of it stays."""
        before = copy.deepcopy(self.world)
        at = self.time_of(block)
        try:
            effects = self.world.run(call, Context(self.world, sender, at, block))
        except ReversionError:
            self.world = before
            return None
        for later in effects.later:
            due = at + timedelta(seconds=later.delay_s)
            self.world.scheduled.append((due, later.sender, later.call))
        return effects


def receipt(
    signed: Signed, block: int, gas_used: int, price: int, effects: Effects | None
) -> dict[str, object]:
    """As JSON-RPC shows it; with what eth_getTransactionByHash needs under "_sent"."""
    logs = effects.logs if effects is not None else []
    return {
        "transactionHash": signed.hash,
        "blockNumber": hex(block),
        "status": hex(int(effects is not None)),
        "gasUsed": hex(gas_used),
        "effectiveGasPrice": hex(price),
        "from": signed.sender,
        "to": signed.call.to,
        "logs": [
            {
                "address": log.address,
                "topics": ["0x" + item.hex() for item in log.topics],
                "data": "0x" + log.data.hex(),
                "logIndex": hex(place),
            }
            for place, log in enumerate(logs)
        ],
        "_sent": signed,
    }
