"""GMX v2 on Arbitrum, live, through its API's express orders.

An order is prepared by the server, judged field by field here (typed_data.py), signed by the key of
an approved subaccount, and submitted under its request id, which the server takes once. A relay
puts it on the chain and a keeper executes it whole at the oracle's price, or cancels it where that
is beyond the acceptable price. So what became of it is always asked, by request id.
"""

import asyncio
import json
from datetime import datetime

from common.domain.instrument import Instrument, InstrumentTable, Venue
from common.domain.order import Order, OrderReport, SignedRequest
from common.errors import (
    DeniedError,
    InvalidInputError,
    OutcomeUnknownError,
    RejectedError,
    TransientError,
)
from common.ports import FundingPayment, VenueAccountState, VenuePosition
from common.wire import JsonObject
from infra.venues.gmx.answers import REFUSED, RequestState, parse_state
from infra.venues.gmx.capabilities import LIVE
from infra.venues.gmx.catalogue import parse_table
from infra.venues.gmx.client import GmxClient
from infra.venues.gmx.contracts import network_named
from infra.venues.gmx.hashing import sign_batch
from infra.venues.gmx.inquiry import Inquiry
from infra.venues.gmx.refusals import prepare_refusal, submit_refusal
from infra.venues.gmx.typed_data import Prepared, Setting, read_cancel, read_order
from infra.venues.gmx.wanted import Ground, Signatory, Wanted, plan
from infra.venues.http import VenueAnswer
from infra.venues.parts import VenueParts

LOOKS = 3
"""How often `submit` looks for the result, a second apart; keepers take 1 to 10 s. After that,
`settle` asks."""


class GmxVenue:
    """Fits `ExecutionVenue`."""

    venue = Venue.GMX
    capabilities = LIVE

    def __init__(self, parts: VenueParts) -> None:
        """Raises ConfigurationError: neither mainnet nor testnet, or no http address."""
        self._parts = parts
        self._network = network_named(parts.network)
        self._client = GmxClient(
            self._network,
            clock=parts.clock,
            base_url=parts.api_url,
            timeout_s=LIVE.request_timeout.total_seconds(),
            transport=parts.transport,
        )
        self._inquiry = Inquiry(self._client, parts.accounts, parts.store)

    async def load_instruments(self) -> InstrumentTable:
        catalogue = await self._client.catalogue()
        tickers = await self._client.get("/markets/tickers")
        facts = await self._client.get("/markets/info")
        return parse_table(catalogue, tickers, facts, self._parts.clock.now())

    async def prepare(self, order: Order) -> SignedRequest:
        """Have the order prepared, judge what came back, and only then sign it."""
        _check(order)
        signatory = await self._signatory(order)
        wanted = plan(order, await self._ground(order), signatory)
        prepared = await self._prepared(order, wanted)
        return SignedRequest(
            client_order_id=order.client_order_id,
            signer=signatory.subaccount or signatory.wallet,
            nonce=prepared.nonce,
            request_key=prepared.request_id,
            body=await self._signed_body(order, signatory, prepared),
            created_at=self._parts.clock.now(),
            expires_at=min(order.expires_at, prepared.expires_at),
        )

    async def submit(self, order: Order, request: SignedRequest) -> OrderReport:
        """Raises RejectedError ORDER_EXPIRED, too: past its expiry it is not sent at all."""
        if self._parts.clock.now() >= request.expires_at:
            raise RejectedError("ORDER_EXPIRED", "GMX: not sent, its expiry has passed")
        answer = await self._client.send("/orders/txns/submit", request.body)
        state = _submitted(answer, request.request_key)
        if state.status in REFUSED:
            raise RejectedError("REFUSED_BY_VENUE", f"GMX {state.status}: {state.reason}")
        if state.status == "prepared":
            raise OutcomeUnknownError("GMX answered a submission as if there had been none")
        return await self._followed(order, state)

    async def query_order(self, order: Order) -> OrderReport | None:
        return await self._inquiry.order(order)

    async def query_position(self, *, account_id: str, symbol: str) -> VenuePosition | None:
        return await self._inquiry.position(account_id, symbol)

    async def query_account(self, *, account_id: str) -> VenueAccountState:
        return await self._inquiry.account(account_id)

    async def query_funding(
        self, *, account_id: str, since: datetime
    ) -> tuple[FundingPayment, ...]:
        """None: GMX takes funding and borrowing fees out of a position's collateral."""
        del account_id, since
        return ()

    async def cancel(self, order: Order) -> OrderReport | None:
        """Cancel an order that rests on the chain. One that is not there yet cannot be cancelled,
        and one that was never submitted is none.
        """
        state = await self._inquiry.state(order)
        if state is None or state.status == "prepared":
            return None
        if state.status == "created":
            await self._cancel(order, state)
        for _ in range(LOOKS):
            report = await self._inquiry.order(order)
            if report is not None and report.status.is_terminal:
                return report
            await self._parts.clock.sleep(1.0)
        raise TransientError("GMX does not show yet how the order ended")

    async def close(self) -> None:
        await self._client.close()

    # -- preparing -------------------------------------------------------------------------------

    async def _signatory(self, order: Order) -> Signatory:
        account = await self._parts.accounts.account(order.account_id, self.venue)
        wallet, agent = account.wallet.lower(), (account.agent_address or "").lower()
        return Signatory(wallet=wallet, subaccount=agent if agent not in {"", wallet} else None)

    async def _ground(self, order: Order) -> Ground:
        instrument = await self._instrument(order)
        catalogue = await self._client.catalogue()
        market = catalogue.markets.get(instrument.venue_id)
        if market is None or market.symbol != order.symbol:
            raise TransientError(f"{order.instrument_id}: its market is not in GMX's list")
        held, band = await asyncio.gather(
            self._inquiry.positions(order.account_id), self._client.band(market.index)
        )
        return Ground(
            market=market,
            catalogue=catalogue,
            held=[one for one in held if one.market.symbol == order.symbol],
            band=band,
        )

    async def _instrument(self, order: Order) -> Instrument:
        table = await self._parts.instruments.table(self.venue)
        found = table.find(order.symbol) if table else None
        if found is None or found.instrument_id != order.instrument_id:
            raise TransientError(f"{order.instrument_id} is not in GMX's table")
        return found

    async def _prepared(self, order: Order, wanted: Wanted) -> Prepared:
        answer = await self._client.ask("/orders/txns/prepare", wanted.request())
        prepared = read_order(_payload(answer), wanted, await self._setting())
        if prepared.expires_at > order.expires_at + self.capabilities.clock_skew_max:
            raise RejectedError(
                "EXPIRY_TOO_LATE",
                "GMX would take the order after we hold it for dead: it expires at "
                f"{prepared.expires_at:%H:%M:%S}, ours at {order.expires_at:%H:%M:%S}",
            )
        return prepared

    async def _setting(self) -> Setting:
        return Setting(self._network, await self._client.catalogue(), self._parts.clock.now())

    async def _signed_body(self, order: Order, signatory: Signatory, prepared: Prepared) -> str:
        """Raises DeniedError: the key may not be used, or is not the account's."""
        signer = await self._parts.accounts.signer(order.account_id, self.venue)
        if signer.address.lower() != (signatory.subaccount or signatory.wallet):
            raise DeniedError("KEY_INVALID", "GMX: the key is not the one of the account")
        body: JsonObject = {
            "mode": "express",
            "requestId": prepared.request_id,
            "signature": sign_batch(signer.account, prepared.domain, prepared.message),
            "from": signatory.wallet,
            "eip712Data": dict(prepared.echo),
        }
        if prepared.idempotency_key is not None:
            body["idempotencyKey"] = prepared.idempotency_key
        return json.dumps(body, separators=(",", ":"))

    # -- after it was sent -----------------------------------------------------------------------

    async def _followed(self, order: Order, state: RequestState) -> OrderReport:
        """The newest report within a few looks. A look that fails takes nothing from the first."""
        report = await self._reported(order, state)
        for _ in range(LOOKS):
            if report.status.is_terminal and (report.fills or state.status != "executed"):
                break
            await self._parts.clock.sleep(1.0)
            try:
                seen = await self._inquiry.state(order)
                if seen is None or seen.status == "prepared":
                    continue
                state = seen
                report = await self._reported(order, state)
            except TransientError:
                break
        return report

    async def _reported(self, order: Order, state: RequestState) -> OrderReport:
        try:
            report = await self._inquiry.report(order, state)
        except TransientError as error:
            raise OutcomeUnknownError(f"GMX {state.status}: {error}") from None
        if report is None:
            raise OutcomeUnknownError("GMX does not know the request that it took")
        return report

    async def _cancel(self, order: Order, state: RequestState) -> None:
        """Raises TransientError: it was not cancelled, or nobody says whether it was."""
        if len(state.order_keys) != 1:
            raise TransientError("GMX does not tell the key of the order")
        key = state.order_keys[0]
        signatory = await self._signatory(order)
        body: JsonObject = {"orderIds": [key], "mode": "express", "from": signatory.wallet}
        if signatory.subaccount is not None:
            body["subaccountAddress"] = signatory.subaccount
        try:
            answer = await self._client.ask("/orders/txns/cancel/prepare", body)
            payload = _payload(answer)
            prepared = read_cancel(payload, key, signatory, await self._setting())
            signed = await self._signed_body(order, signatory, prepared)
            sent = await self._client.send("/orders/txns/submit", signed)
            refused = _submitted(sent, prepared.request_id)
        except (RejectedError, OutcomeUnknownError) as error:
            raise TransientError(f"GMX did not cancel: {error}") from None
        if refused.status in REFUSED:
            raise TransientError(f"GMX did not cancel: {refused.reason or refused.status}")


def _check(order: Order) -> None:
    if order.post_only:
        raise RejectedError("POST_ONLY_WOULD_TAKE", "GMX has no book that an order could rest in")
    if order.order_type not in LIVE.order_types or order.time_in_force not in LIVE.time_in_force:
        raise RejectedError("ORDER_TYPE_NOT_SUPPORTED", f"GMX: {order.order_type}")


def _payload(answer: VenueAnswer) -> object:
    """Raises RejectedError (it says no) or TransientError (it says nothing that can be used)."""
    if 400 <= answer.status < 500:
        raise prepare_refusal(answer)
    if answer.status != 200:
        raise TransientError(f"GMX did not prepare the order: HTTP {answer.status}")
    try:
        return answer.json()
    except ValueError:
        raise TransientError("GMX did not prepare the order: no JSON") from None


def _submitted(answer: VenueAnswer, request_id: str) -> RequestState:
    """Raises RejectedError or OutcomeUnknownError."""
    if answer.status != 200:
        raise submit_refusal(answer)
    try:
        return parse_state(answer.json(), request_id=request_id)
    except (InvalidInputError, ValueError) as error:
        raise OutcomeUnknownError(f"GMX's answer is no evidence: {error}") from None
