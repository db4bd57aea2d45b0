"""Asks GMX what it knows, always by the user's wallet; nothing here can trade."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import TypeVar

from common.books import ORDERS
from common.domain.instrument import Venue
from common.domain.money import ZERO, plain
from common.domain.order import Fill, Order, OrderReport, OrderSide, OrderStatus
from common.errors import InvalidInputError, TransientError
from common.ports import (
    DocumentStore,
    Query,
    VenueAccountState,
    VenueOpenOrder,
    VenuePosition,
    Where,
)
from infra.venues.accounts import Accounts
from infra.venues.fields import as_object
from infra.venues.gmx.answers import (
    REFUSED,
    SENT,
    HeldPosition,
    RequestState,
    RestingOrder,
    parse_fills,
    parse_orders,
    parse_positions,
    parse_state,
)
from infra.venues.gmx.catalogue import Catalogue
from infra.venues.gmx.client import GmxClient
from infra.venues.gmx.units import usd

T = TypeVar("T")
TRADES_PAGE = 100
TRADES_PAGES_MAX = 5


class Inquiry:
    def __init__(self, client: GmxClient, accounts: Accounts, store: DocumentStore) -> None:
        self._client = client
        self._accounts = accounts
        self._store = store

    async def state(self, order: Order) -> RequestState | None:
        """None: the venue says that it has no such request.

        Raises TransientError: no answer, or one that is no evidence about this request.
        """
        if not order.request_key:
            raise TransientError("GMX cannot be asked about an order that was never prepared")
        body = {"requestId": order.request_key}
        answer = await self._client.ask("/orders/txns/status", body)
        try:
            payload = answer.json()
            if answer.status == 404:
                as_object(payload, "status")  # the API's own words, not a gateway's page
                return None
            if answer.status != 200:
                raise TransientError(f"GMX's status: HTTP {answer.status}")
            return parse_state(payload, request_id=order.request_key)
        except (InvalidInputError, ValueError) as error:
            raise TransientError(f"GMX's status cannot be used: {error}") from None

    async def order(self, order: Order) -> OrderReport | None:
        """None too for a request that was prepared and never submitted."""
        state = await self.state(order)
        return None if state is None else await self.report(order, state)

    async def report(self, order: Order, state: RequestState) -> OrderReport | None:
        if state.status == "prepared":
            return None
        if state.status in SENT:
            return _report(order, OrderStatus.ACCEPTED, reason=state.status)
        if state.status in REFUSED:
            return _report(order, OrderStatus.REJECTED, reason=state.reason or state.status)
        if state.status == "cancelled":
            reason = state.reason or "a keeper cancelled it"
            return _report(order, OrderStatus.CANCELED, reason=reason)
        return await self._executed(order, state)

    async def positions(self, account_id: str) -> list[HeldPosition]:
        wallet = await self.wallet(account_id)
        catalogue = await self._client.catalogue()
        payload = await self._client.get("/positions", {"address": wallet})
        return _usable(lambda: parse_positions(payload, catalogue, wallet))

    async def position(self, account_id: str, symbol: str) -> VenuePosition | None:
        return _net(symbol, await self.positions(account_id))

    async def account(self, account_id: str) -> VenueAccountState:
        wallet = await self.wallet(account_id)
        catalogue = await self._client.catalogue()
        held = await self.positions(account_id)
        payload = await self._client.get("/orders", {"address": wallet})
        resting = _usable(lambda: parse_orders(payload, catalogue, wallet))
        symbols = sorted({position.market.symbol for position in held})
        nets = (_net(symbol, held) for symbol in symbols)
        return VenueAccountState(
            positions=tuple(net for net in nets if net is not None),
            open_orders=tuple([await self._open_order(order) for order in resting]),
        )

    async def wallet(self, account_id: str) -> str:
        return (await self._accounts.account(account_id, Venue.GMX)).wallet.lower()

    async def _executed(self, order: Order, state: RequestState) -> OrderReport:
        """A keeper executes an order whole, but its size is in dollars: what that came to in
        tokens is what was filled, and what is missing to the quantity ended with it.
        """
        fills = await self._fills(order, state.order_keys)
        filled = sum((fill.last_qty for fill in fills), ZERO)
        if not fills:
            return _report(order, OrderStatus.FILLED, reason="executed; its trade is not told yet")
        if filled >= order.quantity:
            return _report(order, OrderStatus.FILLED, fills=fills, reason="executed")
        reason = f"executed whole: its size in dollars came to {plain(filled)} {order.symbol}"
        return _report(order, OrderStatus.CANCELED, fills=fills, reason=reason)

    async def _fills(self, order: Order, order_keys: tuple[str, ...]) -> tuple[Fill, ...]:
        """Every execution of the keys, or none while not each of them has one.

        Raises TransientError: no answer, or none that can be used.
        """
        wallet = await self.wallet(order.account_id)
        catalogue = await self._client.catalogue()
        found: dict[str, Fill] = {}
        params: dict[str, str | int] = {"address": wallet, "limit": TRADES_PAGE}
        for _ in range(TRADES_PAGES_MAX if order_keys else 0):
            payload = await self._client.get("/trades", params)
            told, cursor = _told(payload, order, catalogue, wallet, order_keys)
            found.update(told)
            if cursor is None or len(found) == len(set(order_keys)):
                break
            params["cursor"] = cursor
        missing = {key.lower() for key in order_keys} - found.keys()
        return () if missing else _in_order(found.values())

    async def _open_order(self, resting: RestingOrder) -> VenueOpenOrder:
        return VenueOpenOrder(
            venue_order_id=resting.request_id or resting.key,
            client_order_id=await self._ours(resting.request_id),
            symbol=resting.market.symbol,
            side=OrderSide.BUY if resting.buys else OrderSide.SELL,
            left_qty=plain(resting.left_qty),
        )

    async def _ours(self, request_id: str | None) -> str | None:
        if request_id is None:
            return None
        asked = Query(ORDERS, (Where("request_key", "==", request_id),), limit=1)
        page = await self._store.query(asked)
        return page.documents[0].ref.id if page.documents else None


def _usable(parse: Callable[[], T]) -> T:
    """No evidence is the same as no answer."""
    try:
        return parse()
    except InvalidInputError as error:
        raise TransientError(f"GMX's answer cannot be used: {error}") from None


def _told(
    payload: object, order: Order, catalogue: Catalogue, wallet: str, order_keys: tuple[str, ...]
) -> tuple[dict[str, Fill], str | None]:
    def parse() -> tuple[dict[str, Fill], str | None]:
        return parse_fills(payload, order, catalogue, wallet=wallet, order_keys=order_keys)

    return _usable(parse)


def _net(symbol: str, held: Iterable[HeldPosition]) -> VenuePosition | None:
    """Longs less shorts over every market of the token; the average where all point one way."""
    ours = [position for position in held if position.market.symbol == symbol]
    signed = sum((position.signed_qty for position in ours), ZERO)
    if signed == 0:
        return None
    average = None
    if len({position.is_long for position in ours}) == 1:
        paid = usd(sum(position.size_usd for position in ours))
        average = plain(_rounded(paid / abs(signed)))
    return VenuePosition(symbol=symbol, signed_qty=plain(signed), avg_px=average)


def _rounded(price: Decimal) -> Decimal:
    return price.quantize(Decimal("1e-18")) if price.adjusted() < 9 else price


def _in_order(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    return tuple(sorted(fills, key=lambda fill: (fill.ts_event, fill.trade_id)))


def _report(
    order: Order, status: OrderStatus, *, reason: str, fills: tuple[Fill, ...] = ()
) -> OrderReport:
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=order.request_key,
        status=status,
        filled_qty=sum((fill.last_qty for fill in fills), ZERO),
        fills=fills,
        reason=reason,
    )
