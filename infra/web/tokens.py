"""Bearer tokens of principals: 256 random bits, of which only the SHA-256 is kept."""

import hashlib
import re
import secrets

_FORM = re.compile(r"sph_[A-Za-z0-9_-]{43}", re.ASCII)


def new_token() -> str:
    """`sph_` + 43 characters. The prefix lets secret scanners know it."""
    return f"sph_{secrets.token_urlsafe(32)}"


def token_id(token: str) -> str | None:
    """The id of the principal that the token proves; None where it has not a token's form.

    A plain hash is enough where the secret has 256 random bits; and as the id of the document it
    needs no search, and no comparison that time could tell of.
    """
    if not _FORM.fullmatch(token):
        return None
    return f"tok_{hashlib.sha256(token.encode()).hexdigest()}"


def email_id(email: str) -> str:
    """The id of the principal that a Google account proves; `email` in lower case."""
    return f"ggl_{hashlib.sha256(email.encode()).hexdigest()}"
