"""Judges what GMX asks us to sign, field by field, before any key is touched.

The server builds the message, so nothing of it is believed: every struct must have exactly the
fields we know, every value must be the one that we asked for or lie within its bound, and what is
only hashed in the message (`relayParams`) must be what stands beside it in full. What is signed in
the end is rebuilt from the values read here, under our own types.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from common.errors import InvalidInputError, RejectedError
from infra.venues.evm.hexadecimal import to_address, to_bytes, to_hash
from infra.venues.fields import as_list, as_object, text
from infra.venues.gmx.catalogue import Catalogue, number
from infra.venues.gmx.contracts import (
    DOMAIN_NAME,
    DOMAIN_TYPE,
    DOMAIN_VERSION,
    TYPES,
    UI_FEE_RECEIVERS,
    ZERO_ADDRESS,
    ZERO_HASH,
    Network,
)
from infra.venues.gmx.hashing import RELAY_TYPES, no_approval_hashes, relay_hash
from infra.venues.gmx.wanted import Signatory, Wanted

CODE = "TYPED_DATA_MISMATCH"
RELAY_FEE_MAX = 5_000_000
"""What the relay may take from the wallet for one order, in USDC units: 5 USD."""

EXECUTION_FEE_MAX = 5 * 10**15
"""What the keeper may take for one order, in wei; the relay fee pays it."""

DEADLINE_MAX = timedelta(hours=2)  # GMX's own interface signs for one hour
NONCE_MAX = 2**53
FEE_SWAPS_MAX = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that may be signed."""

    request_id: str
    idempotency_key: str | None
    domain: Mapping[str, Any]
    message: Mapping[str, Any]
    echo: Mapping[str, Any]  # batchParams and relayParams as they came, for the submission
    nonce: int
    expires_at: datetime  # the server's own; without one, the relay's deadline


@dataclass(frozen=True, slots=True)
class Setting:
    """Against what a message is judged, besides the order itself."""

    network: Network
    catalogue: Catalogue
    now: datetime


def read_order(payload: object, wanted: Wanted, setting: Setting) -> Prepared:
    """Raises RejectedError TYPED_DATA_MISMATCH: with the first field that is not as asked."""
    try:
        prepared, batch = _read(payload, wanted.signatory, setting)
        _judge_order(prepared.message, wanted)
        _compare_order(prepared.message, batch)
    except InvalidInputError as error:
        raise RejectedError(CODE, str(error)) from None
    return prepared


def read_cancel(
    payload: object, order_key: str, signatory: Signatory, setting: Setting
) -> Prepared:
    """As `read_order`, of a message that may do nothing but cancel one order."""
    try:
        prepared, batch = _read(payload, signatory, setting)
        message = prepared.message
        _equal(message["createOrderParamsList"], [], "message.createOrderParamsList")
        _equal(message["cancelOrderKeys"], [order_key], "message.cancelOrderKeys")
        _equal(as_list(batch["createOrderParams"], "c"), [], "batchParams.createOrderParams")
        where = "batchParams.cancelOrderParams"
        keys = [_cancelled(each, where) for each in as_list(batch["cancelOrderParams"], where)]
        _equal(keys, [order_key], where)
    except InvalidInputError as error:
        raise RejectedError(CODE, str(error)) from None
    return prepared


# -- the envelope: domain, types, account, relay ---------------------------------------------------


def _read(
    payload: object, signatory: Signatory, setting: Setting
) -> tuple[Prepared, dict[str, Any]]:
    answer = as_object(payload, "prepared")
    _equal(answer.get("mode"), "express", "mode")
    _equal(answer.get("payloadType"), "typed-data", "payloadType")
    parts = as_object(answer.get("payload"), "payload")
    typed = as_object(parts.get("typedData"), "typedData")
    _only(typed, {"domain", "types", "message"}, {"primaryType"}, "typedData")
    _equal(typed.get("primaryType", "Batch"), "Batch", "primaryType")
    _types(typed["types"])
    domain = _domain(typed["domain"], signatory, setting.network)
    message = read_struct(TYPES, "Batch", typed["message"], "message")
    _account(message, signatory, setting.network)
    relay = read_struct(RELAY_TYPES, "RelayParams", parts.get("relayParams"), "relayParams")
    _relay(relay, setting)
    _equal(relay_hash(relay), message["relayParams"], "message.relayParams")
    _equal(message["updateOrderParamsList"], [], "message.updateOrderParamsList")
    batch = as_object(parts.get("batchParams"), "batchParams")
    lists = {"createOrderParams", "updateOrderParams", "cancelOrderParams"}
    _only(batch, lists, set(), "batchParams")
    _equal(batch["updateOrderParams"], [], "batchParams.updateOrderParams")
    return _prepared(answer, domain, message, relay, parts), batch


def _prepared(
    answer: Mapping[str, Any],
    domain: dict[str, Any],
    message: dict[str, Any],
    relay: dict[str, Any],
    parts: Mapping[str, Any],
) -> Prepared:
    deadline = datetime.fromtimestamp(relay["deadline"], UTC)
    key = answer.get("idempotencyKey")
    return Prepared(
        request_id=text(dict(answer), "requestId", "prepared"),
        idempotency_key=text(dict(answer), "idempotencyKey", "prepared") if key else None,
        domain=domain,
        message=message,
        echo={"batchParams": parts["batchParams"], "relayParams": parts["relayParams"]},
        nonce=relay["userNonce"],
        expires_at=min(deadline, _expiry(answer.get("expiresAt"), deadline)),
    )


def _types(types: object) -> None:
    given = as_object(types, "types")
    _only(given, set(TYPES), {"EIP712Domain"}, "types")
    for name, fields in given.items():
        known = DOMAIN_TYPE if name == "EIP712Domain" else TYPES[name]
        ours = [{"name": field, "type": kind} for field, kind in known]
        _equal(fields, ours, f"types.{name}")


def _domain(value: object, signatory: Signatory, network: Network) -> dict[str, Any]:
    given = as_object(value, "domain")
    _only(given, {name for name, _ in DOMAIN_TYPE}, set(), "domain")
    _equal(given["name"], DOMAIN_NAME, "domain.name")
    _equal(given["version"], DOMAIN_VERSION, "domain.version")
    _equal(number(given, "chainId", "domain"), network.chain_id, "domain.chainId")
    contract = to_address(given["verifyingContract"], "domain.verifyingContract")
    known = network.subaccount_routers if signatory.subaccount else network.relay_routers
    _one_of(contract, known, "domain.verifyingContract")
    return {
        "name": DOMAIN_NAME,
        "version": DOMAIN_VERSION,
        "chainId": network.chain_id,
        "verifyingContract": contract,
    }


def _account(message: Mapping[str, Any], signatory: Signatory, network: Network) -> None:
    """Without a subaccount the contract takes the account from the signature itself."""
    if signatory.subaccount is None:
        _equal(message["account"], ZERO_ADDRESS, "message.account")
        _equal(message["subaccountApproval"], ZERO_HASH, "message.subaccountApproval")
        return
    _equal(message["account"], signatory.wallet, "message.account")
    allowed = no_approval_hashes(signatory.subaccount, network.chain_id)
    _one_of(message["subaccountApproval"], allowed, "message.subaccountApproval")


def _relay(relay: Mapping[str, Any], setting: Setting) -> None:
    """Nothing may be called, permitted or paid on the way but the relay's fee."""
    network, catalogue = setting.network, setting.catalogue
    for name, values in relay["externalCalls"].items():
        _equal(values, [], f"relayParams.externalCalls.{name}")
    _equal(relay["tokenPermits"], [], "relayParams.tokenPermits")
    oracle = relay["oracleParams"]
    _equal(len(oracle["providers"]), len(oracle["tokens"]), "relayParams.oracleParams.providers")
    _equal(oracle["data"], ["0x"] * len(oracle["tokens"]), "relayParams.oracleParams.data")
    for token in oracle["tokens"]:
        _one_of(token, catalogue.tokens, "relayParams.oracleParams.tokens")
    for provider in oracle["providers"]:
        _one_of(provider, network.price_providers, "relayParams.oracleParams.providers")
    fee = relay["fee"]
    _equal(fee["feeToken"], catalogue.usdc.address, "relayParams.fee.feeToken")
    _at_most(fee["feeAmount"], RELAY_FEE_MAX, "relayParams.fee.feeAmount")
    _at_most(len(fee["feeSwapPath"]), FEE_SWAPS_MAX, "relayParams.fee.feeSwapPath")
    for market in fee["feeSwapPath"]:
        _one_of(market, catalogue.markets, "relayParams.fee.feeSwapPath")
    _equal(relay["desChainId"], network.chain_id, "relayParams.desChainId")
    _at_most(relay["userNonce"], NONCE_MAX, "relayParams.userNonce")
    first, last = setting.now, setting.now + DEADLINE_MAX
    if not first.timestamp() < relay["deadline"] <= last.timestamp():
        raise InvalidInputError("not within two hours from now", where="relayParams.deadline")


def _expiry(value: object, deadline: datetime) -> datetime:
    """`expiresAt` in seconds or milliseconds: its unit is not documented."""
    if value is None:
        return deadline
    if type(value) not in {int, float} or not 0 < float(str(value)) < 10**14:
        raise InvalidInputError("not a moment", where="expiresAt")
    moment = float(str(value))
    return datetime.fromtimestamp(moment / 1000 if moment > 10**11 else moment, UTC)


# -- the order -------------------------------------------------------------------------------------


def _judge_order(message: Mapping[str, Any], wanted: Wanted) -> None:
    _equal(message["cancelOrderKeys"], [], "message.cancelOrderKeys")
    _equal(len(message["createOrderParamsList"]), 1, "message.createOrderParamsList")
    create = message["createOrderParamsList"][0]
    _judge_addresses(create["addresses"], wanted)
    _judge_numbers(create["numbers"], wanted)
    _equal(create["orderType"], wanted.contract_type, "orderType")
    swaps = {0} if wanted.increase else {0, 1}  # 1: profit is turned into the collateral token
    _one_of(create["decreasePositionSwapType"], swaps, "decreasePositionSwapType")
    _equal(create["isLong"], wanted.is_long, "isLong")
    _equal(create["shouldUnwrapNativeToken"], False, "shouldUnwrapNativeToken")
    _equal(create["autoCancel"], False, "autoCancel")
    _equal(create["referralCode"], ZERO_HASH, "referralCode")
    _equal(create["dataList"], [], "dataList")


def _judge_addresses(addresses: Mapping[str, Any], wanted: Wanted) -> None:
    wallet = wanted.signatory.wallet
    _equal(addresses["receiver"], wallet, "addresses.receiver")
    _one_of(
        addresses["cancellationReceiver"], {wallet, ZERO_ADDRESS}, "addresses.cancellationReceiver"
    )
    _equal(addresses["callbackContract"], ZERO_ADDRESS, "addresses.callbackContract")
    _one_of(addresses["uiFeeReceiver"], UI_FEE_RECEIVERS, "addresses.uiFeeReceiver")
    _equal(addresses["market"], wanted.market.address, "addresses.market")
    _equal(
        addresses["initialCollateralToken"],
        wanted.collateral.address,
        "addresses.initialCollateralToken",
    )
    _equal(addresses["swapPath"], [], "addresses.swapPath")


def _judge_numbers(numbers: Mapping[str, Any], wanted: Wanted) -> None:
    _equal(numbers["sizeDeltaUsd"], wanted.size_usd, "numbers.sizeDeltaUsd")
    _equal(
        numbers["initialCollateralDeltaAmount"],
        wanted.collateral_amount,
        "numbers.initialCollateralDeltaAmount",
    )
    _equal(numbers["triggerPrice"], wanted.contract_trigger, "numbers.triggerPrice")
    _at_most(numbers["executionFee"], EXECUTION_FEE_MAX, "numbers.executionFee")
    _equal(numbers["callbackGasLimit"], 0, "numbers.callbackGasLimit")
    _equal(numbers["minOutputAmount"], 0, "numbers.minOutputAmount")
    _equal(numbers["validFromTime"], 0, "numbers.validFromTime")
    price, bound = numbers["acceptablePrice"], wanted.contract_bound
    if price <= 0 or (price > bound if wanted.buys else price < bound):
        raise InvalidInputError("beyond the order's bound", where="numbers.acceptablePrice")


def _cancelled(value: object, where: str) -> str:
    given = as_object(value, where)
    _only(given, {"orderKey"}, set(), where)
    return to_hash(given["orderKey"], f"{where}.orderKey")


def _compare_order(message: Mapping[str, Any], batch: Mapping[str, Any]) -> None:
    """The order beside the message must be the order in it; but for the mark in uiFeeReceiver."""
    _equal(batch["cancelOrderParams"], [], "batchParams.cancelOrderParams")
    creates = as_list(batch["createOrderParams"], "batchParams.createOrderParams")
    _equal(len(creates), 1, "batchParams.createOrderParams")
    create = as_object(creates[0], "batchParams.createOrderParams")
    _only(create, {"orderPayload"}, {"params", "tokenTransfersParams"}, "batchParams")
    where = "batchParams.orderPayload"
    told = read_struct(TYPES, "CreateOrderParams", create["orderPayload"], where)
    signed = message["createOrderParamsList"][0]
    for part in ("addresses", "numbers"):
        for name, value in signed[part].items():
            if name == "uiFeeReceiver":
                _one_of(told[part][name], UI_FEE_RECEIVERS, f"{where}.{part}.{name}")
            else:
                _equal(told[part][name], value, f"{where}.{part}.{name}")
    for name in signed.keys() - {"addresses", "numbers"}:
        _equal(told[name], signed[name], f"{where}.{name}")


# -- reading ---------------------------------------------------------------------------------------


def read_struct(
    types: Mapping[str, Sequence[tuple[str, str]]], name: str, value: object, where: str
) -> dict[str, Any]:
    """The struct with exactly its fields: addresses and bytes in lower case, numbers as ints."""
    given = as_object(value, where)
    _only(given, {field for field, _ in types[name]}, set(), where)
    return {
        field: _value(types, kind, given[field], f"{where}.{field}") for field, kind in types[name]
    }


def _value(
    types: Mapping[str, Sequence[tuple[str, str]]], kind: str, value: object, where: str
) -> object:
    if kind.endswith("[]"):
        inner = kind.removesuffix("[]")
        return [_value(types, inner, each, where) for each in as_list(value, where)]
    if kind in types:
        return read_struct(types, kind, value, where)
    if kind == "address":
        return to_address(value, where)
    if kind == "bytes32":
        return to_hash(value, where)
    if kind == "bytes":
        return "0x" + to_bytes(value, where).hex()
    if kind == "uint256":
        owner, _, field = where.rpartition(".")
        return number({field: value}, field, owner)
    if not isinstance(value, bool):
        raise InvalidInputError("not true or false", where=where)
    return value


def _only(given: Mapping[str, Any], needed: set[str], also: set[str], where: str) -> None:
    for name in sorted(needed - given.keys()):
        raise InvalidInputError("missing", where=f"{where}.{name}")
    for name in sorted(given.keys() - needed - also):
        raise InvalidInputError("a field that we do not know", where=f"{where}.{name[:60]}")


def _equal(told: object, asked: object, where: str) -> None:
    if type(told) is not type(asked) or told != asked:
        raise InvalidInputError("not what was asked for", where=where)


def _one_of(told: object, known: object, where: str) -> None:
    if told not in known:  # type: ignore[operator]  # a set or a mapping of what told is
        raise InvalidInputError("not one that we know", where=where)


def _at_most(told: int, most: int, where: str) -> None:
    if told > most:
        raise InvalidInputError(f"above {most}", where=where)
