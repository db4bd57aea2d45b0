"""Aster's V3 signature: EIP-712 over the request's own text (asterdex/api-docs, V3 futures).

`Message{string msg}` under the domain AsterSignTransaction, version 1, chain 1666, no contract;
`msg` is the form-encoded parameters exactly as they are sent, nonce and signer included.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from eth_account.messages import SignableMessage
    from eth_account.signers.local import LocalAccount

CHAIN_ID = 1666
Parameters = Sequence[tuple[str, str]]


def signable(text: str) -> "SignableMessage":
    """What is signed for a request whose parameters read `text`."""
    from eth_account.messages import SignableMessage
    from eth_utils.crypto import keccak

    message_type, domain = _constants()
    return SignableMessage(b"\x01", domain, keccak(message_type + keccak(text.encode())))


def signed(parameters: Parameters, *, nonce: int, account: "LocalAccount") -> str:
    """The whole form: the parameters in their order, nonce (microseconds), signer, signature."""
    whole = [*parameters, ("nonce", str(nonce)), ("signer", account.address)]
    text = urlencode(whole)
    signature = account.sign_message(signable(text)).signature.hex()
    return f"{text}&signature=0x{signature.removeprefix('0x')}"


@cache
def _constants() -> tuple[bytes, bytes]:
    """The type hash of Message and the hash of the domain."""
    from eth_utils.crypto import keccak

    domain = b"".join(
        (
            keccak(
                b"EIP712Domain(string name,string version,uint256 chainId,"
                b"address verifyingContract)"
            ),
            keccak(b"AsterSignTransaction"),
            keccak(b"1"),
            CHAIN_ID.to_bytes(32, "big"),
            bytes(32),
        )
    )
    return keccak(b"Message(string msg)"), keccak(domain)
