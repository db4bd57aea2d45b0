"""Signatures: what wallets write, and every other form of the same, or of none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.keys.address import CURVE_ORDER
from infra.wallets.refusal import ProofRefusedError
from infra.wallets.signature import parse_signature, signer_of
from tests.builders.wallets import Wallet, sign_in_text, with_high_s

TEXT = sign_in_text()
SIGNED = Wallet().sign(TEXT)
RAW = bytes.fromhex(SIGNED[2:])


def hexed(signature: bytes) -> str:
    return f"0x{signature.hex()}"


def refused(signature: str) -> ProofRefusedError:
    with pytest.raises(ProofRefusedError) as caught:
        parse_signature(signature)
    assert signature[4:] not in str(caught.value) or len(signature) < 5
    return caught.value


@pytest.mark.parametrize("seed", range(1, 9))
def test_signer_when_a_wallet_has_signed_then_its_address(seed: int) -> None:
    wallet = Wallet(seed)
    assert signer_of(TEXT, parse_signature(wallet.sign(TEXT))) == wallet.address.lower()


def test_signer_when_the_text_is_another_then_another_address() -> None:
    assert signer_of(TEXT + " ", parse_signature(SIGNED)) != Wallet().address.lower()


@given(text=st.text(max_size=40))
def test_signer_when_any_text_was_signed_then_as_eth_account_recovers_it(text: str) -> None:
    encoded = text.encode("utf-8", "ignore").decode()
    signature = Wallet(3).sign(encoded)
    assert signer_of(encoded, parse_signature(signature)) == Wallet(3).address.lower()


@pytest.mark.parametrize(
    "signature",
    [
        with_high_s(SIGNED),
        hexed(RAW[:64] + bytes([RAW[64] - 27])),
        hexed(RAW[:64] + b"\x1d"),
        hexed(RAW[:64]),
        hexed(RAW + b"\x00"),
        hexed(bytes(32) + RAW[32:]),
        hexed(RAW[:32] + bytes(32) + RAW[64:]),
        hexed(CURVE_ORDER.to_bytes(32, "big") + RAW[32:]),
        "0x00",
    ],
    ids=["high s", "v 0 or 1", "v 29", "64 bytes", "66 bytes", "r 0", "s 0", "r n", "1 byte"],
)
def test_parse_when_it_is_another_form_then_not_canonical(signature: str) -> None:
    error = refused(signature)
    assert (error.kind, error.code) == ("unproven", "WALLET_SIGNATURE_NOT_CANONICAL")


def test_parse_when_s_is_the_highest_of_the_low_then_taken_and_one_more_not() -> None:
    for s, is_taken in ((CURVE_ORDER // 2, True), (CURVE_ORDER // 2 + 1, False)):
        signature = hexed(RAW[:32] + s.to_bytes(32, "big") + RAW[64:])
        if is_taken:
            assert parse_signature(signature)[32:64] == s.to_bytes(32, "big")
        else:
            assert refused(signature).code == "WALLET_SIGNATURE_NOT_CANONICAL"


NO_HEX = {
    "nothing": "",
    "no digits": "0x",
    "no 0x": SIGNED[2:],
    "an odd length": SIGNED[:-1],
    "a space": f"{SIGNED} ",
    "0X": SIGNED.replace("0x", "0X"),
    "letters": "0x" + "zz" * 65,
    "other digits": "0x" + "\u0661" * 130,
    "too much": "0x" + "00" * 5000,
}


@pytest.mark.parametrize("name", NO_HEX)
def test_parse_when_it_is_no_hexadecimal_then_malformed(name: str) -> None:
    error = refused(NO_HEX[name])
    assert (error.kind, error.code) == ("malformed", "INVALID_WALLET_SIGNATURE")


@pytest.mark.parametrize(
    "signature",
    [RAW * 2, RAW * 3, RAW[:32] * 3, RAW[:32] * 10, RAW + bytes.fromhex("6492" * 16)],
    ids=["two owners", "three owners", "three words", "encoded", "ERC-6492"],
)
def test_parse_when_it_is_a_contracts_then_unsupported(signature: bytes) -> None:
    error = refused(hexed(signature))
    assert (error.kind, error.code) == ("malformed", "CONTRACT_WALLET_UNSUPPORTED")


def test_signer_when_no_key_could_have_made_it_then_refused() -> None:
    """About half of all x have no point on the curve; 5 is one of them."""
    signature = (5).to_bytes(32, "big") + RAW[32:]
    with pytest.raises(ProofRefusedError) as caught:
        signer_of(TEXT, parse_signature(hexed(signature)))
    assert caught.value.code == "WALLET_SIGNATURE_INVALID"
