"""Why a swap was refused by its contracts, in our words.

Sources: Uniswap/universal-router 2.0 and Uniswap/permit2, their custom errors; solmate's and
OpenZeppelin's texts for tokens that refuse a transfer.
"""

from typing import Final

from infra.venues.evm.abi import Revert

ERRORS: Final = (  # custom errors that a swap may revert with
    "TransactionDeadlinePassed()",
    "ExecutionFailed(uint256,bytes)",
    "V2TooLittleReceived()",
    "V2TooMuchRequested()",
    "V3TooLittleReceived()",
    "V3TooMuchRequested()",
    "InsufficientToken()",
    "AllowanceExpired(uint256)",
    "InsufficientAllowance(uint256)",
    "InvalidNonce()",
    "InvalidSigner()",
    "SignatureExpired(uint256)",
    "InvalidCommandType(uint256)",
    "ERC20InsufficientBalance(address,uint256,uint256)",
    "ERC20InsufficientAllowance(address,uint256,uint256)",
)
_BOUND = "NOT_FILLED_WITHIN_BOUND"
_ALLOWANCE = "ALLOWANCE_INSUFFICIENT"
_CODES: Final = {
    "TransactionDeadlinePassed": "ORDER_EXPIRED",
    "V2TooLittleReceived": _BOUND,
    "V2TooMuchRequested": _BOUND,
    "V3TooLittleReceived": _BOUND,
    "V3TooMuchRequested": _BOUND,
    "InsufficientToken": _BOUND,
    "AllowanceExpired": _ALLOWANCE,
    "InsufficientAllowance": _ALLOWANCE,
    "ERC20InsufficientAllowance": _ALLOWANCE,
    "SignatureExpired": "ORDER_EXPIRED",
    "InvalidNonce": "PERMIT_DIFFERS",
    "InvalidSigner": "PERMIT_DIFFERS",
    "ERC20InsufficientBalance": "INSUFFICIENT_BALANCE",
}
_TEXTS: Final = (
    ("transfer amount exceeds balance", "INSUFFICIENT_BALANCE"),
    ("transfer amount exceeds allowance", _ALLOWANCE),
    ("transfer_from_failed", _ALLOWANCE),
)
REVERTED: Final = "REVERTED"


def revert_code(revert: Revert) -> str:
    """By the error's name, or by its text; REVERTED where it is none that we know."""
    return code_of_text(revert.name or revert.text)


def code_of_text(text: str) -> str:
    """The code of `Name(...)`, a name alone, or words."""
    name = text.partition("(")[0]
    if name in _CODES:
        return _CODES[name]
    lowered = text.lower()
    return next((code for words, code in _TEXTS if words in lowered), REVERTED)
