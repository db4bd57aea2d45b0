"""Access over the API: given, listed, changed and taken away, each in somebody's name."""

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from common.books import AUDIT, IDEMPOTENCY_KEYS, PRINCIPALS
from common.domain.moment import iso
from common.domain.principal import Role
from common.errors import ConflictError, TransientError
from common.ports import Query
from infra.bootstrap import Runtime
from infra.web import access
from infra.web.tokens import email_id, new_token, token_id
from tests.builders import NOON
from tests.functions.api_client import TOKEN, Api, agent_body, assert_problem
from tests.functions.callers import EMAIL, a_token_of

PLACE, ME, READ = "/api/access/principals", "/api/access/me", "/api/ops/state"
ADA = {"name": "Ada", "role": "trader"}
ACCOUNT = {"name": "Ada", "role": "viewer", "kind": "google", "email": "Ada@Example.com"}
KEY = {"Idempotency-Key": "k-1"}


async def added(api: Api, **changes: Any) -> dict[str, Any]:
    answer = await api.post(PLACE, {**ADA, **changes})
    assert answer.status_code == 201, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def audits(api: Api, action: str) -> list[dict[str, Any]]:
    rows = api.store.contents().get(AUDIT, {}).values()
    return [row for row in rows if row["action"] == action]


async def test_add_when_a_token_then_shown_once_and_its_hash_alone_is_kept(api: Api) -> None:
    shown = await added(api, days=90)
    token = shown.pop("token")
    assert shown["principal_id"] == token_id(token)
    assert shown["expires_at"] == iso(NOON + timedelta(days=90))
    assert token not in json.dumps(api.store.contents())
    me = (await api.get(ME, token=token)).json()
    assert me == shown
    listed = (await api.get(PLACE)).json()
    assert listed == {"principals": [shown], "next_cursor": None}
    (row,) = audits(api, "principal-added")
    assert row["facts"] == {
        "by": "operator over the API",
        "principal": "operator",
        "name": "Ada",
        "kind": "token",
        "role": "trader",
        "email": "",
        "reason": "",
    }


async def test_add_when_two_tokens_are_made_then_they_differ(api: Api) -> None:
    tokens = {(await added(api))["token"] for _ in range(3)}
    assert len(tokens) == 3
    assert all(len(token) == 47 for token in tokens)


async def test_add_when_repeated_with_its_key_then_409_and_the_token_is_kept_nowhere(
    api: Api,
) -> None:
    first = await api.post(PLACE, ADA, headers=KEY)
    before = api.store.contents()
    again = await api.post(PLACE, ADA, headers=KEY)
    assert_problem(again, 409, "SHOWN_ONCE")
    assert first.json()["token"] not in json.dumps(before)
    assert api.store.contents() == before
    assert len(before[PRINCIPALS]) == 1
    (kept,) = before[IDEMPOTENCY_KEYS].values()
    assert kept["status"] == 409


@pytest.mark.parametrize(
    "body",
    [
        {**ADA, "email": EMAIL},
        {"name": "Ada", "role": "viewer", "kind": "google"},
        {**ACCOUNT, "email": "ada"},
        {**ACCOUNT, "email": "ada@localhost"},
        {**ACCOUNT, "email": "a@b@example.com"},
        {**ACCOUNT, "email": "ädä@example.com"},
        {**ACCOUNT, "email": "ada@example.com\n"},
        {**ADA, "name": "operator over the API"},
        {**ADA, "role": "root"},
        {**ADA, "days": 0},
        {**ADA, "days": 3651},
        {**ADA, "principal_id": "operator"},
    ],
)
async def test_add_when_the_wish_has_no_sense_then_422(api: Api, body: dict[str, Any]) -> None:
    before = api.store.contents()
    assert_problem(await api.post(PLACE, body), 422)
    assert api.store.contents() == before


async def test_add_when_an_account_then_by_its_address_in_lower_case(api: Api) -> None:
    shown = (await api.post(PLACE, ACCOUNT)).json()
    assert (shown["principal_id"], shown["email"]) == (email_id(EMAIL), EMAIL)
    assert "token" not in shown
    again = await api.post(PLACE, ACCOUNT)
    assert (again.status_code, again.json()) == (201, shown)
    other = await api.post(PLACE, {**ACCOUNT, "role": "admin"})
    assert_problem(other, 409, "PRINCIPAL_EXISTS")
    assert len(audits(api, "principal-added")) == 1


async def test_add_when_the_account_was_revoked_then_it_comes_back(api: Api) -> None:
    place = f"{PLACE}/{email_id(EMAIL)}/revoke"
    await api.post(PLACE, ACCOUNT)
    await api.post(place)
    shown = (await api.post(PLACE, {**ACCOUNT, "role": "admin"})).json()
    assert (shown["role"], shown["revoked_at"]) == ("admin", None)
    assert len(audits(api, "principal-added")) == 2


async def test_revoke_when_asked_then_at_once_for_good_and_audited(api: Api) -> None:
    shown = await added(api)
    token, place = shown["token"], f"{PLACE}/{shown['principal_id']}/revoke"
    assert (await api.get(READ, token=token)).status_code == 200
    revoked = (await api.post(place, {"reason": "the laptop was lost"})).json()
    assert revoked["revoked_at"] == iso(NOON)
    assert revoked["revoked_by"] == "operator over the API"
    assert_problem(await api.get(READ, token=token), 401, "UNAUTHENTICATED")
    before = api.store.contents()
    again = await api.post(place)
    assert again.json() == revoked
    assert api.store.contents() == before
    (row,) = audits(api, "principal-revoked")
    assert row["facts"]["reason"] == "the laptop was lost"


async def test_revoke_when_done_by_another_instance_then_it_holds_after_three_seconds(
    api: Api,
) -> None:
    """It has its own memory of who was there, and keeps it no longer."""
    shown = await added(api)
    token = shown["token"]
    assert (await api.get(READ, token=token)).status_code == 200
    (record,) = (await list_records(api)).values()
    await api.change(record[0], {**record[1], "revoked_at": iso(NOON), "revoked_by": "Grace"})
    assert (await api.get(READ, token=token)).status_code == 200
    api.clock.advance(3)
    assert_problem(await api.get(READ, token=token), 401, "UNAUTHENTICATED")


async def list_records(api: Api) -> dict[str, Any]:
    page = await api.store.query(Query(PRINCIPALS))
    return {each.ref.id: (each.ref, each.data) for each in page.documents}


async def test_a_token_when_its_days_are_over_then_401(api: Api) -> None:
    token = (await added(api, days=1))["token"]
    api.clock.advance(86_399)
    assert (await api.get(READ, token=token)).status_code == 200
    api.clock.advance(1)
    assert_problem(await api.get(READ, token=token), 401, "UNAUTHENTICATED")


async def test_role_when_changed_then_at_once_and_audited_with_who_did_it(api: Api) -> None:
    grace = await a_token_of(api, Role.ADMIN, name="Grace")
    shown = await added(api, role="viewer")
    token, place = shown["token"], f"{PLACE}/{shown['principal_id']}/role"
    create = "/api/v3/agents/create"
    assert_problem(await api.post(create, agent_body(), token=token), 403, "ROLE_TOO_LOW")
    changed = await api.post(place, {"role": "trader", "reason": "joined"}, token=grace)
    assert changed.json()["role"] == "trader"
    assert (await api.post(create, agent_body(), token=token)).status_code == 201
    (row,) = audits(api, "principal-role-changed")
    assert (row["facts"]["by"], row["facts"]["principal"]) == ("Grace", token_id(grace))
    (made,) = audits(api, "agent-created")
    assert (made["facts"]["by"], made["facts"]["principal"]) == ("Ada", token_id(token))


@pytest.mark.parametrize("move", ["revoke", "role"])
async def test_a_change_when_there_is_no_such_principal_then_404(api: Api, move: str) -> None:
    body = {"role": "viewer"} if move == "role" else {}
    for name in ("operator", "tok_" + "0" * 64):
        assert_problem(await api.post(f"{PLACE}/{name}/{move}", body), 404, "PRINCIPAL_NOT_FOUND")


async def test_a_change_when_another_comes_first_then_it_looks_again(api: Api) -> None:
    shown = await added(api)
    place = f"{PLACE}/{shown['principal_id']}"
    lost: list[str] = []

    async def lose(operation: str, argument: Any) -> None:
        if operation == "commit" and PRINCIPALS in str(argument) and not lost:
            lost.append(operation)
            raise ConflictError("lost", collection=PRINCIPALS, document_id="x")

    api.store.before = lose
    assert (await api.post(f"{place}/role", {"role": "admin"})).json()["role"] == "admin"
    assert lost == ["commit"]


async def test_list_when_a_record_cannot_be_read_then_it_gives_no_access_and_is_left_out(
    api: Api,
) -> None:
    token = (await added(api))["token"]
    (record,) = (await list_records(api)).values()
    await api.change(record[0], {**record[1], "role": "emperor"})
    assert (await api.get(PLACE)).json()["principals"] == []
    api.clock.advance(3)
    assert_problem(await api.get(READ, token=token), 500, "INTERNAL")


async def test_a_token_when_the_store_is_down_then_503_and_never_open(api: Api) -> None:
    token = await a_token_of(api, Role.ADMIN)

    async def down(operation: str, _: Any) -> None:
        raise TransientError("the store is down")

    api.store.before = down
    assert_problem(await api.get(ME, token=token), 503, "STORE_UNAVAILABLE")
    assert (await api.get(ME)).json()["kind"] == "built-in"  # it needs no store


async def test_the_built_in_token_when_it_is_a_secret_then_compared_with_that_version(
    api: Api,
) -> None:
    secrets = api.runtime().make_secrets()
    version = await secrets.add("sapphire-api-token", TOKEN.encode())
    place = f"sapphire-api-token:{version}"
    api.token, api.settings = None, replace(api.settings, api_token_secret=place)
    assert (await api.get(ME)).json()["principal_id"] == "operator"
    assert_problem(await api.get(ME, token="another"), 401, "UNAUTHENTICATED")
    await secrets.disable("sapphire-api-token", version)
    assert_problem(await api.get(ME), 503, "CONFIGURATION")


async def test_the_built_in_token_when_its_secret_is_not_there_then_503(api: Api) -> None:
    api.token = None
    api.settings = replace(api.settings, api_token_secret="sapphire-api-token:1")
    assert_problem(await api.get(ME), 503, "CONFIGURATION")
    assert (await api.get("/health", token=None)).status_code == 200


async def test_health_when_asked_then_nobody_is_looked_up(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its answer costs nothing that a caller's token could make it cost."""

    def no_secrets(_: Runtime) -> None:
        raise AssertionError

    monkeypatch.setattr(access.Access, "principal_of", no_secrets)
    headers = {"Authorization": "Bearer sph_" + "x" * 43}
    assert (await api.get("/health", token=None, headers=headers)).status_code == 200


async def test_four_eyes_when_a_principal_stopped_then_another_must_resume(api: Api) -> None:
    api.settings = replace(api.settings, four_eyes=True)
    ada = await a_token_of(api, Role.ADMIN, name="Ada")
    grace = await a_token_of(api, Role.ADMIN, name="Grace")
    await api.post("/api/ops/halt", {"by": "Grace"}, token=ada)
    for name in ("Ada", "Grace", "Linus"):
        answer = await api.post("/api/ops/resume", {"by": name}, token=ada)
        assert_problem(answer, 403, "FOUR_EYES")
    resumed = await api.post("/api/ops/resume", {"by": "Ada"}, token=grace)
    assert (resumed.status_code, resumed.json()["changed_by"]) == (200, "Grace")


async def test_a_sign_in_when_it_fails_then_one_line_that_the_alert_counts(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="sapphire")
    guess = "sph_" + "g" * 43
    await api.get(READ, token=guess)
    await api.get(READ)
    (line,) = [each for each in caplog.records if each.getMessage() == "auth failure"]
    fields = line.__dict__["fields"]
    assert (fields["function"], fields["code"]) == ("api", "UNAUTHENTICATED")
    assert guess not in caplog.text


async def test_an_act_when_done_or_refused_then_one_line_says_who_what_and_how_it_ended(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    trader = await a_token_of(api, Role.TRADER, name="Ada")
    caplog.set_level(logging.INFO, logger="sapphire")
    await api.post("/api/ops/halt", token=trader)
    await api.post("/api/ops/resume", token=trader)
    await api.post("/api/v3/agents/create", {}, token=trader)
    await api.get(READ, token=trader)
    acts = [each for each in caplog.records if "Ada (token" in each.getMessage()]
    told = [(each.getMessage().partition("): ")[2], each.__dict__["fields"]) for each in acts]
    assert [(what, fields["status"], fields["code"]) for what, fields in told] == [
        ("POST /api/ops/halt", 200, ""),
        ("POST /api/ops/resume", 403, "ROLE_TOO_LOW"),
        ("POST /api/v3/agents/create", 422, ""),
    ]
    assert trader not in caplog.text


# -------------------------------------------------------------------------------------- strangers
async def test_public_path_when_a_stranger_sends_a_key_then_nothing_is_kept(api: Api) -> None:
    before = api.store.contents()

    for path in ("/health", "/"):
        assert (await api.post(path, {}, token=None, headers=KEY)).status_code == 405

    assert api.store.contents() == before


async def test_docs_when_tokens_are_tried_there_then_counted_as_everywhere(api: Api) -> None:
    page = {"Accept": "text/html"}

    answers = [await api.get("/docs", token=new_token(), headers=page) for _ in range(40)]

    assert {answer.status_code for answer in answers} == {401, 429}
    assert (await api.get("/docs", token=None, headers=page)).status_code == 401


async def test_token_when_the_secret_store_is_away_then_a_principals_own_still_counts(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await a_token_of(api, Role.TRADER)

    async def away() -> str:
        raise TransientError("no answer")

    runtime = replace(api.runtime(), read_api_token=away)
    monkeypatch.setattr(api, "runtime", lambda: runtime)

    assert (await api.post("/api/ops/halt", {}, token=token)).status_code == 200
    assert (await api.get(READ, token=TOKEN)).status_code == 503


@pytest.mark.parametrize("act", ["reduce", "flatten"])
async def test_trader_when_trading_is_halted_then_lets_no_order_out_again(
    api: Api, act: str
) -> None:
    token = await a_token_of(api, Role.TRADER)
    assert (await api.post("/api/ops/halt", {}, token=token)).status_code == 200

    assert_problem(await api.post(f"/api/ops/{act}", {}, token=token), 403, "ROLE_TOO_LOW")
    assert (await api.post("/api/ops/reduce", {})).status_code == 200


async def test_add_when_an_account_without_an_end_is_given_one_then_409(api: Api) -> None:
    assert (await api.post(PLACE, ACCOUNT)).status_code == 201

    assert_problem(await api.post(PLACE, {**ACCOUNT, "days": 1}), 409, "PRINCIPAL_EXISTS")
