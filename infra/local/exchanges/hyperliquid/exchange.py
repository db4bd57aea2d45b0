"""The exchange as the outside sees it: /info, /exchange, and what a test may do to it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from common.domain.moment import to_ms
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Operation
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.hyperliquid import actions, markets
from infra.local.exchanges.hyperliquid.accounts import Account, Fill, FundingRow
from infra.local.exchanges.hyperliquid.agents import Agents
from infra.local.exchanges.hyperliquid.assets import Listing
from infra.local.exchanges.hyperliquid.book import House
from infra.local.exchanges.hyperliquid.engine import ONE, CloidScope, Engine
from infra.local.exchanges.hyperliquid.limits import WeightBudget, exchange_weight, info_weight
from infra.local.exchanges.hyperliquid.nonces import Nonces
from infra.local.exchanges.hyperliquid.numbers import MalformedError
from infra.local.exchanges.hyperliquid.positions import ZERO
from infra.local.exchanges.hyperliquid.queries import ACCOUNT_QUERIES
from infra.local.exchanges.hyperliquid.settlement import Fees
from infra.local.exchanges.hyperliquid.signatures import (
    UnrecoverableError,
    approval_signer,
    l1_signer,
)

UNREADABLE = ApiAnswer(
    b"Failed to deserialize the JSON body into the target type", 422, {"content-type": "text/plain"}
)
_UINT64 = 2**64
_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    """An /exchange request after parsing."""

    action: Mapping[str, Any]
    nonce: int
    signature: Mapping[str, Any]
    vault: str | None
    expires_after: int | None


class HyperliquidExchange:
    """An account exists from its first deposit. `marks` are the first prices, by coin.

    `vaults` maps a sub-account or vault address to the master that trades for it. `weights` turns
    the limit per client address on (429 with a null body).
    """

    def __init__(
        self,
        listing: Listing,
        *,
        marks: Mapping[str, Decimal | str] | None = None,
        house: House | None = None,
        fees: Fees | None = None,
        cloids: CloidScope = "EVER",
        candles: markets.Candles | None = None,
        vaults: Mapping[str, str] | None = None,
        weights: WeightBudget | None = None,
        is_mainnet: bool = False,
    ) -> None:
        self.engine = Engine(listing, house or House(), fees or Fees(), cloids)
        self.agents = Agents()
        self.nonces = Nonces()
        self.weights = weights
        self._candles = candles or {}
        self._vaults = {vault.lower(): master.lower() for vault, master in (vaults or {}).items()}
        self._is_mainnet = is_mainnet
        for coin, mark in (marks or {}).items():
            self.engine.set_mark(coin, Decimal(mark), 0)

    # --------------------------------------------------------------------------- a test's handles
    def deposit(self, address: str, amount: Decimal | str, *, token: str | None = None) -> None:
        """Perp collateral in USDC; with `token`, a spot balance. Opens the account."""
        account = self.engine.accounts.setdefault(address.lower(), Account(address.lower()))
        if token is None:
            account.usdc += Decimal(amount)
        else:
            account.tokens[token] = account.tokens.get(token, ZERO) + Decimal(amount)

    def approve_agent(self, master: str, agent: str, now: datetime, *, name: str = "") -> None:
        """As if the master had signed approveAgent. Raises ValueError: the venue refuses it."""
        complaint = self.agents.approve(master.lower(), agent.lower(), name, now)
        if complaint is not None:
            raise ValueError(complaint)

    def deregister_agent(self, agent: str) -> None:
        """Its nonces are pruned with it, as at the venue."""
        self.agents.deregister(agent.lower())
        self.nonces.forget(agent.lower())

    def set_mark(self, coin: str, mark: Decimal | str, now: datetime) -> None:
        self.engine.set_mark(coin, Decimal(mark), to_ms(now))

    def pay_funding(self, coin: str, rate: Decimal | str, now: datetime) -> None:
        """The hour's funding of everybody who holds `coin`: longs pay a positive `rate`.

        Rounded to the venue's millionth of a USDC.
        """
        mark = self.engine.books[coin].mark or ZERO
        for account in self.engine.accounts.values():
            size = account.position(coin).size
            if not size:
                continue
            usdc = (-size * mark * Decimal(rate)).quantize(Decimal("0.000001"))
            account.usdc += usdc
            account.funding.append(
                FundingRow(coin=coin, usdc=usdc, size=size, rate=Decimal(rate), time_ms=to_ms(now))
            )

    def position(self, address: str, coin: str) -> Decimal:
        """Signed size; 0 where nothing is held."""
        return self.engine.accounts[address.lower()].position(coin).size

    def fills(self, address: str) -> Sequence[Fill]:
        """Oldest first."""
        return tuple(self.engine.accounts[address.lower()].fills)

    # ------------------------------------------------------------------------------- the exchange
    def operation(self, request: ApiRequest) -> Operation:
        try:
            body = _body(request)
            if request.path == "/info":
                return Operation(str(body["type"]), str(body.get("oid", "")))
            action = body["action"]
            return Operation(str(action["type"]), _action_key(action), writes=True)
        except (MalformedError, AttributeError, KeyError, TypeError):
            return Operation("unknown")

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        self._pass_time(now)
        if self.weights is not None and self.weights.is_exhausted(request.client, now):
            return ApiAnswer(None, 429)
        try:
            if request.method != "POST" or request.path not in {"/info", "/exchange"}:
                return ApiAnswer(None, 404)
            body = _body(request)
            if request.path == "/info":
                return self._info(body, request.client, now)
            return self._exchange(_signed(body), request.client, now, fault)
        except MalformedError:
            return UNREADABLE

    def _pass_time(self, now: datetime) -> None:
        now_ms = to_ms(now)
        for account in self.engine.accounts.values():
            if account.cancel_all_ms is not None and account.cancel_all_ms <= now_ms:
                for order in account.live_orders:
                    self.engine.cancel(order, account.cancel_all_ms, "scheduledCancel")
                account.cancel_all_ms = None

    # -------------------------------------------------------------------------------------- /info
    def _info(self, body: Mapping[str, Any], client: str, now: datetime) -> ApiAnswer:
        kind = str(body.get("type"))
        answer = self._answer(kind, body, now)
        if self.weights is not None:
            items = len(answer) if isinstance(answer, list) else 0
            self.weights.spend(client, info_weight(kind, items), now)
        return ApiAnswer(answer)

    def _answer(self, kind: str, body: Mapping[str, Any], now: datetime) -> object:
        if kind in markets.MARKET_QUERIES:
            return markets.MARKET_QUERIES[kind](self.engine, body, to_ms(now))
        if kind == "candleSnapshot":
            return markets.candle_snapshot(self._candles, body)
        user = _address(body.get("user"))
        if kind == "userRole":
            return self._role(user, now)
        if kind == "extraAgents":
            return [
                {"name": agent.name, "address": agent.address, "validUntil": agent.valid_until}
                for agent in self.agents.named(user)
            ]
        if kind not in ACCOUNT_QUERIES:
            raise MalformedError("no query of the venue")
        account = self.engine.accounts.get(user) or Account(user)
        return ACCOUNT_QUERIES[kind](self.engine, account, body, to_ms(now))

    def _role(self, user: str, now: datetime) -> object:
        if user in self._vaults:
            return {"role": "subAccount", "data": {"master": self._vaults[user]}}
        master = self.agents.master_of(user, now)
        if master is not None:
            return {"role": "agent", "data": {"user": master}}
        return {"role": "user" if user in self.engine.accounts else "missing"}

    # ---------------------------------------------------------------------------------- /exchange
    def _exchange(
        self, signed: _Signed, client: str, now: datetime, fault: Fault | None
    ) -> ApiAnswer:
        if self.weights is not None:
            self.weights.spend(client, exchange_weight(signed.action), now)
        try:
            response = self._perform(signed, now, fault)
        except UnrecoverableError:
            return _err("Unable to recover signer.")
        except actions.RefusedError as error:
            return _err(str(error))
        return ApiAnswer({"status": "ok", "response": response})

    def _perform(self, signed: _Signed, now: datetime, fault: Fault | None) -> object:
        """Signer, expiry, nonce, then the action. An expired action spends no nonce (assumed)."""
        is_approval = signed.action["type"] == "approveAgent"
        signer = self._signer(signed, is_approval=is_approval)
        account = self._account(signer, signed.vault, now, is_approval=is_approval)
        if signed.expires_after is not None and to_ms(now) > signed.expires_after:
            raise actions.RefusedError(f"Action expired: expiresAfter was {signed.expires_after}.")
        complaint = self.nonces.use(signer, signed.nonce, now)
        if complaint is not None:
            raise actions.RefusedError(complaint)
        account.requests += 1
        if fault is not None and fault.kind is FaultKind.ORDER_ERROR:
            return actions.refused(signed.action, fault.message)
        if is_approval:
            return self._approve(account, signed.action, now)
        share = fault.fraction if fault and fault.kind is FaultKind.PARTIAL_FILL else ONE
        return actions.perform(self.engine, account, signed.action, to_ms(now), share=share)

    def _signer(self, signed: _Signed, *, is_approval: bool) -> str:
        if is_approval:
            if signed.action.get("nonce") != signed.nonce:
                raise actions.RefusedError("Invalid nonce: the action names another.")
            return approval_signer(signed.action, signed.signature, is_mainnet=self._is_mainnet)
        return l1_signer(
            signed.action,
            signed.signature,
            vault=signed.vault,
            nonce=signed.nonce,
            expires_after=signed.expires_after,
            is_mainnet=self._is_mainnet,
        )

    def _account(
        self, signer: str, vault: str | None, now: datetime, *, is_approval: bool
    ) -> Account:
        """Whom the signer acts for; an agent cannot approve agents."""
        accounts = self.engine.accounts
        master = signer
        if signer not in accounts and not is_approval:
            master = self.agents.master_of(signer, now) or signer
        if master not in accounts:
            raise actions.RefusedError(f"User or API Wallet {signer} does not exist.")
        if vault is None:
            return accounts[master]
        if self._vaults.get(vault) != master or vault not in accounts:
            raise actions.RefusedError(f"Vault not registered: {vault}")
        return accounts[vault]

    def _approve(self, account: Account, action: Mapping[str, Any], now: datetime) -> object:
        address = _address(action["agentAddress"])
        name = str(action.get("agentName") or "")
        complaint = self.agents.approve(account.address, address, name, now)
        if complaint is not None:
            raise actions.RefusedError(complaint)
        return {"type": "default"}


def _err(text: str) -> ApiAnswer:
    return ApiAnswer({"status": "err", "response": text})


def _body(request: ApiRequest) -> Mapping[str, Any]:
    try:
        body = request.json()
    except (ValueError, RecursionError):
        raise MalformedError("no JSON") from None
    if not isinstance(body, Mapping):
        raise MalformedError("no JSON object")
    return body


def _signed(body: Mapping[str, Any]) -> _Signed:
    action, signature, nonce = body.get("action"), body.get("signature"), body.get("nonce")
    expires_after, vault = body.get("expiresAfter"), body.get("vaultAddress")
    if not isinstance(action, Mapping) or not isinstance(action.get("type"), str):
        raise MalformedError("no action")
    if not isinstance(signature, Mapping) or not _is_uint64(nonce):
        raise MalformedError("no signature or nonce")
    if expires_after is not None and not _is_uint64(expires_after):
        raise MalformedError("expiresAfter is a time in milliseconds")
    return _Signed(
        action=action,
        nonce=int(nonce or 0),
        signature=signature,
        vault=None if vault is None else _address(vault),
        expires_after=expires_after,
    )


def _is_uint64(value: object) -> bool:
    return type(value) is int and 0 <= value < _UINT64


def _address(value: object) -> str:
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise MalformedError("an address is 0x and 40 hex digits")
    return value.lower()


def _action_key(action: Mapping[str, Any]) -> str:
    """The cloid or oid of the action's first order; "" where it has none."""
    for items in ("orders", "cancels", "modifies"):
        if action.get(items):
            first = action[items][0]
            return str(first.get("c") or first.get("cloid") or first.get("o", first.get("oid", "")))
    return str(action.get("oid", ""))
