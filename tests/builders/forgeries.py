"""Push tokens that must open nothing, each made from a good one by one change."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from common.domain.moment import to_ms
from common.ports import Clock
from infra.local.issuer import LocalIssuer, base64url, encoded

STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forger:
    """Whoever has the issuer's ear: what it signs for them, and what they make of it.

    `audience` is of the function under attack, `elsewhere` of another function.
    """

    issuer: LocalIssuer
    clock: Clock
    audience: str
    elsewhere: str
    email: str

    def good(self) -> str:
        return self.with_claims()

    def with_claims(self, **changes: object) -> str:
        return self.issuer.mint(self.audience, self.email, **changes)

    def now(self, plus_s: int = 0) -> int:
        return to_ms(self.clock.now()) // 1000 + plus_s

    def parts(self) -> tuple[str, str, str]:
        header, claims, signature = self.good().split(".")
        return header, claims, signature

    def with_header(self, **changes: object) -> str:
        """The good claims, signed with the right key under another header."""
        return self.issuer.sign(_decoded(self.parts()[1]), **changes)

    def unsigned(self) -> str:
        return f"{encoded({'alg': 'none', 'kid': self.kid, 'typ': 'JWT'})}.{self.parts()[1]}."

    def signed_with_public_key(self) -> str:
        """HS256, its secret the PEM of the key that everybody may fetch."""
        signed = f"{encoded({'alg': 'HS256', 'kid': self.kid, 'typ': 'JWT'})}.{self.parts()[1]}"
        mac = hmac.new(self._public_pem(), signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{base64url(mac)}"

    def signed_by_stranger(self) -> str:
        header, claims, _ = self.parts()
        signed = f"{header}.{claims}"
        signature = STRANGER.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64url(signature)}"

    def tampered(self) -> str:
        """The right account's token for another function, its audience written over."""
        header, claims, signature = self.with_claims(aud=self.elsewhere).split(".")
        return f"{header}.{encoded(_decoded(claims) | {'aud': self.audience})}.{signature}"

    @property
    def kid(self) -> str:
        return self.issuer.jwk["kid"]

    def _public_pem(self) -> bytes:
        jwk = self.issuer.jwk
        exponent, modulus = (int.from_bytes(_bytes(jwk[name]), "big") for name in ("e", "n"))
        public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        return public.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


FORGERIES: dict[str, Callable[[Forger], dict[str, str]]] = {
    "no token": lambda _: {},
    "an empty token": lambda _: {"authorization": "Bearer"},
    "a good token under another scheme": lambda by: {"authorization": f"Basic {by.good()}"},
    "the scheduler's headers alone": lambda _: {
        "x-cloudscheduler": "true",
        "x-cloudscheduler-jobname": "settle",
    },
    "expired": lambda by: bearer(by.with_claims(iat=by.now(-3700), exp=by.now(-100))),
    "not yet valid": lambda by: bearer(by.with_claims(iat=by.now(300), exp=by.now(3900))),
    "never expires": lambda by: bearer(by.with_claims(exp=None)),
    "another function's audience": lambda by: bearer(by.with_claims(aud=by.elsewhere)),
    "audiences in a list": lambda by: bearer(by.with_claims(aud=[by.audience, by.elsewhere])),
    "another account": lambda by: bearer(
        by.with_claims(email="fn-decide@another-project.iam.gserviceaccount.com")
    ),
    "no account": lambda by: bearer(by.with_claims(email=None)),
    "an account that is not verified": lambda by: bearer(by.with_claims(email_verified=False)),
    "another issuer": lambda by: bearer(by.with_claims(iss="https://issuer.example")),
    "an unknown key id": lambda by: bearer(by.with_header(kid="f" * 40)),
    "no algorithm": lambda by: bearer(by.unsigned()),
    "HS256 with the public key": lambda by: bearer(by.signed_with_public_key()),
    "a stranger's signature": lambda by: bearer(by.signed_by_stranger()),
    "a payload changed after it was signed": lambda by: bearer(by.tampered()),
    "a signature cut off": lambda by: bearer(".".join(by.parts()[:2]) + "."),
}
"""By what is wrong: the headers of a request that has to be refused."""


def _decoded(claims: str) -> dict[str, object]:
    decoded: dict[str, object] = json.loads(_bytes(claims))
    return decoded


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
