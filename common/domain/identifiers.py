"""Identifiers. Every id that a retry could repeat is a pure function of its inputs."""

import hashlib
import re

ID_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.:\-]{0,127}$")
"""What an id may look like: safe as a Firestore document id and inside a URL path."""


def digest(*parts: str | int) -> str:
    """SHA-256 over the length-prefixed parts as 64 hex characters: no two tuples collide."""
    hasher = hashlib.sha256()
    for part in parts:
        encoded = str(part).encode()
        hasher.update(f"{len(encoded)}:".encode())
        hasher.update(encoded)
    return hasher.hexdigest()


def prefixed_id(prefix: str, *parts: str | int) -> str:
    """`sig_` + 24 hex characters (96 bits), a pure function of the parts."""
    return f"{prefix}_{digest(prefix, *parts)[:24]}"


def intent_id(agent_id: str, deployment_id: str, signal_id: str, leg: int, slice_no: int) -> str:
    """The one order effect that a signal may have for a deployment's leg and slice."""
    return prefixed_id("int", agent_id, deployment_id, signal_id, leg, slice_no)


def client_order_id(intent: str, attempt: int) -> str:
    """`0x` + 32 hex characters: 16 bytes, the shape of a Hyperliquid cloid."""
    return "0x" + digest("client-order", intent, attempt)[:32]


def indicator_state_id(agent_id: str, symbol: str, interval: str) -> str:
    """`decide` writes the state, and `fetch_market` looks whether it is there."""
    return f"{agent_id}:{symbol}:{interval}"
