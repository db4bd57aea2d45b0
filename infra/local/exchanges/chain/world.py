"""What a chain's blocks change, and the contracts that change it. Copied for every "what if"."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from infra.venues.evm.abi import Call, selector


class ReversionError(Exception):
    """A contract refuses; `data` is what it returns instead."""

    def __init__(self, data: bytes, text: str = "") -> None:
        super().__init__(text or "execution reverted")
        self.data = data
        self.text = text


def require(condition: bool, text: str) -> None:
    """Reverts with Error(string)."""
    if not condition:
        from eth_abi.abi import encode

        raise ReversionError(selector("Error(string)") + encode(["string"], [text]), text)


def custom_error(signature: str, *arguments: object) -> ReversionError:
    from infra.venues.evm.abi import encode_call

    return ReversionError(encode_call(signature, *arguments), signature[: signature.index("(")])


@dataclass(frozen=True, slots=True)
class EventLog:
    address: str
    topics: tuple[bytes, ...]
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Later:
    """A call that somebody else (a keeper) makes `delay_s` after this block."""

    delay_s: float
    sender: str
    call: Call


@dataclass(slots=True)
class Effects:
    """What a call returns and leaves behind."""

    returned: bytes = b""
    logs: list[EventLog] = field(default_factory=list)
    later: list[Later] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Context:
    """Where a call runs. `sender` is its msg.sender."""

    world: "World"
    sender: str
    now: datetime
    block: int


class Contract(Protocol):
    gas: int  # what a call of it needs, beside its data

    def run(self, call: Call, context: Context) -> Effects:
        """Raises ReversionError; whatever it changed until then is undone by the chain."""


@dataclass(slots=True)
class World:
    """The state between two blocks."""

    balances: dict[str, int] = field(default_factory=dict)  # wei
    nonces: dict[str, list[int]] = field(default_factory=dict)  # the block that used each
    contracts: dict[str, Contract] = field(default_factory=dict)
    receipts: dict[str, dict[str, object]] = field(default_factory=dict)
    scheduled: list[tuple[datetime, str, Call]] = field(default_factory=list)

    def run(self, call: Call, context: Context) -> Effects:
        """A call to an address without code is a plain transfer."""
        contract = self.contracts.get(call.to)
        return contract.run(call, context) if contract is not None else Effects()

    def gas_of(self, call: Call) -> int:
        contract = self.contracts.get(call.to)
        return 21_000 + 16 * len(call.data) + (contract.gas if contract else 0)
