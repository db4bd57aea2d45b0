"""The curated tokens against recorded data, and the hostile lists that are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from common.errors import ConfigurationError, InvalidInputError
from infra.venues.spot.instruments import listed
from infra.venues.spot.token_list import LIST_BYTES_MAX, parse_token_list, read_token_list
from infra.venues.spot.tokens import ARBITRUM, CURATED, USDC, Token, token_book
from tests.builders import NOON
from tests.shared_data import shared_path

LDO = "0x13Ad51ed4F1B7e9Dc168d8a00cB3f4dDD85EfA60"
CRV = "0x11cDb42B0EB46D95f990BeDD4695A6e3fA034978"
RECORDED_NAMES = {"BTC": "WBTC.b"}  # GMX's own name for WBTC


def an_entry(**changes: Any) -> dict[str, Any]:
    return {"chainId": ARBITRUM, "address": LDO, "decimals": 18, "symbol": "LDO"} | changes


def a_list(*entries: Any) -> bytes:
    return json.dumps({"tokens": list(entries)}, indent=1).encode()


@pytest.mark.parametrize("token", [*CURATED, USDC], ids=lambda token: token.trades_as)
def test_curated_token_when_held_against_gmx_fixtures_then_address_and_decimals_are_the_same(
    token: Token,
) -> None:
    rows = json.loads(shared_path("data/gmx/arbitrumTokens.json").read_text())["tokens"]
    recorded = {row["symbol"]: row for row in rows if not row.get("synthetic")}
    row = recorded[RECORDED_NAMES.get(token.trades_as, token.trades_as)]
    assert (token.address, token.decimals) == (row["address"], row["decimals"])


def test_curated_tokens_when_checked_then_checksummed_distinct_and_known_on_paper() -> None:
    addresses = [token.address for token in (*CURATED, USDC)]
    assert addresses == [to_checksum_address(address) for address in addresses]
    assert len(set(addresses)) == len(addresses)
    on_paper = listed(NOON)
    assert [token.trades_as for token in CURATED if on_paper.find(token.trades_as) is None] == []


def test_token_book_when_asked_for_a_symbol_then_only_our_own_names_are_found() -> None:
    book = token_book("mainnet")
    eth = book.find("ETH")
    assert eth is not None
    assert eth.symbol == "WETH"
    assert book.find("WETH") is None
    assert book.find("DOGE") is None


def test_token_book_when_network_has_no_list_then_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="testnet"):
        token_book("testnet")


def test_token_list_when_sound_then_its_tokens_join_the_book() -> None:
    tokens = parse_token_list(
        a_list(an_entry(), an_entry(address=CRV, symbol="CRV", decimals=18, name="Curve \u202e")),
        chain_id=ARBITRUM,
    )
    assert [token.symbol for token in tokens] == ["LDO", "CRV"]
    assert token_book("mainnet", tokens).find("CRV") == tokens[1]


@pytest.mark.parametrize(
    ("entry", "where"),
    [
        (an_entry(symbol="ETH"), r"tokens\[1\]\.symbol"),
        (an_entry(symbol="WETH"), r"tokens\[1\]\.symbol"),
        (an_entry(symbol="USDC"), r"tokens\[1\]\.symbol"),
        (an_entry(symbol="USDT"), r"tokens\[1\]\.symbol"),
        (an_entry(symbol="LD\u041e"), r"tokens\[1\]\.symbol"),  # Cyrillic O
        (an_entry(symbol="LD\u200bO"), r"tokens\[1\]\.symbol"),  # zero width space
        (an_entry(symbol="\u202eODL"), r"tokens\[1\]\.symbol"),  # right to left
        (an_entry(symbol="LDO\n"), r"tokens\[1\]\.symbol"),
        (an_entry(symbol="ldo"), r"tokens\[1\]\.symbol"),
        (an_entry(symbol=""), r"tokens\[1\]\.symbol"),
        (an_entry(symbol="A" * 13), r"tokens\[1\]\.symbol"),
        (an_entry(symbol=7), r"tokens\[1\]\.symbol"),
        (an_entry(chainId=1), r"tokens\[1\]\.chainId"),
        (an_entry(chainId=True), r"tokens\[1\]\.chainId"),
        (an_entry(chainId=None), r"tokens\[1\]\.chainId"),
        (an_entry(decimals=37), r"tokens\[1\]\.decimals"),
        (an_entry(decimals=-1), r"tokens\[1\]\.decimals"),
        (an_entry(decimals="18"), r"tokens\[1\]\.decimals"),
        (an_entry(decimals=18.0), r"tokens\[1\]\.decimals"),
        (an_entry(decimals=True), r"tokens\[1\]\.decimals"),
        (an_entry(address=LDO.lower()), r"tokens\[1\]\.address"),  # no checksum
        (an_entry(address=LDO.replace("A", "a", 1)), r"tokens\[1\]\.address"),
        (an_entry(address=LDO[:-1]), r"tokens\[1\]\.address"),
        (an_entry(address=LDO[2:]), r"tokens\[1\]\.address"),
        (an_entry(address="0x" + "0" * 39 + "1"), r"tokens\[1\]\.address"),
        (an_entry(address=USDC.address), r"tokens\[1\]\.address"),
        (an_entry(address=None), r"tokens\[1\]\.address"),
        (an_entry(address=CRV), r"tokens\[1\]: "),
        (an_entry(symbol="CRV"), r"tokens\[1\]: "),
        ("LDO", r"tokens\[1\]"),
        (None, r"tokens\[1\]"),
    ],
)
def test_token_list_when_an_entry_is_hostile_then_refused_with_its_place(
    entry: object, where: str
) -> None:
    sound = an_entry(address=CRV, symbol="CRV")
    with pytest.raises(InvalidInputError, match=where) as caught:
        parse_token_list(a_list(sound, entry), chain_id=ARBITRUM)
    assert caught.value.code == "TOKEN_LIST_REFUSED"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b" " * 10_000_000, f"over {LIST_BYTES_MAX} bytes"),
        (b" " * (LIST_BYTES_MAX + 1), f"over {LIST_BYTES_MAX} bytes"),
        (b"[" * 100_000, "line 1: nested"),
        (b'{"tokens": [\n\n' + b"[" * 9, "line 3: nested"),
        (b'{"tokens": [\n{"chainId": 42161,}]}', "line 2"),
        (b'{"tokens": [\n"\xff"]}', "line 2: not UTF-8"),
        (b"", "line 1"),
        (b"[]", "tokens"),
        (b'{"tokens": {}}', "tokens"),
        (b'{"tokens": [], "tokens": []}', "stands twice"),
        (json.dumps({"tokens": [an_entry()] * 501}).encode(), "501 tokens"),
    ],
    ids=range(11),
)
def test_token_list_when_the_file_is_hostile_then_refused_with_its_line(
    raw: bytes, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_token_list(raw, chain_id=ARBITRUM)


def test_token_list_when_brackets_stand_in_texts_then_they_do_not_count_as_depth() -> None:
    raw = a_list(an_entry(name='[[[[[[[[[[ \\" {{{{{{{{{{'))
    assert [token.symbol for token in parse_token_list(raw, chain_id=ARBITRUM)] == ["LDO"]


def test_token_list_file_when_read_then_bounded_and_its_refusals_have_their_place(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tokens.json"
    with pytest.raises(InvalidInputError, match=r"token list tokens\.json: FileNotFoundError"):
        read_token_list(path, chain_id=ARBITRUM)
    path.write_bytes(a_list(an_entry()))
    assert [token.symbol for token in read_token_list(path, chain_id=ARBITRUM)] == ["LDO"]
    path.write_bytes(b" " * 10_000_000)
    with pytest.raises(InvalidInputError, match="bytes"):
        read_token_list(path, chain_id=ARBITRUM)
