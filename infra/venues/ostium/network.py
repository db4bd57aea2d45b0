"""Where Ostium is: its contracts on Arbitrum and its public services, by network.

Addresses as in ostium-python-sdk 3.3.1 (config.py), compared with docs.ostium.com.
"""

from dataclasses import dataclass

from common.errors import ConfigurationError
from infra.venues.evm.orders import ARBITRUM_ONE, ARBITRUM_SEPOLIA, ChainProfile

_ORMI = "https://api.subgraph.ormilabs.com/api/public/67a599d5-c8d2-4cc4-9c4d-2975a97bc5d8"
PRICES = "https://metadata-backend.ostium.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Addresses in lower case. `storage` holds the collateral: it is what USDC is approved to."""

    chain: ChainProfile
    trading: str
    storage: str
    usdc: str
    rpc_url: str
    subgraph_url: str


_NETWORKS = {
    "mainnet": Network(
        chain=ARBITRUM_ONE,
        trading="0x6d0ba1f9996dbd8885827e1b2e8f6593e7702411",
        storage="0xccd5891083a8acd2074690f65d3024e7d13d66e7",
        usdc="0xaf88d065e77c8cc2239327c5edb3a432268e5831",
        rpc_url="https://arb1.arbitrum.io/rpc",
        subgraph_url=f"{_ORMI}/subgraphs/ost-prod/live/gn",
    ),
    "testnet": Network(
        chain=ARBITRUM_SEPOLIA,
        trading="0x2a9b9c988393f46a2537b0ff11e98c2c15a95afe",
        storage="0x0b9f5243b29938668c9cfbd7557a389ec7ef88b8",
        usdc="0xe73b11fb1e3eeee8af2a23079a4410fe1b370548",
        rpc_url="https://sepolia-rollup.arbitrum.io/rpc",
        subgraph_url=f"{_ORMI}/subgraphs/ost-sep/live/gn",
    ),
}


def network_named(name: str) -> Network:
    try:
        return _NETWORKS[name]
    except KeyError:
        raise ConfigurationError(f"Ostium is on mainnet and testnet, not {name!r}") from None
