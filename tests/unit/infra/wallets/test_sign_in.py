"""Messages of ERC-4361: the examples of the standard, and everything that is only nearly one."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.wallets.sign_in import CHARACTERS_MAX, parse_sign_in_message
from tests.builders import NOON
from tests.builders.wallets import DOMAIN, Wallet, sign_in_text, wrong_checksum

WETH = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"
EXAMPLE = f"""example.com wants you to sign in with your Ethereum account:
{WETH}

I accept the ExampleOrg Terms of Service: https://example.com/tos

URI: https://example.com/login
Version: 1
Chain ID: 1
Nonce: 32891756
Issued At: 2021-09-30T16:25:24Z
Resources:
- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/
- https://example.com/my-web2-claim.json"""
"""Of the standard itself, with which its other two examples differ in the first line alone."""


@pytest.mark.parametrize(
    ("head", "scheme", "domain"),
    [
        ("example.com", None, "example.com"),
        ("example.com:3388", None, "example.com:3388"),
        ("https://example.com", "https", "example.com"),
    ],
)
def test_parse_when_it_is_an_example_of_the_standard_then_its_fields(
    head: str, scheme: str | None, domain: str
) -> None:
    message = parse_sign_in_message(EXAMPLE.replace("example.com", head, 1))
    assert (message.scheme, message.domain) == (scheme, domain)
    assert message.address == WETH.lower()
    assert message.statement == "I accept the ExampleOrg Terms of Service: https://example.com/tos"
    assert (message.uri, message.chain_id) == ("https://example.com/login", 1)
    assert message.nonce == "32891756"
    assert message.issued_at == datetime(2021, 9, 30, 16, 25, 24, tzinfo=UTC)
    assert (message.expiration_time, message.not_before, message.request_id) == (None, None, None)
    assert message.resources == (
        "ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/",
        "https://example.com/my-web2-claim.json",
    )


def test_parse_when_every_field_is_there_then_all_are_read() -> None:
    text = sign_in_text(
        **{"Not Before": "2026-11-20T13:00:00.5+02:00", "Request ID": "a%20b:1", "Resources": None}
    )
    message = parse_sign_in_message(text + "\nResources:")
    assert message.not_before == datetime(2026, 11, 20, 11, 0, 0, 500_000, tzinfo=UTC)
    assert (message.request_id, message.resources) == ("a%20b:1", ())
    assert message.issued_at == NOON


@pytest.mark.parametrize("statement", [None, ""])
def test_parse_when_nothing_is_stated_then_none_or_empty(statement: str | None) -> None:
    assert parse_sign_in_message(sign_in_text(statement=statement)).statement == statement


@pytest.mark.parametrize("form", [str.lower, lambda text: "0x" + text[2:].upper(), str])
def test_parse_when_the_address_is_in_one_case_or_its_checksum_then_the_same(form) -> None:  # type: ignore[no-untyped-def]  # any of three
    message = parse_sign_in_message(sign_in_text(address=form(Wallet().address)))
    assert message.address == Wallet().address.lower()


def test_parse_when_the_checksum_is_wrong_then_it_says_so() -> None:
    with pytest.raises(ValueError, match="checksum"):
        parse_sign_in_message(sign_in_text(address=wrong_checksum(Wallet().address)))


NEARLY = {
    "nothing": "",
    "a line feed more at the end": sign_in_text() + "\n",
    "a space more at the end": sign_in_text() + " ",
    "a line feed more at the beginning": "\n" + sign_in_text(),
    "line ends of Windows": sign_in_text().replace("\n", "\r\n"),
    "another version": sign_in_text(Version="2"),
    "version 1.0": sign_in_text(Version="1.0"),
    "no version": sign_in_text(Version=None),
    "no uri": sign_in_text(URI=None),
    "no chain": sign_in_text(**{"Chain ID": None}),
    "a chain in hexadecimal": sign_in_text(**{"Chain ID": "0x1"}),
    "a chain below zero": sign_in_text(**{"Chain ID": "-1"}),
    "a chain in other digits": sign_in_text(**{"Chain ID": "\u0661"}),
    "no nonce": sign_in_text(Nonce=None),
    "a short nonce": sign_in_text(Nonce="1234567"),
    "a nonce with a sign": sign_in_text(Nonce="1234567-"),
    "a nonce with a letter that looks like one": sign_in_text(Nonce="1234567\u0430"),
    "no time": sign_in_text(**{"Issued At": None}),
    "a time without an offset": sign_in_text(**{"Issued At": "2026-11-20T12:00:00"}),
    "a time with a space": sign_in_text(**{"Issued At": "2026-11-20 12:00:00Z"}),
    "a day alone": sign_in_text(**{"Issued At": "2026-11-20"}),
    "a 30th of February": sign_in_text(**{"Issued At": "2026-02-30T12:00:00Z"}),
    "an hour 25": sign_in_text(**{"Issued At": "2026-11-20T25:00:00Z"}),
    "a year that UTC has not": sign_in_text(**{"Issued At": "9999-12-31T23:59:59-14:00"}),
    "an expiration without a time": sign_in_text(**{"Expiration Time": ""}),
    "a statement of two lines": sign_in_text(statement="one\ntwo"),
    "a statement that holds fields": sign_in_text(statement="one\n\nURI: https://evil.example"),
    "a statement with an umlaut": sign_in_text(statement="für"),
    "a statement with a quotation mark": sign_in_text(statement='"'),
    "a statement with a tab": sign_in_text(statement="a\tb"),
    "a field twice": sign_in_text() + "\nExpiration Time: 2026-11-20T12:00:00Z",
    "fields in another order": sign_in_text(
        Nonce=None, **{"Expiration Time": None, "Not Before": None}
    )
    + "\nNonce: 12345678",
    "a field that nobody knows": sign_in_text(Colour="blue"),
    "another case": sign_in_text().replace("Chain ID", "Chain Id"),
    "another currency": sign_in_text().replace("Ethereum account", "Solana account"),
    "no domain": sign_in_text(head=" wants you to sign in with your Ethereum account:"),
    "a path behind the domain": sign_in_text(
        head=f"{DOMAIN}/x wants you to sign in with your Ethereum account:"
    ),
    "a space in the domain": sign_in_text(
        head="api example.com wants you to sign in with your Ethereum account:"
    ),
    "a scheme that begins with a digit": sign_in_text(
        head=f"1https://{DOMAIN} wants you to sign in with your Ethereum account:"
    ),
    "an address too short": sign_in_text(address="0x" + "1" * 39),
    "an address too long": sign_in_text(address="0x" + "1" * 41),
    "an address behind 0X": sign_in_text(address="0X" + "1" * 40),
    "an address of letters": sign_in_text(address="0x" + "g" * 40),
    "a name for an address": sign_in_text(address="vitalik.eth"),
    "a uri without a scheme": sign_in_text(URI="//api.example.com/x"),
    "a uri with a space": sign_in_text(URI="https://api.example.com/a b"),
    "a uri with two fragments": sign_in_text(URI="https://api.example.com/#a#b"),
    "a uri with brackets in its path": sign_in_text(URI="https://api.example.com/[x]"),
    "a uri with half an escape": sign_in_text(URI="https://api.example.com/%2"),
    "a resource without its dash": sign_in_text() + "\nResources:\nhttps://example.com",
    "a resource that is no uri": sign_in_text() + "\nResources:\n- example com",
    "a request id with a slash": sign_in_text() + "\nRequest ID: a/b",
    "too much": sign_in_text() + "\nResources:" + "\n- https://example.com/x" * CHARACTERS_MAX,
}


@pytest.mark.parametrize("name", NEARLY)
def test_parse_when_it_is_only_nearly_one_then_refused_without_an_echo(name: str) -> None:
    with pytest.raises(ValueError, match=r"^(is not|has no|has more|names an address)") as caught:
        parse_sign_in_message(NEARLY[name])
    assert "evil" not in str(caught.value)
    assert "example" not in str(caught.value)


_WORD = st.text("abcXYZ019-._~", min_size=1, max_size=12)
_STATED = st.text("abc XYZ019-._~:/?#[]@!$&'()*+,;=", max_size=60)


@given(
    domain=_WORD,
    statement=st.none() | _STATED,
    nonce=st.text("abcXYZ019", min_size=8, max_size=40),
    chain_id=st.integers(0, 2**63),
    resources=st.lists(_WORD.map(lambda word: f"ipfs://{word}/x?y=%20#z"), max_size=3),
)
def test_parse_when_any_message_is_written_out_then_the_same_fields(
    domain: str, statement: str | None, nonce: str, chain_id: int, resources: list[str]
) -> None:
    text = sign_in_text(
        head=f"{domain} wants you to sign in with your Ethereum account:",
        statement=statement,
        Nonce=nonce,
        **{"Chain ID": str(chain_id)},
    )
    text += "".join(["\nResources:", *(f"\n- {each}" for each in resources)])
    message = parse_sign_in_message(text)
    assert (message.domain, message.statement) == (domain, statement)
    assert (message.nonce, message.chain_id) == (nonce, chain_id)
    assert message.resources == tuple(resources)


@given(place=st.integers(0, len(sign_in_text()) - 1), sign=st.characters())
def test_parse_when_one_sign_is_another_then_refused_or_another_message(
    place: int, sign: str
) -> None:
    """No two texts read as the same message, where a signature holds for one of them alone. (But
    an address's case: the text that was signed is the one that is checked.)"""
    text = sign_in_text()
    changed = text[:place] + sign + text[place + 1 :]
    try:
        found = parse_sign_in_message(changed)
    except ValueError:
        return
    is_case = text[place].lower() == sign.lower()
    assert (found == parse_sign_in_message(text)) == (changed == text or is_case)
