"""Ostium as the outside sees it: a node, a subgraph, a price feed; and what a test may do to it."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, cast

from infra.local.exchanges.chain.chain import GENESIS, SimulatedChain
from infra.local.exchanges.chain.erc20 import Erc20
from infra.local.exchanges.chain.rpc import ChainExchange
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Operation
from infra.local.exchanges.faults import Fault
from infra.local.exchanges.house_fill import HouseFill
from infra.local.exchanges.ostium import subgraph
from infra.local.exchanges.ostium.books import OracleOrder
from infra.local.exchanges.ostium.oracle import Oracle, Pair
from infra.local.exchanges.ostium.trading import OstiumTrading
from infra.venues.ostium.instruments import pair as listed_pair
from infra.venues.ostium.network import Network, network_named

PRICES = frozenset({"/PricePublish/latest-prices", "/v1/prices"})


class OstiumExchange:
    """Fits `Exchange`. `prices` by pair ("BTC/USD"), numbered in their order.

    Blocks and the keeper's answers come by the clock of the requests.
    """

    def __init__(
        self,
        prices: Mapping[str, Decimal | str],
        *,
        start: datetime,
        seed: int = 0,
        network: str = "mainnet",
    ) -> None:
        self.network: Network = network_named(network)
        self.subgraph_lag = timedelta(seconds=1)
        self.oracle = Oracle()
        for index, (name, mid) in enumerate(prices.items()):
            base, _, quote = name.partition("/")
            self.oracle.pairs[index] = Pair(index, base, quote, [(start, Decimal(mid))])
        self.chain = SimulatedChain(
            chain_id=self.network.chain.chain_id, start=start, sequencer=True
        )
        self.chain.deploy(self.network.usdc, Erc20(decimals=6))
        self.chain.deploy(
            self.network.trading,
            OstiumTrading(
                address=self.network.trading,
                storage=self.network.storage,
                usdc=self.network.usdc,
                oracle=self.oracle,
                delays=Random(seed),
            ),
        )
        self._rpc = ChainExchange(self.chain)

    @property
    def trading(self) -> OstiumTrading:
        """As it is now; do not keep it over a request."""
        return cast(OstiumTrading, self.chain.contract(self.network.trading))

    @property
    def usdc(self) -> Erc20:
        """As it is now; do not keep it over a request."""
        return cast(Erc20, self.chain.contract(self.network.usdc))

    def open_account(
        self, wallet: str, agent: str, *, usdc: int = 100_000, allowed: int = 10**9
    ) -> None:
        """A wallet with USDC that Ostium may draw, and an agent with gas as its delegate."""
        self.usdc.mint(wallet, usdc * 10**6)
        self.usdc.allow(wallet, self.network.storage, allowed * 10**6)
        self.trading.delegates[wallet.lower()] = agent.lower()
        self.chain.fund(agent)

    def set_price(self, name: str, mid: Decimal | str, now: datetime) -> None:
        """From `now` on, for the feed and for the blocks from then."""
        self.oracle.named(name).mids.append((now, Decimal(mid)))

    def fills(self) -> list[HouseFill]:
        """Every execution so far, oldest first."""
        done = [order for order in self.trading.orders.values() if order.is_executed]
        return [self._fill(order) for order in sorted(done, key=lambda item: item.executed_at)]

    def operation(self, request: ApiRequest) -> Operation:
        if request.path in PRICES:
            return Operation("latest-prices")
        query = _query(request)
        if query is None:
            return self._rpc.operation(request)
        variables = query.get("variables") or {}
        key = variables.get("id") or variables.get("trader") or ""
        return Operation(f"subgraph.{query.get('operationName')}", str(key))

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        self.chain.advance(now)
        if request.path in PRICES:
            return ApiAnswer(self.oracle.feed(now))
        query = _query(request)
        if query is None:
            return self._rpc.process(request, now, fault)
        rows = self._rows(query, now)
        if rows is None:
            return ApiAnswer({"errors": [{"message": "no such query"}]})
        return ApiAnswer({"data": rows})

    def _rows(self, query: dict[str, Any], now: datetime) -> dict[str, object] | None:
        """What the subgraph has indexed by now; None: another query."""
        since = (now - self.subgraph_lag - self.chain.start) // self.chain.block_time
        world = self.chain.state_at(GENESIS + since)
        trading = cast(OstiumTrading, world.contracts[self.network.trading])
        name, variables = query.get("operationName"), query.get("variables") or {}
        if name == "Pairs":
            return {"pairs": subgraph.pairs(trading)}
        if name == "Trades":
            return {"trades": subgraph.trades(trading, variables["trader"])}
        if name == "Limits":
            return {"limits": subgraph.limits(trading, variables["trader"])}
        if name == "Order":
            return {"orders": subgraph.orders(trading, variables["id"])}
        return None

    def _fill(self, order: OracleOrder) -> HouseFill:
        item = self.oracle.pairs[order.pair]
        buying = order.buy if order.is_open else not order.buy
        return HouseFill(
            trade_id=str(order.order_id),
            symbol=listed_pair(item.base, item.quote, item.category).symbol,
            side="BUY" if buying else "SELL",
            quantity=Decimal(order.size) / 10**18,
            price=Decimal(order.price) / 10**18,
            account=order.trader,
        )


def _query(request: ApiRequest) -> dict[str, Any] | None:
    """A GraphQL request's body; None where it is none."""
    try:
        body = request.json()
    except (ValueError, json.JSONDecodeError):
        return None
    return body if isinstance(body, dict) and "operationName" in body else None
