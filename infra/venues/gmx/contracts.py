"""GMX's networks: hosts, chain ids, and the only contracts whose typed data is ever signed.

Addresses from gmx-io/gmx-interface, sdk/src/configs/contracts.ts (2026-11); a router that GMX
deploys later is refused until it stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from common.errors import ConfigurationError

ZERO_ADDRESS = "0x" + "00" * 20
ZERO_HASH = "0x" + "00" * 32
DOMAIN_NAME = "GmxBaseGelatoRelayRouter"
DOMAIN_VERSION = "1"

MARKET_INCREASE, LIMIT_INCREASE, MARKET_DECREASE = 2, 3, 4
LIMIT_DECREASE, STOP_LOSS_DECREASE, STOP_INCREASE = 5, 6, 8
"""The contract's order types; 0, 1 and 7 are swaps and liquidations."""

UI_FEE_RECEIVERS = frozenset(
    {
        ZERO_ADDRESS,
        "0xff00000000000000000000000000000000000001",
        "0xff00000000000000000000000000000100000001",
        "0x0000000000000000000000000000000100000000",
    }
)
"""Nobody's address: 0xff... and a byte for "express" mark where an order was made
(sdk/src/utils/twap/uiFeeReceiver.ts). Anybody else would earn a fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Addresses in lower case."""

    chain_id: int
    api_url: str  # orders, positions, markets; paths begin with /v1
    oracle_urls: tuple[str, ...]  # prices; the further ones are asked when one does not answer
    relay_routers: frozenset[str]  # for orders that the wallet's own key signs
    subaccount_routers: frozenset[str]  # for orders that an approved subaccount signs
    price_providers: frozenset[str]  # oracle providers that a relay fee may be swapped with
    usdc: str | None  # None: the token that GMX's list calls USDC; on a test network alone


_MAINNET = Network(
    chain_id=42161,
    api_url="https://arbitrum.gmxapi.io",
    oracle_urls=(
        "https://arbitrum-api.gmxinfra.io",
        "https://arbitrum-api-fallback.gmxinfra.io",
        "https://arbitrum-api-fallback.gmxinfra2.io",
    ),
    relay_routers=frozenset(
        {
            "0xa9090e2fd6cd8ee397cf3106189a7e1cfae6c59c",
            "0x5503b99308db6923758f9a22d118207d633c4e87",
        }
    ),
    subaccount_routers=frozenset(
        {
            "0x517602bac704b72993997820981603f5e4901273",
            "0xfd0596f708d9d950e0ef7b5d191e5f8e55b8a67f",
        }
    ),
    price_providers=frozenset(
        {
            "0x38b8db61b724b51e42a88cb8ec564cd685a0f53b",
            "0x90218fbb064b1475e4382b041cc7ccf08af718b0",
        }
    ),
    usdc="0xaf88d065e77c8cc2239327c5edb3a432268e5831",
)
_SEPOLIA_ROUTERS = frozenset(
    {"0x43947140eee26b82155baa18fdb746a05c700dce", "0xd2f52a70224d3453ea17944abc12772793987fa6"}
)
_TESTNET = Network(
    chain_id=421614,
    api_url="https://arbitrum-sepolia-test.gmxapi.ai",
    oracle_urls=("https://dolphin-app-a2dup.ondigitalocean.app",),
    relay_routers=_SEPOLIA_ROUTERS,  # the source does not say which is which
    subaccount_routers=_SEPOLIA_ROUTERS,
    price_providers=frozenset(),
    usdc=None,
)

NETWORKS: Mapping[str, Network] = {"mainnet": _MAINNET, "testnet": _TESTNET}


def network_named(name: str) -> Network:
    """Raises ConfigurationError: neither mainnet (Arbitrum) nor testnet (Arbitrum Sepolia)."""
    network = NETWORKS.get(name)
    if network is None:
        raise ConfigurationError(f"GMX: the network must be mainnet or testnet, not {name!r}")
    return network


TYPES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Batch": (
        ("account", "address"),
        ("createOrderParamsList", "CreateOrderParams[]"),
        ("updateOrderParamsList", "UpdateOrderParams[]"),
        ("cancelOrderKeys", "bytes32[]"),
        ("relayParams", "bytes32"),
        ("subaccountApproval", "bytes32"),
    ),
    "CreateOrderParams": (
        ("addresses", "CreateOrderAddresses"),
        ("numbers", "CreateOrderNumbers"),
        ("orderType", "uint256"),
        ("decreasePositionSwapType", "uint256"),
        ("isLong", "bool"),
        ("shouldUnwrapNativeToken", "bool"),
        ("autoCancel", "bool"),
        ("referralCode", "bytes32"),
        ("dataList", "bytes32[]"),
    ),
    "CreateOrderAddresses": (
        ("receiver", "address"),
        ("cancellationReceiver", "address"),
        ("callbackContract", "address"),
        ("uiFeeReceiver", "address"),
        ("market", "address"),
        ("initialCollateralToken", "address"),
        ("swapPath", "address[]"),
    ),
    "CreateOrderNumbers": (
        ("sizeDeltaUsd", "uint256"),
        ("initialCollateralDeltaAmount", "uint256"),
        ("triggerPrice", "uint256"),
        ("acceptablePrice", "uint256"),
        ("executionFee", "uint256"),
        ("callbackGasLimit", "uint256"),
        ("minOutputAmount", "uint256"),
        ("validFromTime", "uint256"),
    ),
    "UpdateOrderParams": (
        ("key", "bytes32"),
        ("sizeDeltaUsd", "uint256"),
        ("acceptablePrice", "uint256"),
        ("triggerPrice", "uint256"),
        ("minOutputAmount", "uint256"),
        ("validFromTime", "uint256"),
        ("autoCancel", "bool"),
        ("executionFeeIncrease", "uint256"),
    ),
}
"""The EIP-712 types of a batch, in order (gmx-synthetics, router/relay/RelayUtils.sol)."""

DOMAIN_TYPE = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)
