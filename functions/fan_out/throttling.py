"""R5 for agents: a strategy that repeats itself is stopped before it reaches a hundred thousand
deployments, and stays so until a named person looks. Where any of them may hold something, they are
all told, and `route` lets pass what closes and nothing else: nobody is kept from getting out.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from common.audit import audit_write
from common.config import Settings
from common.documents import Stored
from common.domain.events import OutboxMessage
from common.domain.scope import PLATFORM_SCOPE, agent_scope
from common.domain.signal import Signal, SignalRecord, SignalStatus
from common.how.effective_limits import effective
from common.how.limit_documents import ScopeLimits, limits_ref, read_limits
from common.how.limits import Refusal
from common.how.risk_totals import ScopeTotals, gross_ref, read_totals
from common.how.throttles import (
    after_execution,
    check_throttle,
    read_throttle,
    throttle_ref,
    throttle_writes,
)
from common.ports import DocumentStore, Write


@dataclass(frozen=True, slots=True)
class Throttled:
    """One signal more of an agent and a symbol: what it writes, and why it may not go on."""

    writes: tuple[Write, ...] = ()
    messages: tuple[OutboxMessage, ...] = ()
    refusal: Refusal | None = None
    somebody_holds: bool = False  # a position or an order, among all deployments of the agent


async def throttle(
    store: DocumentStore, signal: Signal, settings: Settings, now: datetime
) -> Throttled:
    """For the commit of the signal's first page, which happens once.

    Without limits nothing is counted: `route` refuses every order then.
    """
    agent = agent_scope(signal.book, signal.agent_id)
    platform, own, found, gross = await store.get_many(
        [
            limits_ref(PLATFORM_SCOPE),
            limits_ref(agent),
            throttle_ref(agent, signal.symbol),
            gross_ref(agent),
        ]
    )
    holds = read_totals([gross]) != ScopeTotals()
    known = read_throttle(found)
    if isinstance(known, Refusal):
        return Throttled(refusal=known, somebody_holds=holds)
    nothing = ScopeLimits(PLATFORM_SCOPE)
    limits = effective(
        read_limits(PLATFORM_SCOPE, platform),
        nothing,
        read_limits(agent, own),
        nothing,
        caps=settings.limits,
    )
    if isinstance(limits, Refusal):
        return Throttled()
    before = known.value if known else None
    after = after_execution(before, agent, signal.symbol, limits.repeats, now=now)
    writes, messages = throttle_writes(known, after)
    return Throttled(tuple(writes), tuple(messages), check_throttle(after), holds)


def denial(
    stored: Stored[SignalRecord], throttled: Throttled, refusal: Refusal, now: datetime
) -> list[Write]:
    """The end of a signal that no deployment is to see."""
    signal = stored.value.signal
    ended = replace(
        stored.value,
        status=SignalStatus.DENIED,
        reason_code=refusal.code,
        reason=refusal.reason,
        deployments_expected=0,
    )
    facts = {"code": refusal.code, "reason": refusal.reason, "agent_id": signal.agent_id}
    audit = audit_write("signal-refused", signal.signal_id, at=now, step=0, facts=facts)
    return [stored.update(ended), audit, *throttled.writes]
