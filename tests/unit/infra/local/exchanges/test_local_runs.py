"""What `sapphire exchange` serves: priced as asked, funded, and trading on its own network."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.errors import InvalidInputError
from common.ports import Clock
from infra.feeds.hyperliquid import HyperliquidFeed
from infra.local.clock import ManualClock
from infra.local.exchanges.aster.exchange import AsterExchange
from infra.local.exchanges.candles import ROWS, QuietCandles
from infra.local.exchanges.gmx.exchange import GmxExchange
from infra.local.exchanges.hyperliquid.exchange import HyperliquidExchange
from infra.local.exchanges.local_runs import PORTS, STAND_INS, StandIn, Wish, open_stand_in
from infra.local.exchanges.ostium.exchange import OstiumExchange
from infra.local.exchanges.server import ExchangeServer
from infra.local.exchanges.symphony.exchange import SymphonyExchange
from infra.local.exchanges.transport import ExchangeTransport
from infra.local.exchanges.uniswap.exchange import UniswapExchange
from tests.builders import NOON

WALLET, AGENT, OTHER = ("0x" + byte * 20 for byte in ("a1", "b2", "c3"))
ARBITRUM, SEPOLIA = 42161, 421614


def opened(name: str, **wish: Any) -> StandIn:
    return open_stand_in(name, Wish(**wish), ManualClock(NOON))


@pytest.mark.parametrize("name", STAND_INS)
def test_stand_in_when_nothing_is_wished_then_priced_and_nobody_has_an_account(name: str) -> None:
    stand_in = opened(name)
    assert stand_in.marks
    assert stand_in.accounts == ()
    assert f"{stand_in.venue}_API_URL" in stand_in.addresses
    assert (stand_in.network == "mainnet") is (name in {"gmx", "uniswap"})


def test_ports_when_compared_then_each_stand_in_has_its_own() -> None:
    assert tuple(PORTS) == STAND_INS
    assert len(set(PORTS.values())) == len(STAND_INS)


def test_hyperliquid_when_wished_then_marks_money_and_agents_are_there() -> None:
    marks = {"BTC": Decimal(90_000), "PEPE": Decimal("0.00001")}
    stand_in = opened("hyperliquid", marks=marks, wallet=WALLET, agents=(AGENT, OTHER))
    exchange = stand_in.exchange
    assert isinstance(exchange, HyperliquidExchange)
    assert stand_in.marks["BTC"] == exchange.engine.books["BTC"].mark == 90_000
    assert exchange.engine.books["kPEPE"].mark == Decimal("0.01")
    assert exchange.engine.accounts[WALLET].usdc == 10_000
    assert [exchange.agents.master_of(agent, NOON) for agent in (AGENT, OTHER)] == [WALLET] * 2
    assert len(stand_in.accounts) == 3


def test_aster_when_wished_then_marks_money_and_the_agent_are_there() -> None:
    marks = {"BTC": Decimal(90_000), "PEPE": Decimal("0.00001")}
    exchange = opened("aster", marks=marks, wallet=WALLET, agents=(AGENT,)).exchange
    assert isinstance(exchange, AsterExchange)
    assert exchange.engine.markets["BTCUSDT"].mark == 90_000
    assert exchange.engine.markets["1000PEPEUSDT"].mark == Decimal("0.01")
    assert exchange.account(WALLET).balance == 10_000


def test_gmx_when_wished_then_marks_and_money_are_there() -> None:
    wish = {"marks": {"SOL": Decimal(200)}, "wallet": WALLET, "agents": (AGENT,)}
    exchange = opened("gmx", deposit=Decimal("12.5"), **wish).exchange
    assert isinstance(exchange, GmxExchange)
    assert exchange.listing.marks["SOL"] == 200
    assert exchange.chain.usdc[WALLET] == 12_500_000


@pytest.mark.parametrize(("network", "chain"), [("testnet", SEPOLIA), ("mainnet", ARBITRUM)])
def test_ostium_when_wished_then_on_the_network_s_chain(network: str, chain: int) -> None:
    marks = {"EUR": Decimal("1.2")}
    exchange = opened(
        "ostium", network=network, marks=marks, wallet=WALLET, agents=(AGENT,)
    ).exchange
    assert isinstance(exchange, OstiumExchange)
    assert exchange.chain.chain_id == chain
    assert {row["from"]: row["mid"] for row in exchange.oracle.feed(NOON)}["EUR"] == 1.2
    assert exchange.trading.delegates[WALLET] == AGENT
    assert exchange.usdc.balances[WALLET] == 10_000 * 10**6


def test_uniswap_when_wished_then_the_agent_s_own_address_is_funded() -> None:
    stand_in = opened("uniswap", marks={"ETH": Decimal(2000)}, agents=(AGENT,))
    exchange = stand_in.exchange
    assert isinstance(exchange, UniswapExchange)
    assert exchange.balance(AGENT, "USDC") == 10_000
    assert stand_in.api_key is not None


def test_symphony_when_wished_then_the_subscriber_is_named_in_the_variables() -> None:
    stand_in = opened("symphony", marks={"BTC": Decimal(90_000)}, wallet=WALLET)
    assert isinstance(stand_in.exchange, SymphonyExchange)
    assert stand_in.exchange.prices["BTC"] == 90_000
    assert stand_in.fixed["SYMPHONY_SMART_ACCOUNT"] == WALLET


@pytest.mark.parametrize(
    ("name", "wish", "says"),
    [
        ("binance", {}, "no stand-in 'binance'; there are hyperliquid, aster"),
        ("hyperliquid", {"marks": {"XYZ": Decimal(1)}}, "--mark: XYZ is not listed; there are BTC"),
        ("hyperliquid", {"agents": (AGENT,)}, "--agent: whose agent is it"),
        ("hyperliquid", {"wallet": WALLET, "agents": (AGENT, AGENT)}, "Extra agent already used"),
        ("gmx", {"network": "testnet"}, "--network: this stand-in knows mainnet alone"),
        ("uniswap", {"network": "testnet"}, "--network: this stand-in knows mainnet alone"),
        ("ostium", {"wallet": WALLET, "deposit": Decimal("0.5")}, "--deposit: .* whole dollars"),
        ("ostium", {"wallet": WALLET, "agents": (AGENT, OTHER)}, "--agent: .* one delegate"),
        ("symphony", {"wallet": WALLET, "agents": (AGENT,)}, "--agent: .* no agent"),
    ],
)
def test_stand_in_when_it_cannot_be_had_then_says_why(
    name: str, wish: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says):
        opened(name, **wish)


@pytest.mark.parametrize("interval", ["1m", "5m", "1h"])
async def test_candles_when_the_live_feed_asks_then_closed_whole_and_around_the_mark(
    interval: str,
) -> None:
    clock: Clock = ManualClock(NOON + timedelta(seconds=17))
    exchange = open_stand_in("hyperliquid", Wish(), clock).exchange
    import httpx

    client = httpx.AsyncClient(
        transport=ExchangeTransport(ExchangeServer(exchange, clock=clock)), base_url="http://venue"
    )
    feed = HyperliquidFeed("http://venue", clock, interval, client)
    for symbol, mark in (("BTC", Decimal(100_000)), ("PEPE", Decimal("0.0000068"))):
        snapshot = await feed.snapshot(symbol, candles=200)
        assert len(snapshot.candles) == 200
        assert snapshot.mark == mark
        assert all(abs(bar.close / mark - 1) <= Decimal("0.0011") for bar in snapshot.candles)
        assert len({bar.close for bar in snapshot.candles}) > 150
        assert all(
            older.close == newer.open
            for older, newer in zip(snapshot.candles, snapshot.candles[1:], strict=False)
        )
    await feed.aclose()


def test_candles_when_time_passes_then_what_has_closed_stays_as_it_was() -> None:
    clock = ManualClock(NOON)
    candles = QuietCandles({"BTC": Decimal(100_000)}, clock)
    before = candles["BTC", "1m"]
    clock.advance_to(NOON + timedelta(minutes=2))
    after = candles["BTC", "1m"]
    assert after[:-2] == before[2:]
    assert len(before) == len(after) == ROWS
    assert candles.get(("XYZ", "1m")) is None
    assert ("BTC", "1m") in set(candles)
    assert len(set(candles)) == len(candles)
