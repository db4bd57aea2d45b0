"""What a batch hashes and how it is signed; pure but for the key's own signature.

`relayParams` and the subaccount's approval stand in the signed message as hashes of their ABI
encoding (gmx-synthetics, router/relay/RelayUtils.sol).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from infra.venues.gmx.contracts import DOMAIN_TYPE, TYPES, ZERO_HASH

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

RELAY_TYPES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "RelayParams": (
        ("oracleParams", "OracleParams"),
        ("externalCalls", "ExternalCalls"),
        ("tokenPermits", "TokenPermit[]"),
        ("fee", "Fee"),
        ("userNonce", "uint256"),
        ("deadline", "uint256"),
        ("desChainId", "uint256"),
    ),
    "OracleParams": (("tokens", "address[]"), ("providers", "address[]"), ("data", "bytes[]")),
    "ExternalCalls": (
        ("sendTokens", "address[]"),
        ("sendAmounts", "uint256[]"),
        ("externalCallTargets", "address[]"),
        ("externalCallDataList", "bytes[]"),
        ("refundTokens", "address[]"),
        ("refundReceivers", "address[]"),
    ),
    "TokenPermit": (
        ("owner", "address"),
        ("spender", "address"),
        ("value", "uint256"),
        ("deadline", "uint256"),
        ("v", "uint256"),
        ("r", "bytes32"),
        ("s", "bytes32"),
        ("token", "address"),
    ),
    "Fee": (("feeToken", "address"), ("feeAmount", "uint256"), ("feeSwapPath", "address[]")),
}
_APPROVAL = "(address,bool,uint256,uint256,bytes32,uint256,uint256,uint256,bytes32,bytes)"
_MOST = 2**256 - 1


def relay_hash(relay: Mapping[str, Any]) -> str:
    """Of parameters that `typed_data.read_struct` has read, without token permits."""
    from eth_abi.abi import encode
    from eth_utils.crypto import keccak

    fields = RELAY_TYPES["RelayParams"]
    types = [_abi_type(kind) for _, kind in fields]
    values = [_abi_value(relay[name], kind) for name, kind in fields]
    return "0x" + keccak(encode(types, values)).hex()


def no_approval_hashes(subaccount: str, chain_id: int) -> frozenset[str]:
    """What a message may carry as approval of a subaccount that is approved on the chain already:
    nothing, or the hash of an approval that adds nothing and is not signed
    (sdk/src/utils/subaccount, getEmptySubaccountApproval).
    """
    from eth_abi.abi import encode
    from eth_utils.crypto import keccak

    action = keccak(encode(["string"], ["SUBACCOUNT_ORDER_ACTION"]))
    empty = (subaccount, False, 0, 0, action, 0, chain_id, _MOST, bytes(32), b"")
    return frozenset({ZERO_HASH, "0x" + keccak(encode([_APPROVAL], [empty])).hex()})


def sign_batch(
    account: "LocalAccount", domain: Mapping[str, Any], message: Mapping[str, Any]
) -> str:
    """The signature of what was read and judged, rebuilt from our own types: 65 bytes, hex."""
    from eth_account.messages import encode_typed_data

    types = {"EIP712Domain": DOMAIN_TYPE, **TYPES}
    full = {
        "types": {
            name: [{"name": field, "type": kind} for field, kind in fields]
            for name, fields in types.items()
        },
        "primaryType": "Batch",
        "domain": dict(domain),
        "message": dict(message),
    }
    signed = account.sign_message(encode_typed_data(full_message=full))
    return "0x" + bytes(signed.signature).hex()


def _abi_type(kind: str) -> str:
    array = "[]" if kind.endswith("[]") else ""
    name = kind.removesuffix("[]")
    if name not in RELAY_TYPES:
        return kind
    inner = ",".join(_abi_type(each) for _, each in _encoded(name))
    return f"({inner}){array}"


def _encoded(name: str) -> list[tuple[str, str]]:
    """A permit's `v` is a uint8 where it is encoded."""
    return [
        (field, "uint8" if (name, field) == ("TokenPermit", "v") else kind)
        for field, kind in RELAY_TYPES[name]
    ]


def _abi_value(value: Any, kind: str) -> Any:
    if kind.endswith("[]"):
        return [_abi_value(each, kind.removesuffix("[]")) for each in value]
    if kind in RELAY_TYPES:
        return tuple(_abi_value(value[field], inner) for field, inner in _encoded(kind))
    if kind in {"bytes", "bytes32"}:
        return bytes.fromhex(value[2:])
    return value
