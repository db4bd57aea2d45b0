"""Who signed: the upstream vectors, and everything that must not recover the signer."""

import json
from typing import Any

import pytest
from hyperliquid.utils.signing import action_hash

from infra.local.exchanges.hyperliquid.numbers import MalformedError
from infra.local.exchanges.hyperliquid.signatures import (
    UnrecoverableError,
    canonical,
    l1_signer,
)
from tests.shared_data import shared_path
from tests.unit.infra.local.exchanges.hyperliquid_desk import (
    AGENT,
    ALICE,
    Desk,
    cloid,
    order,
    sl,
)

ACTIONS = [
    {"type": "order", "orders": [order(c=cloid(1)), order(trigger=sl("9"))], "grouping": "na"},
    {
        "type": "order",
        "orders": [order()],
        "grouping": "na",
        "builder": {"b": ALICE.address.lower(), "f": 10},
    },
    {"type": "cancel", "cancels": [{"a": 0, "o": 1}]},
    {"type": "cancelByCloid", "cancels": [{"asset": 0, "cloid": cloid(1)}]},
    {"type": "modify", "oid": 1, "order": order()},
    {"type": "batchModify", "modifies": [{"oid": cloid(1), "order": order()}]},
    {"type": "scheduleCancel"},
    {"type": "scheduleCancel", "time": 5},
    {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 5},
    {"type": "noop"},
]
GTC = {"type": "order", "orders": [order()], "grouping": "na"}
OTHERWISE = [
    {"type": "order", "grouping": "na", "orders": [order()]},
    {**GTC, "orders": [order(px="95000.0")]},
    {**GTC, "orders": [order(sz="0.010")]},
    {**GTC, "orders": [{"b": True, **order()}]},
    {**GTC, "orders": [{**order(), "extra": 1}]},
    {**GTC, "more": 1},
]


def stranger(answer: Any) -> bool:
    text = str(answer["response"])
    known = ALICE.address.lower() in text
    return text.startswith("User or API Wallet 0x") and text.endswith("not exist.") and not known


@pytest.mark.parametrize("net", ["mainnet", "testnet"])
def test_upstream_vectors_when_recovered_then_all_are_by_the_vectors_key(net: str) -> None:
    vectors = json.loads(shared_path("data/hyperliquid/signing_vectors.json").read_text())
    recovered = [
        l1_signer(
            vector["action"],
            vector[net],
            vault=vector["vaultAddress"],
            nonce=vector["nonce"],
            expires_after=vector["expiresAfter"],
            is_mainnet=net == "mainnet",
        )
        for vector in vectors["l1_actions"]
        if vector["action"]["type"] in {"order", "scheduleCancel"}
    ]

    assert len(recovered) >= 4
    assert set(recovered) == {vectors["address"].lower()}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action["type"])
def test_action_when_the_venue_packs_it_again_then_it_hashes_as_the_sdk_does(
    action: dict[str, Any],
) -> None:
    assert action_hash(canonical(action), None, 1, None) == action_hash(action, None, 1, None)


@pytest.mark.parametrize("action", OTHERWISE)
def test_order_when_written_otherwise_than_the_venue_packs_it_then_a_stranger_signed_it(
    action: dict[str, Any],
) -> None:
    assert stranger(Desk().send(action))


def test_action_when_anything_signed_differs_then_a_stranger_signed_it() -> None:
    desk = Desk()

    assert stranger(desk.send(GTC, signed={**GTC, "orders": [order(px="95001")]}))
    for change in ({"nonce": 5}, {"vaultAddress": AGENT.address}, {"expiresAfter": 10**13}):
        body = desk_request(desk, GTC)
        assert stranger(desk.post("/exchange", {**body, **change}))


def desk_request(desk: Desk, action: dict[str, Any]) -> dict[str, Any]:
    """A well-signed request that was not sent."""
    from hyperliquid.utils.signing import sign_l1_action

    nonce = desk.next_nonce()
    signature = sign_l1_action(ALICE, action, None, nonce, None, False)
    return {"action": action, "nonce": nonce, "signature": signature}


def test_action_when_signed_for_the_other_network_then_a_stranger_signed_it() -> None:
    assert stranger(Desk(is_mainnet=True).send(GTC))


@pytest.mark.parametrize(
    "signature", [{}, {"r": "0x0", "s": "0x0", "v": 27}, {"r": "x", "s": "0x1", "v": 27}]
)
def test_signature_when_nobody_can_have_made_it_then_unrecoverable(
    signature: dict[str, Any],
) -> None:
    with pytest.raises(UnrecoverableError):
        l1_signer(GTC, signature, vault=None, nonce=1, expires_after=None, is_mainnet=False)

    desk = Desk()
    body = {**desk_request(desk, GTC), "signature": signature}
    assert desk.post("/exchange", body) == {
        "status": "err",
        "response": "Unable to recover signer.",
    }


@pytest.mark.parametrize(
    "action",
    [
        {"type": "withdraw3"},
        {"type": "order"},
        {"type": "order", "orders": [1], "grouping": "na"},
        {"type": "order", "orders": [order(px="NaN")], "grouping": "na"},
        {"type": "order", "orders": [{**order(), "p": 95000.0}], "grouping": "na"},
        {"type": "cancel", "cancels": [{"o": 1}]},
    ],
)
def test_action_when_it_is_none_of_the_venues_then_malformed(action: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        canonical(action)
