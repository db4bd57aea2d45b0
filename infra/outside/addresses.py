"""Whether an address of the network is one of the public Internet."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

_UNICAST_6 = IPv6Network("2000::/3")
_SPECIAL = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",  # carriers' own networks (CGNAT); Google's too
            "127.0.0.0/8",
            "169.254.0.0/16",  # link-local, and every cloud's metadata server
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/3",  # multicast, reserved, broadcast
            "2001::/23",  # Teredo and other tunnels, which hold an address of IPv4
            "2001:db8::/32",
            "2002::/16",  # 6to4, which holds one too
            "3fff::/20",
        ),
    )
)
"""IANA's special-purpose registries: iana.org/assignments/iana-ipv4-special-registry (and -ipv6-).
Of IPv6 everything outside 2000::/3 is inside, local, mapped or not handed out at all.
"""


def is_public(address: str) -> bool:
    """Of a canonical IPv4 or IPv6 address; an IPv4 address inside IPv6 counts as what it is.

    False for what is no address, one with a zone (fe80::1%eth0) and other spellings (010.0.0.1).
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return _is_public(found)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address not in _UNICAST_6:
            return False
    return not any(address in network for network in _SPECIAL)
