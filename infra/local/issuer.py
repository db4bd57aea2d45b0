"""Google's part in a signed push, played on this machine: a key, its public half, ID tokens.

The Pub/Sub emulator sends no Authorization header. Tokens made here let the functions check beside
the emulators what they check in the cloud, with the same code. Nothing here is a secret that
outlives the process: the key is made at the start and kept nowhere.
"""

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from common.domain.moment import to_ms
from common.ports import Clock

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from infra.gcp.oidc import Certs

Message = MutableMapping[str, Any]

CERTS_PATH: Final = "/certs"
LIFETIME: Final = timedelta(hours=1)  # of Google's tokens, too
CERTS_MAX_AGE: Final = timedelta(hours=1)
_RENEW_AFTER: Final = timedelta(minutes=30)
_KEY_BITS, _EXPONENT = 2048, 65537


class LocalIssuer:
    """Signs tokens as Google signs those of a service account; an ASGI app that serves its key set.

    `name` is the URL that the tokens name as their issuer.
    """

    def __init__(self, name: str, clock: Clock) -> None:
        from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

        self.name = name
        self._clock = clock
        self._key: RSAPrivateKey = generate_private_key(_EXPONENT, _KEY_BITS)
        self.jwk = _public_jwk(self._key)
        """The public key, as the key set holds it."""
        self._made: dict[tuple[str, str], tuple[datetime, str]] = {}

    def token(self, audience: str, email: str) -> str:
        """A token for `audience`; the same one for half of its life, as Pub/Sub reuses its own."""
        now = self._clock.now()
        made = self._made.get((audience, email))
        if made is None or not made[0] <= now < made[0] + _RENEW_AFTER:
            made = self._made[audience, email] = now, self.mint(audience, email)
        return made[1]

    def mint(self, audience: str, email: str, /, **changes: object) -> str:
        """A fresh token that holds from now for an hour; `changes` replace claims."""
        issued = to_ms(self._clock.now()) // 1000
        subject = _account_number(email)
        claims: dict[str, object] = {
            "aud": audience,
            "azp": subject,
            "email": email,
            "email_verified": True,
            "exp": issued + int(LIFETIME.total_seconds()),
            "iat": issued,
            "iss": self.name,
            "sub": subject,
        }
        return self.sign(claims | changes)

    def sign(self, claims: Mapping[str, object], **header: object) -> str:
        """Any claims, under RS256 whatever `header` says of itself."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        whole = {"alg": "RS256", "kid": self.jwk["kid"], "typ": "JWT"} | header
        signed = f"{encoded(whole)}.{encoded(claims)}"
        return f"{signed}.{base64url(self._key.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    async def certs(self) -> "Certs":
        """The key set without HTTP, for a verifier of the same process."""
        from infra.gcp.oidc import Certs

        return Certs(keys=(self.jwk,), max_age=CERTS_MAX_AGE)

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """The key set at `CERTS_PATH`, as at Google's `/oauth2/v3/certs`."""
        del receive
        found = scope["method"] in {"GET", "HEAD"} and scope["path"] == CERTS_PATH
        body = json.dumps({"keys": [self.jwk]} if found else {"code": "NOT_FOUND"}).encode()
        age = f"public, max-age={int(CERTS_MAX_AGE.total_seconds())}, must-revalidate"
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", age.encode() if found else b"no-store"),
        ]
        status = 200 if found else 404
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def encoded(value: object) -> str:
    """A header or the claims, as they stand in a token."""
    return base64url(json.dumps(value, separators=(",", ":")).encode())


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _public_jwk(key: "RSAPrivateKey") -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    modulus = base64url(numbers.n.to_bytes(_KEY_BITS // 8, "big"))
    return {
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
        "kid": hashlib.sha256(modulus.encode()).hexdigest()[:40],
        "n": modulus,
        "e": base64url(numbers.e.to_bytes(3, "big")),
    }


def _account_number(email: str) -> str:
    """Google's number of an account has 21 digits."""
    return f"1{int(hashlib.sha256(email.encode()).hexdigest(), 16) % 10**20:020d}"
