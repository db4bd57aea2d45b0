"""What a message must say for an act: every field, and the very ends of its times."""

from datetime import timedelta
from typing import Any

import pytest

from common.config import Settings
from common.errors import ConfigurationError
from infra.wallets.proof import AGE_MAX, AHEAD_MAX, Act, Relying, check_message, relying_party
from infra.wallets.refusal import ProofRefusedError
from infra.wallets.sign_in import parse_sign_in_message
from tests.builders import NOON
from tests.builders.wallets import DOMAIN, sign_in_text, zulu

ACT = Act(
    action="deploy",
    agent_id="agt_v3:x.1-2",
    path="/api/v3/agents/deploy",
    body_sha256="ab" * 32,
)
BY = Relying(domain=DOMAIN, chains=(1, 42161))
RIGHT: dict[str, Any] = {
    "statement": f"Sapphire deploy of agent agt_v3:x.1-2, body sha256 {'ab' * 32}",
    "URI": f"https://{DOMAIN}/api/v3/agents/deploy",
}


def checked(*, by: Relying = BY, **changes: Any) -> str:
    """The code that it is refused with; "" where it is taken."""
    message = parse_sign_in_message(sign_in_text(**{**RIGHT, **changes}))
    try:
        check_message(message, ACT, by=by, now=NOON)
    except ProofRefusedError as error:
        return error.code if error.kind == "unproven" else error.kind
    return ""


def head(domain: str) -> str:
    return f"{domain} wants you to sign in with your Ethereum account:"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"head": head(f"https://{DOMAIN}")},
        {"Chain ID": "1"},
        {"Expiration Time": None},
        {"Not Before": zulu(NOON)},
        {"Issued At": zulu(NOON - AGE_MAX)},
        {"Issued At": zulu(NOON + AHEAD_MAX)},
        {"Issued At": "2026-01-15T17:30:00+05:30"},
        {"Request ID": "anything"},
    ],
)
def test_check_when_it_says_what_is_about_to_be_done_then_taken(changes: dict[str, Any]) -> None:
    assert checked(**changes) == ""


SECOND = timedelta(seconds=1)
ELSE = "WALLET_STATEMENT_MISMATCH"
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another domain": ({"head": head("evil.example")}, "WALLET_DOMAIN_MISMATCH"),
    "a domain under it": ({"head": head(f"x.{DOMAIN}")}, "WALLET_DOMAIN_MISMATCH"),
    "a port": ({"head": head(f"{DOMAIN}:443")}, "WALLET_DOMAIN_MISMATCH"),
    "a user": ({"head": head(f"{DOMAIN}@evil.example")}, "WALLET_DOMAIN_MISMATCH"),
    "capitals": ({"head": head(DOMAIN.upper())}, "WALLET_DOMAIN_MISMATCH"),
    "another scheme": ({"head": head(f"http://{DOMAIN}")}, "WALLET_DOMAIN_MISMATCH"),
    "the other book": ({"URI": f"https://{DOMAIN}/api/agents/deploy"}, "WALLET_URI_MISMATCH"),
    "another host": ({"URI": "https://evil.example/api/v3/agents/deploy"}, "WALLET_URI_MISMATCH"),
    "http": ({"URI": f"http://{DOMAIN}/api/v3/agents/deploy"}, "WALLET_URI_MISMATCH"),
    "a query": ({"URI": RIGHT["URI"] + "?x=1"}, "WALLET_URI_MISMATCH"),
    "chain 137": ({"Chain ID": "137"}, "WALLET_CHAIN_NOT_ALLOWED"),
    "a testnet": ({"Chain ID": "421614"}, "WALLET_CHAIN_NOT_ALLOWED"),
    "old": ({"Issued At": zulu(NOON - AGE_MAX - SECOND)}, "WALLET_PROOF_STALE"),
    "ahead": ({"Issued At": zulu(NOON + AHEAD_MAX + SECOND)}, "WALLET_PROOF_FROM_THE_FUTURE"),
    "over": ({"Expiration Time": zulu(NOON)}, "WALLET_PROOF_EXPIRED"),
    "to come": ({"Not Before": zulu(NOON + SECOND)}, "WALLET_PROOF_NOT_YET_VALID"),
    "another body": ({"statement": RIGHT["statement"][:-2] + "00"}, "WALLET_BODY_MISMATCH"),
    "half a hash": ({"statement": RIGHT["statement"][:-2]}, "WALLET_BODY_MISMATCH"),
    "more": ({"statement": RIGHT["statement"] + " and all else"}, "WALLET_BODY_MISMATCH"),
    "no statement": ({"statement": None}, ELSE),
    "an empty one": ({"statement": ""}, ELSE),
    "another action": ({"statement": RIGHT["statement"].replace("deploy", "rotate")}, ELSE),
    "another agent": ({"statement": RIGHT["statement"].replace("agt_v3", "agt_v2")}, ELSE),
    "a capital hash": (
        {"statement": RIGHT["statement"].replace("ab", "AB")},
        "WALLET_BODY_MISMATCH",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_check_when_one_field_says_something_else_then_refused(name: str) -> None:
    changes, code = WRONG[name]
    assert checked(**changes) == code


def test_check_when_the_api_is_on_this_machine_then_http_and_its_port() -> None:
    by = Relying(domain="127.0.0.1:8080", chains=(1,))
    given = {"head": head("127.0.0.1:8080"), "Chain ID": "1"}
    assert checked(by=by, **given, URI="http://127.0.0.1:8080/api/v3/agents/deploy") == ""
    https = "https://127.0.0.1:8080/api/v3/agents/deploy"
    assert checked(by=by, **given, URI=https) == "WALLET_URI_MISMATCH"


@pytest.mark.parametrize(
    ("settings", "domain"),
    [
        (Settings(wallet_domain=DOMAIN, api_audience="https://other.run.app"), DOMAIN),
        (Settings(api_audience="https://api-1.europe-west1.run.app"), "api-1.europe-west1.run.app"),
    ],
)
def test_relying_when_the_settings_name_a_domain_or_an_audience_then_that(
    settings: Settings, domain: str
) -> None:
    assert relying_party(settings).domain == domain


def test_relying_when_the_settings_name_neither_then_it_says_what_is_missing() -> None:
    with pytest.raises(ConfigurationError, match="SAPPHIRE_WALLET_DOMAIN"):
        relying_party(Settings())


@pytest.mark.parametrize(
    ("mode", "network", "takes_testnets"),
    [
        ("live", "mainnet", False),
        ("live", "testnet", True),
        ("paper", "", True),
        ("paper", "mainnet", False),
    ],
)
def test_relying_when_on_a_network_then_its_chains(
    mode: str, network: str, takes_testnets: bool
) -> None:
    chains = relying_party(Settings(mode=mode, network=network, wallet_domain=DOMAIN)).chains
    assert {1, 42161} <= set(chains)
    assert (421614 in chains) is takes_testnets
