"""The chain: wallets, positions, and the keeper that executes an order whole or cancels it."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from infra.local.exchanges.gmx.drafting import RELAY_FEE, Request
from infra.local.exchanges.gmx.markets import Listing, Pool

FEE_PER_MYRIAD = 6
BEYOND = "OrderNotFulfillableAtAcceptablePrice"


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseFill:
    """One execution as the chain has it: what everybody else's books must agree with."""

    trade_id: str
    client_order_id: str  # the request id: GMX knows no other
    symbol: str
    side: str
    qty: Decimal
    price: Decimal
    account: str
    at: datetime


@dataclass(slots=True, kw_only=True)
class ChainPosition:
    key: str
    account: str
    pool: Pool
    collateral_token: str
    is_long: bool
    size_usd: int = 0
    size_tokens: int = 0
    collateral: int = 0


@dataclass(slots=True)
class Chain:
    listing: Listing
    usdc: dict[str, int] = field(default_factory=dict)  # by wallet, 6 decimals
    positions: dict[str, ChainPosition] = field(default_factory=dict)
    trades: list[dict[str, Any]] = field(default_factory=list)  # oldest first
    house_fills: list[HouseFill] = field(default_factory=list)

    def create(self, request: Request, at: datetime) -> str | None:
        """Take fee and collateral into the vault; why the transaction reverts, if it does."""
        needed = RELAY_FEE
        if request.pool is not None and request.increases:
            needed += request.number("initialCollateralDeltaAmount")
        if self.usdc.get(request.account, 0) < needed:
            return "ERC20: transfer amount exceeds balance"
        self.usdc[request.account] -= needed
        if request.pool is not None:
            self._event(request, "OrderCreated", at)
        return None

    def is_triggered(self, request: Request) -> bool:
        """Market orders at once; the others when the price has reached the trigger."""
        kind, trigger = request.order["orderType"], request.number("triggerPrice")
        if kind in {2, 4} or request.pool is None:
            return True
        price = self._price(request.pool)
        from_above = request.buys if kind in {3, 5} else not request.buys
        return price <= trigger if from_above else price >= trigger

    def execute(self, request: Request, at: datetime) -> str | None:
        """Why the keeper cancels the order instead; None: it is executed."""
        assert request.pool is not None  # noqa: S101 - a request that orders
        price, acceptable = self._price(request.pool), request.number("acceptablePrice")
        if price > acceptable if request.buys else price < acceptable:
            return self._refund(request, BEYOND, at)
        size = int(request.number("sizeDeltaUsd") * request.fraction)
        position = self._position(request)
        if not request.increases and size > position.size_usd:
            return self._refund(request, "InvalidDecreaseOrderSize", at)
        fee = size * FEE_PER_MYRIAD // 10_000 // 10**24
        if request.increases:
            moved = _divided(size, price, up=not position.is_long)
            position.size_tokens += moved
            position.size_usd += size
            position.collateral += request.number("initialCollateralDeltaAmount") - fee
        else:
            moved = self._reduce(request, position, size, price, fee)
        if position.size_tokens == 0:
            del self.positions[position.key]
        self._executed(request, at, size=size, moved=moved, price=price, fee=fee)
        return None

    def cancelled(self, request: Request, reason: str, at: datetime) -> None:
        self._refund(request, reason, at)

    def _reduce(
        self, request: Request, position: ChainPosition, size: int, price: int, fee: int
    ) -> int:
        whole = size == position.size_usd
        product = position.size_tokens * size
        moved = (
            position.size_tokens
            if whole
            else _divided(product, position.size_usd, up=position.is_long)
        )
        gain = (moved * price - size) * (1 if position.is_long else -1) // 10**24
        released = position.collateral if whole else 0
        position.collateral -= released
        position.size_tokens -= moved
        position.size_usd -= size
        self.usdc[request.account] += released + gain - fee
        return moved

    def _position(self, request: Request) -> ChainPosition:
        assert request.pool is not None  # noqa: S101 - a request that orders
        collateral = str(request.order["addresses"]["initialCollateralToken"])
        is_long = bool(request.order["isLong"])
        parts = (request.account, request.pool.address, collateral.lower(), is_long)
        key = "0x" + hashlib.sha256(repr(parts).encode()).hexdigest()
        fresh = ChainPosition(
            key=key,
            account=request.account,
            pool=request.pool,
            collateral_token=collateral,
            is_long=is_long,
        )
        return self.positions.setdefault(key, fresh)

    def _refund(self, request: Request, reason: str, at: datetime) -> str:
        self.positions = {key: one for key, one in self.positions.items() if one.size_tokens}
        if request.increases:
            self.usdc[request.account] += request.number("initialCollateralDeltaAmount")
        self._event(request, "OrderCancelled", at, reason=reason)
        return reason

    def _price(self, pool: Pool) -> int:
        return self.listing.contract_price(pool.index, self.listing.marks[pool.index.symbol])

    def _executed(
        self, request: Request, at: datetime, *, size: int, moved: int, price: int, fee: int
    ) -> None:
        assert request.pool is not None  # noqa: S101 - a request that orders
        decimals = request.pool.index.decimals
        row = self._event(
            request,
            "OrderExecuted",
            at,
            sizeDeltaUsd=str(size),
            sizeDeltaInTokens=str(moved),
            executionPrice=str(price),
            positionFeeAmount=str(fee),
            borrowingFeeAmount="0",
            fundingFeeAmount="0",
            collateralTokenPriceMin=str(10**24),
            collateralTokenPriceMax=str(10**24),
        )
        self.house_fills.append(
            HouseFill(
                trade_id=row["id"],
                client_order_id=request.request_id,
                symbol=request.pool.index.symbol,
                side="BUY" if request.buys else "SELL",
                qty=Decimal(moved).scaleb(-decimals),
                price=Decimal(price).scaleb(decimals - 30),
                account=request.account,
                at=at,
            )
        )

    def _event(self, request: Request, name: str, at: datetime, **more: str) -> dict[str, Any]:
        assert request.pool is not None  # noqa: S101 - a request that orders
        transaction = hashlib.sha256(f"{request.order_key}{name}".encode()).hexdigest()
        row = {
            "id": f"{request.order_key}:{name}",
            "eventName": name,
            "account": request.account,
            "orderType": request.order["orderType"],
            "orderKey": request.order_key,
            "timestamp": int(at.timestamp()),
            "transactionHash": f"0x{transaction}",
            "swapPath": [],
            "initialCollateralTokenAddress": request.order["addresses"]["initialCollateralToken"],
            "initialCollateralDeltaAmount": str(request.number("initialCollateralDeltaAmount")),
            "marketAddress": request.pool.address,
            "isLong": request.order["isLong"],
            "sizeDeltaUsd": str(request.number("sizeDeltaUsd")),
            **more,
        }
        self.trades.append(row)
        return row


def deposit_units(amount: Decimal | str | int) -> int:
    return int(Decimal(amount) * 10**6)


def _divided(left: int, right: int, *, up: bool) -> int:
    return -(-left // right) if up else left // right
