"""Aster: orders signed with the account's agent key, once each, and looked up by client id.

An account must be in one-way mode with single-asset margin; its leverage is never touched.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.moment import EPOCH, from_ms, to_ms
from common.domain.money import ZERO
from common.domain.order import (
    Fill,
    LiquiditySide,
    Order,
    OrderReport,
    OrderStatus,
    SignedRequest,
)
from common.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    SapphireError,
    TransientError,
)
from common.ports import FundingPayment, VenueAccountState, VenuePosition
from infra.venues.aster import parse
from infra.venues.aster.api import AsterApi, AsterError, error_of
from infra.venues.aster.capabilities import CAPABILITIES, NONCE_DRIFT_MAX
from infra.venues.aster.orders import check, client_id, parameters
from infra.venues.aster.refusals import CANCEL_REJECTED, NO_SUCH_ORDER, verdict
from infra.venues.http import VenueAnswer
from infra.venues.parts import VenueParts

ORDER = "/fapi/v3/order"
TRADES_WINDOW = timedelta(days=7)
TRADES_PER_PAGE = 1000
SLACK = timedelta(minutes=1)  # between our clock and the venue's


class AsterVenue:
    """Fits `ExecutionVenue`."""

    def __init__(self, parts: VenueParts) -> None:
        self.venue = Venue.ASTER
        self.capabilities = CAPABILITIES
        self._api = AsterApi(parts)
        self._clock = parts.clock
        self._instruments = parts.instruments

    async def load_instruments(self) -> InstrumentTable:
        payload = await self._api.public("/fapi/v3/exchangeInfo", weight=1)
        return parse.parse_exchange_info(payload, self._clock.now(), "live")

    async def prepare(self, order: Order) -> SignedRequest:
        instrument = await self._instrument(order.symbol)
        if instrument is None:
            raise RejectedError("INSTRUMENT_NOT_LISTED", f"Aster does not list {order.symbol}")
        check(instrument, order)
        nonce, signer, form = await self._api.form(order.account_id, parameters(instrument, order))
        if _moment(nonce) - order.submitted_at > NONCE_DRIFT_MAX:
            # Its expiry would be later than the order's, and "absent" is proven by that.
            raise TransientError("Aster: the signer's nonces run ahead of the clock")
        return SignedRequest(
            client_order_id=order.client_order_id,
            signer=signer,
            nonce=nonce,
            request_key=client_id(order.client_order_id),
            body=form,
            created_at=self._clock.now(),
            expires_at=order.expires_at,
        )

    async def submit(self, order: Order, request: SignedRequest) -> OrderReport:
        answer = await self._api.place(ORDER, request.body)
        state = _accepted(answer, order)
        if state.status is OrderStatus.REJECTED:
            raise RejectedError("REFUSED_BY_VENUE", "Aster: the order's status is REJECTED")
        try:
            return await self._report(order, state)
        except SapphireError:  # the order is taken, whatever became of this: `settle` asks
            return _report(order, state, (), state.word)

    async def query_order(self, order: Order) -> OrderReport | None:
        state = await self._found(order)
        return None if state is None else await self._report(order, state)

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        held = await self._positions(account_id, [("symbol", await self._venue_symbol(symbol))])
        if any(position.symbol != symbol for position in held):
            raise TransientError("Aster: the answer is of another symbol")
        return next((position for position in held if position.symbol == symbol), None)

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        positions = await self._positions(account_id, [])
        rows = await self._api.read(account_id, "/fapi/v3/openOrders", [], weight=40)
        try:
            return VenueAccountState(positions=positions, open_orders=parse.parse_open_orders(rows))
        except InvalidInputError as error:
            raise TransientError(f"Aster: {error}") from None

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        """None: what Aster pays every 8 hours is in the account's balance, and is not read here."""
        del account_id, since
        return ()

    async def cancel(self, order: Order) -> OrderReport | None:
        """By client id; an order that never came is also met with a `noop` of its nonce."""
        pairs = await self._names(order)
        _, _, form = await self._api.form(order.account_id, pairs)
        try:
            state = _state(order, await self._api.change("DELETE", ORDER, form))
        except AsterError as error:
            if error.code not in {CANCEL_REJECTED, NO_SUCH_ORDER}:
                raise
            report = await self.query_order(order)
            if report is not None:
                return report
            await self._occupy(order)
            return await self.query_order(order)
        return await self._report(order, state)

    async def close(self) -> None:
        await self._api.close()

    async def _occupy(self, order: Order) -> None:
        """Use up the order's nonce, so that it is refused if it is still under way.

        Whatever comes back, the nonce is either used or too old, or nothing has changed: the
        order's expiry stays the proof.
        """
        _, signer, form = await self._api.form(order.account_id, [], nonce=order.nonce)
        if signer != order.signer:
            return  # another key's nonces are none of this one's
        try:
            await self._api.change("POST", "/fapi/v3/noop", form)
        except AsterError:
            return

    async def _found(self, order: Order) -> parse.OrderState | None:
        pairs = await self._names(order)
        try:
            return _state(order, await self._api.read(order.account_id, ORDER, pairs, weight=1))
        except AsterError as error:
            if error.code == NO_SUCH_ORDER:
                return None
            raise

    async def _names(self, order: Order) -> list[tuple[str, str]]:
        return [
            ("symbol", await self._venue_symbol(order.symbol)),
            ("origClientOrderId", client_id(order.client_order_id)),
        ]

    async def _report(self, order: Order, state: parse.OrderState) -> OrderReport:
        if not state.executed:
            return _report(order, state, (), state.word)
        trades = await self._trades(order, state)
        unpriced = sorted({t.commission_asset for t in trades if t.quote_commission is None})
        reason = state.word
        if unpriced:
            reason += f"; fees in {', '.join(unpriced)} are not in the commission"
        return _report(order, state, tuple(_fill(order, trade) for trade in trades), reason)

    async def _trades(self, order: Order, state: parse.OrderState) -> list[parse.TradeState]:
        """The order's trades, from its submission on: a week at most per query, in pages."""
        found: list[parse.TradeState] = []
        start, now = order.submitted_at - SLACK, self._clock.now() + SLACK
        while start < now:
            end = min(start + TRADES_WINDOW, now)
            window = [("startTime", str(to_ms(start))), ("endTime", str(to_ms(end)))]
            page = await self._page(order.account_id, state.venue_symbol, window)
            while page:
                found += [trade for trade in page if trade.order_id == state.order_id]
                if len(page) < TRADES_PER_PAGE or page[-1].time_ms >= to_ms(end):
                    break
                after = [("fromId", str(page[-1].trade_id + 1))]
                page = await self._page(order.account_id, state.venue_symbol, after)
            start = end
        unique = {trade.trade_id: trade for trade in found}
        known = (order.side, state.venue_symbol)
        if any((trade.side, trade.venue_symbol) != known for trade in unique.values()):
            raise TransientError("Aster: a trade of the order is of another one")
        return list(unique.values())

    async def _page(
        self, account_id: str, venue_symbol: str, where: Sequence[tuple[str, str]]
    ) -> list[parse.TradeState]:
        pairs = [("symbol", venue_symbol), *where, ("limit", str(TRADES_PER_PAGE))]
        try:
            return parse.parse_trades(
                await self._api.read(account_id, "/fapi/v3/userTrades", pairs, weight=5)
            )
        except InvalidInputError as error:
            raise TransientError(f"Aster: {error}") from None

    async def _positions(
        self, account_id: str, pairs: Sequence[tuple[str, str]]
    ) -> tuple[VenuePosition, ...]:
        try:
            return parse.parse_positions(
                await self._api.read(account_id, "/fapi/v3/positionRisk", pairs, weight=5)
            )
        except InvalidInputError as error:
            raise TransientError(f"Aster: {error}") from None

    async def _venue_symbol(self, symbol: str) -> str:
        instrument = await self._instrument(symbol)
        if instrument is None:
            raise TransientError(f"Aster no longer lists {symbol}, so it cannot be asked for it")
        return instrument.venue_symbol

    async def _instrument(self, symbol: str) -> Instrument | None:
        table = await self._instruments.table(Venue.ASTER)
        if table is None:
            raise TransientError("Aster's instruments are not loaded yet")
        return table.find(symbol)


def _accepted(answer: VenueAnswer, order: Order) -> parse.OrderState:
    """What an order's answer proves.

    Raises:
        RejectedError: refused, with an error code that is definitive.
        RateLimitedError: refused before it was looked at, in Aster's own words.
        OutcomeUnknownError: anything else that is not the order.
    """
    if answer.status >= 500 or answer.status == 408:
        raise OutcomeUnknownError(f"Aster: HTTP {answer.status}: the execution status is unknown")
    try:
        payload = answer.json()
    except ValueError:
        raise OutcomeUnknownError(f"Aster: HTTP {answer.status} without JSON") from None
    error = error_of(payload)
    if error is not None:
        raise verdict(*error, retry_after_s=answer.retry_after_s)
    if answer.status != 200:
        raise OutcomeUnknownError(f"Aster: HTTP {answer.status}")
    try:
        state = parse.parse_order(payload)
    except InvalidInputError as error_:
        raise OutcomeUnknownError(f"Aster: {error_}") from None
    mismatch = _mismatch(order, state)
    if mismatch is not None:
        raise OutcomeUnknownError(mismatch)
    return state


def _state(order: Order, payload: object) -> parse.OrderState:
    """The order in the answer to a query. Raises TransientError: it is none, or another's."""
    try:
        state = parse.parse_order(payload)
    except InvalidInputError as error:
        raise TransientError(f"Aster: {error}") from None
    mismatch = _mismatch(order, state)
    if mismatch is not None:
        raise TransientError(mismatch)
    return state


def _mismatch(order: Order, state: parse.OrderState) -> str | None:
    """An answer about another order is no answer about this one."""
    theirs = (state.client_id, parse.symbol_of(state.venue_symbol), state.side)
    if theirs == (client_id(order.client_order_id), order.symbol, order.side):
        return None
    return f"Aster: the answer is of another order ({state.venue_symbol}, {state.side})"


def _report(
    order: Order, state: parse.OrderState, fills: tuple[Fill, ...], reason: str
) -> OrderReport:
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id=str(state.order_id),
        status=state.status,
        filled_qty=state.executed,
        fills=fills,
        reason=reason,
    )


def _fill(order: Order, trade: parse.TradeState) -> Fill:
    """Aster counts its trades per symbol, so the symbol is a part of the id."""
    return Fill(
        trade_id=f"{trade.venue_symbol}:{trade.trade_id}:{trade.order_id}",
        client_order_id=order.client_order_id,
        venue_order_id=str(trade.order_id),
        account_id=order.account_id,
        venue=Venue.ASTER,
        instrument_id=order.instrument_id,
        symbol=order.symbol,
        side=order.side,
        last_qty=trade.quantity,
        last_px=trade.price,
        commission=trade.quote_commission or ZERO,
        liquidity_side=LiquiditySide.MAKER if trade.is_maker else LiquiditySide.TAKER,
        ts_event=from_ms(trade.time_ms),
    )


def _moment(nonce: int) -> datetime:
    return (EPOCH + timedelta(microseconds=nonce)).astimezone(UTC)
