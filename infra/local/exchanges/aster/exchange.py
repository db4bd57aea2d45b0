"""The stand-in's endpoints."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from common.domain.moment import to_ms
from infra.local.exchanges.aster.access import (
    WEIGHT_PER_MINUTE,
    Nonces,
    Weights,
    recovered_signer,
)
from infra.local.exchanges.aster.accounts import ZERO, Account, Order, wire
from infra.local.exchanges.aster.engine import Engine, RefusalError
from infra.local.exchanges.aster.markets import Market, default_markets
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Operation
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.house_fill import HouseFill

PREFIX = "/fapi/v3/"
NONCE_WINDOW = timedelta(seconds=60)
_OPERATIONS = {
    ("POST", "order"): ("order", True, 1),
    ("DELETE", "order"): ("cancel", True, 1),
    ("POST", "noop"): ("noop", True, 1),
    ("GET", "order"): ("queryOrder", False, 1),
    ("GET", "openOrders"): ("openOrders", False, 40),
    ("GET", "userTrades"): ("userTrades", False, 5),
    ("GET", "positionRisk"): ("positionRisk", False, 5),
    ("GET", "balance"): ("balance", False, 5),
    ("GET", "exchangeInfo"): ("exchangeInfo", False, 1),
    ("GET", "depth"): ("depth", False, 5),
    ("GET", "ticker/bookTicker"): ("bookTicker", False, 1),
    ("GET", "premiumIndex"): ("premiumIndex", False, 1),
    ("GET", "time"): ("time", False, 1),
}
_UNKNOWN = ("unknown", False, 1)


class AsterExchange:
    """Fits `Exchange`. Wallets and agents are known by their addresses, in any case.

    `nonce_window` is the longer of the two that Aster's document names; the other is 10 s.
    """

    def __init__(
        self,
        markets: Iterable[Market] | None = None,
        *,
        nonce_window: timedelta = NONCE_WINDOW,
    ) -> None:
        listed = default_markets() if markets is None else markets
        self.engine = Engine({market.symbol: market for market in listed})
        self._accounts: dict[str, Account] = {}
        self._agents: dict[str, str] = {}
        self._nonces = Nonces(nonce_window)
        self._weights = Weights()

    # ----------------------------------------------------------------------------- for tests
    def deposit(self, wallet: str, amount: Decimal) -> None:
        self.account(wallet).balance += amount

    def approve(self, wallet: str, agent: str) -> None:
        """`agent` may trade for `wallet`."""
        self._agents[agent.lower()] = self.account(wallet).wallet

    def account(self, wallet: str) -> Account:
        return self._accounts.setdefault(wallet.lower(), Account(wallet.lower()))

    def set_mark(self, base: str, mark: Decimal, now: datetime) -> None:
        self.engine.move(f"{base}USDT", mark, list(self._accounts.values()), now)

    def fills(self) -> list[HouseFill]:
        found = []
        for account in self._accounts.values():
            names = {order.order_id: order.client_id for order in account.orders}
            for trade in account.trades:
                base = trade.symbol.removesuffix("USDT")
                unit = 1000 if base.startswith("1000") else 1
                found.append(
                    HouseFill(
                        trade_id=f"{trade.symbol}:{trade.trade_id}:{trade.order_id}",
                        client_order_id=names[trade.order_id],
                        symbol=base.removeprefix("1000"),
                        side="BUY" if trade.is_buy else "SELL",
                        quantity=trade.quantity * unit,
                        price=trade.price / unit,
                        account=account.wallet,
                    )
                )
        return found

    # ----------------------------------------------------------------------------- the API
    def operation(self, request: ApiRequest) -> Operation:
        name, writes, _ = _route(request)
        pairs = dict(request.parameters())
        key = pairs.get("newClientOrderId") or pairs.get("origClientOrderId")
        return Operation(name, key or pairs.get("orderId", ""), writes)

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        name, _, weight = _route(request)
        used = self._weights.add(request.client, weight, now)
        headers = {"x-mbx-used-weight-1m": str(used)}
        try:
            if used > WEIGHT_PER_MINUTE:
                raise RefusalError(-1003, "Too many requests; current limit is 2400.", 429)
            if fault is not None and fault.kind is FaultKind.ORDER_ERROR:
                raise RefusalError(-2010, fault.message, 200)
            body = self._answer(name, request, now, fault)
        except RefusalError as refusal:
            error = {"code": refusal.code, "msg": refusal.text}
            return ApiAnswer(error, refusal.status, headers)
        return ApiAnswer(body, 200, headers)

    def _answer(self, name: str, request: ApiRequest, now: datetime, fault: Fault | None) -> object:
        pairs = dict(request.parameters())
        public: dict[str, Callable[[], object]] = {
            "exchangeInfo": self._exchange_info,
            "depth": lambda: self._depth(self._market(pairs)),
            "bookTicker": lambda: self._book_ticker(self._market(pairs)),
            "premiumIndex": lambda: self._premium(self._market(pairs), now),
            "time": lambda: {"serverTime": to_ms(now)},
        }
        if name in public:
            return public[name]()
        if name == "unknown":
            raise RefusalError(-5000, "Path or method is invalid.", 404)
        account = self._signed(request, pairs, now)
        private: dict[str, Callable[[], object]] = {
            "order": lambda: self._place(account, pairs, now, fault),
            "cancel": lambda: self.engine.cancel(self._named(account, pairs, -2011), now).row(),
            "noop": lambda: {"code": 200, "msg": "success"},
            "queryOrder": lambda: self._named(account, pairs, -2013).row(),
            "openOrders": lambda: [
                order.row()
                for order in account.orders
                if order.is_open and order.symbol == pairs.get("symbol", order.symbol)
            ],
            "userTrades": lambda: self._trades(account, pairs, now),
            "positionRisk": lambda: self._positions(account, pairs),
            "balance": lambda: self._balance(account),
        }
        return private[name]()

    def _signed(self, request: ApiRequest, pairs: dict[str, str], now: datetime) -> Account:
        """Whose request it is. Raises RefusalError."""
        text = request.body.decode() if request.body else request.query
        message, _, signature = text.rpartition("&signature=")
        agent = pairs.get("signer", "").lower()
        if not agent or recovered_signer(message, signature) != agent:
            raise RefusalError(-1022, "Signature for this request is not valid.")
        wallet = self._agents.get(agent)
        if wallet is None:
            raise RefusalError(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        nonce = pairs.get("nonce", "")
        if not nonce.isdigit() or not self._nonces.take(agent, int(nonce[:20]), now):
            raise RefusalError(-4225, "Nonce Expired")
        return self.account(wallet)

    def _place(
        self, account: Account, pairs: dict[str, str], now: datetime, fault: Fault | None
    ) -> object:
        market = self._market(pairs)
        order = Order(
            order_id=0,
            client_id=pairs.get("newClientOrderId") or f"auto-{self.engine.next_order}",
            account=account.wallet,
            symbol=market.symbol,
            is_buy=_one_of(pairs, "side", "BUY", "SELL") == "BUY",
            kind=_one_of(pairs, "type", "LIMIT", "MARKET", "STOP_MARKET", "TAKE_PROFIT_MARKET"),
            time_in_force=_one_of(pairs, "timeInForce", "GTC", "IOC", "FOK", "GTX"),
            quantity=_decimal(pairs, "quantity"),
            price=_decimal(pairs, "price"),
            stop_price=_decimal(pairs, "stopPrice"),
            reduce_only=pairs.get("reduceOnly") == "true",
            created_ms=to_ms(now),
            updated_ms=to_ms(now),
        )
        if len(order.client_id) > 36:
            raise RefusalError(-4015, "Client order id length should not be more than 36 chars")
        partial = fault is not None and fault.kind is FaultKind.PARTIAL_FILL
        share = fault.fraction if fault is not None and partial else None
        return self.engine.place(account, order, now, share=share).row()

    def _named(self, account: Account, pairs: dict[str, str], code: int) -> Order:
        order = account.find(
            pairs.get("symbol", ""),
            order_id=pairs.get("orderId", ""),
            client_id=pairs.get("origClientOrderId", ""),
        )
        if order is None:
            text = "Order does not exist." if code == -2013 else "Unknown order sent."
            raise RefusalError(code, text)
        return order

    def _trades(self, account: Account, pairs: dict[str, str], now: datetime) -> object:
        start = int(pairs.get("startTime") or to_ms(now - timedelta(days=7)))
        end = int(pairs.get("endTime") or to_ms(now))
        if "fromId" in pairs:
            start, end = 0, to_ms(now)
        elif end - start > 7 * 24 * 3_600_000:
            raise RefusalError(-1127, "More than 168 hours between startTime and endTime.")
        first = int(pairs.get("fromId", "0"))
        limit = min(int(pairs.get("limit", "500")), 1000)
        rows = [
            trade.row()
            for trade in account.trades
            if trade.symbol == pairs.get("symbol")
            and trade.trade_id >= first
            and start <= trade.time_ms <= end
        ]
        return rows[:limit]

    def _positions(self, account: Account, pairs: dict[str, str]) -> object:
        return [
            {
                "symbol": symbol,
                "positionAmt": wire(held.amount),
                "entryPrice": wire(held.entry),
                "markPrice": wire(self.engine.markets[symbol].mark),
                "leverage": "20",
                "marginType": "cross",
                "positionSide": "BOTH",
                "updateTime": 0,
            }
            for symbol, held in account.positions.items()
            if symbol == pairs.get("symbol", symbol)
        ]

    def _balance(self, account: Account) -> object:
        marks = self.engine.marks
        free = account.equity(marks) - account.used_margin(marks)
        return [
            {
                "asset": "USDT",
                "balance": wire(account.balance),
                "crossWalletBalance": wire(account.balance),
                "availableBalance": wire(max(free, ZERO)),
            }
        ]

    def _exchange_info(self) -> object:
        limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1}
        return {
            "rateLimits": [{**limit, "limit": WEIGHT_PER_MINUTE}],
            "symbols": [market.row() for market in self.engine.markets.values()],
            "timezone": "UTC",
        }

    @staticmethod
    def _depth(market: Market) -> object:
        return {
            "lastUpdateId": 1,
            "bids": [[wire(p), wire(q)] for p, q in market.levels(asks=False)],
            "asks": [[wire(p), wire(q)] for p, q in market.levels(asks=True)],
        }

    @staticmethod
    def _book_ticker(market: Market) -> object:
        (bid, bid_size), (ask, ask_size) = market.levels(asks=False)[0], market.levels(asks=True)[0]
        return {
            "symbol": market.symbol,
            "bidPrice": wire(bid),
            "bidQty": wire(bid_size),
            "askPrice": wire(ask),
            "askQty": wire(ask_size),
        }

    @staticmethod
    def _premium(market: Market, now: datetime) -> object:
        mark = wire(market.mark)
        rate = {"lastFundingRate": "0.00010000", "interestRate": "0.00010000"}
        times = {"nextFundingTime": to_ms(now) // 28_800_000 * 28_800_000 + 28_800_000}
        return {
            "symbol": market.symbol,
            "markPrice": mark,
            "indexPrice": mark,
            **rate,
            **times,
            "time": to_ms(now),
        }

    def _market(self, pairs: dict[str, str]) -> Market:
        market = self.engine.markets.get(pairs.get("symbol", ""))
        if market is None:
            raise RefusalError(-1121, "Invalid symbol.")
        return market


def _route(request: ApiRequest) -> tuple[str, bool, int]:
    if not request.path.startswith(PREFIX):
        return _UNKNOWN
    return _OPERATIONS.get((request.method, request.path.removeprefix(PREFIX)), _UNKNOWN)


def _decimal(pairs: dict[str, str], name: str) -> Decimal:
    try:
        value = Decimal(pairs.get(name) or "0")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise RefusalError(-1102, f"Mandatory parameter '{name}' was malformed.")
    return value


def _one_of(pairs: dict[str, str], name: str, *allowed: str) -> str:
    value = pairs.get(name, allowed[0])
    if value not in allowed:
        raise RefusalError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return value
