"""Signatures against the official SDK's own vectors, on both networks."""

import json
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.utils.signing import (
    action_hash,
    construct_phantom_agent,
    recover_agent_or_user_from_l1_action,
    recover_user_from_user_signed_action,
    sign_usd_transfer_action,
    sign_withdraw_from_bridge_action,
)

from common.errors import ConfigurationError, InvalidInputError
from infra.venues.hyperliquid.signing import is_mainnet, signed_action, signed_agent_approval
from tests.shared_data import shared_path

NETWORKS = ("mainnet", "testnet")


def vectors() -> Any:
    return json.loads(shared_path("data/hyperliquid/signing_vectors.json").read_text())


def l1_vectors() -> list[Any]:
    recorded = vectors()
    local = [one for one in recorded["local_extra_vectors_sdk_0_24_0"] if "mainnet" in one]
    return [*recorded["l1_actions"], *local]


def body_of(vector: Any, network: str) -> Any:
    return json.loads(
        signed_action(
            Account.from_key(vectors()["private_key"]),
            vector["action"],
            nonce=vector["nonce"],
            expires_after_ms=vector["expiresAfter"],
            network=network,
            vault_address=vector["vaultAddress"],
        )
    )


def test_signed_action_when_the_nine_upstream_vectors_then_the_same_signatures() -> None:
    assert len(vectors()["l1_actions"]) == 9
    for vector in l1_vectors():
        for network in NETWORKS:
            body = body_of(vector, network)
            assert body["signature"] == vector[network], (vector["name"], network)
            assert body["action"] == vector["action"]
            assert body["nonce"] == vector["nonce"]
            assert body["expiresAfter"] == vector["expiresAfter"]
            assert body["vaultAddress"] == vector["vaultAddress"]


def test_signed_action_when_hashed_then_the_recorded_hashes() -> None:
    for vector in l1_vectors():
        hashed = action_hash(
            vector["action"], vector["vaultAddress"], vector["nonce"], vector["expiresAfter"]
        )
        assert "0x" + hashed.hex() == vector["action_hash"], vector["name"]


def test_phantom_agent_when_of_the_upstream_order_then_its_connection_id() -> None:
    phantom = vectors()["phantom_agent"]
    hashed = action_hash(phantom["action"], None, phantom["nonce"], None)
    assert construct_phantom_agent(hashed, True)["source"] == "a"
    assert construct_phantom_agent(hashed, False)["source"] == "b"
    assert "0x" + hashed.hex() == phantom["connectionId"]


@pytest.mark.parametrize("network", NETWORKS)
def test_signed_action_when_recovered_from_its_text_then_the_signer(network: str) -> None:
    """As the venue does it: from the text that is sent, and only on the right network."""
    for vector in l1_vectors():
        body = body_of(vector, network)
        terms = (body["action"], body["signature"], body["vaultAddress"], body["nonce"])
        expires = body["expiresAfter"]
        right = is_mainnet(network)
        address = vectors()["address"]
        assert recover_agent_or_user_from_l1_action(*terms, expires, right) == address
        assert recover_agent_or_user_from_l1_action(*terms, expires, not right) != address


def test_signed_action_when_anything_in_it_changes_then_another_signer() -> None:
    """Which the venue answers with "User or API Wallet 0x.. does not exist"."""
    vector = next(v for v in vectors()["l1_actions"] if v["name"] == "l1_order_gtc_cloid")
    body = body_of(vector, "testnet")
    altered = json.loads(json.dumps(body["action"]))
    altered["orders"][0]["s"] = "101"
    for action, nonce, expires in (
        (altered, 0, None),
        (body["action"], 1, None),
        (body["action"], 0, 1_700_000_000_000),
    ):
        recovered = recover_agent_or_user_from_l1_action(
            action, body["signature"], None, nonce, expires, False
        )
        assert recovered != vectors()["address"]


def test_user_signed_when_the_upstream_vectors_then_the_same_signatures() -> None:
    signs = {
        "usdSend (sign_usd_transfer_action)": sign_usd_transfer_action,
        "withdraw3 (sign_withdraw_from_bridge_action)": sign_withdraw_from_bridge_action,
    }
    account = Account.from_key(vectors()["private_key"])
    for vector in vectors()["user_signed"]:
        signature = signs[vector["name"]](account, dict(vector["message"]), False)
        assert signature == vector["sig"]


def test_signed_agent_approval_when_the_recorded_vector_then_the_same_signature() -> None:
    vector = vectors()["local_extra_vectors_sdk_0_24_0"][-1]
    master = Account.from_key(vectors()["private_key"])
    body = json.loads(
        signed_agent_approval(
            master,
            agent_address=vector["action"]["agentAddress"].upper().replace("0X", "0x"),
            name=vector["action"]["agentName"],
            nonce=vector["action"]["nonce"],
            network="testnet",
        )
    )
    assert body["signature"] == vector["testnet"]
    assert body["action"]["hyperliquidChain"] == "Testnet"
    assert body["action"]["signatureChainId"] == "0x66eee"


def test_signed_agent_approval_when_unnamed_then_the_name_is_signed_and_not_sent() -> None:
    master = Account.from_key(vectors()["private_key"])
    agent = "0x21cf8ae13bb72632562c6fff438652ba1a151bb0"
    text = signed_agent_approval(master, agent_address=agent, name="", nonce=7, network="mainnet")
    body = json.loads(text)
    assert "agentName" not in body["action"]
    fields = [
        {"name": "hyperliquidChain", "type": "string"},
        {"name": "agentAddress", "type": "address"},
        {"name": "agentName", "type": "string"},
        {"name": "nonce", "type": "uint64"},
    ]
    signer = recover_user_from_user_signed_action(
        {**body["action"], "agentName": ""},
        body["signature"],
        fields,
        "HyperliquidTransaction:ApproveAgent",
        True,
    )
    assert signer == vectors()["address"]


@pytest.mark.parametrize(
    ("agent", "name", "where"),
    [
        ("0x12", "bot", "agent_address"),
        ("21cf8ae13bb72632562c6fff438652ba1a151bb000", "bot", "agent_address"),
        ("0x21cf8ae13bb72632562c6fff438652ba1a151bb0", "x" * 17, "agent name"),
    ],
)
def test_signed_agent_approval_when_the_venue_would_refuse_then_invalid(
    agent: str, name: str, where: str
) -> None:
    master = Account.from_key("0x" + "11" * 32)
    with pytest.raises(InvalidInputError, match=where):
        signed_agent_approval(master, agent_address=agent, name=name, nonce=1, network="testnet")


def test_signed_agent_approval_when_it_says_how_long_then_the_name_may_be_longer() -> None:
    master = Account.from_key("0x" + "11" * 32)
    name = "sixteen-letters! valid_until 1800000000000"
    text = signed_agent_approval(
        master,
        agent_address="0x21cf8ae13bb72632562c6fff438652ba1a151bb0",
        name=name,
        nonce=1,
        network="testnet",
    )
    assert json.loads(text)["action"]["agentName"] == name


def test_is_mainnet_when_neither_network_then_a_person_must_act() -> None:
    with pytest.raises(ConfigurationError, match="mainnet or testnet"):
        is_mainnet("devnet")
