"""What Hyperliquid's words for "no" prove, and our codes for them. Pure.

An error inside `statuses` belongs to one order of an action whose nonce was taken just now. A nonce
is taken once, so a text that is known here to be a refusal proves that this order never was and
never will be. Any other text proves nothing (a venue may add one that means something else).

`{"status": "err"}` is about the whole request: it was not taken this time. That says nothing of an
earlier time the same bytes were sent, so it is proof only for bytes that are sent for the first
time, and never for a nonce or an expiry: those are what a request meets that came twice.

Sources: hyperliquid.gitbook.io, API > Error responses (recorded in
data/hyperliquid/samples/exchange_error_messages.json); live texts in public threads: ccxt,
hummingbot 7737, hyperliquid-python-sdk 194.
"""

from typing import Final

_ORDER_TEXTS: Final = {  # how a text begins, in lower case; live texts end in " asset=<number>"
    "price must be divisible by tick size": "PRICE_NOT_ON_TICK",
    "order has invalid price": "PRICE_NOT_ON_TICK",
    "order has invalid size": "QUANTITY_NOT_ON_LOT",
    "order has zero size": "QUANTITY_BELOW_MINIMUM",
    "order must have minimum value of": "NOTIONAL_BELOW_MINIMUM",
    "insufficient margin to place order": "INSUFFICIENT_MARGIN",
    "reduce only order would increase position": "REDUCE_ONLY",
    "post only order would have immediately matched": "POST_ONLY_WOULD_TAKE",
    "order could not immediately match against any resting orders": "NOT_FILLED_WITHIN_BOUND",
    "invalid tp/sl price": "TRIGGER_PRICE_INVALID",
    "no liquidity available for market order": "NO_LIQUIDITY",
    "order would increase open interest": "OPEN_INTEREST_CAPPED",
    "order rejected due to price more aggressive than oracle": "OPEN_INTEREST_CAPPED",
    "(spot-only) order has insufficient spot balance": "INSUFFICIENT_BALANCE",
    "insufficient spot balance": "INSUFFICIENT_BALANCE",
    "order price too far from oracle": "PRICE_TOO_FAR",
    "price too far from oracle": "PRICE_TOO_FAR",
    "order price cannot be more than": "PRICE_TOO_FAR",
    "order would cause position to exceed margin tier limit": "POSITION_EXCEEDS_LIMIT",
}

_REQUEST_TEXTS: Final = {
    "user or api wallet": "SIGNER_UNKNOWN",
    "l1 error: user or api wallet": "SIGNER_UNKNOWN",
    "unable to recover signer": "SIGNER_UNKNOWN",
    "must deposit before performing actions": "SIGNER_UNKNOWN",
    "too many cumulative requests sent": "REQUEST_QUOTA_EXHAUSTED",
    "failed to deserialize the json body": "REQUEST_MALFORMED",
}

SIGNER_UNKNOWN_MEANS = (
    "Hyperliquid does not know who signed. Usually the agent wallet is not approved for this"
    " account, has expired or was replaced, or the request was signed for the other network"
)

_MISSING_ORDER = "order was never placed, already canceled, or filled"
_NONCE_TEXTS = ("invalid nonce: duplicate nonce", "invalid nonce: nonce too low")


def order_refusal(text: str) -> str | None:
    """Our code where an order's own error is known to prove a refusal, else None."""
    return _code(_ORDER_TEXTS, text)


def request_refusal(text: str) -> str | None:
    """Our code where an error of the whole request proves that it was not taken this time."""
    return _code(_REQUEST_TEXTS, text)


def nonce_is_used(text: str) -> bool:
    """Does the venue say that nothing new can come with this nonce?"""
    return text.strip().lower().startswith(_NONCE_TEXTS)


def order_is_missing(text: str) -> bool:
    """A cancel's answer: there is no such open order (now)."""
    return text.strip().lower().startswith(_MISSING_ORDER)


def _code(texts: dict[str, str], text: str) -> str | None:
    said = text.strip().lower()
    return next((code for start, code in texts.items() if said.startswith(start)), None)
