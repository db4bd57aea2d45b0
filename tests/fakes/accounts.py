"""Accounts with one wallet and one signing key, and no store behind them."""

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from common.domain.instrument import Venue
from common.errors import DeniedError
from infra.venues.accounts import VenueAccount


@dataclass(frozen=True, slots=True)
class FakeSigner:
    """What an adapter uses of `infra.keys.signer.Signer`."""

    address: str  # lower case
    account: LocalAccount


class FakeAccounts:
    """Fits `Accounts`: every account id has the same wallet and key, at every venue.

    `refusal` is raised by `signer` while it is set, as a vault raises for a key that must not be
    used. `asked` remembers each (account_id, venue) whose key was wanted.
    """

    def __init__(self, wallet: str, private_key_hex: str) -> None:
        account: LocalAccount = Account.from_key(private_key_hex)
        self.wallet = wallet.lower()
        self.fake_signer = FakeSigner(address=account.address.lower(), account=account)
        self.refusal: DeniedError | None = None
        self.asked: list[tuple[str, Venue]] = []

    async def account(self, account_id: str, venue: Venue) -> VenueAccount:
        return VenueAccount(
            account_id=account_id,
            venue=venue,
            wallet=self.wallet,
            agent_address=self.fake_signer.address,
        )

    async def signer(self, account_id: str, venue: Venue) -> Any:  # fits Signer by its two names
        self.asked.append((account_id, venue))
        if self.refusal is not None:
            raise self.refusal
        return self.fake_signer
