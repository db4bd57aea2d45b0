"""Which addresses are public, and which only look so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.outside.addresses import is_public

INSIDE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "169.254.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.7",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.7",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:a9fe:a9fe::1",
    "2001:db8::1",
    "2002:a9fe:a9fe::1",
    "2002:7f00:1::",
    "3fff::1",
    "fc00::1",
    "fd20:ce::254",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "5f00::1",
    "4000::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "128.0.0.1",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:82f::200e",
    "::ffff:8.8.8.8",
]
NO_ADDRESS = [
    "fe80::1%eth0",
    "010.0.0.1",
    "0x7f.0.0.1",
    "2130706433",
    "017700000001",
    "127.1",
    "1.2.3",
    "1.2.3.4.5",
    "localhost",
    "[::1]",
    "8.8.8.8/32",
    "256.1.1.1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_public_when_the_address_is_inside_or_special_then_no(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_when_it_is_handed_out_to_the_internet_then_yes(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", ["", " 8.8.8.8", "\u0661.1.1.1", *NO_ADDRESS])
def test_public_when_it_is_no_canonical_address_then_no(text: str) -> None:
    assert not is_public(text)


@given(st.ip_addresses(v=4))
def test_public_when_any_address_of_ipv4_then_never_what_python_calls_private(
    address: object,
) -> None:
    import ipaddress

    found = ipaddress.IPv4Address(str(address))
    if is_public(str(found)):
        assert found.is_global
        assert not found.is_multicast
    assert is_public(f"::ffff:{found}") == is_public(str(found))
    assert not is_public(f"64:ff9b::{int(found):x}"[:14])


@given(st.ip_addresses(v=6))
def test_public_when_any_address_of_ipv6_then_never_what_python_calls_private(
    address: object,
) -> None:
    import ipaddress

    found = ipaddress.IPv6Address(str(address))
    if is_public(str(found)):
        assert found.is_global
