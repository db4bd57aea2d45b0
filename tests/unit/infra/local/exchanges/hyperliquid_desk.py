"""A simulated Hyperliquid at noon, and keys that sign for it as the official SDK does."""

import json
from decimal import Decimal
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from hyperliquid.utils.signing import sign_agent, sign_l1_action

from common.domain.moment import to_ms
from infra.local.exchanges.exchange import ApiRequest
from infra.local.exchanges.faults import Fault, FaultRule, Faults, FaultSchedule
from infra.local.exchanges.hyperliquid.assets import Listing
from infra.local.exchanges.hyperliquid.exchange import HyperliquidExchange
from infra.local.exchanges.server import ExchangeServer, NoAnswer
from tests.fakes.clock import FakeClock

BTC, ETH, OLD, PURR = 0, 1, 2, 10_000
META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 25},
        {"name": "OLD", "szDecimals": 1, "maxLeverage": 3, "isDelisted": True},
    ]
}
SPOT_META = {
    "tokens": [
        {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0},
        {"name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1},
    ],
    "universe": [{"name": "PURR/USDC", "tokens": [1, 0], "index": 0}],
}
MARKS = {"BTC": "100000", "ETH": "3000", "PURR/USDC": "0.2"}
ALICE: LocalAccount = Account.from_key("0x" + "a1" * 32)
BOB: LocalAccount = Account.from_key("0x" + "b0" * 32)
AGENT: LocalAccount = Account.from_key("0x" + "c4" * 32)


def cloid(number: int) -> str:
    return f"0x{number:032x}"


def order(
    asset: int = BTC,
    *,
    buy: bool = True,
    px: str = "95000",
    sz: str = "0.01",
    tif: str = "Gtc",
    reduce_only: bool = False,
    c: str | None = None,
    trigger: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """An order as the wire has it."""
    kind: dict[str, Any] = {"limit": {"tif": tif}} if trigger is None else {"trigger": trigger}
    wire = {"a": asset, "b": buy, "p": px, "s": sz, "r": reduce_only, "t": kind}
    return wire if c is None else {**wire, "c": c}


def sl(price: str) -> dict[str, Any]:
    return {"isMarket": True, "triggerPx": price, "tpsl": "sl"}


def tp(price: str) -> dict[str, Any]:
    return {"isMarket": True, "triggerPx": price, "tpsl": "tp"}


class Desk:
    """Alice and Bob hold 10,000 USDC each. Every action takes the next millisecond as its nonce."""

    def __init__(self, faults: Faults | None = None, **options: Any) -> None:
        self.clock = FakeClock()
        listing = Listing.of(META, SPOT_META)
        self.exchange = HyperliquidExchange(listing, marks=MARKS, **options)
        self.server = ExchangeServer(self.exchange, clock=self.clock, faults=faults)
        self._nonce = 0
        for trader in (ALICE, BOB):
            self.exchange.deposit(trader.address, "10000")

    def next_nonce(self) -> int:
        self._nonce = max(self._nonce + 1, to_ms(self.clock.now()))
        return self._nonce

    def send(
        self,
        action: dict[str, Any],
        key: LocalAccount = ALICE,
        *,
        nonce: int | None = None,
        vault: str | None = None,
        expires_after: int | None = None,
        signed: dict[str, Any] | None = None,
    ) -> Any:
        """Sign and send; `signed`: the action whose signature goes along instead."""
        nonce = self.next_nonce() if nonce is None else nonce
        signature = sign_l1_action(key, signed or action, vault, nonce, expires_after, False)
        return self.post(
            "/exchange",
            {
                "action": action,
                "nonce": nonce,
                "signature": signature,
                "vaultAddress": vault,
                "expiresAfter": expires_after,
            },
        )

    def approve(self, agent: str, name: str | None = None, key: LocalAccount = ALICE) -> Any:
        nonce = self.next_nonce()
        action = {
            "type": "approveAgent",
            "agentAddress": agent,
            "agentName": name or "",
            "nonce": nonce,
        }
        signature = sign_agent(key, action, False)
        if name is None:
            del action["agentName"]
        return self.post("/exchange", {"action": action, "nonce": nonce, "signature": signature})

    def place(
        self, *orders: dict[str, Any], key: LocalAccount = ALICE, grouping: str = "na"
    ) -> list[Any]:
        answer = self.send({"type": "order", "orders": list(orders), "grouping": grouping}, key)
        return statuses(answer)

    def cancel(self, oid: int, asset: int = BTC, key: LocalAccount = ALICE) -> Any:
        [status] = statuses(self.send({"type": "cancel", "cancels": [{"a": asset, "o": oid}]}, key))
        return status

    def ask(self, kind: str, user: LocalAccount | None = ALICE, **fields: Any) -> Any:
        who = {} if user is None else {"user": user.address}
        return self.post("/info", {"type": kind, **who, **fields})

    def status(self, oid: int | str, user: LocalAccount = ALICE) -> str:
        """The order's status, or unknownOid."""
        answer = self.ask("orderStatus", user, oid=oid)
        return str(answer["order"]["status"] if answer["status"] == "order" else answer["status"])

    def post(self, path: str, body: object) -> Any:
        """The decoded answer; None when none came; (status, text) when it is not 200."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        reply = self.server.respond(ApiRequest(method="POST", path=path, body=raw))
        if isinstance(reply, NoAnswer):
            return None
        content = reply.answer.encoded()
        if reply.answer.status != 200:
            return (reply.answer.status, content.decode())
        return json.loads(content)

    def mark(self, coin: str, price: str) -> None:
        self.exchange.set_mark(coin, price, self.clock.now())

    def position(self, coin: str, user: LocalAccount = ALICE) -> Decimal:
        return self.exchange.position(user.address, coin)


def struck(fault: Fault, operation: str = "order") -> Desk:
    """A desk whose first such request meets `fault`."""
    return Desk(FaultSchedule([FaultRule(fault, operation=operation)]))


def statuses(answer: Any) -> list[Any]:
    assert answer["status"] == "ok", answer
    found: list[Any] = answer["response"]["data"]["statuses"]
    return found
