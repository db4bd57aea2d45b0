"""The stand-in for Google: the cloud's verifier takes what it signs, by keys that it serves."""

import base64
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from common.domain.moment import to_ms
from common.errors import UnauthenticatedError
from infra.gcp.oidc import ISSUERS, Certs, OidcVerifier, fetch_google_certs
from infra.local.issuer import CERTS_PATH, LocalIssuer
from infra.local.stack.server import LoopServer, bind
from tests.builders import NOON
from tests.fakes.clock import FakeClock

AUDIENCE, EMAIL = "http://127.0.0.1:9999", "sapphire-push@a-project.iam.gserviceaccount.com"
CLOCK = FakeClock()
ISSUER = LocalIssuer(min(ISSUERS), CLOCK)


def part(token: str, number: int) -> dict[str, Any]:
    text = token.split(".")[number]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


def test_token_when_minted_then_says_what_googles_say() -> None:
    token = ISSUER.mint(AUDIENCE, EMAIL)
    header, claims = part(token, 0), part(token, 1)

    assert header == {"alg": "RS256", "kid": ISSUER.jwk["kid"], "typ": "JWT"}
    now = to_ms(NOON) // 1000
    subject = claims.pop("sub")
    assert (len(subject), subject.isdigit()) == (21, True)
    assert claims == {
        "aud": AUDIENCE,
        "azp": subject,
        "email": EMAIL,
        "email_verified": True,
        "exp": now + 3600,
        "iat": now,
        "iss": ISSUER.name,
    }


async def test_keys_when_served_then_the_clouds_verifier_reads_them_and_takes_the_token() -> None:
    server = LoopServer(ISSUER, bind(0))
    await server.start()
    asked = 0

    async def fetch() -> Certs:
        nonlocal asked
        asked += 1
        return await fetch_google_certs(f"{server.url}{CERTS_PATH}")

    verifier = OidcVerifier(AUDIENCE, EMAIL, CLOCK, fetch)
    headers = {"authorization": f"Bearer {ISSUER.mint(AUDIENCE, EMAIL)}"}
    try:
        assert (
            await fetch()
            == await ISSUER.certs()
            == Certs(keys=(ISSUER.jwk,), max_age=timedelta(hours=1))
        )
        await verifier.verify(headers=headers, query={})
        await verifier.verify(headers=headers, query={})
    finally:
        await server.stop()
    assert asked == 2  # once by this test, once for both tokens


async def test_keys_when_the_machine_has_a_proxy_then_they_are_fetched_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # where nobody listens
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    server = LoopServer(ISSUER, bind(0))
    await server.start()
    try:
        assert (await fetch_google_certs(f"{server.url}{CERTS_PATH}")).keys == (ISSUER.jwk,)
    finally:
        await server.stop()


async def test_keys_when_served_then_no_private_part_is_among_them() -> None:
    """https://www.rfc-editor.org/rfc/rfc7518#section-6.3.2 names the private ones."""
    assert ISSUER.jwk.keys().isdisjoint({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/certs/x"), ("POST", "/certs")]
)
async def test_issuer_when_asked_for_something_else_then_not_found(method: str, path: str) -> None:
    transport = httpx.ASGITransport(ISSUER)
    async with httpx.AsyncClient(transport=transport, base_url="http://issuer") as client:
        answer = await client.request(method, path)

    assert (answer.status_code, answer.json()) == (404, {"code": "NOT_FOUND"})
    assert answer.headers["cache-control"] == "no-store"


def test_token_when_asked_again_then_kept_for_half_an_hour_for_each_audience() -> None:
    clock = FakeClock()
    issuer = LocalIssuer("https://issuer.example", clock)
    first = issuer.token(AUDIENCE, EMAIL)

    clock.advance(1799)
    assert issuer.token(AUDIENCE, EMAIL) == first
    assert part(issuer.token("http://127.0.0.1:1", EMAIL), 1)["aud"] == "http://127.0.0.1:1"

    clock.advance(1)
    assert part(issuer.token(AUDIENCE, EMAIL), 1)["iat"] == to_ms(clock.now()) // 1000


def test_token_when_the_clock_was_set_back_then_made_anew() -> None:
    clock = FakeClock()
    issuer = LocalIssuer("https://issuer.example", clock)
    issuer.token(AUDIENCE, EMAIL)

    clock.advance(-300)

    assert part(issuer.token(AUDIENCE, EMAIL), 1)["iat"] == to_ms(clock.now()) // 1000


async def test_issuers_when_there_are_two_then_neither_takes_the_others_token() -> None:
    other = LocalIssuer(ISSUER.name, CLOCK)
    verifier = OidcVerifier(AUDIENCE, EMAIL, CLOCK, ISSUER.certs)

    with pytest.raises(UnauthenticatedError):
        await verifier.verify(
            headers={"authorization": f"Bearer {other.mint(AUDIENCE, EMAIL)}"}, query={}
        )
