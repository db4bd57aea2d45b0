"""Who may ask, and how often: signatures, nonces of an agent, and the weight of an address."""

from bisect import insort
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.domain.moment import EPOCH, to_ms

NONCES_KEPT = 100
WEIGHT_PER_MINUTE = 2400


def recovered_signer(text: str, signature: str) -> str | None:
    """The address that signed `text`, in lower case, by eth-account's own EIP-712 encoder."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data

    message = encode_typed_data(
        full_message={
            "types": {
                "EIP712Domain": [
                    {"name": "name", "type": "string"},
                    {"name": "version", "type": "string"},
                    {"name": "chainId", "type": "uint256"},
                    {"name": "verifyingContract", "type": "address"},
                ],
                "Message": [{"name": "msg", "type": "string"}],
            },
            "primaryType": "Message",
            "domain": {
                "name": "AsterSignTransaction",
                "version": "1",
                "chainId": 1666,
                "verifyingContract": "0x" + "0" * 40,
            },
            "message": {"msg": text},
        }
    )
    try:
        address: str = Account.recover_message(message, signature=signature)
    except Exception:  # noqa: BLE001 - whatever a bad signature raises, it recovers nobody
        return None
    return address.lower()


@dataclass(slots=True)
class Nonces:
    """The newest nonces of each agent: each is taken once, and near the venue's own time."""

    window: timedelta
    _used: dict[str, list[int]] = field(default_factory=dict)  # rising

    def take(self, agent: str, nonce: int, now: datetime) -> bool:
        used = self._used.setdefault(agent, [])
        moment = EPOCH + timedelta(microseconds=nonce)
        if nonce in used or abs(moment - now) > self.window:
            return False
        if len(used) >= NONCES_KEPT:
            if nonce < used[0]:
                return False
            del used[0]
        insort(used, nonce)
        return True


@dataclass(slots=True)
class Weights:
    """Request weight by address and minute."""

    _used: dict[tuple[str, int], int] = field(default_factory=dict)

    def add(self, client: str, weight: int, now: datetime) -> int:
        minute = (client, to_ms(now) // 60_000)
        self._used = {key: used for key, used in self._used.items() if key[1] == minute[1]}
        self._used[minute] = self._used.get(minute, 0) + weight
        return self._used[minute]
