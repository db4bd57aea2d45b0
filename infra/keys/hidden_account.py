"""An eth-account account that shows no key. Heavy: imported by the first signature alone."""

from typing import Any, NoReturn

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress

from infra.keys.address import checksum_address
from infra.keys.private_key import PrivateKey, leaving_no_trace

SIGNING_FAILED = "SIGNING_FAILED"


class HiddenAccount(LocalAccount):
    """Signs as its base class does; what it cannot sign raises DeniedError SIGNING_FAILED.

    eth-account 0.13.7 keeps the key as bytes and as an object whose repr is the key, and an error
    while it signs carries frames with both. Here `key` alone reveals it, which the base reads.
    """

    def __init__(self, key: PrivateKey, address: str) -> None:
        self._publicapi = Account()
        self._address = ChecksumAddress(checksum_address(address))  # type: ignore[arg-type]  # a NewType over two more
        self._hidden = key

    def __repr__(self) -> str:
        return f"<HiddenAccount {self._address}>"

    @property
    def key(self) -> bytes:
        return self._hidden.reveal()

    def unsafe_sign_hash(self, *args: Any, **kwargs: Any) -> Any:
        return _quietly(super().unsafe_sign_hash, args, kwargs)

    def sign_message(self, *args: Any, **kwargs: Any) -> Any:
        return _quietly(super().sign_message, args, kwargs)

    def sign_transaction(self, *args: Any, **kwargs: Any) -> Any:
        return _quietly(super().sign_transaction, args, kwargs)

    def sign_typed_data(self, *args: Any, **kwargs: Any) -> Any:
        return _quietly(super().sign_typed_data, args, kwargs)

    def sign_authorization(self, *args: Any, **kwargs: Any) -> Any:
        return _quietly(super().sign_authorization, args, kwargs)

    def encrypt(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a venue key is not exported")


def _quietly(sign: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return leaving_no_trace(lambda: sign(*args, **kwargs), code=SIGNING_FAILED, what="signing")
