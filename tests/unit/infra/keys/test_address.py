"""Addresses: EIP-55, and the address of a key, against eth-account as the oracle."""

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from common.errors import DeniedError
from infra.keys.address import CURVE_ORDER, address_of, checksum_address, is_on_curve, parse_address
from infra.keys.private_key import PrivateKey

# The examples of https://eips.ethereum.org/EIPS/eip-55.
EIP_55 = [
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("address", EIP_55)
def test_parse_when_the_checksum_is_right_then_lower_case(address: str) -> None:
    assert parse_address(address) == address.lower()
    assert parse_address(address.lower()) == address.lower()
    assert parse_address("0x" + address[2:].upper()) == address.lower()
    assert checksum_address(address.lower()) == address


@pytest.mark.parametrize("address", EIP_55[4:])
def test_parse_when_one_letter_has_another_case_then_refused(address: str) -> None:
    """Case 33."""
    for place, sign in enumerate(address[2:], start=2):
        if sign.isalpha():
            wrong = address[:place] + sign.swapcase() + address[place + 1 :]
            with pytest.raises(ValueError, match="EIP-55"):
                parse_address(wrong)


@pytest.mark.parametrize(
    "text", ["", "0x", "0X" + "a" * 40, "0x" + "g" * 40, "a" * 42, "0x" + "a" * 40 + "\n"]
)
def test_parse_when_of_another_shape_then_refused(text: str) -> None:
    with pytest.raises(ValueError, match="40 hexadecimal"):
        parse_address(text)


@given(st.binary(min_size=20, max_size=20))
def test_checksum_when_compared_with_eth_utils_then_the_same(raw: bytes) -> None:
    assert checksum_address("0x" + raw.hex()) == to_checksum_address("0x" + raw.hex())


@given(st.integers(1, CURVE_ORDER - 1))
def test_address_of_when_compared_with_eth_account_then_the_same(number: int) -> None:
    raw = number.to_bytes(32, "big")
    assert is_on_curve(PrivateKey(raw))
    assert address_of(PrivateKey(raw)) == Account.from_key(raw).address.lower()


@pytest.mark.parametrize("number", [0, CURVE_ORDER, CURVE_ORDER + 1, 2**256 - 1])
def test_address_of_when_the_key_is_not_on_the_curve_then_denied_without_it(number: int) -> None:
    """Case 43."""
    key = PrivateKey(number.to_bytes(32, "big"))
    assert not is_on_curve(key)
    with pytest.raises(DeniedError, match="KEY_OUT_OF_RANGE") as caught:
        address_of(key)
    assert str(number) not in str(caught.value) or number == 0


@pytest.mark.parametrize("number", [1, CURVE_ORDER - 1])
def test_is_on_curve_when_at_the_edges_then_yes(number: int) -> None:
    assert is_on_curve(PrivateKey(number.to_bytes(32, "big")))
