"""Ostium's read services: the oracle's prices, and the subgraph with pairs, trades and orders.

Both are read over verified TLS, which is httpx's default and ours. (The official Python SDK turns
the verification of the price feed off.)
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from common.errors import InvalidInputError, TransientError
from infra.venues.fields import as_object
from infra.venues.http import VenueAnswer, VenueHttp
from infra.venues.ostium.markets import Market, parse_markets, parse_prices
from infra.venues.ostium.records import (
    OpenTrade,
    OracleOrder,
    RestingLimit,
    parse_limits,
    parse_order,
    parse_trades,
)

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
LABEL = "OSTIUM"
PRICES_PATH = "/PricePublish/latest-prices"
PAGE = 1000  # the most that a subgraph gives at once
_PAIR = "pair { id from to }"
_MARKETS = """query Pairs { pairs(first: 1000) {
  id from to longOI shortOI maxOI takerFeeP maxLeverage overnightMaxLeverage
  group { name minLeverage maxLeverage } fee { minLevPos }
} }"""
_TRADES = f"""query Trades($trader: Bytes!) {{
  trades(first: 1000, where: {{ isOpen: true, trader: $trader }}) {{
    tradeID index isBuy tradeNotional openPrice {_PAIR}
  }}
}}"""
_LIMITS = f"""query Limits($trader: Bytes!) {{
  limits(first: 1000, where: {{ isActive: true, trader: $trader }}) {{
    id isBuy collateral leverage openPrice {_PAIR}
  }}
}}"""
_ORDER = f"""query Order($id: ID!) {{
  orders(where: {{ id: $id }}) {{
    id trader orderAction isBuy isPending isCancelled cancelReason tradeNotional priceAfterImpact
    devFee vaultFee oracleFee liquidationFee fundingFee rolloverFee
    executedAt executedBlock {_PAIR}
  }}
}}"""


class OstiumServices:
    """Every method raises TransientError where a service gives no usable answer."""

    def __init__(
        self,
        *,
        prices_url: str,
        subgraph_url: str,
        timeout_s: float,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        parts = urlsplit(subgraph_url)
        self._subgraph_path = parts.path or "/"
        self._prices = VenueHttp(
            prices_url, label=f"{LABEL} prices", timeout_s=timeout_s, transport=transport
        )
        self._subgraph = VenueHttp(
            f"{parts.scheme}://{parts.netloc}",
            label=f"{LABEL} subgraph",
            timeout_s=timeout_s,
            transport=transport,
        )

    async def markets(self) -> list[Market]:
        answer = await self._prices.read("GET", PRICES_PATH)
        prices = _usable(lambda: parse_prices(_body(answer)), "prices")
        data = await self._query("Pairs", _MARKETS)
        return _usable(lambda: parse_markets(data.get("pairs"), prices), "pairs")

    async def trades(self, trader: str) -> list[OpenTrade]:
        """All that are open."""
        data = await self._query("Trades", _TRADES, trader=trader)
        return _usable(lambda: _whole(parse_trades(data.get("trades"))), "trades")

    async def limits(self, trader: str) -> list[RestingLimit]:
        data = await self._query("Limits", _LIMITS, trader=trader)
        return _usable(lambda: _whole(parse_limits(data.get("limits"))), "limits")

    async def order(self, order_id: str) -> OracleOrder | None:
        """None: the subgraph has not come to it yet."""
        data = await self._query("Order", _ORDER, id=order_id)
        return _usable(lambda: parse_order(data.get("orders"), order_id), "orders")

    async def close(self) -> None:
        await self._prices.close()
        await self._subgraph.close()

    async def _query(self, name: str, query: str, **variables: str) -> dict[str, object]:
        answer = await self._subgraph.read(
            "POST",
            self._subgraph_path,
            json={"operationName": name, "query": query, "variables": variables},
        )
        body = _usable(lambda: as_object(_body(answer), "answer"), name)
        if body.get("errors") or answer.status != 200:
            raise TransientError(f"{LABEL} subgraph: the query {name} failed")
        return _usable(lambda: as_object(body.get("data"), "data"), name)


def _body(answer: VenueAnswer) -> object:
    try:
        return answer.json()
    except ValueError:
        raise InvalidInputError("not JSON", where="answer") from None


def _usable(parse: Callable[[], T], what: str) -> T:
    try:
        return parse()
    except InvalidInputError as error:
        raise TransientError(f"{LABEL}: {what} cannot be used ({error})") from None


def _whole(rows: list[T]) -> list[T]:
    if len(rows) >= PAGE:
        raise InvalidInputError(f"{PAGE} or more: there may be others", where="answer")
    return rows
