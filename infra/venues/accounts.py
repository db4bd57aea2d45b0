"""Whose wallet an order is for, and who signs it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from common.domain.instrument import Venue

if TYPE_CHECKING:
    from infra.keys.signer import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueAccount:
    """One deployment at one venue. Addresses are hexadecimal in lower case."""

    account_id: str  # the deployment
    venue: Venue
    wallet: str  # the user's, which holds the money and which queries name
    agent_address: str | None  # the key's; None where the deployment has none for this venue


class Accounts(Protocol):
    """The deployments' accounts; keys are read inside `execute` and `settle` alone."""

    async def account(self, account_id: str, venue: Venue) -> VenueAccount:
        """Raises NotFoundError: there is no such deployment."""

    async def signer(self, account_id: str, venue: Venue) -> "Signer":
        """The account's key, ready to sign.

        Raises:
            DeniedError: the key is not checked yet, invalid or revoked.
            TransientError: the secret store does not answer.
        """
