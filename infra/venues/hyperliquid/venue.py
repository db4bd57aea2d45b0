"""Hyperliquid live: perpetuals and spot, signed by an agent wallet, told apart by cloid and nonce.

What makes an order happen at most once: its bytes carry a nonce that the venue takes once for a
signer, an expiry (`expiresAfter`) after which the venue refuses them, and a cloid by which it can
be found. Sending the same bytes again is therefore safe, and what the answer to a second sending
proves is little: see refusals.py.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.moment import to_ms
from common.domain.money import ZERO
from common.domain.order import Fill, Order, OrderReport, OrderStatus, SignedRequest
from common.errors import (
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    SapphireError,
    TransientError,
)
from common.execution.nonces import Nonces
from common.ports import FundingPayment, VenueAccountState, VenuePosition
from common.wire import JsonObject
from infra.venues.budget import Purpose
from infra.venues.http import VenueAnswer
from infra.venues.hyperliquid import actions
from infra.venues.hyperliquid.answers import Refused, Taken, parse_done, parse_placed, sum_of
from infra.venues.hyperliquid.capabilities import LIVE
from infra.venues.hyperliquid.checks import check
from infra.venues.hyperliquid.client import ACTION, HyperliquidClient
from infra.venues.hyperliquid.inquiry import Inquiry, ends_at_once
from infra.venues.hyperliquid.loading import load_table
from infra.venues.hyperliquid.refusals import (
    SIGNER_UNKNOWN_MEANS,
    nonce_is_used,
    order_is_missing,
    order_refusal,
    request_refusal,
)
from infra.venues.hyperliquid.signing import is_mainnet, signed_action
from infra.venues.parts import VenueParts

if TYPE_CHECKING:
    from infra.keys.signer import Signer

MAINNET = "https://api.hyperliquid.xyz"
TESTNET = "https://api.hyperliquid-testnet.xyz"
FILLS_PATIENCE_S = 2.0
"""How long `submit` waits for the fills of an order that the venue has just filled."""

_ANSWER_MARGIN_S = 0.5
"""What `submit` leaves of its caller's patience: better an answer without fills than none."""

_UNSENT_MAX = 1000
_UNREADABLE = frozenset({400, 422})


class HyperliquidVenue:
    """Fits `ExecutionVenue`; adds `modify`, `cancel_by_id` and `schedule_cancel`."""

    venue = Venue.HYPERLIQUID
    capabilities = LIVE

    def __init__(self, parts: VenueParts) -> None:
        """Raises ConfigurationError: neither mainnet nor testnet, or no http address."""
        network_url = MAINNET if is_mainnet(parts.network) else TESTNET
        self._parts = parts
        self._client = HyperliquidClient(
            parts.api_url or network_url,
            parts.store,
            parts.clock,
            timeout_s=LIVE.request_timeout.total_seconds(),
            transport=parts.transport,
        )
        self._inquiry = Inquiry(self._client, parts.accounts, parts.instruments, parts.store)
        self._nonces = Nonces(parts.store, parts.clock)
        self._unsent: dict[tuple[str, int], None] = {}  # signed here and not sent from here yet

    async def load_instruments(self) -> InstrumentTable:
        return await load_table(self._client, self._parts.instruments, self._parts.clock.now())

    async def prepare(self, order: Order) -> SignedRequest:
        """Check the order by the venue's rules, pay its weight, take a nonce, and sign.

        Raises also RateLimitedError: our share of the venue's limit is used up.
        """
        now = self._parts.clock.now()
        instrument = await self._inquiry.instrument(order)
        check(order, instrument, self.capabilities, now)
        action = _built(lambda: actions.order_action(order, instrument))
        signer = await self._parts.accounts.signer(order.account_id, self.venue)
        await self._client.budget.take(ACTION, Purpose.ORDER)
        nonce = await self._nonces.take(self.venue, signer.address)
        request = SignedRequest(
            client_order_id=order.client_order_id,
            signer=signer.address.lower(),
            nonce=nonce,
            request_key=order.client_order_id,
            body=self._signed(signer, action, nonce, order.expires_at),
            created_at=now,
            expires_at=order.expires_at,
        )
        self._remember(request)
        return request

    async def submit(self, order: Order, request: SignedRequest) -> OrderReport:
        instrument = await self._inquiry.instrument(order)
        key = (request.signer, request.nonce)
        first = key in self._unsent
        self._unsent.pop(key, None)
        if not first:  # else it was paid when it was signed
            self._client.budget.owe(ACTION)
        started = asyncio.get_running_loop().time()
        answer = await self._client.exchange(request.body)
        placed = _placed(answer, order, instrument)
        if isinstance(placed, Refused):
            raise _refusal(placed, first=first)
        return await self._taken(order, instrument, placed, started)

    async def query_order(self, order: Order) -> OrderReport | None:
        return await self._inquiry.order(order)

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        return await self._inquiry.position(account_id, symbol)

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        return await self._inquiry.account(account_id)

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        return await self._inquiry.funding(account_id, since)

    async def cancel(self, order: Order) -> OrderReport | None:
        """Stop the order wherever it is: on its way, resting, or gone.

        First a `noop` uses up its nonce, so that it cannot come any more. Where the nonce was used
        already the order itself came, and what is left of it is canceled by cloid.
        """
        instrument = await self._inquiry.instrument(order)
        signer = await self._parts.accounts.signer(order.account_id, self.venue)
        if order.venue_order_id is None and await self._burned(order, signer):
            return None
        cancel = _built(lambda: actions.cancel_by_cloid_action(order, instrument))
        refused = await self._act(signer, cancel, "cancel")
        if refused is not None and not order_is_missing(refused.text):
            raise TransientError(f"Hyperliquid did not cancel: {refused.text}")
        report = await self._inquiry.order(order)
        if report is None and self._may_show_late(order):
            raise TransientError("Hyperliquid does not show the order, which may still appear")
        if report is not None and not report.status.is_terminal:
            raise TransientError("Hyperliquid does not show yet how the order ended")
        return report

    async def modify(self, order: Order) -> OrderReport:
        """Give the resting order of this cloid `order`'s price and quantity; its id changes.

        Raises RejectedError (it rests as it was), TransientError (nothing was sent) or
        OutcomeUnknownError.
        """
        now = self._parts.clock.now()
        instrument = await self._inquiry.instrument(order)
        check(order, instrument, self.capabilities, now)
        action = _built(lambda: actions.modify_action(order, instrument))
        signer = await self._parts.accounts.signer(order.account_id, self.venue)
        await self._client.budget.take(ACTION, Purpose.ORDER)
        nonce = await self._nonces.take(self.venue, signer.address)
        body = self._signed(signer, action, nonce, order.expires_at)
        started = asyncio.get_running_loop().time()
        answer = await self._client.exchange(body)
        placed = _placed(answer, order, instrument)
        if isinstance(placed, Refused):
            raise _refusal(placed, first=True)
        return await self._taken(order, instrument, placed, started)

    async def cancel_by_id(self, *, account_id: str, symbol: str, venue_order_id: str) -> bool:
        """Cancel an order that is not ours; False where the venue has no such open order.

        Raises TransientError: it did not answer, or did not cancel.
        """
        table = await self._parts.instruments.table(self.venue)
        instrument = table.find(symbol) if table else None
        if instrument is None:
            raise TransientError(f"{symbol[:20]} is not in Hyperliquid's table")
        signer = await self._parts.accounts.signer(account_id, self.venue)
        action = actions.cancel_action(actions.asset_of(instrument), int(venue_order_id))
        refused = await self._act(signer, action, "cancel")
        if refused is not None and not order_is_missing(refused.text):
            raise TransientError(f"Hyperliquid did not cancel: {refused.text}")
        return refused is None

    async def schedule_cancel(self, *, account_id: str, at: datetime | None) -> None:
        """Have every open order canceled at `at` unless this is called again; None ends it.

        Raises:
            RejectedError: the venue refuses; it asks for traded volume first.
            TransientError: it did not answer.
        """
        signer = await self._parts.accounts.signer(account_id, self.venue)
        action = actions.schedule_cancel_action(None if at is None else to_ms(at))
        refused = await self._act(signer, action, "default")
        if refused is not None:
            raise RejectedError("SCHEDULE_REFUSED", refused.text)

    async def close(self) -> None:
        await self._client.close()

    # -- signing and sending -----------------------------------------------------------------------

    def _signed(
        self, signer: "Signer", action: JsonObject, nonce: int, expires_at: datetime
    ) -> str:
        return signed_action(
            signer.account,
            action,
            nonce=nonce,
            expires_after_ms=to_ms(expires_at),
            network=self._parts.network,
        )

    def _remember(self, request: SignedRequest) -> None:
        self._unsent[request.signer, request.nonce] = None
        while len(self._unsent) > _UNSENT_MAX:
            del self._unsent[next(iter(self._unsent))]

    async def _act(
        self, signer: "Signer", action: JsonObject, kind: str, *, nonce: int | None = None
    ) -> Refused | None:
        """Send an action that opens nothing; None: done. Raises TransientError: no answer."""
        await self._client.budget.take(ACTION, Purpose.SETTLE)
        if nonce is None:
            nonce = await self._nonces.take(self.venue, signer.address)
        expires_at = self._parts.clock.now() + self.capabilities.order_ttl
        body = self._signed(signer, action, nonce, expires_at)
        try:
            answer = await self._client.exchange(body)
            if answer.status != 200:
                raise TransientError(f"Hyperliquid {action['type']}: HTTP {answer.status}")
            return parse_done(answer.json(), kind)
        except OutcomeUnknownError as error:
            raise TransientError(str(error)) from None
        except (InvalidInputError, ValueError) as error:
            raise TransientError(f"Hyperliquid {action['type']}: no answer ({error})") from None

    async def _burned(self, order: Order, signer: "Signer") -> bool:
        """Use up the nonce of an order that may be under way; False: it was used before.

        The venue must say so itself: a second `noop` has to find the nonce used.
        """
        if signer.address.lower() != order.signer:
            return False  # only the key that signed it can; time ends it, and a cancel may find it
        refused = await self._act(signer, actions.noop_action(), "default", nonce=order.nonce)
        if refused is not None:
            return False
        again = await self._act(signer, actions.noop_action(), "default", nonce=order.nonce)
        if again is None or not nonce_is_used(again.text):
            raise TransientError("Hyperliquid does not confirm that the order's nonce is used up")
        return True

    def _may_show_late(self, order: Order) -> bool:
        final_at = order.submitted_at + self.capabilities.absence_is_final_after
        return self._parts.clock.now() <= final_at

    async def _taken(
        self, order: Order, instrument: Instrument, taken: Taken, started: float
    ) -> OrderReport:
        """The report of an order that the venue holds, with its fills if they come at once."""
        fills: tuple[Fill, ...] = ()
        reason = ""
        if taken.filled is not None:
            latest = started + LIVE.request_timeout.total_seconds() - _ANSWER_MARGIN_S
            until = min(asyncio.get_running_loop().time() + FILLS_PATIENCE_S, latest)
            try:
                async with asyncio.timeout_at(until):
                    fills = await self._inquiry.fills(
                        order, instrument, venue_order_id=taken.venue_order_id
                    )
            except (TransientError, TimeoutError) as error:  # settle asks for them
                reason = f"its fills could not be read yet: {str(error) or 'no answer in time'}"
        filled = max(taken.filled or ZERO, sum_of(fills))
        return OrderReport(
            client_order_id=order.client_order_id,
            venue_order_id=str(taken.venue_order_id),
            status=_status(order, taken),
            filled_qty=filled,
            fills=fills,
            reason=reason,
        )


def _status(order: Order, taken: Taken) -> OrderStatus:
    if taken.filled is None:
        return OrderStatus.ACCEPTED
    if taken.filled >= order.quantity:
        return OrderStatus.FILLED
    return OrderStatus.CANCELED if ends_at_once(order) else OrderStatus.PARTIALLY_FILLED


def _built(build: Callable[[], JsonObject]) -> JsonObject:
    """Raises RejectedError: the order cannot be written as the venue reads it."""
    try:
        return build()
    except InvalidInputError as error:
        raise RejectedError("ORDER_NOT_EXPRESSIBLE", str(error)) from None


def _placed(answer: VenueAnswer, order: Order, instrument: Instrument) -> Taken | Refused:
    """Raises OutcomeUnknownError: the answer is no evidence about this order."""
    if answer.status in _UNREADABLE:
        return Refused(answer.body[:300].decode("utf-8", "replace"), whole_request=True)
    if answer.status != 200:
        raise OutcomeUnknownError(f"Hyperliquid answered HTTP {answer.status}")
    try:
        return parse_placed(answer.json(), order, instrument)
    except (InvalidInputError, ValueError) as error:
        raise OutcomeUnknownError(f"Hyperliquid's answer is no evidence: {error}") from None


def _refusal(refused: Refused, *, first: bool) -> SapphireError:
    """What an error proves; `first`: these bytes were never sent before."""
    if refused.whole_request:
        code = request_refusal(refused.text) if first else None
    else:
        code = order_refusal(refused.text)
    if code is None:
        return OutcomeUnknownError(f"Hyperliquid's error proves nothing: {refused.text}")
    if code == "SIGNER_UNKNOWN":
        return RejectedError(code, f"{SIGNER_UNKNOWN_MEANS} ({refused.text})")
    return RejectedError(code, refused.text)
