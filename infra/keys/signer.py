"""A key that is ready to sign."""

from typing import TYPE_CHECKING

from infra.keys.private_key import PrivateKey

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


class Signer:
    """Signs for one address. Do not keep it: ask the vault again for each order."""

    __slots__ = ("_account", "_key", "address")

    def __init__(self, key: PrivateKey, address: str) -> None:
        self.address = address  # lower case
        self._key = key
        self._account: LocalAccount | None = None

    @property
    def account(self) -> "LocalAccount":
        """Made at its first use. What it cannot sign raises DeniedError SIGNING_FAILED, without
        frames or values.
        """
        if self._account is None:
            from infra.keys.hidden_account import HiddenAccount

            self._account = HiddenAccount(self._key, self.address)
        return self._account

    def __repr__(self) -> str:
        return f"<Signer {self.address}>"
