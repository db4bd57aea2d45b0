"""What a live venue is built from; every adapter's constructor takes one of these."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from common.domain.instrument import Venue
from common.ports import Clock, DocumentStore, Instruments
from infra.venues.accounts import Accounts

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, kw_only=True)
class VenueParts:
    accounts: Accounts
    store: DocumentStore
    clock: Clock
    instruments: Instruments  # the tables as fetch_market last stored them
    network: str  # mainnet, testnet
    api_url: str | None = None  # <VENUE>_API_URL; None: the network's own
    urls: Mapping[str, str] = field(default_factory=dict)  # further addresses, by variable
    api_key: Callable[[Venue], Awaitable[str]] | None = None  # the platform's key, where one needs
    transport: "httpx.AsyncBaseTransport | None" = None  # tests: the stand-in, in process
