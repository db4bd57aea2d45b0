"""Symphony: an agent opens and closes positions for its subscriber, as percentages of a balance.

| ours                 | Symphony's                                                             |
|----------------------|------------------------------------------------------------------------|
| an order             | batch-open at the market: its position counts as one fill               |
| a reduce-only order  | batch-close of one whole batch that is not larger than the order        |
| the bound            | checked before sending; the API takes none                              |
| what became of it    | its batch's positions; nothing can be asked of an open without an answer |
| an order the other way| opens a second position; the net of both counts                        |
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from common.domain.instrument import Instrument, InstrumentTable, OrderType, Venue
from common.domain.money import ZERO, plain
from common.domain.order import (
    Fill,
    LiquiditySide,
    Order,
    OrderReport,
    OrderSide,
    OrderStatus,
    SignedRequest,
)
from common.domain.rounding import check_order
from common.errors import (
    InvalidInputError,
    RejectedError,
    SapphireError,
    TransientError,
)
from common.ports import FundingPayment, VenueAccountState, VenuePosition
from infra.venues.parts import VenueParts
from infra.venues.symphony import parse
from infra.venues.symphony.api import SymphonyApi, close_body, open_body
from infra.venues.symphony.capabilities import CAPABILITIES
from infra.venues.symphony.instruments import listed
from infra.venues.symphony.sizing import Balance, weight_of

OPEN, CLOSE = "batch-open", "batch-close"


class SymphonyVenue:
    """Fits `ExecutionVenue`."""

    def __init__(self, parts: VenueParts) -> None:
        self.venue = Venue.SYMPHONY
        self.capabilities = CAPABILITIES
        self._api = SymphonyApi(parts)
        self._clock = parts.clock
        self._instruments = parts.instruments

    async def load_instruments(self) -> InstrumentTable:
        """Our own list: the API has none. Each order asks whether its token has a price."""
        return replace(listed(self._clock.now()), source="recorded")

    async def prepare(self, order: Order) -> SignedRequest:
        instrument = await self._instrument(order)
        account = await self._api.smart_account(order.account_id)
        if order.reduce_only:
            batch_id = await self._batch_to_close(order, account)
            return self._request(order, close_body(self._api.agent_id, batch_id), batch_id)
        price = await self._price(instrument.venue_symbol)
        balance = await self._balance(account)
        weight = weight_of(order, price, balance)
        buy = order.side is OrderSide.BUY
        body = open_body(self._api.agent_id, instrument.venue_symbol, buy=buy, weight=weight)
        return self._request(order, body, "")

    async def submit(self, order: Order, request: SignedRequest) -> OrderReport:
        """Send it once. A batch that came back is evidence; its positions are the fills."""
        account = await self._api.smart_account(order.account_id)
        batch = await self._api.batch(CLOSE if order.reduce_only else OPEN, request.body)
        batch_id = request.request_key or batch.batch_id
        accepted = OrderReport(
            client_order_id=order.client_order_id,
            venue_order_id=batch_id,
            status=OrderStatus.ACCEPTED,
            filled_qty=ZERO,
            fills=(),
            reason=batch.summary(account),
        )
        try:
            found = await self._found(order, account, batch_id)
        except SapphireError:  # the batch is there; `settle` asks for its positions
            return accepted
        return accepted if found is None else replace(found, reason=accepted.reason)

    async def query_order(self, order: Order) -> OrderReport | None:
        """By its batch. None proves nothing: an open without an answer has no name to ask by."""
        batch_id = order.venue_order_id or order.request_key
        if not batch_id:
            return None
        account = await self._api.smart_account(order.account_id)
        return await self._found(order, account, batch_id)

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        state = await self.query_account(account_id=account_id)
        return next((held for held in state.positions if held.symbol == symbol), None)

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        """Positions alone: the API's orders do not tell their side, and none of them is ours."""
        account = await self._api.smart_account(account_id)
        nets: dict[str, Decimal] = {}
        for held in await self._positions(account, only_open=True):
            nets[held.symbol] = nets.get(held.symbol, ZERO) + held.quantity * held.side.sign
        return VenueAccountState(
            positions=tuple(
                VenuePosition(symbol=symbol, signed_qty=plain(net))
                for symbol, net in nets.items()
                if net
            )
        )

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        """None: the API tells no funding; it shows in the balance alone."""
        del account_id, since
        return ()

    async def cancel(self, order: Order) -> OrderReport | None:
        """Nothing rests, so nothing can be canceled: what is known of the order."""
        return await self.query_order(order)

    async def close(self) -> None:
        await self._api.close()

    async def _instrument(self, order: Order) -> Instrument:
        """Raises RejectedError: the order is none for this venue."""
        if order.order_type is not OrderType.MARKET:
            raise RejectedError("ORDER_TYPE_NOT_SUPPORTED", "Symphony opens at the market alone")
        table = await self._instruments.table(Venue.SYMPHONY)
        if table is None:
            raise TransientError("Symphony's instruments are not loaded yet")
        instrument = table.find(order.symbol)
        if instrument is None or instrument.instrument_id != order.instrument_id:
            raise RejectedError(
                "INSTRUMENT_NOT_LISTED", f"Symphony does not list {order.instrument_id}"
            )
        code = None if order.reduce_only else check_order(instrument, order.quantity, order.price)
        if code is not None:
            raise RejectedError(code, f"{plain(order.quantity)} at {plain(order.price)}")
        return instrument

    async def _batch_to_close(self, order: Order, account: str) -> str:
        """The largest batch on the other side that is no larger than the order."""
        totals: dict[str, Decimal] = {}
        for held in await self._positions(account, only_open=True):
            if held.symbol == order.symbol and held.side is not order.side:
                totals[held.batch_id] = totals.get(held.batch_id, ZERO) + held.quantity
        fitting = {batch: total for batch, total in totals.items() if 0 < total <= order.quantity}
        if not fitting:
            raise RejectedError(
                "REDUCE_ONLY",
                f"Symphony closes whole batches, and none of {order.symbol} is that small",
            )
        return max(fitting, key=lambda batch: (fitting[batch], batch))

    async def _found(self, order: Order, account: str, batch_id: str) -> OrderReport | None:
        """The order as its batch's positions tell it; None while they do not show it done."""
        mine = [held for held in await self._positions(account) if held.batch_id == batch_id]
        if any(held.symbol != order.symbol for held in mine):
            raise TransientError(f"Symphony: batch {batch_id} is of another symbol")
        if order.reduce_only:
            if not mine or any(held.is_open or not held.last for held in mine):
                return None
            return _report(order, batch_id, tuple(_close_fill(order, held) for held in mine))
        if not mine or not all(held.entry and held.quantity for held in mine):
            return None
        if any(held.side is not order.side for held in mine):
            raise TransientError(f"Symphony: batch {batch_id} is on the other side")
        return _report(order, batch_id, tuple(_open_fill(order, held) for held in mine))

    async def _positions(
        self, account: str, *, only_open: bool = False
    ) -> tuple[parse.PositionState, ...]:
        query = {"agentId": self._api.agent_id, "address": account}
        if only_open:
            query["status"] = "OPEN"
        try:
            found = parse.parse_positions(await self._api.read("positions", query), account)
        except InvalidInputError as error:
            raise TransientError(f"Symphony: {error}") from None
        return tuple(held for held in found if held.is_open or not only_open)

    async def _price(self, symbol: str) -> Decimal:
        try:
            price = parse.parse_price(await self._api.read("token-price", {"input": symbol}))
        except InvalidInputError as error:
            raise TransientError(f"Symphony: {error}") from None
        if price is None:
            raise RejectedError("NO_PRICE", f"Symphony cannot tell a price of {symbol}")
        return price

    async def _balance(self, account: str) -> Balance:
        try:
            payload = await self._api.read("all-positions", {"userAddress": account})
            return parse.parse_balance(payload)
        except InvalidInputError as error:
            raise TransientError(f"Symphony: {error}") from None

    def _request(self, order: Order, body: str, batch_id: str) -> SignedRequest:
        """Nothing is signed: the platform's key goes with the request, and is not in it."""
        return SignedRequest(
            client_order_id=order.client_order_id,
            signer="",
            nonce=order.nonce,
            request_key=batch_id,
            body=body,
            created_at=self._clock.now(),
            expires_at=order.expires_at,
        )


def _report(order: Order, batch_id: str, fills: tuple[Fill, ...]) -> OrderReport:
    """Rounding leaves a little of nearly every order unfilled; that is its end all the same."""
    filled = sum((fill.last_qty for fill in fills), ZERO)
    whole = filled >= order.quantity
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=batch_id,
        status=OrderStatus.FILLED if whole else OrderStatus.CANCELED,
        filled_qty=filled,
        fills=fills,
        reason=f"batch {batch_id}; Symphony does not tell its fees",
    )


def _open_fill(order: Order, held: parse.PositionState) -> Fill:
    return _fill(order, held, f"{held.key}:open", held.entry, held.opened_at)


def _close_fill(order: Order, held: parse.PositionState) -> Fill:
    """At the price of the closed position's record; the API tells no other."""
    return _fill(order, held, f"{held.key}:close", held.last, held.updated_at)


def _fill(
    order: Order, held: parse.PositionState, trade_id: str, price: Decimal, at: datetime
) -> Fill:
    return Fill(
        trade_id=trade_id,
        client_order_id=order.client_order_id,
        venue_order_id=held.batch_id,
        account_id=order.account_id,
        venue=Venue.SYMPHONY,
        instrument_id=order.instrument_id,
        symbol=order.symbol,
        side=order.side,
        last_qty=held.quantity,
        last_px=price,
        commission=ZERO,
        liquidity_side=LiquiditySide.TAKER,
        ts_event=at,
    )
