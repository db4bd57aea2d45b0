"""Writes the Universal Router call of a swap, as the Trading API does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from infra.local.exchanges.uniswap.router import (
    CALLER,
    EXECUTE,
    ITSELF,
    PERMIT_TYPES,
    SWEEP_TYPES,
    TRANSFER_TYPES,
    V2_TYPES,
    V3_TYPES,
)
from infra.venues.evm.abi import encode_call

THIEF = "0x00000000000000000000000000000000000bAd00"
POOL_FEE = 3000  # of Uniswap v3, in hundredths of a basis point


class Style(StrEnum):
    """How a swap is written; what it does to the pools is the same."""

    V3 = "V3"
    V2 = "V2"
    SPLIT = "SPLIT"  # half by V3 and half by V2, gathered in the router and swept to the wallet


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTerms:
    wallet: str
    path: tuple[str, ...]  # from what is paid to what is bought
    exact_output: bool
    exact: int
    limit: int  # the least for an exact input, the most for an exact output
    deadline: int
    style: Style = Style.V3
    recipient: str = CALLER
    through_router: bool = False
    sweep_to: str | None = None
    extra_transfer: bool = False

    def changed(self, **changes: Any) -> "CallTerms":
        return replace(self, **changes)


def write_call(terms: CallTerms, permit: dict[str, Any] | None, signature: bytes) -> bytes:
    """The calldata of execute(commands, inputs, deadline)."""
    commands = [] if permit is None else [_permit(permit, signature)]
    gathers = terms.style is Style.SPLIT or terms.through_router
    recipient = ITSELF if gathers else terms.recipient
    if terms.style is Style.SPLIT:
        half = terms.exact // 2
        limits = (terms.limit // 2, terms.limit - terms.limit // 2)
        if gathers and not terms.exact_output:
            limits = (0, 0)  # the sweep holds the least
        commands.append(_v3(terms, half, limits[0], recipient))
        commands.append(_v2(terms, terms.exact - half, limits[1], recipient))
    else:
        swap = _v2 if terms.style is Style.V2 else _v3
        commands.append(swap(terms, terms.exact, terms.limit, recipient))
    if gathers:
        least = terms.exact if terms.exact_output else terms.limit
        to = terms.sweep_to or terms.wallet
        commands.append((0x04, _encoded(SWEEP_TYPES, terms.path[-1], to, least)))
    if terms.extra_transfer:
        commands.append((0x05, _encoded(TRANSFER_TYPES, terms.path[-1], THIEF, 1)))
    numbers = bytes(number for number, _ in commands)
    return encode_call(EXECUTE, numbers, [payload for _, payload in commands], terms.deadline)


def _v3(terms: CallTerms, exact: int, limit: int, recipient: str) -> tuple[int, bytes]:
    tokens = [bytes.fromhex(token[2:]) for token in terms.path]
    if terms.exact_output:
        tokens.reverse()
    path = POOL_FEE.to_bytes(3, "big").join(tokens)
    payload = _encoded(V3_TYPES, recipient, exact, limit, path, True)
    return int(terms.exact_output), payload


def _v2(terms: CallTerms, exact: int, limit: int, recipient: str) -> tuple[int, bytes]:
    payload = _encoded(V2_TYPES, recipient, exact, limit, list(terms.path), True)
    return 0x08 + terms.exact_output, payload


def _permit(permit: dict[str, Any], signature: bytes) -> tuple[int, bytes]:
    values = permit["values"]
    details = values["details"]
    single = (
        (
            details["token"],
            int(details["amount"]),
            int(details["expiration"]),
            int(details["nonce"]),
        ),
        values["spender"],
        int(values["sigDeadline"]),
    )
    return 0x0A, _encoded(PERMIT_TYPES, single, signature)


def _encoded(types: Sequence[str], *values: object) -> bytes:
    from eth_abi.abi import encode

    return encode(types, values)
