"""From an order to its venue and back: signed, let through, sent once, its outcome recorded."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from common.books import ORDERS
from common.config import Settings
from common.documents import load
from common.domain.events import OutboxMessage
from common.domain.instrument import Venue
from common.domain.order import IntentStatus, Order, OrderPlan, OrderStatus, SignedRequest
from common.errors import (
    ConfigurationError,
    ConflictError,
    DeniedError,
    InvalidInputError,
    OutcomeUnknownError,
    RateLimitedError,
    RejectedError,
    TransientError,
)
from common.execution.gate import Superseded, breaker_refusal, last_gate
from common.execution.outcome import (
    Outcome,
    denied,
    from_report,
    never_sent,
    rejected,
    unknown,
)
from common.execution.recorder import Recorder
from common.how.limits import Refusal
from common.ports import Clock, DocumentStore, ExecutionVenue, Ref
from common.redaction import redact
from common.where.breaker import Ticket
from common.where.breakers import Breakers

T = TypeVar("T")
_UNANSWERED = frozenset({OrderStatus.SUBMITTED, OrderStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Unprepared:
    """No request came of an order. `problem` counts against the venue's breaker."""

    outcome: Outcome
    problem: str | None = None


def _unprepared(reason: str) -> Unprepared:
    outcome = never_sent(reason)
    return Unprepared(outcome, outcome.reason)


class Sender:
    """The one way to a venue, for `execute` and for the resends of `settle`."""

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        settings: Settings,
        venues: Mapping[Venue, ExecutionVenue],
    ) -> None:
        self._store = store
        self._clock = clock
        self._venues = venues
        self._limits = settings.limits
        self._breakers = Breakers(store, clock, settings.breaker)
        self.recorder = Recorder(store, clock, max_attempts=settings.limits.max_attempts)

    async def prepare(self, order: Order) -> SignedRequest | Unprepared:
        """The exact request, before anything is written.

        Raises:
            DeniedError: the key may not be used.
            RateLimitedError: not now; the message comes again.
        """
        if not await self._breakers.would_admit(order.venue):
            return Unprepared(denied(breaker_refusal(order.venue)))
        venue = self._venues[order.venue]
        try:
            async with asyncio.timeout(venue.capabilities.request_timeout.total_seconds()):
                return await venue.prepare(order)
        except RejectedError as error:
            return Unprepared(rejected(error.code, error.message))
        except (DeniedError, RateLimitedError):
            raise
        except (TransientError, OutcomeUnknownError, TimeoutError) as error:
            reason = str(error) or "it did not answer in time"
            return _unprepared(reason)
        except (ConfigurationError, InvalidInputError) as error:
            return Unprepared(never_sent(str(error)))  # ours to mend, no fault of the venue's
        except Exception as error:  # noqa: BLE001 - nothing was sent; another venue may do better
            return _unprepared(f"{type(error).__name__} while the order was prepared")

    async def send(
        self, plan: OrderPlan, order: Order, prepared: SignedRequest | Unprepared
    ) -> list[OutboxMessage]:
        """Send an order that is written ahead; record what is proven, whatever that is."""
        if isinstance(prepared, Unprepared) and prepared.problem is None:
            return await self._record(plan, order, prepared.outcome)
        ticket = await self._breakers.admit(order.venue, order.client_order_id)
        if ticket is None:
            return await self._record(plan, order, denied(breaker_refusal(order.venue)))
        if isinstance(prepared, Unprepared):
            await self._breakers.failed(ticket, prepared.problem or "")
            return await self._record(plan, order, prepared.outcome)
        sending = frozenset({IntentStatus.SENDING})
        verdict = await self._gate(plan, order, prepared, ticket, allowed=sending)
        if verdict is not None:
            await self._breakers.release(ticket)
            if isinstance(verdict, Superseded):
                return []
            return await self._record(plan, order, denied(verdict))
        outcome, problem = await submit_once(self._venues[order.venue], order, prepared)
        try:
            return await self._record(plan, order, outcome)
        finally:
            await self._report(ticket, problem)

    async def resend(
        self, plan: OrderPlan, order: Order, request: SignedRequest
    ) -> list[OutboxMessage]:
        """Send the same bytes again, where the venue takes them at most once.

        Only what the venue holds is proof: a refusal may be of the second copy alone, while the
        first was taken. The same is true the other way round, so the first sender, who may only be
        slow, is told before.
        """
        ticket = await self._breakers.admit(order.venue, order.client_order_id)
        if ticket is None:
            return []
        unproven = frozenset({IntentStatus.SENDING, IntentStatus.UNKNOWN})
        passes = (
            await self._announce(order)
            and await self._gate(plan, order, request, ticket, allowed=unproven) is None
        )
        if not passes:
            await self._breakers.release(ticket)
            return []
        outcome, problem = await submit_once(self._venues[order.venue], order, request)
        try:
            if outcome.status in {OrderStatus.UNKNOWN, OrderStatus.REJECTED}:
                return []
            return await self._record(plan, order, outcome)
        finally:
            await self._report(ticket, problem)

    async def _announce(self, order: Order) -> bool:
        """Mark the order before its bytes go out again; False: its outcome came meanwhile."""
        stored = await load(self._store, Order, Ref(ORDERS, order.client_order_id))
        if stored is None or stored.value.status not in _UNANSWERED:
            return False
        if stored.value.sent_again:
            return True
        try:
            await self._store.commit([stored.update(replace(stored.value, sent_again=True))])
        except ConflictError:
            return False
        return True

    async def _gate(
        self,
        plan: OrderPlan,
        order: Order,
        request: SignedRequest,
        ticket: Ticket,
        *,
        allowed: frozenset[IntentStatus],
    ) -> Refusal | Superseded | None:
        return await last_gate(
            self._store,
            plan,
            order,
            request,
            ticket=ticket,
            clock=self._clock,
            request_timeout=self._venues[order.venue].capabilities.request_timeout,
            allowed=allowed,
            limits=self._limits,
        )

    async def _record(self, plan: OrderPlan, order: Order, outcome: Outcome) -> list[OutboxMessage]:
        return await self.recorder.record(plan.intent_id, order.client_order_id, outcome)

    async def _report(self, ticket: Ticket, problem: str | None) -> None:
        if problem is None:
            await self._breakers.succeeded(ticket)
        else:
            await self._breakers.failed(ticket, problem)


async def submit_once(
    venue: ExecutionVenue, order: Order, request: SignedRequest
) -> tuple[Outcome, str | None]:
    """What the venue proves, and why it counts against the venue's breaker (None: it does not)."""
    timeout_s = venue.capabilities.request_timeout.total_seconds()
    try:
        async with asyncio.timeout(timeout_s):
            outcome = from_report(await venue.submit(order, request))
        refused = outcome.status is OrderStatus.REJECTED
        problem = outcome.reason if outcome.status is OrderStatus.UNKNOWN else None
        return replace(outcome, of_one_sending=refused), problem
    except RejectedError as error:
        return rejected(error.code, error.message), None
    except TransientError as error:
        outcome = never_sent(str(error))
    except (OutcomeUnknownError, TimeoutError) as error:
        outcome = unknown(str(error) or "no answer in time")
    except Exception as error:  # noqa: BLE001 - at the wire, what is not proven is unknown
        outcome = unknown(f"{type(error).__name__}: {error}")
    return outcome, outcome.reason


async def answer_of(venue: ExecutionVenue, asked: Awaitable[T]) -> T:
    """A query's answer. Whatever else comes back is not one, and proves nothing.

    Raises TransientError: no answer in time, or none that can be used.
    """
    label = venue.venue.label
    try:
        async with asyncio.timeout(venue.capabilities.request_timeout.total_seconds()):
            return await asked
    except (RateLimitedError, ConflictError):
        raise
    except TransientError as error:
        raise TransientError(redact(str(error))) from error
    except TimeoutError:
        raise TransientError(f"{label} did not answer a query in time") from None
    except Exception as error:
        problem = redact(f"{type(error).__name__}: {error}")
        raise TransientError(f"{label}'s answer cannot be used ({problem})") from error
