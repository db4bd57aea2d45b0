"""Asks Hyperliquid what it knows, always by the master wallet: an agent's own address is empty."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from common.books import EXPOSURES
from common.documents import load
from common.domain.exposure import Exposure
from common.domain.instrument import Instrument, OrderType, TimeInForce, Venue
from common.domain.moment import to_ms
from common.domain.money import ZERO, plain
from common.domain.order import Fill, Order, OrderReport, OrderStatus
from common.errors import InvalidInputError, TransientError
from common.ports import (
    DocumentStore,
    FundingPayment,
    Instruments,
    Ref,
    VenueAccountState,
    VenueOpenOrder,
    VenuePosition,
)
from infra.venues.accounts import Accounts
from infra.venues.budget import Purpose
from infra.venues.hyperliquid.answers import (
    HeldPosition,
    KnownOrder,
    RestingOrder,
    parse_balances,
    parse_fills,
    parse_open_orders,
    parse_order_status,
    parse_positions,
    sum_of,
)
from infra.venues.hyperliquid.client import ROWS_PER_WEIGHT, HyperliquidClient
from infra.venues.hyperliquid.funding import parse_funding
from infra.venues.hyperliquid.listing import spot_base
from infra.venues.hyperliquid.parse import token_unit

T = TypeVar("T")
FILLS_AROUND_MS = 60_000
"""Fills are looked for from this long before we sent the order until this long after its expiry,
if it cannot rest: clocks differ. An account's other fills cost weight."""

FILLS_PAGES_MAX = 6  # the venue keeps 10,000 fills of an account within reach
FUNDING_PAGES_MAX = 20  # 10,000 payments: a year of one position, or two months of six


class Inquiry:
    """Reads of one adapter; nothing here can trade."""

    def __init__(
        self,
        client: HyperliquidClient,
        accounts: Accounts,
        instruments: Instruments,
        store: DocumentStore,
    ) -> None:
        self._client = client
        self._accounts = accounts
        self._instruments = instruments
        self._store = store

    async def instrument(self, order: Order) -> Instrument:
        """Raises TransientError: the table was never loaded, or no longer has the order's."""
        table = await self._instruments.table(Venue.HYPERLIQUID)
        found = table.find(order.symbol) if table else None
        if found is None or found.instrument_id != order.instrument_id:
            raise TransientError(f"{order.instrument_id} is not in Hyperliquid's table")
        return found

    async def order(self, order: Order) -> OrderReport | None:
        """By cloid, with its fills. The fills are asked for also where the venue says that it has
        no such order: its look-up by client id has failed before while the order was there.

        Raises TransientError: no answer, or one that is no evidence about this order.
        """
        instrument = await self.instrument(order)
        wallet = await self._wallet(order.account_id)
        known = await self._read(
            {"type": "orderStatus", "user": wallet, "oid": order.client_order_id},
            lambda payload: parse_order_status(payload, order, instrument),
        )
        if known is None:
            fills = await self.fills(order, instrument, venue_order_id=None)
            return _from_fills(order, fills) if fills else None
        untouched = known.status in {OrderStatus.ACCEPTED, OrderStatus.REJECTED}
        fills = (
            ()
            if untouched
            else await self.fills(order, instrument, venue_order_id=known.venue_order_id)
        )
        return _report(order, known, fills)

    async def fills(
        self, order: Order, instrument: Instrument, *, venue_order_id: int | None
    ) -> tuple[Fill, ...]:
        """Every fill of the order that the venue tells, oldest first.

        Raises TransientError: no usable answer, or more fills than can be read.
        """
        wallet = await self._wallet(order.account_id)
        start = to_ms(order.submitted_at) - FILLS_AROUND_MS
        end = {"endTime": to_ms(order.expires_at) + FILLS_AROUND_MS} if ends_at_once(order) else {}
        found: dict[str, Fill] = {}
        for number in range(FILLS_PAGES_MAX):
            page = await self._read(
                {"type": "userFillsByTime", "user": wallet, "startTime": start, **end},
                lambda payload: parse_fills(
                    payload, order, instrument, venue_order_id=venue_order_id
                ),
                purpose=None if number else Purpose.SETTLE,
            )
            self._client.budget.owe(page.count // ROWS_PER_WEIGHT)
            found.update({fill.trade_id: fill for fill in page.fills})
            if page.next_from_ms is None:
                return tuple(found.values())
            if page.next_from_ms <= start:
                break
            start = page.next_from_ms
        raise TransientError("Hyperliquid: the account has more fills than can be read")

    async def position(self, account_id: str, symbol: str) -> VenuePosition | None:
        wallet = await self._wallet(account_id)
        table = await self._instruments.table(Venue.HYPERLIQUID)
        listed = table.find(symbol) if table else None
        if listed is not None and spot_base(listed) is not None:
            held = await self._spot_positions(wallet, [listed])
        else:
            held = await self._perpetual_positions(wallet)
        return next((position for position in held if position.symbol == symbol), None)

    async def account(self, account_id: str) -> VenueAccountState:
        """Every perpetual and every open order; of spot, what the account holds by our orders.

        A wallet's tokens are its owner's. Only a pair that we hold some of is a position, and then
        the venue's word on it is the whole balance.
        """
        wallet = await self._wallet(account_id)
        table = await self._instruments.table(Venue.HYPERLIQUID)
        orders = await self._read({"type": "frontendOpenOrders", "user": wallet}, parse_open_orders)
        perpetuals = await self._perpetual_positions(wallet)
        stored = await load(self._store, Exposure, Ref(EXPOSURES, account_id))
        ours = stored.value.holdings_at(Venue.HYPERLIQUID) if stored else {}
        listed = table.instruments if table else ()
        pairs = [item for item in listed if item.symbol in ours and spot_base(item) is not None]
        spot = await self._spot_positions(wallet, pairs) if pairs else ()
        symbols = {item.venue_symbol: item.symbol for item in listed}
        return VenueAccountState(
            positions=(*perpetuals, *spot),
            open_orders=tuple(_open_order(resting, symbols) for resting in orders),
        )

    async def funding(self, account_id: str, since: datetime) -> tuple[FundingPayment, ...]:
        """Every payment from `since` on, oldest first.

        Raises TransientError: no usable answer, or more payments than can be read.
        """
        wallet = await self._wallet(account_id)
        table = await self._instruments.table(Venue.HYPERLIQUID)
        symbols = {item.venue_symbol: item.symbol for item in table.instruments} if table else {}
        start = to_ms(since)
        found: dict[str, FundingPayment] = {}
        for number in range(FUNDING_PAGES_MAX):
            page = await self._read(
                {"type": "userFunding", "user": wallet, "startTime": start},
                lambda payload: parse_funding(payload, account_id, symbols),
                purpose=None if number else Purpose.SETTLE,
            )
            self._client.budget.owe(page.count // ROWS_PER_WEIGHT)
            found.update({payment.payment_id: payment for payment in page.payments})
            if page.next_from_ms is None:
                told = (each for each in found.values() if each.ts_event >= since)
                return tuple(sorted(told, key=lambda each: (each.ts_event, each.symbol)))
            if page.next_from_ms <= start:
                break
            start = page.next_from_ms
        raise TransientError("Hyperliquid: the account has more funding payments than can be read")

    async def _perpetual_positions(self, wallet: str) -> tuple[VenuePosition, ...]:
        held = await self._read({"type": "clearinghouseState", "user": wallet}, parse_positions)
        return tuple(_position(position) for position in held)

    async def _spot_positions(
        self, wallet: str, pairs: Sequence[Instrument]
    ) -> tuple[VenuePosition, ...]:
        request = {"type": "spotClearinghouseState", "user": wallet}
        balances = await self._read(request, parse_balances)
        held = [(item.symbol, balances.get(spot_base(item) or "", ZERO)) for item in pairs]
        return tuple(
            VenuePosition(symbol=symbol, signed_qty=plain(total)) for symbol, total in held if total
        )

    async def _wallet(self, account_id: str) -> str:
        return (await self._accounts.account(account_id, Venue.HYPERLIQUID)).wallet.lower()

    async def _read(
        self,
        request: Mapping[str, object],
        parse: Callable[[object], T],
        *,
        purpose: Purpose | None = Purpose.SETTLE,
    ) -> T:
        payload = await self._client.info(request, purpose=purpose)
        try:
            return parse(payload)
        except InvalidInputError as error:  # no evidence is the same as no answer
            raise TransientError(f"Hyperliquid's answer cannot be used: {error}") from None


def ends_at_once(order: Order) -> bool:
    """Does nothing of the order rest in the book?"""
    is_ioc = order.order_type is OrderType.LIMIT and order.time_in_force is TimeInForce.IOC
    return order.order_type is OrderType.MARKET or is_ioc


def _report(order: Order, known: KnownOrder, fills: tuple[Fill, ...]) -> OrderReport:
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=str(known.venue_order_id),
        status=known.status,
        filled_qty=max(known.filled_qty, sum_of(fills)),
        fills=fills,
        reason=known.word,
    )


def _from_fills(order: Order, fills: tuple[Fill, ...]) -> OrderReport:
    filled = sum_of(fills)
    ended = filled >= order.quantity
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=fills[0].venue_order_id,
        status=OrderStatus.FILLED if ended else OrderStatus.PARTIALLY_FILLED,
        filled_qty=filled,
        fills=fills,
        reason="known by its fills alone",
    )


def _position(held: HeldPosition) -> VenuePosition:
    return VenuePosition(
        symbol=token_unit(held.coin)[0],
        signed_qty=plain(held.signed_qty),
        avg_px=None if held.avg_px is None else plain(held.avg_px),
    )


def _open_order(resting: RestingOrder, symbols: dict[str, str]) -> VenueOpenOrder:
    return VenueOpenOrder(
        venue_order_id=str(resting.venue_order_id),
        client_order_id=resting.cloid,
        symbol=symbols.get(resting.coin, token_unit(resting.coin)[0]),
        side=resting.side,
        left_qty=plain(resting.left_qty),
    )
