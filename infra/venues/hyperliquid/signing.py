"""Signs what goes to Hyperliquid's `/exchange`, by the official SDK's own signing module.

Two schemes (hyperliquid.gitbook.io, API > Signing): L1 actions (orders, cancels) sign a phantom
agent that stands for the hash of the action, its nonce and its expiry; user-signed actions
(approving an agent) sign their fields in the open, and only the master wallet may. What is signed
becomes the exact text that is sent: it is never parsed and written anew.

The SDK and eth-account take half a second to import, so they are imported by the first signature.
"""

import json
from typing import TYPE_CHECKING

from common.errors import ConfigurationError, InvalidInputError
from common.wire import JsonObject

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

NETWORKS = ("mainnet", "testnet")
AGENT_NAME_MAX = 16
"""Characters of an agent's own name; ` valid_until <ms>` may follow it."""
_ADDRESS_CHARACTERS = 42


def is_mainnet(network: str) -> bool:
    """Raises ConfigurationError: neither of the two."""
    if network not in NETWORKS:
        raise ConfigurationError(
            f"Hyperliquid's network is mainnet or testnet, not {network[:20]!r}"
        )
    return network == "mainnet"


def signed_action(
    account: "LocalAccount",
    action: JsonObject,
    *,
    nonce: int,
    expires_after_ms: int | None,
    network: str,
    vault_address: str | None = None,
) -> str:
    """The body of a POST to `/exchange`: the L1 action signed, as exact JSON text.

    `vault_address` is the sub-account or vault to act for, in lower case; None: the signer's
    master itself.
    """
    from hyperliquid.utils.signing import sign_l1_action

    signature = sign_l1_action(
        account, action, vault_address, nonce, expires_after_ms, is_mainnet(network)
    )
    return _text(
        {
            "action": action,
            "nonce": nonce,
            "signature": signature,
            "vaultAddress": vault_address,
            "expiresAfter": expires_after_ms,
        }
    )


def signed_agent_approval(
    master: "LocalAccount", *, agent_address: str, name: str, nonce: int, network: str
) -> str:
    """The body by which a master wallet lets `agent_address` trade for it, and not withdraw.

    `name` is up to 16 characters, with an optional ` valid_until <ms>`; "" is the one unnamed
    agent. Approving a name again deregisters the agent that had it.

    Raises InvalidInputError: no address, or a name that the venue refuses.
    """
    from hyperliquid.utils.signing import sign_agent

    agent = agent_address.lower()
    if len(agent) != _ADDRESS_CHARACTERS or not agent.startswith("0x"):
        raise InvalidInputError("not 0x and 40 hexadecimal digits", where="agent_address")
    if len(name.partition(" valid_until ")[0]) > AGENT_NAME_MAX:
        raise InvalidInputError(f"over {AGENT_NAME_MAX} characters", where="agent name")
    action: JsonObject = {
        "type": "approveAgent",
        "agentAddress": agent,
        "agentName": name,
        "nonce": nonce,
    }
    signature = sign_agent(master, action, is_mainnet(network))
    if not name:  # signed as the empty text, and left out of what is sent
        del action["agentName"]
    return _text({"action": action, "nonce": nonce, "signature": signature})


def _text(body: JsonObject) -> str:
    return json.dumps(body, separators=(",", ":"), allow_nan=False)
