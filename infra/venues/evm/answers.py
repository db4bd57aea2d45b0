"""Reads what an Ethereum node answers. Pure; every refusal is an InvalidInputError."""

from dataclasses import dataclass

from common.errors import InvalidInputError
from infra.venues.evm.abi import Call
from infra.venues.evm.hexadecimal import to_address, to_bytes, to_hash, to_int
from infra.venues.fields import as_list, as_object


@dataclass(frozen=True, slots=True)
class Log:
    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A mined transaction. `succeeded` is False where it was reverted; its nonce is used up."""

    hash: str
    block: int
    succeeded: bool
    gas_used: int
    gas_price: int  # wei that were paid per unit of gas
    logs: tuple[Log, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A transaction that a node knows; `block` is None while it waits."""

    call: Call
    sender: str
    nonce: int
    block: int | None


@dataclass(frozen=True, slots=True)
class Block:
    number: int
    timestamp: int  # Unix seconds


def parse_block(answer: object) -> Block:
    block = as_object(answer, "block")
    return Block(
        to_int(block.get("number"), "block.number"),
        to_int(block.get("timestamp"), "block.timestamp"),
    )


def parse_receipt(answer: object, expected: str) -> Receipt | None:
    """None: the node has no receipt of it. Raises for a receipt of another transaction."""
    if answer is None:
        return None
    receipt = as_object(answer, "receipt")
    if to_hash(receipt.get("transactionHash"), "receipt.transactionHash") != expected:
        raise InvalidInputError("of another transaction", where="receipt.transactionHash")
    status = to_int(receipt.get("status"), "receipt.status")
    if status > 1:
        raise InvalidInputError("neither 0x0 nor 0x1", where="receipt.status")
    return Receipt(
        hash=expected,
        block=to_int(receipt.get("blockNumber"), "receipt.blockNumber"),
        succeeded=status == 1,
        gas_used=to_int(receipt.get("gasUsed"), "receipt.gasUsed"),
        gas_price=to_int(receipt.get("effectiveGasPrice"), "receipt.effectiveGasPrice"),
        logs=tuple(_log(item) for item in as_list(receipt.get("logs"), "receipt.logs")),
    )


def parse_seen(answer: object, expected: str) -> Seen | None:
    """None: the node knows no such transaction, waiting or mined."""
    if answer is None:
        return None
    seen = as_object(answer, "transaction")
    if to_hash(seen.get("hash"), "transaction.hash") != expected:
        raise InvalidInputError("another transaction", where="transaction.hash")
    block = seen.get("blockNumber")
    return Seen(
        call=Call(
            to=to_address(seen.get("to"), "transaction.to"),
            data=to_bytes(seen.get("input"), "transaction.input"),
            value=to_int(seen.get("value"), "transaction.value"),
        ),
        sender=to_address(seen.get("from"), "transaction.from"),
        nonce=to_int(seen.get("nonce"), "transaction.nonce"),
        block=None if block is None else to_int(block, "transaction.blockNumber"),
    )


def parse_next_base_fee(answer: object) -> int:
    """The base fee of the block after the newest, in wei (eth_feeHistory names it last)."""
    history = as_object(answer, "feeHistory")
    fees = as_list(history.get("baseFeePerGas"), "feeHistory.baseFeePerGas")
    if not fees:
        raise InvalidInputError("empty", where="feeHistory.baseFeePerGas")
    return to_int(fees[-1], "feeHistory.baseFeePerGas")


def _log(answer: object) -> Log:
    log = as_object(answer, "log")
    topics = as_list(log.get("topics"), "log.topics")
    if len(topics) > 4:
        raise InvalidInputError("more than 4", where="log.topics")
    return Log(
        address=to_address(log.get("address"), "log.address"),
        topics=tuple(to_bytes(item, "log.topics", size=32) for item in topics),
        data=to_bytes(log.get("data"), "log.data"),
    )
