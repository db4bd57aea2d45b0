"""Bearer tokens in a request's headers."""

import hmac
from collections.abc import Mapping


def bearer_token(headers: Mapping[str, str]) -> str:
    """The token of `Authorization: Bearer <token>`, or "" where there is none."""
    value = next((text for name, text in headers.items() if name.lower() == "authorization"), "")
    scheme, _, token = value.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def same_token(given: str, expected: str) -> bool:
    """Compare in constant time. An empty expected token is never matched."""
    return bool(expected) and hmac.compare_digest(_bytes(given), _bytes(expected))


def _bytes(text: str) -> bytes:
    return text.encode(errors="backslashreplace")  # JSON may carry half a surrogate pair
