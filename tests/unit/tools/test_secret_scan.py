"""Each kind of secret is found where it is planted; the planted ones are put together here, so that
this file itself carries none.
"""

import secrets
import subprocess
from pathlib import Path

import pytest

from tests.shared_data import REPOSITORY
from tools.secret_scan import ALLOWED, fingerprint_of, main, mnemonic_words, read_allowed, scan_text

HEX = (
    "5ca1ab1e"
    + "0ddba11c"
    + "0ffee15b"
    + "ad5eed00"
    + "feedface"
    + "cafebeef"
    + "deadc0de"
    + "0b5e55ee"
)
BODY = "Zm9yIGEgdGVzdCBvbmx5"
PLANTED = {
    "hex-key": [
        f'PRIVATE_KEY = "0x{HEX}"',
        f'wallet_secret: str = "{HEX}"',
        f'{{"signerKey": "{HEX}"}}',
        f"AGENT_PK={HEX.upper()}",
        f"key = bytes.fromhex('{HEX}')",
    ],
    "pem": ["-----BEGIN " + "RSA PRIVATE KEY-----", "-----BEGIN " + "PRIVATE KEY-----"],
    "jwt": ["eyJhbGciOiJIUzI1NiJ9" + ".eyJ" + BODY + "." + BODY],
    "telegram-token": ["1234567890" + ":AA" + "x9Y-z_" * 5 + "abc"],
    "google-api-key": ["AI" + "zaSy" + "aB3-_" * 6 + "xyz"],
    "google-oauth": ["GOC" + "SPX-" + "aB3-" * 7],
    "service-account": ['"private_key' + '_id": "' + HEX[:40] + '"'],
    "aws-key": ["AK" + "IA" + "ABCDEFGH23456789"],
    "github-token": ["gh" + "p_" + "aB3x" * 9],
    "model-key": ["sk" + "-ant-" + "aB3x" * 10],
    "mnemonic": [
        " ".join(sorted(mnemonic_words())[100:112]),
        'PHRASE = "' + " ".join(sorted(mnemonic_words())[7:31]) + '"',
    ],
}


@pytest.mark.parametrize(
    ("rule", "row"), [(rule, row) for rule, rows in PLANTED.items() for row in rows]
)
def test_scan_when_a_secret_stands_in_a_line_then_it_is_found_and_not_repeated(
    rule: str, row: str
) -> None:
    found = scan_text("a/file.py", f"first\n{row}\nlast")
    assert [(each.rule, each.line) for each in found] == [(rule, 2)]
    assert row not in str(found[0])
    assert HEX not in str(found[0])


@pytest.mark.parametrize(
    "row",
    [
        f"tx_hash = '0x{HEX}'",  # no key's name
        f"    --hash=sha256:{HEX} \\",
        'PRIVATE_KEY = "0x' + "11" * 32 + '"',  # a placeholder
        "key = '" + HEX[:62] + "'",  # too short for a key
        "-----BEGIN PUBLIC KEY-----",
        "a plain sentence of many small words that says a thing about the way the code works here",
        "task-of-a-very-long-hyphenated-name-that-is-not-a-key-at-all",
    ],
)
def test_scan_when_a_line_only_looks_like_one_then_nothing_is_found(row: str) -> None:
    assert scan_text("a/file.py", row) == []


# --------------------------------------------------------------------------- the whole command
@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "tools").mkdir()
    return tmp_path


def test_command_when_a_canary_is_planted_then_it_fails_and_names_its_place(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = secrets.token_hex(32)
    (checkout / "config.yaml").write_text(f"name: x\nprivate_key: {canary}\n")

    assert main([str(checkout)]) == 1
    said = capsys.readouterr().out
    assert f"config.yaml:2: hex-key {fingerprint_of(canary)}" in said
    assert canary not in said


def test_command_when_git_ignores_the_file_then_it_is_not_looked_at(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / ".gitignore").write_text(".env\n")
    (checkout / ".env").write_text(f"PRIVATE_KEY={HEX}\n")
    (checkout / "picture.png").write_bytes(b"\0" + PLANTED["pem"][0].encode())
    assert main([str(checkout)]) == 0
    assert "0 problems, 0 findings" in capsys.readouterr().out


def test_command_when_it_is_allowed_then_there_alone(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "vector.py").write_text(f'KEY = "{HEX}"\n')
    allowance = f"{fingerprint_of(HEX)} vector.py made up for this test\n"
    (checkout / ALLOWED).write_text(allowance)
    assert main([str(checkout)]) == 0

    (checkout / "other.py").write_text(f'KEY = "{HEX}"\n')
    assert main([str(checkout)]) == 1
    assert "other.py:1: hex-key" in capsys.readouterr().out


def test_command_when_an_allowance_is_not_used_any_more_then_it_fails(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / ALLOWED).write_text(f"# a note\n\n{'0' * 16} gone.py it was there once\n")
    assert main([str(checkout)]) == 1
    assert f"{ALLOWED}:3: allows what is not there any more" in capsys.readouterr().out


@pytest.mark.parametrize("row", ["0123456789abcdef vector.py", "vector.py a reason", "0123 a b c"])
def test_allowances_when_a_line_has_no_reason_then_refused(tmp_path: Path, row: str) -> None:
    (tmp_path / "list").write_text(row)
    with pytest.raises(SystemExit, match="not FINGERPRINT PATH REASON"):
        read_allowed(tmp_path / "list")


def test_command_when_the_folder_is_no_checkout_then_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="git ls-files failed"):
        main([str(tmp_path)])


def test_repository_when_scanned_then_nothing_but_what_is_allowed() -> None:
    assert main([str(REPOSITORY)]) == 0
