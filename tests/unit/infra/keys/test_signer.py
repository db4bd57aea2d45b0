"""Signing through the hidden account gives what eth-account gives, and shows nothing."""

import copy
import pickle
from pprint import pformat
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from hyperliquid.utils.signing import sign_inner
from rich.pretty import pretty_repr

from common.errors import DeniedError
from infra.keys.address import address_of
from infra.keys.private_key import PrivateKey
from infra.keys.signer import Signer
from tests.renderings import rendered

RAW = bytes.fromhex("c0ffee" * 10 + "abcd")
KEY = PrivateKey(RAW)
ADDRESS = address_of(KEY)
PLAIN = Account.from_key(RAW)
FORMS = ("c0ffee", repr(RAW)[2:-1], str(int.from_bytes(RAW, "big")))
TRANSACTION: dict[str, Any] = {
    "to": "0x" + "11" * 20,
    "value": 1,
    "gas": 21000,
    "maxFeePerGas": 2,
    "maxPriorityFeePerGas": 1,
    "nonce": 0,
    "chainId": 42161,
}
TYPED: dict[str, Any] = {
    "types": {
        "EIP712Domain": [{"name": "name", "type": "string"}],
        "Agent": [{"name": "source", "type": "string"}],
    },
    "primaryType": "Agent",
    "domain": {"name": "Exchange"},
    "message": {"source": "a"},
}


@pytest.fixture
def signer() -> Signer:
    return Signer(KEY, ADDRESS)


def test_account_when_it_signs_then_as_eth_account_does(signer: Signer) -> None:
    account = signer.account
    assert isinstance(account, LocalAccount)
    assert account.address == PLAIN.address
    assert signer.address == PLAIN.address.lower()
    message = encode_defunct(text="hello")
    assert account.sign_message(message) == PLAIN.sign_message(message)
    assert account.sign_transaction(TRANSACTION) == PLAIN.sign_transaction(TRANSACTION)
    digest = Hash32(b"\x01" * 32)
    assert account.unsafe_sign_hash(digest) == PLAIN.unsafe_sign_hash(digest)
    typed = account.sign_typed_data(full_message=TYPED)
    assert typed == PLAIN.sign_typed_data(full_message=TYPED)
    assert typed == account.sign_message(encode_typed_data(full_message=TYPED))
    authorization = {"chainId": 1, "address": "0x" + "11" * 20, "nonce": 0}
    assert account.sign_authorization(authorization) == PLAIN.sign_authorization(authorization)


def test_account_when_the_official_hyperliquid_code_signs_then_the_same(signer: Signer) -> None:
    assert sign_inner(signer.account, TYPED) == sign_inner(PLAIN, TYPED)


def test_account_when_asked_twice_then_made_once(signer: Signer) -> None:
    assert signer.account is signer.account


def test_signer_when_shown_then_its_address_alone(signer: Signer) -> None:
    account = signer.account
    shown = [
        f"{signer} {signer!r} {account} {account!r}",
        pformat(account.__dict__),
        pretty_repr(account.__dict__),
        repr(copy.deepcopy(account).__dict__),
        str(signer._key),
    ]
    assert ADDRESS in shown[0]
    assert not [form for form in FORMS if form in "\n".join(shown)]


def test_plain_account_when_shown_then_it_does_tell() -> None:
    """Why the account is hidden, and that the check above can fail."""
    assert "c0ffee" in pformat(PLAIN.__dict__)


@pytest.mark.parametrize("what", ["signer", "account"])
def test_signer_when_pickled_then_refused(signer: Signer, what: str) -> None:
    with pytest.raises((TypeError, AttributeError)):
        pickle.dumps(signer if what == "signer" else signer.account)


def test_account_when_exported_then_refused(signer: Signer) -> None:
    with pytest.raises(TypeError, match="not exported"):
        signer.account.encrypt("password")


@pytest.mark.parametrize(
    "sign",
    [
        lambda account: account.sign_transaction({**TRANSACTION, "gas": "much"}),
        lambda account: account.sign_transaction({**TRANSACTION, "from": "0x" + "12" * 20}),
        lambda account: account.unsafe_sign_hash("not a hash"),
        lambda account: account.sign_message("not a message"),
        lambda account: account.sign_typed_data(full_message={"types": {}}),
        lambda account: account.sign_authorization({"nonce": None}),
    ],
)
def test_account_when_it_cannot_sign_then_denied_without_frames(sign: Any, signer: Signer) -> None:
    with pytest.raises(DeniedError) as caught:
        sign(signer.account)
    error = caught.value
    assert error.code == "SIGNING_FAILED"
    assert error.__context__ is None
    shown = rendered(error)
    assert "hidden_account.py" in shown
    assert not [form for form in FORMS if form in shown]
