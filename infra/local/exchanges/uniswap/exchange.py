"""The exchange as the outside sees it: the Trading API, a node, and what a test may do to both."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from infra.local.exchanges.chain.chain import SimulatedChain
from infra.local.exchanges.chain.erc20 import Erc20
from infra.local.exchanges.chain.rpc import ChainExchange
from infra.local.exchanges.exchange import ApiAnswer, ApiRequest, Operation
from infra.local.exchanges.faults import Fault, FaultKind
from infra.local.exchanges.uniswap.calls import Style
from infra.local.exchanges.uniswap.hostile import Hostility
from infra.local.exchanges.uniswap.ledger import SpotFill, fills_of
from infra.local.exchanges.uniswap.permit2 import PERMIT2, UNLIMITED, Permit2
from infra.local.exchanges.uniswap.pools import Pools
from infra.local.exchanges.uniswap.router import UniversalRouter
from infra.local.exchanges.uniswap.trading_api import RefusalError, TradingDesk
from infra.venues.spot.permit import ROUTERS
from infra.venues.spot.tokens import Token, TokenBook

API_KEY = "stand-in-key"
DEPTH = Decimal(20_000_000)  # dollars on each side of a pool
_PATHS = ("check_approval", "quote", "swap")


@dataclass(slots=True)
class _Budget:
    """Requests of one second; None: no limit."""

    per_second: int | None
    second: int = 0
    used: int = 0

    def allows(self, now: datetime) -> bool:
        second = int(now.timestamp())
        if second != self.second:
            self.second, self.used = second, 0
        self.used += 1
        return self.per_second is None or self.used <= self.per_second


class UniswapExchange:
    """Fits `Exchange`. Each token of `prices` (dollars) has one pool with the quote token.

    `seed` varies how deep the pools are. `per_second` turns the limit per key on (the real one has
    3). Blocks come by the clock of the requests.
    """

    def __init__(
        self,
        book: TokenBook,
        *,
        start: datetime,
        prices: Mapping[str, Decimal | str],
        seed: int = 0,
        per_second: int | None = None,
        style: Style = Style.V3,
    ) -> None:
        self.book = book
        self.chain = SimulatedChain(chain_id=book.chain_id, start=start, sequencer=True)
        self.hostile: Hostility | None = None
        self.style = style
        self.quote_life = timedelta(seconds=30)
        self._rpc = ChainExchange(self.chain)
        self._router = ROUTERS[book.chain_id][0].lower()
        self._budget = _Budget(per_second)
        pools = Pools(
            {
                frozenset({_key(self._token(symbol)), _key(book.quote)}): f"0x{number:040x}"
                for number, symbol in enumerate(prices, start=0x9001)
            }
        )
        self.pools = pools
        self._desk = TradingDesk(self, self._router)
        for token in (book.quote, *book.tokens):
            self.chain.deploy(token.address, Erc20(decimals=token.decimals))
        self.chain.deploy(PERMIT2, Permit2(book.chain_id))
        self.chain.deploy(self._router, UniversalRouter(self._router, pools))
        random = Random(seed)
        for symbol, price in prices.items():
            depth = DEPTH * (1 + Decimal(random.randrange(1000)) / 1000)
            self.set_price(symbol, price, depth=depth)

    # --------------------------------------------------------------------------- a test's handles
    def open_account(
        self, wallet: str, holdings: Mapping[str, Decimal | str], *, approve: bool = True
    ) -> None:
        """Tokens, a little ETH for gas, and the approvals of Permit2 that an owner gives once."""
        self.chain.fund(wallet)
        for symbol, quantity in holdings.items():
            self.mint(wallet, symbol, quantity)
        if approve:
            for token in (self.book.quote, *self.book.tokens):
                self.erc20(token).allow(wallet, PERMIT2, 2**256 - 1)

    def mint(self, wallet: str, symbol: str, quantity: Decimal | str) -> None:
        """Out of nothing, as when the owner sends tokens; negative takes them away."""
        token = self._token(symbol)
        self.erc20(token).mint(wallet, _units(Decimal(quantity), token))

    def permit_for_good(self, wallet: str, symbol: str) -> None:
        """As if the wallet had signed an unlimited permit before: quotes ask for none."""
        found = self.permit2().of(wallet, self._token(symbol).address, self._router)
        found.amount, found.expiration = UNLIMITED, 2**48 - 1

    def set_price(self, symbol: str, price: Decimal | str, *, depth: Decimal | None = None) -> None:
        """Somebody trades the pool to this price (dollars); it keeps its depth unless given."""
        base, quote = self._token(symbol), self.book.quote
        pool = self.pools.by_pair[frozenset({_key(base), _key(quote)})]
        dollars = self.erc20(quote)
        if depth is not None:
            dollars.balances[pool] = _units(depth, quote)
        held = Decimal(dollars.balances[pool]).scaleb(-quote.decimals)
        self.erc20(base).balances[pool] = _units(held / Decimal(price), base)

    def balance(self, wallet: str, symbol: str) -> Decimal:
        token = self._token(symbol)
        units = self.erc20(token).balances.get(wallet.lower(), 0)
        return Decimal(units).scaleb(-token.decimals)

    def fills(self) -> list[SpotFill]:
        """Every swap that was mined, oldest first: the oracle."""
        return fills_of(self.chain, self.book)

    def erc20(self, token: Token) -> Erc20:
        contract = self.chain.contract(token.address)
        assert isinstance(contract, Erc20)  # noqa: S101 - deployed above
        return contract

    # ------------------------------------------------------------------------------- the exchange
    def operation(self, request: ApiRequest) -> Operation:
        name = request.path.rpartition("/")[2]
        return Operation(name) if name in _PATHS else self._rpc.operation(request)

    def process(self, request: ApiRequest, now: datetime, fault: Fault | None) -> ApiAnswer:
        self.chain.advance(now)
        name = request.path.rpartition("/")[2]
        if name not in _PATHS:
            return self._rpc.process(request, now, fault)
        if request.headers.get("x-api-key") != API_KEY:
            return _refused(401, "UNAUTHORIZED", "Unauthorized")
        if not self._budget.allows(now):
            return ApiAnswer({"errorCode": "RATE_LIMITED"}, 429, {"retry-after": "1"})
        if fault is not None and fault.kind is FaultKind.ORDER_ERROR:
            return _refused(400, "VALIDATION_ERROR", fault.message)
        try:
            answer: Mapping[str, Any] = getattr(self._desk, name)(_body(request), now)
            return ApiAnswer(dict(answer))
        except RefusalError as refusal:
            return _refused(refusal.status, refusal.code, str(refusal))
        except (KeyError, TypeError, ValueError, AttributeError):
            return _refused(400, "VALIDATION_ERROR", "a field is missing or malformed")

    def permit2(self) -> Permit2:
        contract = self.chain.contract(PERMIT2)
        assert isinstance(contract, Permit2)  # noqa: S101 - deployed above
        return contract

    def _token(self, symbol: str) -> Token:
        if symbol == self.book.quote.trades_as:
            return self.book.quote
        token = self.book.find(symbol)
        if token is None:
            raise ValueError(f"{symbol} is not in the token list")
        return token


def _refused(status: int, code: str, detail: str) -> ApiAnswer:
    return ApiAnswer({"errorCode": code, "detail": detail, "id": "r"}, status)


def _body(request: ApiRequest) -> dict[str, Any]:
    body = json.loads(request.body)
    if not isinstance(body, dict):
        raise TypeError("not an object")
    return body


def _units(quantity: Decimal, token: Token) -> int:
    return int(quantity.scaleb(token.decimals))


def _key(token: Token) -> str:
    return token.address.lower()
