"""Cases 1 to 6: who may ask, driven through the real application."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.books import PRINCIPALS
from common.domain.principal import Role
from common.ports import Ref
from infra.local.issuer import LocalIssuer
from infra.web import google_identity
from infra.web.access import FAILURES_PER_MINUTE
from infra.web.tokens import new_token
from tests.builders.forgeries import FORGERIES, Forger
from tests.functions.api_client import TOKEN, Api, assert_problem
from tests.functions.api_examples import READS, VALID, WRITES, path_of, seed_examples
from tests.functions.callers import API_AUDIENCE, EMAIL, GOOGLE, a_token_of, an_account, certs_of

READ = "/api/ops/state"


@pytest.fixture
async def api(tmp_path: Path) -> Api:
    """With the records that the examples of writes speak of, and sign-in with Google."""
    api = Api(tmp_path)
    api.settings = replace(api.settings, api_audience=API_AUDIENCE)
    await seed_examples(api, "")
    return api


@pytest.fixture
def google(api: Api, monkeypatch: pytest.MonkeyPatch) -> LocalIssuer:
    """Whom the application takes for Google."""
    issuer = LocalIssuer(GOOGLE, api.clock)
    monkeypatch.setattr(google_identity, "fetch_google_certs", certs_of(issuer))
    return issuer


@pytest.fixture
def forger(api: Api, google: LocalIssuer) -> Forger:
    return Forger(
        issuer=google,
        clock=api.clock,
        audience=API_AUDIENCE,
        elsewhere="https://decide-1234567890.europe-west1.run.app",
        email=EMAIL,
    )


# --------------------------------------------------------------------------------------------- 1
@pytest.mark.parametrize(("method", "path"), [*WRITES, *(("GET", path) for path in READS)])
async def test_case_001_when_there_is_no_token_then_401_and_nothing_is_done(
    api: Api, method: str, path: str
) -> None:
    before = api.store.contents()
    answer = await api.call(method, path_of(path), body=VALID.get(path), token=None)
    assert_problem(answer, 401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert api.store.contents() == before


async def test_case_001_when_the_token_is_none_that_anybody_has_then_401(api: Api) -> None:
    for token in ("", TOKEN[:-1], f"{TOKEN}x", "ÿ", new_token(), "sph_", "Bearer"):
        assert_problem(await api.get(READ, token=token), 401, "UNAUTHENTICATED")
    for scheme in ("Basic", "Token", "bearer-"):
        headers = {"Authorization": f"{scheme} {TOKEN}"}
        assert_problem(await api.get(READ, headers=headers), 401, "UNAUTHENTICATED")


async def test_case_001_when_a_token_was_revoked_or_is_over_then_401(api: Api) -> None:
    over = await a_token_of(api, Role.ADMIN, expires_at=api.clock.now())
    revoked = await a_token_of(api, Role.ADMIN, revoked_at=api.clock.now(), revoked_by="Grace")
    for token in (over, revoked):
        assert_problem(await api.get(READ, token=token), 401, "UNAUTHENTICATED")


# ------------------------------------------------------------------------------------------ 2, 3
async def test_case_002_when_googles_token_is_good_then_its_account_is_who_asks(
    api: Api, forger: Forger
) -> None:
    """The cases below mean something only while the untouched token passes."""
    await an_account(api, Role.TRADER)
    me = (await api.get("/api/access/me", token=forger.good())).json()
    assert (me["name"], me["role"], me["email"]) == ("Ada", "trader", EMAIL)
    loud = forger.issuer.mint(API_AUDIENCE, "Ada@Example.com")
    assert (await api.get("/api/access/me", token=loud)).json() == me


# Another account is case 4, one that is not verified case 5.
FORGED = sorted(FORGERIES.keys() - {"another account", "an account that is not verified"})
UNSIGNED = ("no algorithm", "HS256 with the public key", "a stranger's signature")


@pytest.mark.parametrize("wrong", FORGED)
async def test_case_002_when_googles_token_does_not_hold_then_401(
    api: Api, forger: Forger, wrong: str
) -> None:
    """Expired, for another audience, from another issuer, and all else that is wrong with one."""
    await an_account(api, Role.ADMIN)
    before = api.store.contents()
    given = {name.title(): value for name, value in FORGERIES[wrong](forger).items()}
    answer = await api.post("/api/ops/halt", token=None, headers=given)
    assert_problem(answer, 401, "UNAUTHENTICATED")
    assert api.store.contents() == before


@pytest.mark.parametrize("wrong", UNSIGNED)
async def test_case_003_when_a_token_is_unsigned_or_signed_by_anybody_then_401(
    api: Api, forger: Forger, wrong: str
) -> None:
    await an_account(api, Role.ADMIN)
    given = {name.title(): value for name, value in FORGERIES[wrong](forger).items()}
    answer = await api.get(READ, token=None, headers=given)
    assert_problem(answer, 401, "UNAUTHENTICATED")


async def test_case_003_when_no_audience_is_set_then_nobody_signs_in_with_google(
    api: Api, forger: Forger
) -> None:
    await an_account(api, Role.ADMIN)
    api.settings = replace(api.settings, api_audience=None)
    assert_problem(await api.get(READ, token=forger.good()), 401, "UNAUTHENTICATED")


# --------------------------------------------------------------------------------------------- 4
async def test_case_004_when_the_token_is_good_and_the_account_unlisted_then_403(
    api: Api, forger: Forger
) -> None:
    await an_account(api, Role.ADMIN, email="grace@example.com")
    assert_problem(await api.get(READ, token=forger.good()), 403, "NO_ACCESS")


async def test_case_004_when_unlisted_accounts_come_too_often_then_429(
    api: Api, forger: Forger
) -> None:
    for _ in range(FAILURES_PER_MINUTE):
        assert_problem(await api.get(READ, token=forger.good()), 403, "NO_ACCESS")
    assert_problem(await api.get(READ, token=forger.good()), 429, "TOO_MANY_FAILURES")


async def test_case_004_when_the_account_was_revoked_then_403(api: Api, forger: Forger) -> None:
    ada = await an_account(api, Role.ADMIN)
    gone = replace(ada, revoked_at=api.clock.now(), revoked_by="Grace")
    await api.change(Ref(PRINCIPALS, ada.principal_id), gone)
    assert_problem(await api.get(READ, token=forger.good()), 403, "NO_ACCESS")


# --------------------------------------------------------------------------------------------- 5
@pytest.mark.parametrize("verified", [False, None, "true", 1, "false"])
async def test_case_005_when_google_has_not_verified_the_address_then_401(
    api: Api, forger: Forger, verified: object
) -> None:
    await an_account(api, Role.ADMIN)
    token = forger.with_claims(email_verified=verified)
    assert_problem(await api.get(READ, token=token), 401, "UNAUTHENTICATED")


# --------------------------------------------------------------------------------------------- 6
@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_case_006_when_a_viewer_writes_then_403_and_nothing_is_done(
    api: Api, method: str, path: str
) -> None:
    """Not even its Idempotency-Key is kept, and of its body nothing is said."""
    viewer = await a_token_of(api)
    before = api.store.contents()
    for body in (VALID[path], {"nonsense": 1}):
        answer = await api.call(
            method, path_of(path), body=body, token=viewer, headers={"Idempotency-Key": "k"}
        )
        assert_problem(answer, 403, "ROLE_TOO_LOW")
    assert api.store.contents() == before
    assert (await api.get(READ, token=viewer)).status_code == 200


async def test_case_006_when_a_trader_raises_risk_then_403_and_lowering_it_is_allowed(
    api: Api,
) -> None:
    trader = await a_token_of(api, Role.TRADER)
    for path in ("/api/ops/resume", "/api/ops/limits", "/api/access/principals"):
        answer = await api.post(path, VALID[path], token=trader)
        assert_problem(answer, 403, "ROLE_TOO_LOW")
    assert_problem(await api.get("/api/access/principals", token=trader), 403, "ROLE_TOO_LOW")
    for path in ("/api/ops/flatten", "/api/ops/reduce", "/api/ops/halt"):
        assert (await api.post(path, VALID[path], token=trader)).is_success
