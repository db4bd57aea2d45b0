"""Raw transactions as a node reads them: decoded, their signer recovered."""

from dataclasses import dataclass

from infra.venues.evm.abi import Call


class RefusedError(Exception):
    """A node's refusal of a transaction; its text is the node's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    hash: str
    sender: str
    chain_id: int
    nonce: int
    call: Call
    gas: int
    max_fee: int
    priority_fee: int
    listed: int  # addresses in its access list

    @property
    def intrinsic_gas(self) -> int:
        return 21_000 + 16 * len(self.call.data) + 2_400 * self.listed

    def replaces(self, other: "Signed") -> bool:
        """go-ethereum wants at least 10 % more of both fees."""
        return (
            self.max_fee * 100 >= other.max_fee * 110
            and self.priority_fee * 100 >= other.priority_fee * 110
            and self.max_fee > other.max_fee
        )


def decode(raw: bytes) -> Signed:
    """Raises RefusedError: not a signed EIP-1559 transaction."""
    from eth_account import Account
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from eth_utils.crypto import keccak
    from hexbytes import HexBytes

    try:
        fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
        sender = str(Account.recover_transaction(HexBytes(raw)))
        return Signed(
            hash="0x" + keccak(raw).hex(),
            sender=sender.lower(),
            chain_id=int(fields["chainId"]),
            nonce=int(fields["nonce"]),
            call=Call(
                to="0x" + bytes(fields["to"]).hex(),
                data=bytes(fields["data"]),
                value=int(fields["value"]),
            ),
            gas=int(fields["gas"]),
            max_fee=int(fields["maxFeePerGas"]),
            priority_fee=int(fields["maxPriorityFeePerGas"]),
            listed=len(fields["accessList"]),
        )
    except Exception as error:  # noqa: BLE001 - rlp and eth-account raise many kinds
        raise RefusedError(f"rlp: cannot decode ({type(error).__name__})") from None
