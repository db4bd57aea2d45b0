"""Reads the Universal Router call that the exchange wrote for us, command by command. Pure.

Whoever signs a transaction that another built must know all that it does: a command that we cannot
read, or that the swap does not need, refuses the whole.
Source: Uniswap/universal-router 2.0, contracts/libraries/Commands.sol and base/Dispatcher.sol.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from common.errors import RejectedError
from infra.venues.spot.permit import Permit
from infra.venues.spot.quote import same_address
from infra.venues.spot.swap import Swap

EXECUTE: Final = bytes.fromhex("3593564c")  # execute(bytes commands, bytes[] inputs, uint256)
EXECUTE_TYPES: Final = ("bytes", "bytes[]", "uint256")
MSG_SENDER: Final = "0x0000000000000000000000000000000000000001"  # the router's word for the caller
ADDRESS_THIS: Final = "0x0000000000000000000000000000000000000002"  # ... and for itself
CALL_BYTES_MAX: Final = 20_000
COMMANDS_MAX: Final = 16
HOPS_MAX: Final = 4
_MAY_REVERT: Final = 0x80

_PERMIT_TYPE: Final = "((address,uint160,uint48,uint48),address,uint256)"
_V2_TYPES: Final = ("address", "uint256", "uint256", "address[]", "bool")
_V3_TYPES: Final = ("address", "uint256", "uint256", "bytes", "bool")


@dataclass(slots=True)
class _Reading:
    """What the commands read so far would do."""

    swap: Swap
    permit: Permit | None
    signature: bytes
    exact: int = 0  # of the swap's `amount`
    paid: int = 0  # the most of the input token that leaves the wallet
    direct: int = 0  # the least of the output token that reaches the wallet from pools
    kept: int = 0  # how many swaps leave their output in the router ...
    swept: int | None = None  # ... and the least that is swept from there to the wallet
    swaps: int = 0
    permits: int = 0
    index: int = field(default=0)


def check_call(
    data: bytes, swap: Swap, *, permit: Permit | None, signature: bytes, now_s: int
) -> int:
    """The least or the most that the call guarantees of the quote token, inside the bound.

    Raises:
        RejectedError: CALL_DIFFERS, and what in it.
    """
    commands, inputs = _outer(data, swap, now_s)
    reading = _Reading(swap, permit, signature)
    for index, (command, payload) in enumerate(zip(commands, inputs, strict=True)):
        reading.index = index
        read = _READERS.get(command & ~_MAY_REVERT)
        if read is None:
            raise _differs(f"command {index} is 0x{command:02x}, which the swap does not need")
        if command & _MAY_REVERT and read is not _permit:
            raise _differs(f"command {index} may fail without undoing the rest")
        read(reading, payload)
    return _verdict(reading)


def _outer(data: bytes, swap: Swap, now_s: int) -> tuple[bytes, Sequence[bytes]]:
    if len(data) > CALL_BYTES_MAX:
        raise _differs(f"{len(data)} bytes")
    if data[:4] != EXECUTE:
        raise _differs("not execute(commands, inputs, deadline)")
    commands, inputs, deadline = _decoded(EXECUTE_TYPES, data[4:], "the call")
    if len(commands) != len(inputs) or not 0 < len(commands) <= COMMANDS_MAX:
        raise _differs(f"{len(commands)} commands and {len(inputs)} inputs")
    if not now_s < deadline <= swap.deadline:
        raise _differs(f"deadline {deadline}, and the order ends at {swap.deadline}")
    return commands, inputs


def _verdict(reading: _Reading) -> int:
    swap = reading.swap
    if not reading.swaps:
        raise _differs("no swap in it")
    if reading.permit is not None and not reading.permits:
        raise _differs("it does not hand in the permit")
    if reading.kept and reading.swept is None:
        raise _differs("it leaves what was bought in the router")
    if reading.exact != swap.amount:
        raise _differs(f"it moves {reading.exact}, not {swap.amount}")
    if reading.paid > swap.pays_most:
        raise _differs(f"it may pay {reading.paid}, more than {swap.pays_most}")
    received = reading.direct + (reading.swept or 0)
    wanted = swap.amount if swap.buys else swap.bound
    if received < wanted:
        raise _differs(f"it guarantees {received} of {swap.token_out.symbol}, less than {wanted}")
    return reading.paid if swap.buys else received


def _permit(reading: _Reading, payload: bytes) -> None:
    """PERMIT2_PERMIT: exactly the one that was signed, before anything is paid."""
    single, signature = _decoded((_PERMIT_TYPE, "bytes"), payload, "the permit")
    permit = reading.permit
    (token, amount, expiration, nonce), spender, deadline = single
    ours = permit is not None and (
        same_address(token, permit.token)
        and same_address(spender, permit.spender)
        and (amount, expiration, nonce) == (permit.amount, permit.expiration, permit.nonce)
        and deadline == permit.sig_deadline
    )
    if not ours or signature != reading.signature or reading.permits or reading.swaps:
        raise _differs("its permit is not the one that was signed")
    reading.permits += 1


def _swap_v3(reading: _Reading, payload: bytes) -> None:
    recipient, first, second, path, from_wallet = _decoded(_V3_TYPES, payload, "a V3 swap")
    hops, rest = divmod(len(path) - 20, 23)  # address, then (fee of 3 bytes, address) per hop
    if rest or not 1 <= hops <= HOPS_MAX:
        raise _differs(f"a V3 path of {len(path)} bytes")
    ends = ["0x" + path[:20].hex(), "0x" + path[-20:].hex()]
    if reading.swap.buys:  # a path for an exact output is written from its end
        ends.reverse()
    _add(reading, recipient, first, second, ends, from_wallet=from_wallet)


def _swap_v2(reading: _Reading, payload: bytes) -> None:
    recipient, first, second, path, from_wallet = _decoded(_V2_TYPES, payload, "a V2 swap")
    if not 2 <= len(path) <= HOPS_MAX + 1:
        raise _differs(f"a V2 path over {len(path)} tokens")
    _add(reading, recipient, first, second, [path[0], path[-1]], from_wallet=from_wallet)


def _add(
    reading: _Reading,
    recipient: str,
    first: int,
    second: int,
    ends: Sequence[str],
    *,
    from_wallet: bool,
) -> None:
    """One swap: (amount in, least out) for an exact input, (amount out, most in) otherwise."""
    swap = reading.swap
    if not same_address(ends[0], swap.token_in.address):
        raise _differs(f"a swap pays with {ends[0]}, not {swap.token_in.symbol}")
    if not same_address(ends[1], swap.token_out.address):
        raise _differs(f"a swap buys {ends[1]}, not {swap.token_out.symbol}")
    if not from_wallet:
        raise _differs("a swap that the wallet does not pay for")
    if reading.swept is not None:
        raise _differs("a swap after the sweep")
    spent, gained = (second, first) if swap.buys else (first, second)
    reading.swaps += 1
    reading.exact += first
    reading.paid += spent
    if same_address(recipient, ADDRESS_THIS):
        reading.kept += 1
    else:
        _to_us(reading, recipient)
        reading.direct += gained


def _sweep(reading: _Reading, payload: bytes) -> None:
    """SWEEP: the router's whole balance of a token, at least so much, to the wallet."""
    token, recipient, least = _decoded(("address", "address", "uint256"), payload, "a sweep")
    _to_us(reading, recipient)
    if not same_address(token, reading.swap.token_out.address) or reading.swept is not None:
        raise _differs("a sweep of another token, or a second one")
    reading.swept = least if reading.kept else 0


def _unwrap(reading: _Reading, payload: bytes) -> None:
    """UNWRAP_WETH pays out ETH; we hold and count WETH."""
    del payload
    raise _differs(f"command {reading.index} turns WETH into ETH, which nobody asked for")


def _to_us(reading: _Reading, recipient: str) -> None:
    if not (same_address(recipient, reading.swap.wallet) or same_address(recipient, MSG_SENDER)):
        raise _differs(f"command {reading.index} pays {recipient}, who is not the wallet")


def _decoded(types: Sequence[str], payload: bytes, what: str) -> tuple[Any, ...]:
    """Strict: what does not encode to the same bytes again may mean another thing to the router."""
    from eth_abi.abi import decode, encode
    from eth_abi.exceptions import DecodingError, EncodingError

    try:
        values: tuple[Any, ...] = decode(types, payload)
        again = encode(types, values)
    except (DecodingError, EncodingError, OverflowError):
        raise _differs(f"{what} cannot be read") from None
    if again != payload:
        raise _differs(f"{what} is not plainly encoded")
    return values


def _differs(message: str) -> RejectedError:
    return RejectedError("CALL_DIFFERS", f"the router call is not the swap: {message}")


def _kind(
    read: Callable[[_Reading, bytes], None], *, buys: bool
) -> Callable[[_Reading, bytes], None]:
    def checked(reading: _Reading, payload: bytes) -> None:
        if reading.swap.buys is not buys:
            raise _differs("a swap of the other kind: exact input for exact output, or reversed")
        read(reading, payload)

    return checked


_READERS: Final[dict[int, Callable[[_Reading, bytes], None]]] = {
    0x00: _kind(_swap_v3, buys=False),  # V3_SWAP_EXACT_IN
    0x01: _kind(_swap_v3, buys=True),  # V3_SWAP_EXACT_OUT
    0x04: _sweep,
    0x08: _kind(_swap_v2, buys=False),  # V2_SWAP_EXACT_IN
    0x09: _kind(_swap_v2, buys=True),  # V2_SWAP_EXACT_OUT
    0x0A: _permit,
    0x0C: _unwrap,
}
