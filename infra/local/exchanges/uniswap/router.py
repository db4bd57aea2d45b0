"""The Universal Router: runs the commands of a call over the pools, all of them or none."""

from dataclasses import dataclass, field
from itertools import pairwise

from common.errors import InvalidInputError
from infra.local.exchanges.chain.world import (
    Context,
    Effects,
    EventLog,
    ReversionError,
    custom_error,
)
from infra.local.exchanges.uniswap.permit2 import PERMIT2, Permit2
from infra.local.exchanges.uniswap.pools import (
    Pools,
    held,
    token_at,
    transfer_log,
)
from infra.venues.evm.abi import Call, decode, decode_call

EXECUTE = "execute(bytes,bytes[],uint256)"
PERMIT_TYPES = ("((address,uint160,uint48,uint48),address,uint256)", "bytes")
V2_TYPES = ("address", "uint256", "uint256", "address[]", "bool")
V3_TYPES = ("address", "uint256", "uint256", "bytes", "bool")
SWEEP_TYPES = ("address", "address", "uint256")
TRANSFER_TYPES = SWEEP_TYPES
CALLER = "0x" + "0" * 39 + "1"
ITSELF = "0x" + "0" * 39 + "2"


@dataclass(slots=True)
class _Run:
    """One execution: where it runs and what it has logged."""

    context: Context
    logs: list[EventLog] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leg:
    """A swap command. `exact` and `limit`: in and least out, or out and most in."""

    version: str
    exact_output: bool
    recipient: str
    exact: int
    limit: int
    path: list[str]
    from_caller: bool


@dataclass(slots=True)
class UniversalRouter:
    address: str  # its own, in lower case
    pools: Pools
    gas: int = 220_000

    def run(self, call: Call, context: Context) -> Effects:
        run = _Run(context)
        try:
            commands, inputs, deadline = decode_call(EXECUTE, call.data)
            if context.now.timestamp() > deadline:
                raise custom_error("TransactionDeadlinePassed()")
            for place, (command, payload) in enumerate(zip(commands, inputs, strict=True)):
                self._command(run, place, command, payload)
        except (InvalidInputError, ValueError):
            raise custom_error("SliceOutOfBounds()") from None
        return Effects(logs=run.logs)

    def _command(self, run: _Run, place: int, command: int, payload: bytes) -> None:
        kind = command & 0x7F
        if kind == 0x0A:
            self._permit(run, place, command, payload)
        elif kind in {0x00, 0x01, 0x08, 0x09}:
            self._swap(run, _leg(kind, payload))
        elif kind in {0x04, 0x05}:
            self._pay_out(run, payload, everything=kind == 0x04)
        else:
            raise custom_error("InvalidCommandType(uint256)", kind)

    def _permit(self, run: _Run, place: int, command: int, payload: bytes) -> None:
        single, signature = decode(PERMIT_TYPES, payload, "permit")
        try:
            _permit2(run).permit(run.context.sender, single, signature, run.context.now)
        except ReversionError as error:
            if not command & 0x80:
                raise custom_error("ExecutionFailed(uint256,bytes)", place, error.data) from None

    def _pay_out(self, run: _Run, payload: bytes, *, everything: bool) -> None:
        """SWEEP: all that the router holds, at least so much. TRANSFER: exactly so much."""
        token, recipient, amount = decode(SWEEP_TYPES, payload, "payment")
        mine = held(run.context.world, token, self.address)
        if everything and mine < amount:
            raise custom_error("InsufficientToken()")
        paid = mine if everything else amount
        self._move(run, token, self.address, self._who(run, recipient), paid)

    def _swap(self, run: _Run, leg: _Leg) -> None:
        along = self.pools.backward if leg.exact_output else self.pools.forward
        amounts = along(run.context.world, leg.path, leg.exact)
        if amounts is None:
            raise custom_error("InvalidPath()")
        if leg.exact_output and amounts[0] > leg.limit:
            raise custom_error(f"{leg.version}TooMuchRequested()")
        if not leg.exact_output and amounts[-1] < leg.limit:
            raise custom_error(f"{leg.version}TooLittleReceived()")
        payer = run.context.sender if leg.from_caller else self.address
        pools = [self.pools.by_pair[frozenset(pair)] for pair in pairwise(leg.path)]
        self._pay(run, leg.path[0], payer, pools[0], amounts[0])
        receivers = [*pools[1:], self._who(run, leg.recipient)]
        for place, receiver in enumerate(receivers):
            self._move(run, leg.path[place + 1], pools[place], receiver, amounts[place + 1])

    def _pay(self, run: _Run, token: str, payer: str, pool: str, amount: int) -> None:
        if payer == self.address:
            self._move(run, token, payer, pool, amount)
            return
        _permit2(run).spend(payer, token, self.address, amount, run.context.now)
        token_at(run.context.world, token).spend(PERMIT2, payer, pool, amount)
        run.logs.append(transfer_log(token, payer, pool, amount))

    def _move(self, run: _Run, token: str, owner: str, to: str, amount: int) -> None:
        token_at(run.context.world, token).move(owner, to, amount)
        run.logs.append(transfer_log(token, owner, to, amount))

    def _who(self, run: _Run, recipient: str) -> str:
        return {CALLER: run.context.sender, ITSELF: self.address}.get(recipient, recipient)


def _leg(kind: int, payload: bytes) -> _Leg:
    exact_output = bool(kind & 1)
    types = V3_TYPES if kind < 0x08 else V2_TYPES
    recipient, exact, limit, path, from_caller = decode(types, payload, "swap")
    if kind < 0x08:
        path = ["0x" + path[at : at + 20].hex() for at in range(0, len(path), 23)]
        path = path[::-1] if exact_output else path
    return _Leg(
        version="V3" if kind < 0x08 else "V2",
        exact_output=exact_output,
        recipient=recipient,
        exact=exact,
        limit=limit,
        path=list(path),
        from_caller=from_caller,
    )


def _permit2(run: _Run) -> Permit2:
    contract = run.context.world.contracts[PERMIT2]
    assert isinstance(contract, Permit2)  # noqa: S101 - the exchange deploys it there
    return contract
