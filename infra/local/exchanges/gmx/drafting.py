"""Makes what is to be signed from a request, as GMX's server does."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from infra.local.exchanges.gmx.hostile import Draft, Hostility, spoil_message, spoil_terms
from infra.local.exchanges.gmx.markets import ListedToken, Listing, Pool
from infra.local.exchanges.gmx.signatures import (
    CHAIN_ID,
    ROUTER,
    SUBACCOUNT_ROUTER,
    approval_digest,
    batch_types,
    relay_digest,
)

ZERO = "0x" + "00" * 20
NO_HASH = "0x" + "00" * 32
EXPRESS_MARK = "0xff00000000000000000000000000000100000001"
PLAIN_MARK = "0xff00000000000000000000000000000000000001"
RELAY_FEE = 200_000  # USDC units
EXECUTION_FEE = 3 * 10**14  # wei
_TYPES = {
    ("increase", "market"): 2,
    ("increase", "limit"): 3,
    ("increase", "stop-market"): 8,
    ("decrease", "market"): 4,
    ("decrease", "take-profit"): 5,
    ("decrease", "stop-loss"): 6,
}


class RefusedError(Exception):
    """A request that the server answers with 400; `code` is its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(slots=True, kw_only=True)
class Request:
    """One prepared request and what became of it."""

    request_id: str
    account: str
    signer: str  # who must sign, lower case
    typed_data: dict[str, Any]
    batch: dict[str, Any]
    relay: dict[str, Any]
    expires_at: datetime
    created_at: datetime
    pool: Pool | None = None  # None: it only cancels
    status: str = "prepared"
    submitted_at: datetime | None = None
    order_key: str = ""
    reason: str = ""
    fraction: Decimal = Decimal(1)  # of its size that is executed
    events: list[str] = field(default_factory=list)

    @property
    def order(self) -> dict[str, Any]:
        found: dict[str, Any] = self.batch["createOrderParams"][0]["orderPayload"]
        return found

    def number(self, name: str) -> int:
        return int(self.order["numbers"][name])

    @property
    def increases(self) -> bool:
        return self.order["orderType"] in {2, 3, 8}

    @property
    def buys(self) -> bool:
        return bool(self.order["isLong"]) == self.increases


@dataclass(slots=True, kw_only=True)
class Drafting:
    listing: Listing
    seed: int = 0
    lives_for: timedelta = timedelta(seconds=60)
    hostility: Hostility | None = None
    count: int = 0

    def order(self, body: dict[str, Any], now: datetime) -> tuple[Request, dict[str, Any]]:
        """Raises RefusedError: the request makes no sense."""
        pool = self.listing.pool(name=str(body.get("symbol")))
        if pool is None or not pool.is_listed:
            raise RefusedError("MARKET_NOT_FOUND", "no such market")
        kind = (str(body.get("kind")), str(body.get("orderType")))
        if kind not in _TYPES or body.get("direction") not in {"long", "short"}:
            raise RefusedError("INVALID_PARAMS", "kind, orderType or direction")
        collateral = self.listing.token(str(body.get("collateralToken")))
        if collateral is None:
            raise RefusedError("TOKEN_NOT_FOUND", "no such token")
        batch = {
            "createOrderParams": [{"orderPayload": self._payload(body, pool, collateral, kind)}],
            "updateOrderParams": [],
            "cancelOrderParams": [],
        }
        return self._request(body, batch, pool, now)

    def cancel(self, body: dict[str, Any], now: datetime) -> tuple[Request, dict[str, Any]]:
        keys = [{"orderKey": key} for key in body.get("orderIds", [])]
        batch = {"createOrderParams": [], "updateOrderParams": [], "cancelOrderParams": keys}
        return self._request(body, batch, None, now)

    def _payload(
        self, body: dict[str, Any], pool: Pool, collateral: ListedToken, kind: tuple[str, str]
    ) -> dict[str, Any]:
        account = str(body["from"])
        trigger = self._trigger(body, pool)
        paid = body.get("collateralToPay") or {}
        return {
            "addresses": {
                "receiver": account,
                "cancellationReceiver": account,
                "callbackContract": ZERO,
                "uiFeeReceiver": PLAIN_MARK,
                "market": pool.address,
                "initialCollateralToken": collateral.address,
                "swapPath": [],
            },
            "numbers": {
                "sizeDeltaUsd": str(int(body["size"])),
                "initialCollateralDeltaAmount": str(int(paid.get("amount", "0"))),
                "triggerPrice": str(trigger),
                "acceptablePrice": str(self._acceptable(body, pool, trigger)),
                "executionFee": str(EXECUTION_FEE),
                "callbackGasLimit": "0",
                "minOutputAmount": "0",
                "validFromTime": "0",
            },
            "orderType": _TYPES[kind],
            "decreasePositionSwapType": 0 if kind[0] == "increase" else 1,
            "isLong": body["direction"] == "long",
            "shouldUnwrapNativeToken": False,
            "autoCancel": bool(body.get("autoCancel", False)),
            "referralCode": NO_HASH,
            "dataList": [],
        }

    def _trigger(self, body: dict[str, Any], pool: Pool) -> int:
        raw = body.get("triggerPrice")
        return 0 if raw is None else int(raw) // 10**pool.index.decimals

    def _acceptable(self, body: dict[str, Any], pool: Pool, trigger: int) -> int:
        """The server's price moved by the slippage, in basis points, against the trader."""
        mark = self.listing.marks[pool.index.symbol]
        price = trigger or self.listing.contract_price(pool.index, mark)
        buys = (body["direction"] == "long") == (body["kind"] == "increase")
        return price * (10_000 + int(body.get("slippage", 30)) * (1 if buys else -1)) // 10_000

    def _request(
        self, body: dict[str, Any], batch: dict[str, Any], pool: Pool | None, now: datetime
    ) -> tuple[Request, dict[str, Any]]:
        self.count += 1
        draft = self._draft(body, batch, now)
        request = Request(
            request_id=f"req-{_hash(self.seed, self.count)[2:26]}",
            account=str(body["from"]).lower(),
            signer=str(body.get("subaccountAddress") or body["from"]).lower(),
            typed_data={
                "domain": draft["domain"],
                "types": draft["types"],
                "message": draft["message"],
            },
            batch=draft["batch"],
            relay=draft["relay"],
            expires_at=now + self.lives_for,
            created_at=now,
            pool=pool,
        )
        return request, _answer(request, now)

    def _draft(self, body: dict[str, Any], batch: dict[str, Any], now: datetime) -> Draft:
        subaccount = body.get("subaccountAddress")
        orders = batch["createOrderParams"]
        draft: Draft = {
            "domain": {
                "name": "GmxBaseGelatoRelayRouter",
                "version": "1",
                "chainId": CHAIN_ID,
                "verifyingContract": SUBACCOUNT_ROUTER if subaccount else ROUTER,
            },
            "types": batch_types(),
            "order": orders[0]["orderPayload"] if orders else None,
            "relay": self._relay(now),
            "batch": batch,
        }
        if orders:
            spoil_terms(self.hostility, draft)
        draft["message"] = {
            "account": body["from"] if subaccount else ZERO,
            "createOrderParamsList": [_marked(each["orderPayload"]) for each in orders],
            "updateOrderParamsList": [],
            "cancelOrderKeys": [each["orderKey"] for each in batch["cancelOrderParams"]],
            "relayParams": relay_digest(draft["relay"]),
            "subaccountApproval": approval_digest(str(subaccount)) if subaccount else NO_HASH,
        }
        if orders:
            spoil_message(self.hostility, draft)
        return draft

    def _relay(self, now: datetime) -> dict[str, Any]:
        usdc = self.listing.token("USDC")
        lists = ("sendTokens", "sendAmounts", "externalCallTargets", "externalCallDataList")
        return {
            "oracleParams": {"tokens": [], "providers": [], "data": []},
            "externalCalls": {name: [] for name in (*lists, "refundTokens", "refundReceivers")},
            "tokenPermits": [],
            "fee": {
                "feeToken": usdc.address if usdc else ZERO,
                "feeAmount": str(RELAY_FEE),
                "feeSwapPath": [],
            },
            "userNonce": str(int(now.timestamp()) * 1000 + self.count),
            "deadline": str(int((now + timedelta(hours=1)).timestamp())),
            "desChainId": str(CHAIN_ID),
        }


def order_key(request_id: str) -> str:
    return _hash("order", request_id)


def _marked(payload: dict[str, Any]) -> dict[str, Any]:
    """The order as it is signed: its fee receiver carries the mark of an express order."""
    addresses = payload["addresses"]
    ours = addresses["uiFeeReceiver"] == PLAIN_MARK
    receiver = EXPRESS_MARK if ours else addresses["uiFeeReceiver"]
    return payload | {"addresses": addresses | {"uiFeeReceiver": receiver}}


def _answer(request: Request, now: datetime) -> dict[str, Any]:
    return {
        "requestId": request.request_id,
        "payloadType": "typed-data",
        "mode": "express",
        "payload": {
            "typedData": request.typed_data,
            "batchParams": request.batch,
            "relayParams": request.relay,
        },
        "expiresAt": int(request.expires_at.timestamp() * 1000),
        "warnings": [],
        "traceId": _hash("trace", request.request_id, now.isoformat())[2:18],
    }


def _hash(*parts: object) -> str:
    return "0x" + hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
