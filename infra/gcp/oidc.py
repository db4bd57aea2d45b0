"""Bearer tokens of an OIDC issuer, and push calls proved by them: Google's in the cloud.

What to check: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions. The audience is
the text that the subscription, the job or the queue was given for it, letter by letter: Google adds
no slash to it (only Cloud Scheduler's default, which is the job's URL, may end with one).
"""

import asyncio
import base64
import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from common.domain.moment import to_ms
from common.errors import TransientError, UnauthenticatedError
from common.ports import Clock
from infra.bearer import bearer_token, same_token

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

CERTS_URL = "https://www.googleapis.com/oauth2/v3/certs"
ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
SKEW_S = 60
TOKEN_LENGTH_MAX = 8192
REFRESH_INTERVAL = timedelta(seconds=60)
"""Unknown key ids fetch at most this often: strangers must not make us call Google at will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certs:
    """A JSON Web Key Set and how long it may be kept."""

    keys: tuple[Mapping[str, Any], ...]
    max_age: timedelta


FetchCerts = Callable[[], Awaitable[Certs]]


class WrongCallerError(UnauthenticatedError):
    """The caller proved who it is, and is not the one that may call here: 403 instead of 401."""


class JwtVerifier:
    """RS256 tokens of one issuer for one audience: signature, issuer, audience, times, the account.

    The issuer's keys are kept as long as its answer allows.
    """

    def __init__(
        self,
        *,
        issuers: Collection[str] = ISSUERS,
        audiences: Collection[str],
        clock: Clock,
        fetch_certs: FetchCerts | None = None,
    ) -> None:
        """`issuers` are the names of one issuer, whose keys `fetch_certs` gets; any one of
        `audiences` will do.
        """
        self._issuers = frozenset(issuers)
        self._audiences = tuple(audiences)
        self._clock = clock
        self._fetch = fetch_certs or fetch_google_certs
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched_at: datetime | None = None
        self._fresh_until: datetime | None = None
        self._fetching = asyncio.Lock()

    async def claims(self, token: str) -> Mapping[str, Any]:
        """What the token says; its `email` is a text, and verified.

        Raises:
            UnauthenticatedError: it is no such token, or one of its claims does not hold.
            TransientError: the issuer's keys cannot be fetched.
        """
        header, claims, signed, signature = _split(token)
        if header.get("alg") != "RS256":
            raise UnauthenticatedError("the token is not signed with RS256")
        self._check_claims(claims)
        _check_signature(await self._key(str(header.get("kid"))), signed, signature)
        return claims

    def _check_claims(self, claims: Mapping[str, Any]) -> None:
        now = to_ms(self._clock.now()) // 1000
        expires, issued = claims.get("exp"), claims.get("iat")
        if type(expires) is not int or type(issued) is not int:
            raise UnauthenticatedError("the token does not say when it was made and expires")
        if expires + SKEW_S < now:
            raise UnauthenticatedError("the token has expired")
        if issued - SKEW_S > now:
            raise UnauthenticatedError("the token is from the future")
        issuer, audience, email = claims.get("iss"), claims.get("aud"), claims.get("email")
        if not isinstance(issuer, str) or issuer not in self._issuers:
            raise UnauthenticatedError("the token is of another issuer")
        if not isinstance(audience, str) or not _is_one_of(audience, self._audiences):
            raise UnauthenticatedError("the token is for another audience")
        if not isinstance(email, str) or not email:
            raise UnauthenticatedError("the token names no account")
        if claims.get("email_verified") is not True:
            raise UnauthenticatedError("the token's account is not verified")

    async def _key(self, kid: str) -> "RSAPublicKey":
        async with self._fetching:
            if self._must_fetch(kid):
                await self._refresh()
        try:
            return self._keys[kid]
        except KeyError:
            raise UnauthenticatedError("the token is signed with an unknown key") from None

    def _must_fetch(self, kid: str) -> bool:
        now = self._clock.now()
        if self._fetched_at is None or self._fresh_until is None or now >= self._fresh_until:
            return True
        return kid not in self._keys and now - self._fetched_at >= REFRESH_INTERVAL

    async def _refresh(self) -> None:
        certs = await self._fetch()
        now = self._clock.now()
        try:
            self._keys = {
                str(key["kid"]): _public_key(key) for key in certs.keys if _is_usable(key)
            }
        except (KeyError, TypeError, ValueError) as error:
            raise TransientError("the issuer's signing keys cannot be read") from error
        self._fetched_at = now
        self._fresh_until = now + certs.max_age


class OidcVerifier:
    """`TokenVerifier` for one service account: the bus, the scheduler and the queues call as it."""

    def __init__(
        self,
        audience: str,
        email: str,
        clock: Clock,
        fetch_certs: FetchCerts | None = None,
        *,
        issuers: Collection[str] = ISSUERS,
    ) -> None:
        self._tokens = JwtVerifier(
            issuers=issuers, audiences=(audience,), clock=clock, fetch_certs=fetch_certs
        )
        self._email = email

    async def verify(self, *, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
        """Raises what `JwtVerifier.claims` raises, and WrongCallerError for another account."""
        del query  # the cloud sends the token in the header alone
        claims = await self._tokens.claims(bearer_token(headers))
        if not same_token(claims["email"], self._email):
            raise WrongCallerError("the token is of another account")


async def fetch_google_certs(url: str = CERTS_URL) -> Certs:
    """The signing keys that the issuer serves now, at `url` (Google's unless given).

    Raises TransientError when they cannot be had in 5 s.
    """
    import httpx

    try:
        # A stand-in on this machine, which http is for alone, is behind no proxy.
        async with httpx.AsyncClient(timeout=5.0, trust_env=url.startswith("https:")) as client:
            response = await client.get(url)
            response.raise_for_status()
            keys = response.json()["keys"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise TransientError(f"the issuer's signing keys: {type(error).__name__}") from error
    age = re.search(r"max-age=(\d{1,9})", response.headers.get("cache-control", ""))
    return Certs(keys=tuple(keys), max_age=timedelta(seconds=int(age.group(1)) if age else 300))


def _is_one_of(given: str, expected: Collection[str]) -> bool:
    """In constant time for each."""
    return sum(same_token(given, each) for each in expected) > 0


def _split(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, the signed bytes and the signature."""
    parts = token.split(".")
    if not token or len(token) > TOKEN_LENGTH_MAX or len(parts) != 3:
        raise UnauthenticatedError("there is no bearer token, or it is no JWT")
    try:
        header, claims = (json.loads(_base64url(part)) for part in parts[:2])
        signature = _base64url(parts[2])
    except (ValueError, RecursionError):
        raise UnauthenticatedError("the token is not a JWT") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise UnauthenticatedError("the token is not a JWT")
    return header, claims, f"{parts[0]}.{parts[1]}".encode(), signature


def _check_signature(key: "RSAPublicKey", signed: bytes, signature: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(signature, signed, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise UnauthenticatedError("the token's signature does not verify") from None


def _is_usable(key: Mapping[str, Any]) -> bool:
    return key.get("kty") == "RSA" and key.get("alg", "RS256") == "RS256" and "kid" in key


def _public_key(key: Mapping[str, Any]) -> "RSAPublicKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    modulus, exponent = (int.from_bytes(_base64url(key[name]), "big") for name in ("n", "e"))
    return RSAPublicNumbers(exponent, modulus).public_key()


def _base64url(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
