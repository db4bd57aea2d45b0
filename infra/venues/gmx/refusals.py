"""What a refusal of GMX proves. Codes of `/prepare` from sdk/src/utils/orderTransactions/api.ts."""

from common.errors import OutcomeUnknownError, RejectedError
from infra.venues.http import VenueAnswer

_PREPARE = {
    "INVALID_PARAMS": "INVALID_ORDER",
    "MARKET_NOT_FOUND": "INSTRUMENT_NOT_FOUND",
    "TOKEN_NOT_FOUND": "COLLATERAL_NOT_FOUND",
    "NO_SWAP_PATH": "COLLATERAL_NOT_FOUND",
    "POSITION_NOT_FOUND": "REDUCE_ONLY",
    "INSUFFICIENT_LIQUIDITY": "INSUFFICIENT_LIQUIDITY",
}
_SUBMIT = {
    "INVALID_PARAMS": "INVALID_ORDER",
    "INVALID_SIGNATURE": "SIGNATURE_REFUSED",
    "REQUEST_EXPIRED": "ORDER_EXPIRED",
}
"""Only what cannot be the answer to a second copy of a request that was taken. GMX documents no
codes of `/submit`: any other proves nothing."""


def prepare_refusal(answer: VenueAnswer) -> RejectedError:
    """Nothing is traded by preparing, so every refusal of it is final for this order."""
    code, message = _told(answer)
    return RejectedError(_PREPARE.get(code, "REFUSED_BY_VENUE"), _text(answer, code, message))


def submit_refusal(answer: VenueAnswer) -> RejectedError | OutcomeUnknownError:
    code, message = _told(answer)
    known = _SUBMIT.get(code)
    if answer.status != 400 or known is None:
        return OutcomeUnknownError(f"GMX: {_text(answer, code, message)} proves nothing")
    return RejectedError(known, _text(answer, code, message))


def _told(answer: VenueAnswer) -> tuple[str, str]:
    try:
        payload = answer.json()
    except ValueError:
        return "", ""
    if not isinstance(payload, dict):
        return "", ""
    code, message = payload.get("code"), payload.get("message")
    return (
        code if isinstance(code, str) else "",
        message[:200] if isinstance(message, str) else "",
    )


def _text(answer: VenueAnswer, code: str, message: str) -> str:
    return " ".join(part for part in (f"HTTP {answer.status}", code[:60], message) if part)
