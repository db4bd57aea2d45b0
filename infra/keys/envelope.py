"""The envelope of a venue key: AES-256-GCM, bound to what the key may be used for. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from common.domain.agent import KeyCode
from common.domain.identifiers import digest
from common.domain.instrument import Venue
from common.errors import DeniedError
from infra.keys.private_key import KeyEncryptionKey, PrivateKey

IV_BYTES = 12
TAG_BYTES = 16
_SIZES = {"agent_key_encrypted": 32, "agent_key_iv": IV_BYTES, "agent_key_tag": TAG_BYTES}


class KeyRefused(DeniedError):
    """A key that must not be used; `code` is one of `KeyCode`. Says nothing of the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUse:
    """What a sealed key is for. An envelope opens for exactly this and for nothing else."""

    agent_id: str
    wallet: str  # the user's, lower case
    venue: Venue
    key_version: int  # 1, 2, ...

    def authenticated_data(self) -> bytes:
        """Each part as `<bytes>:<part>`, one behind the other, so that no two uses run together."""
        parts = (self.agent_id, self.wallet.lower(), self.venue.value, str(self.key_version))
        return b"".join(b"%d:%b" % (len(part.encode()), part.encode()) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A sealed key as it travels: hexadecimal in lower case, without 0x."""

    ciphertext: str  # 32 bytes
    iv: str  # 12 bytes, never used twice under one key-encryption key
    tag: str  # 16 bytes

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """From the api's field names.

        Raises:
            KeyRefused: KEY_MALFORMED.
        """
        texts = {}
        for name, size in _SIZES.items():
            text = fields.get(name)
            if not isinstance(text, str) or not re.fullmatch(rf"[0-9a-f]{{{2 * size}}}", text):
                raise KeyRefused(KeyCode.MALFORMED, f"its {name} is not {size} bytes")
            texts[name] = text
        return cls(
            ciphertext=texts["agent_key_encrypted"],
            iv=texts["agent_key_iv"],
            tag=texts["agent_key_tag"],
        )

    @classmethod
    def from_secret(cls, value: bytes) -> Self:
        """From what the api put into the secret store. Raises KeyRefused: KEY_MALFORMED."""
        try:
            fields = json.loads(value)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise KeyRefused(KeyCode.MALFORMED, "the secret is no envelope")
        return cls.from_fields(fields)

    def to_fields(self) -> dict[str, str]:
        return {
            "agent_key_encrypted": self.ciphertext,
            "agent_key_iv": self.iv,
            "agent_key_tag": self.tag,
        }

    def fingerprint(self, use: KeyUse) -> str:
        """Tells this sealing from every other one."""
        bound_to = use.authenticated_data().hex()
        return digest(self.ciphertext, self.iv, self.tag, bound_to)


def seal(key: PrivateKey, *, under: KeyEncryptionKey, use: KeyUse, iv: bytes) -> Envelope:
    """`iv`: 12 random bytes, fresh for each sealing: two keys under one IV give both away."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(iv) != IV_BYTES:
        raise ValueError(f"an IV has {IV_BYTES} bytes")
    sealed = AESGCM(under.reveal()).encrypt(iv, key.reveal(), use.authenticated_data())
    return Envelope(
        ciphertext=sealed[:-TAG_BYTES].hex(), iv=iv.hex(), tag=sealed[-TAG_BYTES:].hex()
    )


def open_envelope(envelope: Envelope, *, under: KeyEncryptionKey, use: KeyUse) -> PrivateKey:
    """The key that was sealed for `use`.

    Raises:
        KeyRefused: KEY_AUTHENTICATION_FAILED, with no word on why.
    """
    key = _decrypted(envelope, under, use)
    if key is None:
        raise KeyRefused(KeyCode.AUTHENTICATION_FAILED, "the envelope does not open")
    return key


def _decrypted(envelope: Envelope, under: KeyEncryptionKey, use: KeyUse) -> PrivateKey | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = bytes.fromhex(envelope.ciphertext + envelope.tag)
    try:
        return PrivateKey(
            AESGCM(under.reveal()).decrypt(
                bytes.fromhex(envelope.iv), sealed, use.authenticated_data()
            )
        )
    except InvalidTag:
        return None
