"""Take secrets out of text before it is kept or shown. Pure: patterns over text."""

import re

_MARK = "[redacted]"
_PATTERNS = (
    # PEM blocks, also when the text ends inside one.
    re.compile(
        r"-----BEGIN [A-Z0-9 ]{1,40}-----.*?(?:-----END [A-Z0-9 ]{1,40}-----|\Z)", re.DOTALL
    ),
    # JSON Web Tokens: the header always starts with {" , which is eyJ in base64.
    re.compile(r"eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?", re.ASCII),
    # Private keys of EVM chains and seeds: 32 bytes or more in hex.
    re.compile(r"(?:0[xX])?[0-9a-fA-F]{64,}"),
    # Telegram bot tokens, also inside /bot<token>/ of a URL.
    re.compile(r"(?<!\d)\d{6,12}:[\w-]{30,}", re.ASCII),
    # BIP-39 phrases: twelve or more plain words in a row.
    re.compile(r"(?<![a-z])[a-z]{3,8}(?: [a-z]{3,8}){11,23}(?![a-z])"),
)
_CREDENTIALS = (
    re.compile(r"(bearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE | re.ASCII),
    re.compile(r"([?&](?:token|key|secret|password|signature)=)[^&\s\"'<>]+", re.IGNORECASE),
)

_OPAQUE = re.compile(r"[A-Za-z0-9+/_-]{64,}={0,2}")


def redact(text: str) -> str:
    """`text` without keys, tokens, PEM blocks, seed phrases and credentials in URLs."""
    for pattern in _PATTERNS:
        text = pattern.sub(_MARK, text)
    for pattern in _CREDENTIALS:
        text = pattern.sub(rf"\1{_MARK}", text)
    return text


def excerpt(text: str, *, limit: int = 2048) -> str:
    """At most `limit` bytes of the redacted text, without what base64 may hide.

    Redacted before it is cut, because half a key has no shape to know it by.
    """
    window = _OPAQUE.sub("[opaque]", redact(text[: limit * 8]))
    return window.encode()[:limit].decode(errors="ignore")
