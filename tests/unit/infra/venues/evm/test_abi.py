"""Signatures, calls and reverts, and hexadecimal that is refused."""

import pytest

from common.errors import InvalidInputError
from infra.venues.evm.abi import (
    argument_types,
    decode,
    decode_call,
    encode_call,
    revert_of,
    selector,
)
from infra.venues.evm.hexadecimal import to_address, to_bytes, to_hash, to_int

TRANSFER = "transfer(address,uint256)"
SOMEBODY = "0x" + "ab" * 20


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (TRANSFER, "a9059cbb"),
        ("approve(address,uint256)", "095ea7b3"),
        ("balanceOf(address)", "70a08231"),
        ("Error(string)", "08c379a0"),
        ("Panic(uint256)", "4e487b71"),
    ],
)
def test_selector_when_well_known_then_as_everybody_has_it(signature: str, expected: str) -> None:
    assert selector(signature).hex() == expected


def test_argument_types_when_nested_then_split_at_the_top_only() -> None:
    assert argument_types("f(uint256,(address,(uint8,bool)[]),bytes)") == (
        "uint256",
        "(address,(uint8,bool)[])",
        "bytes",
    )
    assert argument_types("f()") == ()


def test_encode_call_when_decoded_then_the_same_arguments() -> None:
    assert decode_call(TRANSFER, encode_call(TRANSFER, SOMEBODY, 7)) == (SOMEBODY, 7)


@pytest.mark.parametrize("amount", [-1, 2**256, "7", 1.5])
def test_encode_call_when_an_argument_does_not_fit_then_refused_not_cut(amount: object) -> None:
    with pytest.raises(InvalidInputError):
        encode_call(TRANSFER, SOMEBODY, amount)


def test_decode_call_when_another_function_or_cut_short_then_refused() -> None:
    data = encode_call(TRANSFER, SOMEBODY, 7)
    with pytest.raises(InvalidInputError, match="another function"):
        decode_call("approve(address,uint256)", data)
    with pytest.raises(InvalidInputError):
        decode_call(TRANSFER, data[:-1])
    with pytest.raises(InvalidInputError):
        decode(("uint256",), b"", "answer")


@pytest.mark.parametrize(
    ("data", "name", "text"),
    [
        (encode_call("Error(string)", "not today"), "", "not today"),
        (encode_call("Panic(uint256)", 0x11), "Panic", "overflow"),
        (encode_call("Panic(uint256)", 0x99), "Panic", "code 0x99"),
        (encode_call("WrongLeverage(uint32)", 5), "WrongLeverage", "WrongLeverage(5)"),
        (selector("Unheard()"), "", "error 0x" + selector("Unheard()").hex()),
        (selector("Error(string)") + b"\x01", "", "an error that cannot be read, 0x08c379a0"),
        (b"", "", "without a reason"),
    ],
)
def test_revert_of_when_read_then_says_why(data: bytes, name: str, text: str) -> None:
    revert = revert_of(data, ["WrongLeverage(uint32)"])
    assert (revert.name, revert.text) == (name, text)


@pytest.mark.parametrize(
    "value", ["", "0x", "5", "0x05", "0x00", "0xg", "-0x1", " 0x1", 5, None, "0x1" + "0" * 64]
)
def test_to_int_when_not_a_quantity_then_refused(value: object) -> None:
    with pytest.raises(InvalidInputError):
        to_int(value, "field")


def test_to_int_when_a_quantity_then_its_number() -> None:
    assert (to_int("0x0", "f"), to_int("0x1fF", "f")) == (0, 511)


@pytest.mark.parametrize("value", ["", "0", "0xabc", "ab", "0xzz", 7, None])
def test_to_bytes_when_not_data_then_refused(value: object) -> None:
    with pytest.raises(InvalidInputError):
        to_bytes(value, "field")


def test_addresses_and_hashes_when_read_then_of_their_size_in_lower_case() -> None:
    assert to_address("0x" + "AB" * 20, "f") == SOMEBODY
    assert to_hash("0x" + "AB" * 32, "f") == "0x" + "ab" * 32
    for wrong in ("0x" + "ab" * 19, "0x" + "ab" * 21):
        with pytest.raises(InvalidInputError):
            to_address(wrong, "f")
