"""One `sapphire seal`. The key is never shown, kept or passed on but sealed."""

import argparse
import asyncio
import getpass
import json
import os
import secrets as chance
import sys
import warnings

from common.config import Settings, load_settings
from common.domain.identifiers import ID_PATTERN
from common.domain.instrument import Venue
from common.errors import InvalidInputError
from common.ports import SecretStore
from infra.keys.address import address_of, is_on_curve, parse_address
from infra.keys.envelope import IV_BYTES, KeyUse, seal
from infra.keys.private_key import PrivateKey
from infra.keys.sealed_keys import read_kek

_TYPED_MAX = 1024


def run_seal(arguments: argparse.Namespace) -> int:
    """Prints one JSON object: a venue's fields of deploy, or, from version 2 on, of rotate.

    Raises:
        InvalidInputError: an argument or the key is not usable.
        ConfigurationError: the key-encryption key is missing, or may not be read.
        TransientError: the secret store does not answer.
    """
    use = _use(arguments)
    settings = load_settings(_environment(arguments))
    key = _private_key()
    address = address_of(key)
    fields = asyncio.run(_sealed(key, use, settings))
    prefix = f"{use.venue.lower()}_" if use.key_version == 1 else ""
    named = {"agent_address": address, **fields}
    print(json.dumps({f"{prefix}{name}": text for name, text in named.items()}, indent=2))
    step = "deploy" if use.key_version == 1 else f"rotate to version {use.key_version}"
    print(
        f"sapphire: sealed the key of {address}, to {step} {use.agent_id} at {use.venue.label} "
        f"for {use.wallet}; it opens for nothing else",
        file=sys.stderr,
    )
    return 0


def _use(arguments: argparse.Namespace) -> KeyUse:
    if not ID_PATTERN.fullmatch(arguments.agent):
        raise InvalidInputError("not an id", where="--agent")
    try:
        wallet = parse_address(arguments.wallet)
    except ValueError as error:
        raise InvalidInputError(str(error), where="--wallet") from None
    return KeyUse(
        agent_id=arguments.agent,
        wallet=wallet,
        venue=Venue(arguments.venue.upper()),
        key_version=arguments.key_version,
    )


def _environment(arguments: argparse.Namespace) -> dict[str, str]:
    chosen = {"SAPPHIRE_DATA_DIR": str(arguments.data_dir)} if arguments.data_dir else {}
    return {**os.environ, **chosen}


def _private_key() -> PrivateKey:
    """From a prompt without echo, or from what is piped in."""
    key = _parsed(_typed() if sys.stdin.isatty() else _piped())
    if key is None:
        raise InvalidInputError("must be 64 hexadecimal digits, with or without 0x", where="key")
    if not is_on_curve(key):
        raise InvalidInputError("is no private key of secp256k1: 0, or too large", where="key")
    return key


def _typed() -> str:
    """Refuses a terminal that would show what is typed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)
            return getpass.getpass("Private key (not shown): ")
    except EOFError:
        raise InvalidInputError("nothing was typed", where="key") from None
    except getpass.GetPassWarning:
        raise InvalidInputError(
            "this terminal would show it: pipe it in instead", where="key"
        ) from None


def _piped() -> str:
    return sys.stdin.buffer.read(_TYPED_MAX).decode("ascii", "replace")


def _parsed(text: str) -> PrivateKey | None:
    """No error of this leaves it: its frames would hold the text."""
    try:
        return PrivateKey(bytes.fromhex(text.strip().removeprefix("0x").removeprefix("0X")))
    except ValueError:
        return None


async def _sealed(key: PrivateKey, use: KeyUse, settings: Settings) -> dict[str, str]:
    kek = await read_kek(_secret_store(settings), settings.kek_version)
    return seal(key, under=kek, use=use, iv=chance.token_bytes(IV_BYTES)).to_fields()


def _secret_store(settings: Settings) -> SecretStore:
    """The server's own store. In the cloud an operator has no push audience to tell it by, and
    reads with their own credentials.
    """
    if settings.store == "firestore" and "FIRESTORE_EMULATOR_HOST" not in os.environ:
        from infra.gcp.secrets import SecretManagerStore

        return SecretManagerStore(project=settings.project)
    from infra.bootstrap import secret_store

    return secret_store(settings)
