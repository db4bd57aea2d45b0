"""The official SDK, unchanged and over a real socket, trades on the simulated Hyperliquid."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid

from infra.local.clock import SystemClock
from infra.local.exchanges.hyperliquid.assets import Listing
from infra.local.exchanges.hyperliquid.exchange import HyperliquidExchange
from infra.local.exchanges.server import ExchangeServer
from infra.local.stack.server import LoopServer, bind

TIMEOUT_S = 20
CLOID = Cloid.from_int(0x5A99)
META = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 25},
    ]
}
SPOT_META = {
    "tokens": [
        {"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0},
        {"name": "PURR", "szDecimals": 0, "weiDecimals": 5, "index": 1},
    ],
    "universe": [{"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True}],
}


class Served:
    """The exchange on a free port of loopback, served by a loop in another thread."""

    def __init__(self) -> None:
        self.exchange = HyperliquidExchange(
            Listing.of(META, SPOT_META),
            marks={"BTC": "100000", "ETH": "3000", "PURR/USDC": "0.2"},
        )
        self._loop = asyncio.new_event_loop()
        self._server = LoopServer(ExchangeServer(self.exchange, clock=SystemClock()), bind(0))
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._do(self._server.start())
        self.url = self._server.url

    def stop(self) -> None:
        self._do(self._server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_S)
        self._loop.close()

    def _do(self, work: Any) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(TIMEOUT_S)


class Trader:
    """An SDK client whose account holds 10,000 USDC."""

    def __init__(self, served: Served) -> None:
        self.wallet = Account.create()
        self.address: str = self.wallet.address
        served.exchange.deposit(self.address, "10000")
        self.exchange = Exchange(self.wallet, served.url, timeout=TIMEOUT_S)
        self.info: Info = self.exchange.info

    def position(self, coin: str) -> str | None:
        rows = self.info.user_state(self.address)["assetPositions"]
        return next((r["position"]["szi"] for r in rows if r["position"]["coin"] == coin), None)

    def close(self) -> None:
        self.exchange.session.close()
        self.info.session.close()


@pytest.fixture
def served() -> Iterator[Served]:
    server = Served()
    yield server
    server.stop()


@pytest.fixture
def trader(served: Served) -> Iterator[Trader]:
    client = Trader(served)
    yield client
    client.close()


def statuses(answer: Any) -> list[Any]:
    assert answer["status"] == "ok", answer
    found: list[Any] = answer["response"]["data"]["statuses"]
    return found


def test_resting_order_when_opened_queried_and_canceled_then_the_sdk_sees_each_step(
    trader: Trader,
) -> None:
    limit = {"limit": {"tif": "Gtc"}}
    [opened] = statuses(trader.exchange.order("BTC", True, 0.01, 95_000, limit, cloid=CLOID))
    oid = opened["resting"]["oid"]
    assert opened == {"resting": {"oid": oid, "cloid": CLOID.to_raw()}}

    [resting] = trader.info.open_orders(trader.address)
    assert (resting["oid"], resting["side"], resting["limitPx"]) == (oid, "B", "95000.0")
    by_cloid = trader.info.query_order_by_cloid(trader.address, CLOID)
    assert by_cloid == trader.info.query_order_by_oid(trader.address, oid)
    assert by_cloid["order"]["status"] == "open"

    assert statuses(trader.exchange.cancel("BTC", oid)) == ["success"]
    assert trader.info.open_orders(trader.address) == []
    closed = trader.info.query_order_by_oid(trader.address, oid)
    assert closed["order"]["status"] == "canceled"
    [missing] = statuses(trader.exchange.cancel_by_cloid("BTC", CLOID))
    assert missing == {"error": "Order was never placed, already canceled, or filled."}


def test_market_order_when_opened_and_closed_then_position_and_fills_tell_it(
    trader: Trader,
) -> None:
    [filled] = statuses(trader.exchange.market_open("ETH", True, 0.5, cloid=CLOID))
    assert filled["filled"]["totalSz"] == "0.5"
    assert trader.position("ETH") == "0.5"

    [fill] = trader.info.user_fills(trader.address)
    assert (fill["coin"], fill["dir"], fill["crossed"]) == ("ETH", "Open Long", True)
    assert fill["cloid"] == CLOID.to_raw()
    assert fill["px"] == filled["filled"]["avgPx"]

    statuses(trader.exchange.market_close("ETH"))
    assert trader.position("ETH") is None
    closing, _ = trader.info.user_fills(trader.address)
    assert (closing["dir"], closing["startPosition"]) == ("Close Long", "0.5")
    assert float(closing["closedPnl"]) < 0


@pytest.mark.parametrize(
    ("size", "price", "kind", "error"),
    [
        (0.0001, 90_000, "Gtc", "Order must have minimum value of $10."),
        (0.01, 95_000.5, "Gtc", "Price must be divisible by tick size."),
        (
            0.01,
            95_000,
            "Ioc",
            "Order could not immediately match against any resting orders.",
        ),
        (100.0, 99_000, "Gtc", "Insufficient margin to place order."),
    ],
)
def test_order_when_it_breaks_a_rule_then_refused_inside_an_ok_answer(
    trader: Trader, size: float, price: float, kind: str, error: str
) -> None:
    [refused] = statuses(trader.exchange.order("BTC", True, size, price, {"limit": {"tif": kind}}))

    assert refused == {"error": error}
    assert trader.info.open_orders(trader.address) == []


def test_order_when_the_key_is_a_strangers_then_refused_by_its_address(
    served: Served, trader: Trader
) -> None:
    stranger = Account.create()
    client = Exchange(stranger, served.url, account_address=trader.address, timeout=TIMEOUT_S)

    answer = client.order("BTC", True, 0.01, 95_000, {"limit": {"tif": "Gtc"}})

    assert answer == {
        "status": "err",
        "response": f"User or API Wallet {stranger.address.lower()} does not exist.",
    }
    client.session.close()
    client.info.session.close()


def test_agent_when_the_master_approves_it_then_it_trades_for_the_master(
    served: Served, trader: Trader
) -> None:
    answer, key = trader.exchange.approve_agent("desk")
    assert answer["status"] == "ok", answer
    agent = Exchange(
        Account.from_key(key), served.url, account_address=trader.address, timeout=TIMEOUT_S
    )

    statuses(agent.market_open("BTC", False, 0.01))

    assert trader.position("BTC") == "-0.01"
    [named] = trader.info.extra_agents(trader.address)
    assert (named["name"], named["address"]) == ("desk", agent.wallet.address.lower())
    agent.session.close()
    agent.info.session.close()


def test_every_other_action_when_sent_by_the_sdk_then_understood(trader: Trader) -> None:
    limit = {"limit": {"tif": "Gtc"}}
    [opened] = statuses(trader.exchange.order("BTC", True, 0.01, 95_000, limit, cloid=CLOID))
    [changed] = statuses(
        trader.exchange.modify_order(
            opened["resting"]["oid"], "BTC", True, 0.02, 94_000, limit, cloid=CLOID
        )
    )
    [resting] = trader.info.frontend_open_orders(trader.address)
    assert (resting["oid"], resting["sz"]) == (changed["resting"]["oid"], "0.02")

    trader.exchange.set_expires_after(None)
    assert trader.exchange.update_leverage(5, "ETH")["status"] == "ok"
    assert trader.exchange.schedule_cancel(None)["status"] == "ok"
    stop = {"trigger": {"triggerPx": 90_000, "isMarket": True, "tpsl": "sl"}}
    [stopping] = statuses(trader.exchange.order("BTC", False, 0.01, 85_000, stop, reduce_only=True))
    assert "resting" in stopping
    assert len(trader.info.historical_orders(trader.address)) == 3
    assert statuses(trader.exchange.cancel_by_cloid("BTC", CLOID)) == ["success"]


def test_spot_when_bought_by_the_sdk_then_the_balance_moves(served: Served, trader: Trader) -> None:
    served.exchange.deposit(trader.address, "100", token="USDC")

    statuses(trader.exchange.market_open("PURR/USDC", True, 100))

    balances = {row["coin"]: row for row in trader.info.spot_user_state(trader.address)["balances"]}
    assert 99 < float(balances["PURR"]["total"]) < 100
    assert 79 < float(balances["USDC"]["total"]) < 81


def test_market_data_when_read_by_the_sdk_then_it_is_one_market(trader: Trader) -> None:
    book = trader.info.l2_snapshot("BTC")
    meta, contexts = trader.info.meta_and_asset_ctxs()

    assert float(book["levels"][0][0]["px"]) < 100_000 < float(book["levels"][1][0]["px"])
    assert trader.info.all_mids()["BTC"] == contexts[0]["midPx"]
    assert meta == META
    assert trader.info.user_rate_limit(trader.address)["nRequestsUsed"] == 0
    assert trader.info.candles_snapshot("BTC", "5m", 0, 1) == []
