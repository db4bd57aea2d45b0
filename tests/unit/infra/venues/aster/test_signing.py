"""Aster's signature against the recorded vector, and against eth-account's own encoder."""

import json
from urllib.parse import parse_qsl

from eth_account import Account

from infra.local.exchanges.aster.access import recovered_signer
from infra.venues.aster.signing import signable, signed
from tests.shared_data import shared_path


def test_signed_when_the_recorded_request_then_its_text_and_signature() -> None:
    vector = json.loads(shared_path("data/aster/signing_vectors.json").read_text())["v3_eip712"]
    account = Account.from_key(vector["private_key"])
    pairs = [(k, v) for k, v in vector["params"].items() if k not in {"nonce", "signer"}]
    form = signed(pairs, nonce=int(vector["params"]["nonce"]), account=account)
    assert form == f"{vector['message']}&signature={vector['signature']}"


def test_signable_when_compared_with_the_typed_data_then_the_same_hashes() -> None:
    vector = json.loads(shared_path("data/aster/signing_vectors.json").read_text())["v3_eip712"]
    from eth_account.messages import encode_typed_data

    assert signable(vector["message"]) == encode_typed_data(full_message=vector["typed_data"])


def test_signed_when_anything_is_changed_then_another_signer_is_recovered() -> None:
    account = Account.from_key("0x" + "11" * 32)
    form = signed([("symbol", "ETHUSDT"), ("quantity", "1")], nonce=7, account=account)
    text, _, signature = form.rpartition("&signature=")
    assert dict(parse_qsl(text))["signer"] == account.address
    assert recovered_signer(text, signature) == account.address.lower()
    assert recovered_signer(text.replace("quantity=1", "quantity=2"), signature) != (
        account.address.lower()
    )
    assert recovered_signer(text, "0x00") is None


def test_signed_when_values_need_escapes_then_the_signed_text_is_the_sent_one() -> None:
    account = Account.from_key("0x" + "11" * 32)
    form = signed([("newClientOrderId", "a/b:c d")], nonce=1, account=account)
    text, _, signature = form.rpartition("&signature=")
    assert text.startswith("newClientOrderId=a%2Fb%3Ac+d&")
    assert recovered_signer(text, signature) == account.address.lower()
