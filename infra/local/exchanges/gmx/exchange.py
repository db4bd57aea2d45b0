"""The exchange as the outside sees it, and what a test may do to it."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Operation
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.gmx.drafting import Drafting, RefusedError, Request, order_key
from infra.local.exchanges.gmx.hostile import Hostility
from infra.local.exchanges.gmx.keeper import Chain, HouseFill, deposit_units
from infra.local.exchanges.gmx.markets import Listing
from infra.local.exchanges.gmx.signatures import signer_of

RELAYED_AFTER = timedelta(milliseconds=500)
CREATED_AFTER = timedelta(seconds=1)
KEEPER_AFTER = timedelta(seconds=3)
_OPEN = frozenset({"relay_accepted", "relay_pending", "relay_submitted", "created"})
_READS = {
    "/v1/markets": "markets",
    "/v1/markets/tickers": "tickers",
    "/v1/markets/info": "info",
    "/v1/tokens": "tokens",
    "/v1/positions": "positions",
    "/v1/orders": "orders",
    "/v1/trades": "trades",
    "/prices/tickers": "prices",
}
_POSTS = {
    "/v1/orders/txns/prepare": "prepare",
    "/v1/orders/txns/cancel/prepare": "cancel_prepare",
    "/v1/orders/txns/submit": "submit",
    "/v1/orders/txns/status": "status",
}


class GmxExchange:
    """A wallet exists from its first deposit. `hostility` spoils what is handed out to be signed.

    A request is taken once: submitting it again answers with what became of it. Time passes with
    each request: half a second to the relay, one to the chain, three to the keeper.
    """

    def __init__(self, listing: Listing | None = None, *, seed: int = 0) -> None:
        self.listing = listing or Listing()
        self.chain = Chain(self.listing)
        self.drafting = Drafting(listing=self.listing, seed=seed)
        self.requests: dict[str, Request] = {}
        self._subaccounts: dict[str, set[str]] = {}

    # --------------------------------------------------------------------------- a test's handles
    @property
    def hostility(self) -> Hostility | None:
        return self.drafting.hostility

    @hostility.setter
    def hostility(self, hostility: Hostility | None) -> None:
        self.drafting.hostility = hostility

    def deposit(self, wallet: str, amount: Decimal | str | int) -> None:
        """USDC."""
        held = self.chain.usdc.setdefault(wallet.lower(), 0)
        self.chain.usdc[wallet.lower()] = held + deposit_units(amount)

    def approve_subaccount(self, wallet: str, subaccount: str) -> None:
        self._subaccounts.setdefault(wallet.lower(), set()).add(subaccount.lower())

    def set_mark(self, symbol: str, mark: Decimal | str, now: datetime) -> None:
        self.advance(now)
        self.listing.marks[symbol] = Decimal(mark)

    def fills(self) -> list[HouseFill]:
        """Every execution, oldest first: the oracle."""
        return list(self.chain.house_fills)

    def position(self, wallet: str, symbol: str) -> Decimal:
        """Signed size over all markets of the token."""
        return sum(
            (
                Decimal(one.size_tokens if one.is_long else -one.size_tokens).scaleb(
                    -one.pool.index.decimals
                )
                for one in self.chain.positions.values()
                if one.account == wallet.lower() and one.pool.index.symbol == symbol
            ),
            Decimal(0),
        )

    def advance(self, now: datetime) -> None:
        """What the relay and the keeper do by `now`, in the order of submission."""
        for request in sorted(self.requests.values(), key=lambda one: str(one.submitted_at)):
            if request.status in _OPEN:
                self._advance(request, now)

    # ------------------------------------------------------------------------------- the exchange
    def operation(self, request: ApiRequest) -> Operation:
        if request.method == "GET":
            return Operation(_READS.get(request.path, "unknown"))
        name = _POSTS.get(request.path, "unknown")
        key = str(_body(request).get("requestId", ""))
        return Operation(name, key, writes=name in {"prepare", "cancel_prepare", "submit"})

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        self.advance(now)
        name = self.operation(request).name
        try:
            if name in _READS.values():
                return ApiAnswer(self._read(name, dict(request.parameters())))
            if name == "submit":
                return self._submit(_body(request), now, fault)
            answers: Mapping[str, Callable[[dict[str, Any], datetime], ApiAnswer]] = {
                "prepare": self._prepare,
                "cancel_prepare": self._prepare_cancel,
                "status": self._status,
            }
            if name not in answers:
                return ApiAnswer({"message": "Not Found"}, 404)
            return answers[name](_body(request), now)
        except RefusedError as refused:
            return ApiAnswer({"code": refused.code, "message": refused.message}, 400)
        except (KeyError, TypeError, ValueError, AttributeError):
            return ApiAnswer({"code": "INVALID_PARAMS", "message": "Validation failed"}, 400)

    def _prepare(self, body: dict[str, Any], now: datetime) -> ApiAnswer:
        request, answer = self.drafting.order(body, now)
        if body["kind"] == "decrease" and not self._held(request):
            raise RefusedError("POSITION_NOT_FOUND", "no position to decrease")
        self.requests[request.request_id] = request
        return ApiAnswer(answer)

    def _prepare_cancel(self, body: dict[str, Any], now: datetime) -> ApiAnswer:
        request, answer = self.drafting.cancel(body, now)
        self.requests[request.request_id] = request
        return ApiAnswer(answer)

    def _submit(self, body: dict[str, Any], now: datetime, fault: Fault | None) -> ApiAnswer:
        request = self.requests.get(str(body.get("requestId")))
        if request is None:
            raise RefusedError("REQUEST_NOT_FOUND", "no such request")
        if request.status != "prepared":
            return ApiAnswer(_told(request, now))
        if now >= request.expires_at:
            raise RefusedError("REQUEST_EXPIRED", "prepared too long ago")
        self._check_signed(request, body)
        request.submitted_at = now
        request.order_key = order_key(request.request_id)
        request.status = "relay_accepted"
        if fault is not None and fault.kind is FaultKind.ORDER_ERROR:
            request.status, request.reason = "relay_failed", fault.message
        elif fault is not None and fault.kind is FaultKind.PARTIAL_FILL:
            request.fraction = fault.fraction
        return ApiAnswer(_told(request, now))

    def _check_signed(self, request: Request, body: dict[str, Any]) -> None:
        data = body["eip712Data"]
        shown = (data["batchParams"], data["relayParams"], str(body["from"]).lower())
        if shown != (request.batch, request.relay, request.account):
            raise RefusedError("INVALID_PARAMS", "not what was prepared")
        signer = signer_of(request.typed_data, str(body["signature"]))
        known = signer == request.account or signer in self._subaccounts.get(request.account, ())
        if signer != request.signer or not known:
            raise RefusedError("INVALID_SIGNATURE", "not signed by the account or its subaccount")

    def _status(self, body: dict[str, Any], now: datetime) -> ApiAnswer:
        request = self.requests.get(str(body.get("requestId")))
        if request is None:
            return ApiAnswer({"message": "Request not found"}, 404)
        return ApiAnswer(_told(request, now))

    # ------------------------------------------------------------------------------ relay, keeper
    def _advance(self, request: Request, now: datetime) -> None:
        assert request.submitted_at is not None  # noqa: S101 - it is open
        age = now - request.submitted_at
        if request.status == "relay_accepted" and age >= RELAYED_AFTER:
            request.status = "relay_submitted"
        if request.status == "relay_submitted" and age >= CREATED_AFTER:
            self._create(request, request.submitted_at + CREATED_AFTER)
        due = request.pool is not None and age >= KEEPER_AFTER
        if request.status == "created" and due and self.chain.is_triggered(request):
            reason = self.chain.execute(request, request.submitted_at + KEEPER_AFTER)
            request.status = "executed" if reason is None else "cancelled"
            request.reason = reason or ""

    def _create(self, request: Request, at: datetime) -> None:
        reverted = self.chain.create(request, at)
        if reverted is not None:
            request.status, request.reason = "relay_reverted", reverted
            return
        request.status = "created"
        keys = {each["orderKey"] for each in request.batch["cancelOrderParams"]}
        for other in self.requests.values():
            if other.order_key in keys and other.status == "created":
                other.status, other.reason = "cancelled", "USER_INITIATED_CANCEL"
                self.chain.cancelled(other, other.reason, at)

    def _held(self, request: Request) -> bool:
        return any(
            one.account == request.account
            and one.pool is request.pool
            and one.is_long == request.order["isLong"]
            for one in self.chain.positions.values()
        )

    # -------------------------------------------------------------------------------------- reads
    def _read(self, name: str, parameters: dict[str, str]) -> object:
        if name in {"positions", "orders", "trades"}:
            account = parameters.get("address", "").lower()
            return {
                "positions": self._positions,
                "orders": self._orders,
                "trades": self._trades,
            }[name](account, parameters)
        listing: object = getattr(self.listing, name)()
        return listing

    def _positions(self, account: str, parameters: dict[str, str]) -> object:
        del parameters
        return [
            {
                "key": f"{account}:{one.pool.address}:{one.collateral_token}:{one.is_long}".lower(),
                "contractKey": one.key,
                "account": account,
                "marketAddress": one.pool.address,
                "collateralTokenAddress": one.collateral_token,
                "sizeInUsd": str(one.size_usd),
                "sizeInTokens": str(one.size_tokens),
                "collateralAmount": str(one.collateral),
                "isLong": one.is_long,
                "indexName": one.pool.name.partition(" [")[0],
            }
            for one in self.chain.positions.values()
            if one.account == account
        ]

    def _orders(self, account: str, parameters: dict[str, str]) -> object:
        del parameters
        return [
            {
                "key": one.order_key,
                "requestId": one.request_id,
                "account": account,
                "marketAddress": one.order["addresses"]["market"],
                "isLong": one.order["isLong"],
                "orderType": one.order["orderType"],
                **{
                    name: str(one.number(name))
                    for name in ("sizeDeltaUsd", "triggerPrice", "acceptablePrice")
                },
            }
            for one in self.requests.values()
            if one.account == account and one.status == "created" and one.pool is not None
        ]

    def _trades(self, account: str, parameters: dict[str, str]) -> object:
        """Newest first, in pages; the cursor is the number of rows that were told."""
        rows = [row for row in reversed(self.chain.trades) if row["account"] == account]
        start = int(parameters.get("cursor", "0"))
        end = start + int(parameters.get("limit", "100"))
        more = end < len(rows)
        return {
            "trades": rows[start:end],
            "hasMore": more,
            "nextCursor": str(end) if more else None,
        }


def _told(request: Request, now: datetime) -> dict[str, Any]:
    told: dict[str, Any] = {
        "requestId": request.request_id,
        "status": request.status,
        "createdAt": request.created_at.isoformat(),
        "updatedAt": now.isoformat(),
    }
    if request.status in {"created", "executed", "cancelled"} and request.pool is not None:
        told["orderKeys"] = [request.order_key]
    if request.status == "cancelled":
        told["cancellationReason"] = request.reason
    if request.status in {"relay_failed", "relay_reverted"}:
        told["error"] = {"code": request.status.upper(), "message": request.reason}
    return told


def _body(request: ApiRequest) -> dict[str, Any]:
    try:
        body = json.loads(request.body)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
