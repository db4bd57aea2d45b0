"""The contract's side of a batch: its types as they stand there, its hashes, and who signed."""

from collections.abc import Mapping
from typing import Any

ROUTER = "0xa9090E2fd6cD8Ee397cF3106189A7E1CFAE6C59C"
SUBACCOUNT_ROUTER = "0x517602BaC704B72993997820981603f5E4901273"
CHAIN_ID = 42161

_TYPE_STRINGS = (
    "Batch(address account,CreateOrderParams[] createOrderParamsList,"
    "UpdateOrderParams[] updateOrderParamsList,bytes32[] cancelOrderKeys,bytes32 relayParams,"
    "bytes32 subaccountApproval)",
    "CreateOrderParams(CreateOrderAddresses addresses,CreateOrderNumbers numbers,uint256 orderType,"
    "uint256 decreasePositionSwapType,bool isLong,bool shouldUnwrapNativeToken,bool autoCancel,"
    "bytes32 referralCode,bytes32[] dataList)",
    "CreateOrderAddresses(address receiver,address cancellationReceiver,address callbackContract,"
    "address uiFeeReceiver,address market,address initialCollateralToken,address[] swapPath)",
    "CreateOrderNumbers(uint256 sizeDeltaUsd,uint256 initialCollateralDeltaAmount,"
    "uint256 triggerPrice,uint256 acceptablePrice,uint256 executionFee,uint256 callbackGasLimit,"
    "uint256 minOutputAmount,uint256 validFromTime)",
    "UpdateOrderParams(bytes32 key,uint256 sizeDeltaUsd,uint256 acceptablePrice,"
    "uint256 triggerPrice,uint256 minOutputAmount,uint256 validFromTime,bool autoCancel,"
    "uint256 executionFeeIncrease)",
)
_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_RELAY = [
    "(address[],address[],bytes[])",
    "(address[],uint256[],address[],bytes[],address[],address[])",
    "(address,address,uint256,uint256,uint8,bytes32,bytes32,address)[]",
    "(address,uint256,address[])",
    "uint256",
    "uint256",
    "uint256",
]


def batch_types() -> dict[str, list[dict[str, str]]]:
    return dict(_parsed(each) for each in _TYPE_STRINGS)


def relay_digest(relay: Mapping[str, Any]) -> str:
    from eth_abi.abi import encode
    from eth_utils.crypto import keccak

    oracle, calls, fee = relay["oracleParams"], relay["externalCalls"], relay["fee"]
    values = [
        (oracle["tokens"], oracle["providers"], [_raw(each) for each in oracle["data"]]),
        (
            calls["sendTokens"],
            [int(each) for each in calls["sendAmounts"]],
            calls["externalCallTargets"],
            [_raw(each) for each in calls["externalCallDataList"]],
            calls["refundTokens"],
            calls["refundReceivers"],
        ),
        [],
        (fee["feeToken"], int(fee["feeAmount"]), fee["feeSwapPath"]),
        int(relay["userNonce"]),
        int(relay["deadline"]),
        int(relay["desChainId"]),
    ]
    return "0x" + keccak(encode(_RELAY, values)).hex()


def approval_digest(subaccount: str) -> str:
    """Of an approval that adds nothing: the subaccount is on the chain already."""
    from eth_abi.abi import encode
    from eth_utils.crypto import keccak

    action = keccak(encode(["string"], ["SUBACCOUNT_ORDER_ACTION"]))
    types = ["address", "bool", *["uint256"] * 2, "bytes32", *["uint256"] * 3, "bytes32", "bytes"]
    empty = (subaccount, False, 0, 0, action, 0, CHAIN_ID, 2**256 - 1, bytes(32), b"")
    return "0x" + keccak(encode([f"({','.join(types)})"], [empty])).hex()


def signer_of(typed_data: Mapping[str, Any], signature: str) -> str | None:
    """The address that signed, in lower case; None where the signature is none."""
    from eth_account import Account
    from eth_account.messages import encode_typed_data
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    name, fields = _parsed(_DOMAIN)
    message = _whole(typed_data["message"])
    full = {
        "types": {name: fields, **typed_data["types"]},
        "primaryType": "Batch",
        "domain": typed_data["domain"],
        "message": message,
    }
    try:
        signed = bytes.fromhex(signature.removeprefix("0x"))
        if len(signed) != 65:
            return None
        address = Account.recover_message(encode_typed_data(full_message=full), signature=signed)
    except (BadSignature, ValidationError, ValueError):
        return None
    return str(address).lower()


def _whole(value: object) -> Any:
    """Numbers as the signature needs them: on the wire they are decimal text."""
    if isinstance(value, Mapping):
        return {name: _whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _parsed(text: str) -> tuple[str, list[dict[str, str]]]:
    name, _, inner = text.rstrip(")").partition("(")
    pairs = [each.split(" ") for each in inner.split(",")]
    return name, [{"name": field, "type": kind} for kind, field in pairs]


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
