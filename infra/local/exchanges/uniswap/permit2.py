"""Permit2: allowances with an amount, an end and a nonce, given by signature or by call."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.local.exchanges.chain.world import Context, Effects, custom_error
from infra.venues.evm.abi import Call, decode_call, selector

PERMIT2 = "0x000000000022d473030f116ddee9f6b43ac78ba3"
UNLIMITED = 2**160 - 1
_ALLOWANCE = "allowance(address,address,address)"
_APPROVE = "approve(address,address,uint160,uint48)"
_TYPES = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "chainId", "type": "uint256"},
        {"name": "verifyingContract", "type": "address"},
    ],
    "PermitSingle": [
        {"name": "details", "type": "PermitDetails"},
        {"name": "spender", "type": "address"},
        {"name": "sigDeadline", "type": "uint256"},
    ],
    "PermitDetails": [
        {"name": "token", "type": "address"},
        {"name": "amount", "type": "uint160"},
        {"name": "expiration", "type": "uint48"},
        {"name": "nonce", "type": "uint48"},
    ],
}
Single = tuple[tuple[str, int, int, int], str, int]  # ((token, amount, expiration, nonce), ...)


@dataclass(slots=True)
class Granted:
    amount: int = 0
    expiration: int = 0
    nonce: int = 0


@dataclass(slots=True)
class Permit2:
    """Keys are (owner, token, spender) in lower case."""

    chain_id: int
    granted: dict[tuple[str, str, str], Granted] = field(default_factory=dict)
    gas: int = 60_000

    def run(self, call: Call, context: Context) -> Effects:
        from eth_abi.abi import encode

        if call.data[:4] == selector(_ALLOWANCE):
            found = self.of(*decode_call(_ALLOWANCE, call.data))
            values = [found.amount, found.expiration, found.nonce]
            return Effects(returned=encode(["uint160", "uint48", "uint48"], values))
        if call.data[:4] == selector(_APPROVE):
            token, spender, amount, expiration = decode_call(_APPROVE, call.data)
            found = self.of(context.sender, token, spender)
            found.amount, found.expiration = amount, expiration
            return Effects()
        raise custom_error("UnknownFunction()")

    def of(self, owner: str, token: str, spender: str) -> Granted:
        key = (owner.lower(), token.lower(), spender.lower())
        return self.granted.setdefault(key, Granted())

    def permit(self, owner: str, single: Single, signature: bytes, now: datetime) -> None:
        """AllowanceTransfer.permit: as the contract orders its checks."""
        (token, amount, expiration, nonce), spender, deadline = single
        if now.timestamp() > deadline:
            raise custom_error("SignatureExpired(uint256)", deadline)
        if self._signed_by(single, signature) != owner.lower():
            raise custom_error("InvalidSigner()")
        found = self.of(owner, token, spender)
        if found.nonce != nonce:
            raise custom_error("InvalidNonce()")
        found.amount, found.expiration, found.nonce = amount, expiration, nonce + 1

    def spend(self, owner: str, token: str, spender: str, amount: int, now: datetime) -> None:
        found = self.of(owner, token, spender)
        if now.timestamp() > found.expiration:
            raise custom_error("AllowanceExpired(uint256)", found.expiration)
        if found.amount < amount:
            raise custom_error("InsufficientAllowance(uint256)", found.amount)
        if found.amount != UNLIMITED:
            found.amount -= amount

    def _signed_by(self, single: Single, signature: bytes) -> str:
        from eth_account import Account
        from eth_account.messages import encode_typed_data

        (token, amount, expiration, nonce), spender, deadline = single
        message: dict[str, Any] = {
            "details": {
                "token": token,
                "amount": amount,
                "expiration": expiration,
                "nonce": nonce,
            },
            "spender": spender,
            "sigDeadline": deadline,
        }
        domain = {"name": "Permit2", "chainId": self.chain_id, "verifyingContract": PERMIT2}
        encoded = encode_typed_data(
            full_message={
                "types": _TYPES,
                "primaryType": "PermitSingle",
                "domain": domain,
                "message": message,
            }
        )
        try:
            return str(Account.recover_message(encoded, signature=signature)).lower()
        except Exception:  # noqa: BLE001 - eth-keys raises many kinds for a signature that is none
            return ""
