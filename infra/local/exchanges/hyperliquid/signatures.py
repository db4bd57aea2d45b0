"""Whose signature is it? The hash is made from what the venue understood, not from what was sent.

Hyperliquid parses an action and packs it again in its own field order, so an action with fields in
another order, a price "1.0" or an unknown field recovers a stranger's address. So does this.
"""

from collections.abc import Callable, Mapping
from typing import Any

from infra.local.exchanges.hyperliquid.numbers import MalformedError, bare, decimal_of

_APPROVE_AGENT = [
    {"name": "hyperliquidChain", "type": "string"},
    {"name": "agentAddress", "type": "address"},
    {"name": "agentName", "type": "string"},
    {"name": "nonce", "type": "uint64"},
]
_DOMAIN = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]
_NO_CONTRACT = "0x" + "0" * 40


class UnrecoverableError(Exception):
    """No address follows from the signature."""


def l1_signer(
    action: Mapping[str, Any],
    signature: Mapping[str, Any],
    *,
    vault: str | None,
    nonce: int,
    expires_after: int | None,
    is_mainnet: bool,
) -> str:
    """The address, in lower case, that signed a trading action.

    Raises MalformedError: the action is none; UnrecoverableError: nobody can have signed it.
    """
    from hyperliquid.utils.signing import action_hash, construct_phantom_agent, l1_payload

    form = canonical(action)
    try:
        digest = action_hash(form, vault, nonce, expires_after)
    except (OverflowError, TypeError, ValueError):
        raise MalformedError("no action of the venue") from None
    return _recovered(l1_payload(construct_phantom_agent(digest, is_mainnet)), signature)


def approval_signer(
    action: Mapping[str, Any], signature: Mapping[str, Any], *, is_mainnet: bool
) -> str:
    """The address, in lower case, that signed an approveAgent; an absent name is signed as ""."""
    try:
        message = {
            "hyperliquidChain": "Mainnet" if is_mainnet else "Testnet",
            "agentAddress": str(action["agentAddress"]),
            "agentName": str(action.get("agentName") or ""),
            "nonce": int(action["nonce"]),
        }
        chain_id = int(str(action["signatureChainId"]), 16)
    except (KeyError, ValueError):
        raise MalformedError("no approveAgent action") from None
    payload = {
        "domain": {
            "name": "HyperliquidSignTransaction",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": _NO_CONTRACT,
        },
        "types": {"HyperliquidTransaction:ApproveAgent": _APPROVE_AGENT, "EIP712Domain": _DOMAIN},
        "primaryType": "HyperliquidTransaction:ApproveAgent",
        "message": message,
    }
    return _recovered(payload, signature)


def _recovered(payload: dict[str, Any], signature: Mapping[str, Any]) -> str:
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    try:
        vrs = (int(signature["v"]), int(signature["r"], 16), int(signature["s"], 16))
        address = Account.recover_message(encode_typed_data(full_message=payload), vrs=vrs)
    except (BadSignature, KeyError, TypeError, ValidationError, ValueError):
        raise UnrecoverableError from None
    return str(address).lower()


def canonical(action: Mapping[str, Any]) -> dict[str, Any]:
    """The action as the venue packs it. Raises MalformedError."""
    try:
        return _FORMS[action["type"]](action)
    except (AttributeError, KeyError, TypeError):
        raise MalformedError("no action of the venue") from None


def _order(wire: Mapping[str, Any]) -> dict[str, Any]:
    order = {
        "a": wire["a"],
        "b": wire["b"],
        "p": bare(decimal_of(wire["p"])),
        "s": bare(decimal_of(wire["s"])),
        "r": wire["r"],
        "t": _order_type(wire["t"]),
    }
    return order if wire.get("c") is None else {**order, "c": wire["c"].lower()}


def _order_type(kind: Mapping[str, Any]) -> dict[str, Any]:
    if "limit" in kind:
        return {"limit": {"tif": kind["limit"]["tif"]}}
    trigger = kind["trigger"]
    return {
        "trigger": {
            "isMarket": trigger["isMarket"],
            "triggerPx": bare(decimal_of(trigger["triggerPx"])),
            "tpsl": trigger["tpsl"],
        }
    }


def _orders(action: Mapping[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = {
        "type": "order",
        "orders": [_order(order) for order in action["orders"]],
        "grouping": action["grouping"],
    }
    if action.get("builder"):
        form["builder"] = {"b": action["builder"]["b"], "f": action["builder"]["f"]}
    return form


def _picked(*names: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda action: {name: action[name] for name in ("type", *names)}


def _schedule_cancel(action: Mapping[str, Any]) -> dict[str, Any]:
    time = {} if action.get("time") is None else {"time": action["time"]}
    return {"type": "scheduleCancel", **time}


_FORMS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "order": _orders,
    "cancel": lambda action: {
        "type": "cancel",
        "cancels": [{"a": item["a"], "o": item["o"]} for item in action["cancels"]],
    },
    "cancelByCloid": lambda action: {
        "type": "cancelByCloid",
        "cancels": [
            {"asset": one["asset"], "cloid": one["cloid"].lower()} for one in action["cancels"]
        ],
    },
    "modify": lambda action: {
        "type": "modify",
        "oid": action["oid"],
        "order": _order(action["order"]),
    },
    "batchModify": lambda action: {
        "type": "batchModify",
        "modifies": [
            {"oid": item["oid"], "order": _order(item["order"])} for item in action["modifies"]
        ],
    },
    "scheduleCancel": _schedule_cancel,
    "updateLeverage": _picked("asset", "isCross", "leverage"),
    "noop": _picked(),
}
