"""Sealed keys of a deployment: valid unless told otherwise."""

from dataclasses import replace
from typing import Any

from common.domain.agent import Deployment, VenueKey
from common.domain.instrument import Venue
from common.wire import canonical_json
from infra.keys.address import address_of
from infra.keys.envelope import Envelope, KeyUse, seal
from infra.keys.private_key import KeyEncryptionKey, PrivateKey
from infra.keys.sealed_keys import KEK_SECRET
from tests.builders.signals import a_deployment
from tests.fakes.secrets import MemorySecrets

A_KEK = KeyEncryptionKey(bytes(range(32)))
HL = Venue.HYPERLIQUID


def a_private_key(seed: int = 1) -> PrivateKey:
    return PrivateKey(bytes([7, seed]) * 16)


def a_use(**changes: Any) -> KeyUse:
    deployment = a_deployment()
    use = KeyUse(
        agent_id=deployment.agent_id, wallet=deployment.user_wallet, venue=HL, key_version=1
    )
    return replace(use, **changes)


def an_envelope(key: PrivateKey | None = None, **changes: Any) -> Envelope:
    """`under`, `use` and `iv` may be changed."""
    sealing: dict[str, Any] = {"under": A_KEK, "use": a_use(), "iv": b"\x01" * 12, **changes}
    return seal(key or a_private_key(), **sealing)


def sealed_fields(key: PrivateKey | None = None, **changes: Any) -> dict[str, str]:
    """The four fields as the api takes them, without the venue's name."""
    key = key or a_private_key()
    return {"agent_address": address_of(key), **an_envelope(key, **changes).to_fields()}


async def some_secrets() -> MemorySecrets:
    """With the key-encryption key in its version 1."""
    secrets = MemorySecrets()
    await secrets.add(KEK_SECRET, A_KEK.reveal())
    return secrets


async def a_keyed_deployment(
    secrets: MemorySecrets, fields: dict[str, str] | None = None, **changes: Any
) -> Deployment:
    """Its Hyperliquid key lies in `secrets` and is PENDING; `changes` are of the VenueKey."""
    fields = fields or sealed_fields()
    version = await secrets.add("a-venue-key", canonical_json(fields).encode())
    key = VenueKey(
        agent_address=fields["agent_address"], secret_name="a-venue-key", version=version
    )
    return a_deployment(venue_keys={HL.value: replace(key, **changes)})
