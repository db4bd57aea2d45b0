"""Signatures of wallets: one form alone, and the address that made one (EIP-191, secp256k1)."""

import re

from infra.keys.address import CURVE_ORDER
from infra.wallets.refusal import ProofRefusedError, unproven

SIGNATURE_BYTES = 65
BYTES_MAX = 4096
WHERE = "header.Wallet-Signature"

_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})+")
_ERC_6492 = bytes.fromhex("6492" * 16)
"""What ends a signature for a contract that is not deployed yet: eips.ethereum.org/EIPS/eip-6492"""


def parse_signature(text: str) -> bytes:
    """The 65 bytes r, s, v of the one form in which a signature can be written.

    Of each signature there is a twin with n - s, and some libraries write v as 0 or 1, or fold it
    into s (EIP-2098): the wallets themselves write v as 27 or 28 and the lower s, and so they must.

    Raises:
        ProofRefusedError: malformed INVALID_WALLET_SIGNATURE or CONTRACT_WALLET_UNSUPPORTED;
            unproven WALLET_SIGNATURE_NOT_CANONICAL.
    """
    if len(text) > 2 + 2 * BYTES_MAX or not _HEX.fullmatch(text):
        detail = f"must be 0x and the {SIGNATURE_BYTES} bytes of a signature in hexadecimal"
        raise ProofRefusedError("malformed", "INVALID_WALLET_SIGNATURE", detail, where=WHERE)
    signature = bytes.fromhex(text[2:])
    if _is_of_contract(signature):
        raise ProofRefusedError(
            "malformed",
            "CONTRACT_WALLET_UNSUPPORTED",
            "this is the signature of a contract (ERC-1271), which cannot be checked yet: use a "
            "wallet that has a key of its own",
            where=WHERE,
        )
    if len(signature) != SIGNATURE_BYTES:
        raise _not_canonical(f"must have {SIGNATURE_BYTES} bytes: r, s and v")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    if signature[64] not in {27, 28}:
        raise _not_canonical("its last byte, v, must be 27 or 28")
    if not 0 < r < CURVE_ORDER or not 0 < s <= CURVE_ORDER // 2:
        raise _not_canonical("its s must be the lower of the two (EIP-2), and neither r nor s 0")
    return signature


def signer_of(message: str, signature: bytes) -> str:
    """The address, in lower case, whose key signed `message` with personal_sign (EIP-191, 0x45).

    Raises:
        ProofRefusedError: WALLET_SIGNATURE_INVALID where no key could have made it.
    """
    from eth_hash.auto import keccak
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature

    content = message.encode()
    signed = keccak(b"\x19Ethereum Signed Message:\n%d%s" % (len(content), content))
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    try:
        made = Signature(vrs=(signature[64] - 27, r, s))
        return str(made.recover_public_key_from_msg_hash(signed).to_address())
    except BadSignature:
        raise unproven("WALLET_SIGNATURE_INVALID", "no key made this signature") from None


def _is_of_contract(signature: bytes) -> bool:
    """By its shape: several owners' signatures in a row (Safe), something ABI-encoded, ERC-6492."""
    length = len(signature)
    in_row = length > SIGNATURE_BYTES and length % SIGNATURE_BYTES == 0
    encoded = length >= 96 and length % 32 == 0
    return in_row or encoded or signature.endswith(_ERC_6492)


def _not_canonical(message: str) -> ProofRefusedError:
    return unproven(
        "WALLET_SIGNATURE_NOT_CANONICAL", f"the signature is not in its form: {message}"
    )
