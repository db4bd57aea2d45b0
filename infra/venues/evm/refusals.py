"""What a node's errors prove: a call that reverts, a transaction that was never taken, or nothing.

The texts are those of go-ethereum (core/txpool/errors.go, core/error.go) and of Arbitrum's nodes.
"""

from collections.abc import Sequence

from common.errors import InvalidInputError, OutcomeUnknownError, RejectedError, SapphireError
from infra.venues.evm.abi import Revert, revert_of
from infra.venues.evm.hexadecimal import to_bytes
from infra.venues.fields import Answer

_REVERTED = 3  # the code of a revert that carries data
_NEVER_TAKEN = (
    ("insufficient funds", "INSUFFICIENT_GAS_FUNDS"),
    ("intrinsic gas too low", "GAS_LIMIT"),
    ("exceeds block gas limit", "GAS_LIMIT"),
    ("max fee per gas less than block base fee", "GAS_PRICE_SPIKE"),
    ("max priority fee per gas higher than max fee", "GAS_PRICE"),
    ("invalid chain id", "WRONG_CHAIN"),
    ("invalid sender", "INVALID_SIGNATURE"),
    ("oversized data", "GAS_LIMIT"),
)


class RevertedError(RejectedError):
    """A contract refuses the call, found out before anything is sent. Its code is REVERTED."""

    def __init__(self, revert: Revert) -> None:
        super().__init__("REVERTED", revert.text)
        self.revert = revert


def refused_call(error: Answer, errors: Sequence[str]) -> RejectedError | None:
    """The refusal of an eth_call or eth_estimateGas that an error is; None: it proves nothing."""
    message = str(error.get("message") or "").lower()
    if error.get("code") == _REVERTED or "execution reverted" in message:
        return RevertedError(_revert(error, errors))
    for words, code in _NEVER_TAKEN:
        if words in message:
            return RejectedError(code, words)
    if "gas required exceeds" in message:
        return RejectedError("GAS_LIMIT", "gas required exceeds allowance")
    return None


def refused_transaction(error: Answer, label: str) -> SapphireError:
    """What an error of eth_sendRawTransaction proves.

    "already known", "nonce too low" and "replacement transaction underpriced" prove nothing: the
    transaction that is in the way may be this very one.
    """
    message = str(error.get("message") or "").lower()
    for words, code in _NEVER_TAKEN:
        if words in message:
            return RejectedError(code, f"{label}: {words}")
    known = ("already known", "nonce too low", "nonce too high", "underpriced")
    said = next((words for words in known if words in message), "an error without proof")
    return OutcomeUnknownError(f"{label}: {said}")


def _revert(error: Answer, errors: Sequence[str]) -> Revert:
    data = error.get("data")
    if isinstance(data, dict):
        data = data.get("data")
    try:
        return revert_of(to_bytes(data, "error.data"), errors) if data else _plain(error)
    except InvalidInputError:
        return _plain(error)


def _plain(error: Answer) -> Revert:
    _, found, text = str(error.get("message") or "").partition("execution reverted: ")
    return Revert("", text[:200] if found and text else "without a reason")
