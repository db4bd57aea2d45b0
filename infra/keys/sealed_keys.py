"""Opening a deployment's key: envelope and key-encryption key are different secrets."""

from common.domain.agent import Deployment, KeyCode, VenueKey
from common.domain.instrument import Venue
from common.errors import ConfigurationError, NotFoundError
from common.ports import SecretStore
from infra.keys.address import address_of, is_on_curve
from infra.keys.envelope import Envelope, KeyRefused, KeyUse, open_envelope
from infra.keys.private_key import KEY_BYTES, KeyEncryptionKey, PrivateKey

KEK_SECRET = "key-encryption-key"  # noqa: S105 - the secret's name; its value is in the store


async def read_kek(secrets: SecretStore, version: str) -> KeyEncryptionKey:
    """The numbered version of the key-encryption key.

    Raises:
        ConfigurationError: it is not there, or is not 32 bytes.
        TransientError: the secret store does not answer.
    """
    place = f"version {version} of the secret {KEK_SECRET} (SAPPHIRE_KEK_VERSION)"
    try:
        value = await secrets.access(KEK_SECRET, version)
    except NotFoundError:
        raise ConfigurationError(f"{place} is missing or disabled") from None
    size = len(value)
    if size == KEY_BYTES:
        return KeyEncryptionKey(value)
    del value
    raise ConfigurationError(
        f"{place} has {size} bytes, not {KEY_BYTES} raw ones: was a line break added?"
    )


def use_of(deployment: Deployment, venue: Venue, key: VenueKey) -> KeyUse:
    return KeyUse(
        agent_id=deployment.agent_id,
        wallet=deployment.user_wallet,
        venue=venue,
        key_version=key.key_version,
    )


class SealedKeys:
    """Reads both secrets afresh at every call; keeps nothing."""

    def __init__(self, secrets: SecretStore, kek_version: str) -> None:
        self._secrets = secrets
        self.kek_version = kek_version

    async def envelope(self, key: VenueKey) -> Envelope:
        """Raises KeyRefused (KEY_NOT_FOUND, KEY_MALFORMED), TransientError."""
        try:
            value = await self._secrets.access(key.secret_name, key.version)
        except NotFoundError:
            raise KeyRefused(
                KeyCode.NOT_FOUND, "the secret store has no such enabled version"
            ) from None
        return Envelope.from_secret(value)

    async def open(self, envelope: Envelope, *, use: KeyUse, agent_address: str) -> PrivateKey:
        """The key, once it is proven to be the one that was declared for this use.

        Raises:
            KeyRefused: KEY_AUTHENTICATION_FAILED, KEY_OUT_OF_RANGE, KEY_ADDRESS_MISMATCH.
            ConfigurationError: the key-encryption key is missing or no key.
            TransientError: the secret store does not answer.
        """
        kek = await read_kek(self._secrets, self.kek_version)
        key = open_envelope(envelope, under=kek, use=use)
        if not is_on_curve(key):
            raise KeyRefused(KeyCode.OUT_OF_RANGE, "it is no private key of secp256k1")
        if address_of(key) != agent_address:
            raise KeyRefused(
                KeyCode.ADDRESS_MISMATCH, "its address is another than the declared one"
            )
        return key
