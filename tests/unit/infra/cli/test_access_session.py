"""access: what is asked of the server, and what a person reads."""

import json
from typing import Any

import pytest

from infra.cli.main import main
from tests.unit.infra.cli.stub_server import StubServer, problem

HOME = "/api/access/principals"
LIST = f"{HOME}?limit=1000"
AT = "2026-01-15T12:00:00.000000Z"


def a_record(name: str = "Ada", letter: str = "a", **changes: Any) -> dict[str, Any]:
    usual = {
        "principal_id": f"tok_{letter * 64}",
        "kind": "token",
        "name": name,
        "role": "trader",
        "email": None,
        "created_by": "Grace",
        "created_at": AT,
        "expires_at": None,
        "revoked_at": None,
        "revoked_by": None,
    }
    return {**usual, **changes}


def page(*records: dict[str, Any], cursor: str | None = None) -> tuple[int, dict[str, Any]]:
    return 200, {"principals": list(records), "next_cursor": cursor}


def access(server: StubServer, *words: str) -> int:
    return main(["access", *words, "--url", server.url])


def test_add_when_a_token_then_shown_on_a_line_of_its_own(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("POST", HOME, (201, {**a_record(), "token": "sph_secret"}))
    assert access(server, "add", "Ada", "--role", "trader", "--days", "90") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Ada, trader has access at {server.url}"
    assert lines[-1].strip() == "sph_secret"
    assert server.asked == [("POST", HOME, {"name": "Ada", "role": "trader", "days": 90})]


def test_add_when_an_account_then_its_address_is_sent(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    record = a_record(kind="google", email="ada@example.com", role="viewer")
    server.on("POST", HOME, (201, record))
    words = ("add", "Ada", "--role", "viewer", "--google", "ada@example.com", "--json")
    assert access(server, *words) == 0
    assert json.loads(capsys.readouterr().out) == record
    wish = {"name": "Ada", "role": "viewer", "kind": "google", "email": "ada@example.com"}
    assert server.asked == [("POST", HOME, wish)]


def test_add_when_the_server_refuses_then_1_and_why(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("POST", HOME, (409, problem(409, "PRINCIPAL_EXISTS", "it has access already")))
    assert access(server, "add", "Ada", "--role", "admin") == 1
    assert "PRINCIPAL_EXISTS" in capsys.readouterr().err


def test_add_when_our_role_is_too_low_then_2_and_why(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("POST", HOME, (403, problem(403, "ROLE_TOO_LOW", "this needs the role admin")))
    assert access(server, "add", "Ada", "--role", "admin") == 2
    assert "this needs the role admin" in capsys.readouterr().err


def test_list_when_asked_then_each_on_a_line_and_the_revoked_only_with_all(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = a_record("Linus", "c", revoked_at=AT, revoked_by="Grace")
    server.on("GET", LIST, page(a_record(expires_at=AT), gone, cursor="more"))
    server.on("GET", f"{LIST}&cursor=more", page(a_record("Grace", "b", role="admin")))
    assert access(server, "list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "Ada, trader, until 2026-01-15 12:00:00 UTC  tok_aaaaaaaaaaaa",
        "Grace, admin, without an end  tok_bbbbbbbbbbbb",
    ]
    assert access(server, "list", "--all") == 0
    assert "Linus, trader, revoked 2026-01-15 12:00:00 UTC by Grace" in capsys.readouterr().out


def test_list_when_there_is_nobody_then_said_so(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("GET", LIST, page())
    assert access(server, "list") == 0
    assert capsys.readouterr().out == "nobody but who has the built-in token\n"


@pytest.mark.parametrize("who", ["Ada", "tok_aaaa", f"tok_{'a' * 64}"])
def test_revoke_when_one_is_meant_then_that_one(
    server: StubServer, capsys: pytest.CaptureFixture[str], who: str
) -> None:
    before = a_record("Ada", "d", revoked_at=AT, revoked_by="Grace")
    server.on("GET", LIST, page(before, a_record(), a_record("Grace", "b")))
    place = f"{HOME}/tok_{'a' * 64}/revoke"
    server.on("POST", place, (200, a_record(revoked_at=AT, revoked_by="Grace")))
    assert access(server, "revoke", who, "--reason", "lost") == 0
    assert capsys.readouterr().out == "Ada, trader has no access\n"
    assert server.asked[-1] == ("POST", place, {"reason": "lost"})


@pytest.mark.parametrize(("who", "says"), [("Ada", "2 are called"), ("tok_", "nobody called")])
def test_revoke_when_it_is_not_clear_who_is_meant_then_2_and_nothing_is_asked(
    server: StubServer, capsys: pytest.CaptureFixture[str], who: str, says: str
) -> None:
    server.on("GET", LIST, page(a_record(), a_record("Ada", "b")))
    assert access(server, "revoke", who) == 2
    assert says in capsys.readouterr().err
    assert [method for method, _, _ in server.asked] == ["GET"]


def test_role_when_changed_then_the_new_one_is_told(
    server: StubServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.on("GET", LIST, page(a_record()))
    place = f"{HOME}/tok_{'a' * 64}/role"
    server.on("POST", place, (200, a_record(role="viewer")))
    assert access(server, "role", "Ada", "viewer") == 0
    assert capsys.readouterr().out == "Ada, viewer has access\n"
    assert server.asked[-1] == ("POST", place, {"role": "viewer"})
