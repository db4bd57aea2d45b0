"""Google's tokens, made here with a key of our own. Numbers: the bad-input catalogue."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from common.config import Settings
from common.domain.moment import to_ms
from common.errors import TransientError, UnauthenticatedError
from infra.bootstrap import build
from infra.gcp.oidc import (
    Certs,
    JwtVerifier,
    OidcVerifier,
    WrongCallerError,
    fetch_google_certs,
)
from infra.local.store.memory import MemoryStore
from tests.builders import NOON
from tests.fakes.clock import FakeClock
from tests.fakes.publisher import RecordingPublisher

AUDIENCE = "https://decide-abc.a.run.app"
EMAIL = "push@sapphire.iam.gserviceaccount.com"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NOW_S = to_ms(NOON) // 1000


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def part(value: object) -> str:
    return b64(json.dumps(value).encode())


def jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    numbers = key.public_key().public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
    return {"kid": kid, "kty": "RSA", "alg": "RS256", "use": "sig", "n": b64(modulus), "e": "AQAB"}


def claims(**changes: Any) -> dict[str, Any]:
    return {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "email": EMAIL,
        "email_verified": True,
        "iat": NOW_S,
        "exp": NOW_S + 3600,
    } | changes


def sign(payload: object, key: rsa.RSAPrivateKey = KEY, kid: str = "k1", alg: str = "RS256") -> str:
    signed = f"{part({'alg': alg, 'kid': kid, 'typ': 'JWT'})}.{part(payload)}"
    signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{b64(signature)}"


class Google:
    """Serves key sets, and counts how often it is asked."""

    def __init__(self, *kids: str, max_age_s: int = 3600) -> None:
        self.kids = kids or ("k1",)
        self.max_age = timedelta(seconds=max_age_s)
        self.calls = 0
        self.error: Exception | None = None

    async def __call__(self) -> Certs:
        self.calls += 1
        if self.error:
            raise self.error
        return Certs(keys=tuple(jwk(KEY, kid) for kid in self.kids), max_age=self.max_age)


class Door:
    def __init__(self, google: Google | None = None) -> None:
        self.clock = FakeClock()
        self.google = google or Google()
        self.verifier = OidcVerifier(
            audience=AUDIENCE, email=EMAIL, clock=self.clock, fetch_certs=self.google
        )

    async def enter(self, token: str) -> None:
        await self.verifier.verify(headers={"Authorization": f"Bearer {token}"}, query={})


async def test_verify_when_the_token_is_good_then_it_passes() -> None:
    await Door().enter(sign(claims()))


async def test_verify_when_the_issuer_has_no_scheme_then_it_passes() -> None:
    await Door().enter(sign(claims(iss="accounts.google.com")))


async def test_verify_when_the_clocks_differ_by_less_than_a_minute_then_it_passes() -> None:
    await Door().enter(sign(claims(iat=NOW_S + 59)))
    await Door().enter(sign(claims(iat=NOW_S - 3600, exp=NOW_S - 59)))


BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "expired": {"exp": NOW_S - 61},  # 2
    "from the future": {"iat": NOW_S + 61},
    "other audience": {"aud": "https://other.a.run.app"},  # 2, 76
    "list of audiences": {"aud": [AUDIENCE]},
    "no audience": {"aud": None},
    "other issuer": {"iss": "https://evil.example"},  # 2
    "other account": {"email": "else@sapphire.iam.gserviceaccount.com"},  # 76
    "no account": {"email": None},
    "half a surrogate": {"email": "\ud800"},
    "account not verified": {"email_verified": False},  # 5
    "verified by text": {"email_verified": "true"},
    "no expiry": {"exp": None},
    "expiry is text": {"exp": str(NOW_S + 60)},
    "expiry is a float": {"exp": NOW_S + 60.5},
    "issued is a bool": {"iat": True},
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
async def test_verify_when_a_claim_is_wrong_then_refused(name: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await Door().enter(sign(claims(**BAD_CLAIMS[name])))


async def test_verify_when_the_account_is_another_then_it_is_told_from_an_unproven_one() -> None:
    other = claims(email="else@sapphire.iam.gserviceaccount.com")

    with pytest.raises(WrongCallerError):
        await Door().enter(sign(other))
    with pytest.raises(UnauthenticatedError, match="signature") as forged:
        await Door().enter(sign(other, key=STRANGER))
    assert not isinstance(forged.value, WrongCallerError)


async def test_claims_when_any_of_several_audiences_is_named_then_they_are_told() -> None:
    audiences = (AUDIENCE, "client-id.apps.googleusercontent.com")
    verifier = JwtVerifier(audiences=audiences, clock=FakeClock(), fetch_certs=Google())

    for audience in audiences:
        person = claims(aud=audience, email="ann@example.com", sub="1")
        assert await verifier.claims(sign(person)) == person
    with pytest.raises(UnauthenticatedError, match="another audience"):
        await verifier.claims(sign(claims(aud=f"{AUDIENCE}/")))
    with pytest.raises(UnauthenticatedError, match="another audience"):
        await verifier.claims(sign(claims(aud=list(audiences))))


async def test_claims_when_the_issuer_is_a_stand_in_then_googles_tokens_are_none() -> None:
    verifier = JwtVerifier(
        issuers={"http://127.0.0.1:9"},
        audiences=[AUDIENCE],
        clock=FakeClock(),
        fetch_certs=Google(),
    )

    await verifier.claims(sign(claims(iss="http://127.0.0.1:9")))
    with pytest.raises(UnauthenticatedError, match="another issuer"):
        await verifier.claims(sign(claims()))


async def test_bootstrap_when_an_issuer_is_set_then_its_tokens_and_keys_are_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    urls = []

    def answer(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(200, json={"keys": [jwk(KEY, "k1")]})

    serve(monkeypatch, answer)
    settings = Settings(
        push_audience=AUDIENCE,
        push_service_account=EMAIL,
        push_issuer="http://127.0.0.1:9",
        push_certs_url="http://127.0.0.1:9/certs",
    )
    verifier = build(
        settings, clock=FakeClock(), store=MemoryStore(), publisher=RecordingPublisher()
    ).verifier

    good = sign(claims(iss="http://127.0.0.1:9"))
    await verifier.verify(headers={"Authorization": f"Bearer {good}"}, query={})
    with pytest.raises(UnauthenticatedError, match="another issuer"):
        await verifier.verify(headers={"Authorization": f"Bearer {sign(claims())}"}, query={})
    assert urls == ["http://127.0.0.1:9/certs"]


async def test_verify_when_there_is_no_header_then_refused() -> None:  # 1, 71
    door = Door()
    headers = {"X-CloudScheduler": "true", "X-CloudScheduler-JobName": "decide"}

    with pytest.raises(UnauthenticatedError):
        await door.verifier.verify(headers=headers, query={"token": sign(claims())})
    assert door.google.calls == 0


async def test_verify_when_the_algorithm_is_none_then_refused() -> None:  # 3
    token = f"{part({'alg': 'none', 'kid': 'k1'})}.{part(claims())}."
    with pytest.raises(UnauthenticatedError, match="RS256"):
        await Door().enter(token)


async def test_verify_when_forged_with_the_public_key_as_hmac_secret_then_refused() -> None:  # 3
    public = KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signed = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{part(claims())}"
    forged = hmac.new(public, signed.encode(), hashlib.sha256).digest()

    with pytest.raises(UnauthenticatedError, match="RS256"):
        await Door().enter(f"{signed}.{b64(forged)}")


async def test_verify_when_signed_by_a_stranger_then_refused() -> None:
    with pytest.raises(UnauthenticatedError, match="signature"):
        await Door().enter(sign(claims(), key=STRANGER))


async def test_verify_when_a_claim_is_changed_after_signing_then_refused() -> None:
    header, _, signature = sign(claims(email="other@x")).split(".")
    with pytest.raises(UnauthenticatedError, match="signature"):
        await Door().enter(f"{header}.{part(claims())}.{signature}")


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c", "a.b.c.d", "....", "x" * 9000, f"{part([])}.{part([])}.AA", "é.é.é"],
)
async def test_verify_when_the_token_is_no_jwt_then_refused(token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await Door().enter(token)


async def test_keys_when_they_are_fresh_then_google_is_asked_once() -> None:
    door = Door()

    for _ in range(3):
        await door.enter(sign(claims()))

    assert door.google.calls == 1


async def test_keys_when_their_age_is_up_then_they_are_fetched_again() -> None:
    door = Door(Google(max_age_s=600))
    await door.enter(sign(claims()))

    door.clock.advance(600)
    await door.enter(sign(claims()))

    assert door.google.calls == 2


async def test_keys_when_google_has_a_new_one_then_it_is_fetched() -> None:
    door = Door()
    await door.enter(sign(claims()))
    door.google.kids = ("k1", "k2")

    door.clock.advance(60)
    await door.enter(sign(claims(), kid="k2"))

    assert door.google.calls == 2


async def test_keys_when_strangers_name_unknown_ones_then_google_is_not_asked_each_time() -> None:
    door = Door()
    await door.enter(sign(claims()))
    door.clock.advance(60)

    for _ in range(5):
        with pytest.raises(UnauthenticatedError, match="unknown key"):
            await door.enter(sign(claims(), kid="nobody"))

    assert door.google.calls == 2


async def test_keys_when_google_does_not_answer_then_the_call_may_come_again() -> None:
    door = Door()
    door.google.error = TransientError("no answer")

    with pytest.raises(TransientError):
        await door.enter(sign(claims()))
    door.google.error = None
    await door.enter(sign(claims()))


async def test_keys_when_the_set_cannot_be_read_then_transient() -> None:
    async def broken() -> Certs:
        return Certs(keys=({"kid": "k1", "kty": "RSA"},), max_age=timedelta(hours=1))

    verifier = OidcVerifier(AUDIENCE, EMAIL, FakeClock(), broken)
    with pytest.raises(TransientError):
        await verifier.verify(headers={"Authorization": f"Bearer {sign(claims())}"}, query={})


# ----------------------------------------------------------------------------- Google's endpoint
def serve(monkeypatch: pytest.MonkeyPatch, handler: Any) -> None:
    transport = httpx.MockTransport(handler)
    client = httpx.AsyncClient

    def make(**options: Any) -> httpx.AsyncClient:
        assert options["timeout"] == 5.0
        return client(transport=transport)

    monkeypatch.setattr(httpx, "AsyncClient", make)


@pytest.mark.parametrize(
    ("header", "seconds"), [("public, max-age=19008, must-revalidate", 19008), ("no-cache", 300)]
)
async def test_fetch_when_google_answers_then_keys_and_age_are_its_own(
    monkeypatch: pytest.MonkeyPatch, header: str, seconds: int
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "https://www.googleapis.com/oauth2/v3/certs"
        return httpx.Response(200, json={"keys": [{"kid": "k"}]}, headers={"cache-control": header})

    serve(monkeypatch, answer)

    assert await fetch_google_certs() == Certs(
        keys=({"kid": "k"},), max_age=timedelta(seconds=seconds)
    )


@pytest.mark.parametrize(
    "response",
    [httpx.Response(500), httpx.Response(200, text="<html>"), httpx.Response(200, json={})],
)
async def test_fetch_when_the_answer_is_useless_then_transient(
    monkeypatch: pytest.MonkeyPatch, response: httpx.Response
) -> None:
    serve(monkeypatch, lambda request: response)

    with pytest.raises(TransientError):
        await fetch_google_certs()


async def test_fetch_when_google_is_too_slow_then_transient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("5 s", request=request)

    serve(monkeypatch, late)

    with pytest.raises(TransientError):
        await fetch_google_certs()
