"""EVM addresses: their checksum (EIP-55), and the address that a key signs for."""

import re

from infra.keys.private_key import PrivateKey, leaving_no_trace

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Of secp256k1: https://www.secg.org/sec2-v2.pdf, 2.4.1."""

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def parse_address(text: str) -> str:
    """The address in lower case, the one form in which addresses are kept and compared.

    Mixed case is a checksum (https://eips.ethereum.org/EIPS/eip-55) and must be right; digits all
    in lower or all in upper case carry none.

    Raises:
        ValueError: another shape, or a wrong checksum.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError("must be 0x and 40 hexadecimal digits")
    digits = text[2:]
    if digits not in {digits.lower(), digits.upper()} and text != checksum_address(text):
        raise ValueError("the mixed case of its letters is not its checksum (EIP-55)")
    return text.lower()


def checksum_address(address: str) -> str:
    """The address with the letters' case of EIP-55."""
    digits = address[2:].lower()
    digest = _keccak(digits.encode()).hex()
    return "0x" + "".join(
        sign.upper() if int(nibble, 16) >= 8 else sign
        for sign, nibble in zip(digits, digest[:40], strict=True)
    )


def is_on_curve(key: PrivateKey) -> bool:
    """Whether it can sign at all: 0 < key < order."""
    return 0 < int.from_bytes(key.reveal(), "big") < CURVE_ORDER


def address_of(key: PrivateKey) -> str:
    """The address that `key` signs for, in lower case.

    Raises:
        DeniedError: KEY_OUT_OF_RANGE.
    """
    point = leaving_no_trace(
        lambda: _public_point(key), code="KEY_OUT_OF_RANGE", what="deriving the address"
    )
    return "0x" + _keccak(point)[-20:].hex()


def _public_point(key: PrivateKey) -> bytes:
    """X and Y, 32 bytes each. OpenSSL multiplies in constant time; pure Python would not."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return (
        ec.derive_private_key(int.from_bytes(key.reveal(), "big"), ec.SECP256K1())
        .public_key()
        .public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:]
    )


def _keccak(data: bytes) -> bytes:
    from eth_hash.auto import keccak

    return bytes(keccak(data))
