"""Wallets of people, and the messages of ERC-4361 that they sign."""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from common.wire import canonical_json
from infra.keys.address import CURVE_ORDER, checksum_address
from tests.builders.story import NOON

DOMAIN = "api.example.com"


@dataclass(frozen=True)
class Wallet:
    """An account with a key of its own; `seed` is 1 to 255."""

    seed: int = 1

    @property
    def key(self) -> bytes:
        return bytes([0x5E, self.seed]) * 16

    @property
    def address(self) -> str:
        """As wallets show it: with its checksum."""
        from eth_account import Account

        return str(Account.from_key(self.key).address)

    def sign(self, text: str) -> str:
        """As personal_sign answers: 0x, r, s and v of 27 or 28."""
        from eth_account import Account
        from eth_account.messages import encode_defunct

        return (
            f"0x{bytes(Account.sign_message(encode_defunct(text=text), self.key).signature).hex()}"
        )


def zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def sign_in_text(**changes: Any) -> str:
    """A message that is right at NOON, line by line; a line that is None is left out."""
    fields: dict[str, Any] = {
        "head": f"{DOMAIN} wants you to sign in with your Ethereum account:",
        "address": Wallet().address,
        "statement": "Sapphire create of agent new, body sha256 " + "0" * 64,
        "URI": f"https://{DOMAIN}/api/v3/agents/create",
        "Version": "1",
        "Chain ID": "42161",
        "Nonce": "0123456789abcdef0123456789abcdef",
        "Issued At": zulu(NOON),
        "Expiration Time": zulu(NOON + timedelta(minutes=5)),
        **changes,
    }
    head, address, statement = (fields.pop(name) for name in ("head", "address", "statement"))
    lines = [head, address, ""] + ([] if statement is None else [statement]) + [""]
    lines += [f"{name}: {text}" for name, text in fields.items() if text is not None]
    return "\n".join(lines)


def body_hash(body: Any) -> str:
    """As a client computes it, for a body whose fractions are text."""
    return sha256(canonical_json(body).encode()).hexdigest()


def proof_headers(text: str, signature: str) -> dict[str, str]:
    return {
        "Wallet-Message": base64.b64encode(text.encode()).decode(),
        "Wallet-Signature": signature,
    }


def with_high_s(signature: str) -> str:
    """The twin that every signature has: n - s and the other v, which recovers to the same key."""
    raw = bytes.fromhex(signature[2:])
    s = CURVE_ORDER - int.from_bytes(raw[32:64], "big")
    return f"0x{(raw[:32] + s.to_bytes(32, 'big') + bytes([55 - raw[64]])).hex()}"


def wrong_checksum(address: str) -> str:
    """One letter in the other case."""
    right = checksum_address(address)
    place = next(place for place, sign in enumerate(right) if place > 1 and sign.isalpha())
    return right[:place] + right[place].swapcase() + right[place + 1 :]
