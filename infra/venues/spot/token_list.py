"""Reads a user's own token list: JSON that is taken for hostile until every entry is checked.

    {"tokens": [{"chainId": 42161, "address": "0x...", "decimals": 18, "symbol": "LDO"}]}

The shape of tokenlists.org, of which only these four fields are read. One bad entry refuses the
whole list: a list that was tampered with once is not to be picked from.
"""

import json
import re
from pathlib import Path
from typing import Any

from common.errors import InvalidInputError
from infra.venues.spot.tokens import CURATED, USDC, Token

LIST_BYTES_MAX = 1_000_000
TOKENS_MAX = 500
DEPTH_MAX = 8
DECIMALS_MAX = 36
RESERVED = frozenset({"USD", "USDT", "DAI"})  # stand for dollars; never a token to buy

_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,11}", re.ASCII)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_SMALLEST = 2**16  # addresses below are precompiled contracts, not tokens


def read_token_list(path: Path, *, chain_id: int) -> tuple[Token, ...]:
    """The list in a file, of which no more is read than may be in it.

    Raises InvalidInputError as `parse_token_list` does, or when the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LIST_BYTES_MAX + 1)
    except OSError as error:
        raise _refused(type(error).__name__, f"token list {path.name}") from None
    return parse_token_list(raw, chain_id=chain_id)


def parse_token_list(raw: bytes, *, chain_id: int) -> tuple[Token, ...]:
    """The list's tokens.

    Raises:
        InvalidInputError: the first thing that is wrong, with its line or entry.
    """
    entries = _entries(raw)
    tokens: list[Token] = []
    symbols = {name for token in (*CURATED, USDC) for name in (token.symbol, token.trades_as)}
    curated = {token.address.lower() for token in (*CURATED, USDC)}
    seen: dict[str, int] = {}
    for number, entry in enumerate(entries):
        where = f"tokens[{number}]"
        token = _token(entry, where, chain_id)
        if token.symbol in symbols | RESERVED:
            raise _refused(f"{token.symbol} is curated and cannot be replaced", f"{where}.symbol")
        if token.address.lower() in curated:
            raise _refused("a curated token under another name", f"{where}.address")
        for key in (token.symbol, token.address.lower()):
            if key in seen:
                raise _refused(f"{key} stands in tokens[{seen[key]}] already", where)
            seen[key] = number
        tokens.append(token)
    return tuple(tokens)


def _entries(raw: bytes) -> list[Any]:
    if len(raw) > LIST_BYTES_MAX:
        raise _refused(f"over {LIST_BYTES_MAX} bytes", "token list")
    _check_depth(raw)
    try:
        document = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _refused("not UTF-8", f"token list, line {line}") from None
    except json.JSONDecodeError as error:
        raise _refused(error.msg, f"token list, line {error.lineno}") from None
    entries = document.get("tokens") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise _refused('not {"tokens": [...]}', "token list")
    if len(entries) > TOKENS_MAX:
        raise _refused(f"{len(entries)} tokens; at most {TOKENS_MAX}", "token list")
    return entries


def _check_depth(raw: bytes) -> None:
    """Before the parser, which recurses. Brackets inside strings do not count."""
    depth, line, in_text, escaped = 0, 1, False, False
    for byte in raw:
        if byte == 0x0A:
            line += 1
        if in_text:
            in_text = escaped or byte != 0x22
            escaped = not escaped and byte == 0x5C
        elif byte == 0x22:
            in_text = True
        elif byte in b"[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise _refused(f"nested over {DEPTH_MAX} deep", f"token list, line {line}")
        elif byte in b"]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _refused(f"the field {twice[:40]!a} stands twice in one object", "token list")
    return entry


def _token(entry: object, where: str, chain_id: int) -> Token:
    if not isinstance(entry, dict):
        raise _refused("not a JSON object", where)
    chain = entry.get("chainId")
    if type(chain) is not int or chain != chain_id:
        raise _refused(f"not of chain {chain_id}", f"{where}.chainId")
    decimals = entry.get("decimals")
    if type(decimals) is not int or not 0 <= decimals <= DECIMALS_MAX:
        raise _refused(f"not a whole number in 0..{DECIMALS_MAX}", f"{where}.decimals")
    symbol = entry.get("symbol")
    if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
        # Look-alike letters, invisible and right-to-left characters all end here.
        raise _refused("not 1 to 12 of A-Z and 0-9, a letter first", f"{where}.symbol")
    return Token(
        chain_id=chain_id,
        address=_address(entry.get("address"), f"{where}.address"),
        decimals=decimals,
        symbol=symbol,
        trades_as=symbol,
    )


def _address(value: object, where: str) -> str:
    from eth_utils.address import to_checksum_address

    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise _refused("not 0x and 40 hexadecimal digits", where)
    if int(value, 16) < _SMALLEST:
        raise _refused("no token has this address", where)
    if value != to_checksum_address(value):
        raise _refused("its EIP-55 checksum is wrong or missing", where)
    return value


def _refused(message: str, where: str) -> InvalidInputError:
    return InvalidInputError(message, code="TOKEN_LIST_REFUSED", where=where)
