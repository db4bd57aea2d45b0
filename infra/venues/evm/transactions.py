"""EIP-1559 transactions: built and signed by us, their hash known before anybody sees them. Pure.

eth-account's signatures are deterministic (RFC 6979): the same fields give the same bytes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.errors import InvalidInputError
from infra.venues.evm.abi import Call
from infra.venues.evm.hexadecimal import to_bytes

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

MARK_GAS = 2_400  # what an access list costs per address (EIP-2930)
BUMP_PERCENT = 25  # above the 10 % by which nodes want a replacement to pay more
FENCE_GAS = 500_000
"""A limit, not a cost: a transfer takes 21,000 and, on Arbitrum, its share of the L1 data."""


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas: the most in all, and the tip within it."""

    max_fee: int
    priority_fee: int

    def raised(self) -> "Fees":
        """The next price of a replacement: at least 25 % and 1 wei more, tip and all."""
        return Fees(_raised(self.max_fee), _raised(self.priority_fee))


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """`order_id` (16 bytes as hexadecimal text) makes the bytes this order's own: two orders may
    want the same call with the same nonce, and one hash for both would fill both. It stands in
    the access list, where no contract sees it, for 2,400 gas.
    """

    chain_id: int
    nonce: int
    call: Call
    gas: int
    fees: Fees
    order_id: str


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    raw: str  # 0x..., what is broadcast
    hash: str


def _order_mark(order_id: str) -> Any:
    """The address that stands for an order in its transaction's access list, as eth-account takes
    one.
    """
    from infra.keys.address import checksum_address

    data = to_bytes(order_id, "client_order_id", size=16)
    return checksum_address("0x" + (b"sapp" + data).hex())


def sign(transaction: Transaction, account: "LocalAccount") -> SignedTransaction:
    signed = account.sign_transaction(
        {
            "type": 2,
            "chainId": transaction.chain_id,
            "nonce": transaction.nonce,
            "to": bytes.fromhex(transaction.call.to[2:]),
            "data": transaction.call.data,
            "value": transaction.call.value,
            "gas": transaction.gas,
            "maxFeePerGas": transaction.fees.max_fee,
            "maxPriorityFeePerGas": transaction.fees.priority_fee,
            "accessList": [{"address": _order_mark(transaction.order_id), "storageKeys": []}],
        }
    )
    return SignedTransaction(
        raw="0x" + bytes(signed.raw_transaction).hex(), hash="0x" + bytes(signed.hash).hex()
    )


def fees_of(raw: str) -> Fees:
    """The fees of a signed transaction. Raises InvalidInputError: it is none of EIP-1559."""
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    data = to_bytes(raw, "transaction")
    if not data or data[0] != 2:
        raise InvalidInputError("not an EIP-1559 transaction", where="transaction")
    try:
        fields = TypedTransaction.from_bytes(HexBytes(data)).as_dict()
    except Exception as error:  # noqa: BLE001 - rlp and eth-account raise many kinds
        raise InvalidInputError(type(error).__name__, where="transaction") from None
    return Fees(int(fields["maxFeePerGas"]), int(fields["maxPriorityFeePerGas"]))


def fence(
    *,
    chain_id: int,
    nonce: int,
    address: str,
    order_id: str,
    original: Fees | None,
    market: Fees,
) -> Transaction:
    """A transfer of nothing to oneself that takes the nonce away from another transaction.

    Its fees are the original's, raised until a block takes them. So a fence that is made again is
    the same transaction, or one that may replace it.
    """
    fees = (original or market).raised()
    while fees.max_fee < market.max_fee:
        fees = fees.raised()
    return Transaction(
        chain_id=chain_id,
        nonce=nonce,
        call=Call(to=address, data=b""),
        gas=FENCE_GAS,
        fees=fees,
        order_id=order_id,
    )


def _raised(fee: int) -> int:
    return fee + max(1, -(-fee * BUMP_PERCENT // 100))
